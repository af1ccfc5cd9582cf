"""The comparison of a run: every score with how certain it is, and every pair of modes with what tells them apart.

Modes are compared at the setting that validation chose for each: on the test split, or on validation if the test labels
are hidden.
"""

import itertools
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np

from finegrid.config.cell import MODE_FOLDER, Plan
from finegrid.config.limits import layers_and_width
from finegrid.config.metrics import METRICS
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
    Shape,
    TaskComparison,
)
from finegrid.evaluation.metrics import score_names, scored_parts
from finegrid.evaluation.pairs import Resampled, compare_pairs, judged, right_rows
from finegrid.evaluation.results import ModeResults, by_setting, check_same, read_mode, read_predictions
from finegrid.evaluation.selection import all_ok
from finegrid.files import read_json
from finegrid.records import DataStats, Metrics
from finegrid.sealed import read_record


def compare(
    run_folder, models: dict[str, str], tasks: list[str], modes: list[str], partial: bool = False
) -> Comparison:
    """Compare the modes of a run, with models, tasks and modes in the order given.

    `models` gives for each model the one whose tokenised data it reads.

    A missing cell is an InputError; with `partial` the modes that lack one are listed as missing instead, and the
    others are compared.
    """
    compared, environments, missing = [], {}, []
    for (model, data_of), task in itertools.product(models.items(), tasks):
        found = []
        for mode in modes:
            plan = read_plan(run_folder, model, task, mode)
            if partial and (lacking := missing_cells(run_folder, plan)):
                missing.append(lacking)
            else:
                best_path = plan.folder(run_folder) / "best.json"
                results = read_mode(best_path, run_folder)
                check_same(results.plan, plan, best_path, "plan")
                found.append(results)
        if found:
            data = read_record(DataStats, Path(run_folder, "data", data_of, task, "stats.json"))
            found = [read_predictions(results, run_folder, data) for results in found]
            title = task if len(models) == 1 else f"{task}, {model}"
            compared.append(compare_task(data, found, read_shape(run_folder, model), title))
            environments |= dict.fromkeys(
                metrics.environment for results in found for metrics in (*results.cells, *results.tested)
            )
    if not compared:
        raise InputError(f"{run_folder}: nothing to compare: every mode lacks a cell on every task")
    return Comparison(
        run=plan.run,
        environments=tuple(environments),
        tasks=judged(compared),
        missing=missing,
    )


def read_plan(run_folder, model: str, task: str, mode: str) -> Plan:
    """Read the plan of a (model, task, mode). Raises InputError if it is another one's."""
    path = Path(run_folder, MODE_FOLDER.format(model=model, task=task, mode=mode), "plan.json")
    plan = read_record(Plan, path)
    if plan.key != (model, task, mode):
        raise InputError(f"{path}: belongs to {', '.join(plan.key)}")
    return plan


def read_shape(run_folder, model: str) -> Shape:
    """Read the layers and the width of a model from its configuration."""
    layers, width = layers_and_width(read_json(Path(run_folder, "base_model", model, "config.json")))
    return Shape(layers=layers, width=width)


def missing_cells(run_folder, plan: Plan) -> MissingCells | None:
    """Return the cells of a plan that have no result, if there are any."""
    planned = plan.cells()
    missing = [cell for cell in planned if not (cell.folder(run_folder) / "metrics.json").exists()]
    return MissingCells(**plan.wildcards, planned=len(planned), cells=missing) if missing else None


def compare_task(data: DataStats, modes: list[ModeResults], shape: Shape, title: str) -> TaskComparison:
    """Compare some modes of a model on a task. Its pairs are not judged yet: that takes all pairs of the run."""
    plan, splits = modes[0].plan, data.splits
    metrics = plan.task.metrics
    read = splits.test.rows > 0
    split, parts = ("test", splits.test.parts) if read else ("validation", splits.validation.parts)
    scored = {name: (name, metric, rows) for name, metric, rows in scored_parts(metrics, parts)}

    by_name = {mode.plan.mode.name: mode for mode in modes}

    @cache
    def resampled(mode: str, name: str) -> np.ndarray:
        _, metric, rows = scored[name]
        found = by_name[mode].splits[split]
        return statistics.resample(metric, found.predictions[:, rows], found.labels[rows])

    return TaskComparison(
        model=plan.model,
        task=plan.task,
        shape=shape,
        title=title,
        data=data,
        training=plan.training,
        scores=score_names(metrics, splits.validation.parts),
        test_status="read" if read else "hidden" if splits.hidden.rows else "no test split",
        modes=[describe_mode(mode, split, describe_scores(mode, split, scored.values(), resampled)) for mode in modes],
        pairs=compare_pairs(modes, split, next(iter(scored.values())), resampled),
    )


def describe_scores(
    mode: ModeResults, split: str, scored: Iterable[tuple[str, str, slice]], resampled: Resampled
) -> dict[str, IntervalSpread] | None:
    """Return the scores by which a mode is compared, by name; None if the mode diverged."""
    if not mode.ok:
        return None
    described = {}
    for name, metric, rows in scored:
        scores = [of_seed[name] for of_seed in mode.splits[split].scores]
        spread = statistics.spread(scores)
        if metric == "accuracy":
            method, interval = "Wilson", statistics.wilson(right_rows(mode.splits[split], rows))
        else:
            means = resampled(mode.plan.mode.name, name).mean(1)
            method, interval = "bootstrap", statistics.percentile_interval(means)
        known = statistics.uncertainty(scores, over_rows=0.0)  # `interval` has that part
        low, high = statistics.with_seeds(spread.mean, interval, known)
        interval = max(low, METRICS[metric].lowest), min(high, METRICS[metric].highest)
        described[name] = IntervalSpread(**dict(spread), interval=interval, interval_method=method)
    return described


def describe_mode(mode: ModeResults, split: str, scores: dict[str, IntervalSpread] | None) -> ModeComparison:
    """Return all that is told of a mode; `scores` are those of the split on which modes are compared."""
    chosen, score = mode.best.chosen, None
    if chosen:
        validation = [metrics.validation.last.scores for metrics in mode.chosen]
        score = ChosenScore(
            batch_size=chosen.batch_size,
            learning_rate=chosen.learning_rate,
            edges=chosen.edges,
            validation={name: statistics.spread([of_seed[name] for of_seed in validation]) for name in validation[0]},
            test=scores if split == "test" else None,
            compared_validation=scores if split == "validation" else None,
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
    confirmations = mode.tested if mode.plan.confirming_seeds else []
    environments = [metrics.environment for metrics in (*mode.cells, *confirmations)]
    return ModeComparison(
        plan=mode.plan,
        trainable=first.trainable,
        parameters=first.total,
        settings=settings,
        cells=[describe_cell(metrics, metrics in mode.chosen, tested.get(metrics.cell.seed)) for metrics in mode.cells],
        confirmations=[describe_cell(metrics, True, tested[metrics.cell.seed]) for metrics in confirmations],
        chosen=score,
        computed_on=sorted({f"{each.device}, {each.dtype}" for each in environments}),
    )


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
