"""Comparisons written by hand, as compare.py would write them, for tests of everything that is made from one."""

from statistics import fmean, median, stdev

from finegrid.config.cell import Plan
from finegrid.config.definition import Mode, Task, Training
from finegrid.config.metrics import METRICS
from finegrid.config.model import Model
from finegrid.evaluation.comparison import (
    CellScore,
    ChosenScore,
    Comparison,
    IntervalSpread,
    McNemar,
    ModeComparison,
    Pair,
    SettingScore,
    Shape,
    Spread,
    TaskComparison,
    Uncertainty,
)
from finegrid.records import (
    Cost,
    DataSource,
    DataStats,
    Edge,
    Environment,
    EpochScore,
    ParameterCounts,
    Splits,
    SplitStats,
)

MODEL = Model(name="bert_tiny", source="bundled")
TRAINING = Training(epochs=4)
DUPLICATES = {"train": 7, "validation": 1, "train and test": 123, "train and validation": 0}


def changed(record, path: str, value):
    """Return a frozen record with one value replaced: `changed(task, "modes.0.chosen.edges", ())`."""
    name, _, rest = path.partition(".")
    if isinstance(record, tuple):
        index = int(name)
        return (*record[:index], changed(record[index], rest, value) if rest else value, *record[index + 1 :])
    if isinstance(record, dict):
        return {**record, name: changed(record[name], rest, value) if rest else value}
    return record.model_copy(update={name: changed(getattr(record, name), rest, value) if rest else value})


def comparison(tasks: list[TaskComparison] | None = None, **fields) -> Comparison:
    """Return the comparison of a run; fields are those of Comparison."""
    environment = Environment(
        python="3.11", machine="x86_64", device="cpu", threads=1, dtype="bfloat16", batches="unpadded", torch="2.13.0"
    )
    tasks = [task()] if tasks is None else tasks
    return Comparison(**{"run": "golden", "environments": (environment,), "tasks": tasks, **fields})


def settings_of(name: str, metrics, **fields) -> Task:
    """Return a task's settings: a regression if its metrics are; fields are those of Task."""
    regression = METRICS[metrics[0]].regression
    labels = {"regression": True} if regression else {"classes": ["neg", "pos"]}
    made = {"name": name, "source": "bundled", "text": ["text"], "label": "label", "max_length": 128, **labels}
    return Task(**{**made, "metrics": metrics, **fields})


def split(rows: int, origin: str, truncated: int = 0, empty: int = 0, name: str = "all") -> SplitStats:
    """Return what is known of a split."""
    return SplitStats(
        rows=rows,
        parts={name: rows},
        origin=origin,
        sha256="0" * 64,
        tokens=100 * rows,
        truncated_rows=truncated,
        truncated_share=truncated / rows if rows else 0.0,
        empty_texts=empty,
    )


def task(name="imdb", modes=None, metrics=("accuracy",), test="read", **fields) -> TaskComparison:
    """Return one task: by default full fine-tuning, bitfit 0.25 below it, and a mode that diverged everywhere.

    Every metric has the same scores; test scores are those of validation. Fields are those of Task.
    """
    modes = [mode("full"), mode("bitfit", 0.63, trainable=(3072, 2)), mode("a_b", None)] if modes is None else modes
    settings = settings_of(name, metrics, **fields)
    modes = [_on_task(each, settings, tested=test == "read") for each in modes]
    splits = Splits(
        train=split(20_000, "official training split", truncated=500),
        validation=split(5_000, "20% held out of it", empty=2),
        test=split(25_000, "official test split", empty=1) if test == "read" else split(0, "none"),
        hidden=split(100 if test == "hidden" else 0, "none"),
    )
    made = TaskComparison(
        model=MODEL,
        task=settings,
        shape=Shape(layers=2, width=128),
        title=name,
        data=DataStats(task=settings, source=DataSource(), splits=splits, duplicates=DUPLICATES),
        training=TRAINING,
        scores=settings.metrics,
        test_status=test,
        modes=modes,
        pairs=(),
    )
    ok = [each for each in modes if made.score(each)]
    pairs = [pair(ours, theirs, made) for index, ours in enumerate(ok) for theirs in ok[:index]]
    return made.model_copy(update={"pairs": tuple(pairs)})


