"""The comparison of a run: every score with how certain it is, and every pair of modes with what tells them apart.

Modes are compared at the setting that validation chose for each: on the test split, or on validation if the test labels
are hidden.
"""

from pathlib import Path

from finegrid.config.cell import MODE_FOLDER, Plan
from finegrid.errors import InputError
from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import (
    CellScore,
    ChosenScore,
    Comparison,
    IntervalSpread,
    MissingCells,
    ModeComparison,
    SettingScore,
    TaskComparison,
)
from finegrid.evaluation.metrics import FUNCTIONS, score_names, scored_parts
from finegrid.evaluation.pairs import Resampled, compare_pairs, holm_corrected
from finegrid.evaluation.results import ModeResults, by_setting, check_same, read_mode, read_predictions
from finegrid.evaluation.selection import all_ok
from finegrid.records import DataStats, Metrics
from finegrid.sealed import read_record


def compare(run_folder, tasks: list[str], modes: list[str], partial: bool = False) -> Comparison:
    """Compare the modes of a run, with tasks and modes in the order given.

    A missing cell is an InputError; with `partial` the modes that lack one are listed as missing instead, and the
    others are compared.
    """
    compared, environments, missing = [], {}, []
    for task in tasks:
        found = []
        for mode in modes:
            plan = read_plan(run_folder, task, mode)
            if partial and (lacking := missing_cells(run_folder, plan)):
                missing.append(lacking)
            else:
                best_path = plan.folder(run_folder) / "best.json"
                results = read_mode(best_path, run_folder)
                check_same(results.plan, plan, best_path, "plan")
                found.append(results)
        if found:
            data = read_record(DataStats, Path(run_folder, "data", task, "stats.json"))
            found = [read_predictions(results, run_folder, data) for results in found]
            compared.append(compare_task(data, found))
            environments |= dict.fromkeys(metrics.environment for results in found for metrics in results.cells)
    if not compared:
        raise InputError(f"{run_folder}: nothing to compare: every mode lacks a cell on every task")
    return Comparison(
        run=plan.run,
        model=plan.model,
        environments=tuple(environments),
        tasks=holm_corrected(compared),
        missing=missing,
    )


def read_plan(run_folder, task: str, mode: str) -> Plan:
    """Read the plan of a (task, mode). Raises InputError if it is another one's."""
    path = Path(run_folder, MODE_FOLDER.format(task=task, mode=mode), "plan.json")
    plan = read_record(Plan, path)
    if plan.key != (task, mode):
        raise InputError(f"{path}: belongs to {', '.join(plan.key)}")
    return plan


def missing_cells(run_folder, plan: Plan) -> MissingCells | None:
    """Return the cells of a plan that have no result, if there are any."""
    planned = plan.cells()
    missing = [cell for cell in planned if not (cell.folder(run_folder) / "metrics.json").exists()]
    task, mode = plan.key
    return MissingCells(task=task, mode=mode, planned=len(planned), cells=missing) if missing else None


def compare_task(data: DataStats, modes: list[ModeResults]) -> TaskComparison:
    """Compare some modes on a task. The p values of its pairs are not corrected for the other pairs of the run."""
    plan, splits = modes[0].plan, data.splits
    metrics = plan.task.metrics
    read = splits.test.rows > 0
    split, parts = ("test", splits.test.parts) if read else ("validation", splits.validation.parts)
    resampled = {mode.plan.mode.name: resample_scores(mode, split, parts) for mode in modes if mode.chosen}
    return TaskComparison(
        task=plan.task,
        data=data,
        training=plan.training,
        scores=score_names(metrics, splits.validation.parts),
        test_status="read" if read else "hidden" if splits.hidden.rows else "no test split",
        modes=[
            describe_mode(mode, parts, resampled[mode.plan.mode.name] if read and mode.chosen else {}) for mode in modes
        ],
        pairs=compare_pairs(modes, split, next(scored_parts(metrics, parts)), resampled),
    )


def resample_scores(mode: ModeResults, split: str, parts: dict[str, int]) -> Resampled:
    """Return the resampled scores of a mode's chosen setting by name: [resamples, seeds]."""
    metrics, found = mode.plan.task.metrics, mode.splits[split]
    resampled = {}
    for name, metric, rows in scored_parts(metrics, parts):
        needs_p = name == metrics[0] and metric != "accuracy"  # accuracy has McNemar's exact test
        draws = statistics.RESAMPLES_FOR_P if needs_p else statistics.RESAMPLES
        resampled[name] = statistics.resample(FUNCTIONS[metric], found.predictions[:, rows], found.labels[rows], draws)
    return resampled


def describe_mode(mode: ModeResults, test_parts: dict[str, int], resampled: Resampled | None) -> ModeComparison:
    """Return the scores of a mode; `resampled` are its test scores, None if there are none."""
    chosen = mode.best.chosen
    score = None
    if chosen:
        validation = [metrics.validation.last.scores for metrics in mode.chosen]
        score = ChosenScore(
            batch_size=chosen.batch_size,
            learning_rate=chosen.learning_rate,
            edges=chosen.edges,
            validation={name: statistics.spread([scores[name] for scores in validation]) for name in validation[0]},
            test=describe_test(mode, test_parts, resampled) if resampled else None,
        )
    settings = [
        SettingScore(
            batch_size=batch_size,
            learning_rate=learning_rate,
            chosen=seeds[0] in mode.chosen,
            diverged=sum(metrics.status == "diverged" for metrics in seeds),
            validation=statistics.spread([metrics.validation.last.score for metrics in seeds])
            if all_ok(seeds)
            else None,
        )
        for (batch_size, learning_rate), seeds in by_setting(mode.cells).items()
    ]
    tested = {cell.seed: cell.scores for cell in mode.evaluation.cells}
    first = mode.cells[0]
    return ModeComparison(
        plan=mode.plan,
        trainable=first.trainable,
        parameters=first.total,
        settings=settings,
        cells=[describe_cell(metrics, metrics in mode.chosen, tested.get(metrics.cell.seed)) for metrics in mode.cells],
        chosen=score,
    )


def describe_test(mode: ModeResults, parts: dict[str, int], resampled: Resampled) -> dict[str, IntervalSpread]:
    """Return the test scores of a chosen setting by name."""
    described = {}
    for name, metric, rows in scored_parts(mode.plan.task.metrics, parts):
        spread = statistics.spread([scores[name] for scores in mode.splits["test"].scores])
        if metric == "accuracy":
            method, interval = "Wilson", statistics.wilson(spread.mean, rows.stop - rows.start)
        else:
            method, interval = "bootstrap", statistics.percentile_interval(resampled[name].mean(axis=1))
        described[name] = IntervalSpread(**dict(spread), interval=interval, interval_method=method)
    return described


def describe_cell(metrics: Metrics, chosen: bool, test: dict[str, float] | None) -> CellScore:
    """Return the scores of a cell; `test` are those of the test split for a seed of the chosen setting."""
    cell, validation = metrics.cell, metrics.validation
    return CellScore(
        batch_size=cell.batch_size,
        learning_rate=cell.learning_rate,
        seed=cell.seed,
        status=metrics.status,
        chosen=chosen,
        validation=validation.last and validation.last.score,
        test=test[validation.metric] if chosen and test else None,
        validation_loss=validation.last and validation.last.loss,
        best_epoch=validation.best,
        history=validation.history,
        train_loss=metrics.train_loss,
        cost=metrics.cost,
        trained_bytes=metrics.trained_bytes,
        fingerprint=metrics.fingerprint,
    )
