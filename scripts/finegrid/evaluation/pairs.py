"""Every pair of modes on a task: how far they are apart, and whether that is more than noise."""

import numpy as np

from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import Pair, RowsTest, SeedsTest, TaskComparison
from finegrid.evaluation.results import ModeResults

SIGNIFICANT = 0.05
Resampled = dict[str, np.ndarray]  # [resamples, seeds] by the name of the score


def compare_pairs(modes: list[ModeResults], split: str, scored: tuple, resampled: dict[str, Resampled]) -> list[Pair]:
    """Compare each mode with those before it, full fine-tuning being the first.

    `scored` is the name, metric and rows of the score that selects; `resampled` the resampled scores of each mode.
    """
    ordered = sorted((mode for mode in modes if mode.chosen), key=lambda mode: mode.plan.mode.name != "full")
    return [
        compare_two(ours, theirs, split, scored, resampled)
        for index, ours in enumerate(ordered)
        for theirs in ordered[:index]
    ]


def compare_two(
    ours: ModeResults, theirs: ModeResults, split: str, scored: tuple, resampled: dict[str, Resampled]
) -> Pair:
    """Compare two modes. The p value over rows is not yet corrected."""
    name, metric, rows = scored
    both = ours, theirs
    names = [mode.plan.mode.name for mode in both]
    seeds = [metrics.cell.seed for metrics in ours.chosen]
    scores = [[of_seed[name] for of_seed in mode.splits[split].scores] for mode in both]
    differences = statistics.resampled_differences(*(resampled[mode][name] for mode in names))
    if metric == "accuracy":
        right = [mode.splits[split].predictions[:, rows] == mode.splits[split].labels[rows] for mode in both]
        per_seed = [statistics.mcnemar_exact(*of_seed) for of_seed in zip(seeds, *right, strict=True)]
        method, p = "McNemar, exact", statistics.combined_p([test.p for test in per_seed])
    else:
        method, p, per_seed = "paired bootstrap", statistics.bootstrap_p(differences), []
    interval = statistics.percentile_interval(differences)
    return Pair(
        mode=names[0],
        against=names[1],
        metric=name,
        split=split,
        seeds=seeds,
        delta=float(np.mean(scores[0]) - np.mean(scores[1])),
        interval=interval,
        interval_method="paired bootstrap over rows" + " and seeds" * (len(seeds) > 1),
        rows=RowsTest(method=method, p=p, p_holm=p, per_seed=per_seed),
        over_seeds=SeedsTest(p=statistics.permutation_p(*scores), n=len(seeds)) if len(seeds) > 1 else None,
        within_noise=within_noise(interval, p),
    )


def within_noise(interval, p: float) -> bool:
    """Whether a difference with this interval and p value may be none."""
    low, high = interval
    return low <= 0 <= high or p > SIGNIFICANT


def holm_corrected(tasks: list[TaskComparison]) -> list[TaskComparison]:
    """Return the tasks with the p values over rows of all their pairs corrected together."""
    corrected = iter(statistics.holm([pair.rows.p for task in tasks for pair in task.pairs]))

    def correct(pair: Pair) -> Pair:
        p = next(corrected)
        rows = pair.rows.model_copy(update={"p_holm": p})
        return pair.model_copy(update={"rows": rows, "within_noise": within_noise(pair.interval, p)})

    return [task.model_copy(update={"pairs": tuple(correct(pair) for pair in task.pairs)}) for task in tasks]