def _on_task(mode: ModeComparison, task: Task, tested: bool) -> ModeComparison:
    """Return a mode as compared on a task: its scores under the names of the task's metrics."""
    mode = changed(mode, "plan.task", task)
    if mode.chosen is None:
        return mode
    [score] = mode.chosen.validation.values()
    compared = spread_of(mode.confirmations) if mode.confirmations else score
    bounds = compared and {"interval": (compared.mean - 0.004, compared.mean + 0.004), "interval_method": "Wilson"}
    scores = compared and dict.fromkeys(task.metrics, IntervalSpread(**{**compared.model_dump(), **bounds}))
    mode = changed(mode, "chosen.validation", {metric: score for metric in task.metrics})
    mode = changed(mode, "chosen.test", scores if tested else None)
    mode = changed(mode, "chosen.compared_validation", None if tested else scores)
    cells, confirmations = (
        tuple(changed(cell, "test", cell.validation if tested and cell.chosen and yes else None) for cell in found)
        for found, yes in ((mode.cells, not mode.confirmations), (mode.confirmations, scores))
    )
    return changed(changed(mode, "cells", cells), "confirmations", confirmations)


def confirmed(mode: ModeComparison, scores: dict[int, float | None]) -> ModeComparison:
    """Return a mode with confirming seeds, each with the score of the chosen setting, or None if it diverged."""
    mode = changed(mode, "plan.confirming_seeds", tuple(scores))
    if mode.chosen is None:
        return mode
    setting, trained_bytes = (mode.chosen.batch_size, mode.chosen.learning_rate), mode.cells[0].trained_bytes
    cells = [cell(setting, seed, score, True, trained_bytes) for seed, score in scores.items()]
    return changed(mode, "confirmations", tuple(cells))


def mode(
    name: str, score: float | None = 0.88, trainable=(4_385_920, 258), seeds=(0, 1, 2), rates=("3e-4", "1e-3")
) -> ModeComparison:
    """Return one mode: a score that falls by 0.02 with the learning rate and rises by 0.01 with the seed, or None."""
    scores = {
        (16, rate): None
        if score is None
        else [round(score - 0.02 * index + 0.01 * seed, 3) for seed in range(len(seeds))]
        for index, rate in enumerate(rates)
    }
    return mode_of(name, scores, trainable, seeds)


def mode_of(name: str, scores: dict, trainable=(4_385_920, 258), seeds=(0,), chosen=None) -> ModeComparison:
    """Return one mode with the scores {(batch size, learning rate): [score of each seed], or None if they diverged}.

    Chosen is the setting that is given or, without one, the first that did not diverge.
    """
    sizes, rates = (tuple(dict.fromkeys(setting[axis] for setting in scores)) for axis in (0, 1))
    chosen = chosen or next((setting for setting, values in scores.items() if values is not None), None)
    return ModeComparison(
        plan=plan(name, sizes, rates, seeds),
        trainable=ParameterCounts(encoder=trainable[0], head=trainable[1], total=sum(trainable)),
        parameters=4_386_178,
        settings=[setting_score(setting, values, setting == chosen, len(seeds)) for setting, values in scores.items()],
        cells=[
            cell(setting, seed, value, setting == chosen, 4 * sum(trainable))
            for setting, values in scores.items()
            for seed, value in zip(seeds, values or [None] * len(seeds), strict=True)
        ],
        chosen=chosen
        and ChosenScore(
            batch_size=chosen[0],
            learning_rate=chosen[1],
            edges=[edge(name, rates)],
            validation={"accuracy": spread(scores[chosen])},
        ),
        computed_on=("cpu, bfloat16",),
    )


def plan(mode: str, batch_sizes=(16,), learning_rates=("3e-4", "1e-3"), seeds=(0,)) -> Plan:
    """Return the plan of a mode on the task imdb."""
    return Plan(
        run="golden",
        model=MODEL,
        task=settings_of("imdb", ("accuracy",)),
        mode=Mode(name=mode, train=[".*"]),
        training=TRAINING,
        batch_sizes=batch_sizes,
        learning_rates=learning_rates,
        learning_rates_key=f"modes.{mode}.learning_rates",
        seeds=tuple(seeds),
    )


def setting_score(setting: tuple[int, str], scores, chosen=False, seeds=1) -> SettingScore:
    """Return what validation says of a setting; scores are one for each seed, or None if all seeds diverged."""
    return SettingScore(
        batch_size=setting[0],
        learning_rate=setting[1],
        chosen=chosen,
        diverged=seeds if scores is None else 0,
        validation=None if scores is None else spread(scores),
    )


def spread_of(cells: tuple[CellScore, ...]) -> Spread | None:
    """Return the validation scores of some seeds, or None if one diverged."""
    scores = [cell.validation for cell in cells]
    return None if None in scores else spread(scores)


def spread(scores: list[float]) -> Spread:
    """Return some scores over seeds."""
    return Spread(
        n=len(scores),
        mean=fmean(scores),
        sd=stdev(scores) if len(scores) > 1 else None,
        median=median(scores),
        min=min(scores),
        max=max(scores),
    )


def cell(setting: tuple[int, str], seed: int, score: float | None, chosen: bool, trained_bytes: int) -> CellScore:
    """Return one cell; its last two epochs are told. A score of None: it diverged."""
    ok = score is not None
    history = [
        EpochScore(epoch=epoch, score=value, scores={}, loss=0.5)
        for epoch, value in ([(3, score - 0.01), (4, score)] if ok else [])
    ]
    return CellScore(
        batch_size=setting[0],
        learning_rate=setting[1],
        seed=seed,
        status="ok" if ok else "diverged",
        chosen=chosen,
        validation=score,
        validation_loss=0.5 if ok else None,
        best_epoch=history[-1] if ok else None,
        history=history,
        train_loss=[(10, 0.7), (20, 0.5 if ok else None)],
        cost=Cost(
            startup_seconds=2.5,
            training_seconds=300.0 + seed,
            total_seconds=305.0 + seed,
            tokens=1_000_000,
            tokens_per_second=3333.3,
            peak_memory_bytes=2**29,
        ),
        trained_bytes=trained_bytes,
        fingerprint="0" * 64,
    )


def edge(mode: str, rates) -> Edge:
    """Return the warning that the smallest learning rate was chosen."""
    return Edge(
        axis="learning rate",
        side="smallest",
        message=f"learning rate {rates[0]} is the smallest tried",
        change=f"modes.{mode}.learning_rates: [1e-4, {', '.join(rates)}]",
    )


def pair(ours: ModeComparison, theirs: ModeComparison, task: TaskComparison, noise=0.01) -> Pair:
    """Return the comparison of two modes on a task: within noise if they lie within it; of one seed, no verdict."""
    scores = [task.score(mode).mean for mode in (ours, theirs)]
    delta = round(scores[0] - scores[1], 6)
    shared = METRICS[task.metric].higher_is_better and min(scores) > 0
    share = round(scores[0] / scores[1], 6) if shared else None
    seeds, near = ours.plan.tested_seeds, abs(delta) < noise
    several, p = len(seeds) > 1, 0.4 if near else 0.0001
    tested = [McNemar(seed=seed, only_mode=12, only_against=80, p=p) for seed in seeds if task.metric == "accuracy"]
    return Pair(
        mode=ours.name,
        against=theirs.name,
        metric=task.metric,
        split="test" if task.tested else "validation",
        seeds=seeds,
        delta=delta,
        share=share,
        share_interval=(round(share - 2 * noise, 6), round(share + 2 * noise, 6)) if shared else None,
        uncertainty=Uncertainty(seeds=len(seeds), over_seeds=0.002 if several else None, over_rows=0.003),
        interval=(round(delta - noise, 6), round(delta + noise, 6)),
        p=p if several else None,
        p_holm=p if several else None,
        detectable=0.014 if several else None,
        mcnemar=tested,
        mcnemar_p=p if tested else None,
        verdict="one seed: not assessable" if not several else "within noise" if near else "beyond noise",
    )
