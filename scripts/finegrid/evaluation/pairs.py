"""Every pair of modes on a task: how far they are apart, and whether that is more than noise."""

from collections.abc import Callable

import numpy as np

from finegrid.config.metrics import METRICS
from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import Pair, TaskComparison, Verdict
from finegrid.evaluation.results import ModeResults, SplitPredictions

SIGNIFICANT = 0.05
Resampled = Callable[[ModeResults, str], np.ndarray]  # a mode's resampled scores of this name: [resamples, seeds]


def compare_pairs(modes: list[ModeResults], split: str, scored: tuple[str, str, slice], resampled: Resampled):
    """Compare each mode with those before it, full fine-tuning being the first.

    `scored` is the name, metric and rows of the score that selects. The p values are not yet corrected.
    """
    ordered = sorted((mode for mode in modes if mode.ok), key=lambda mode: mode.plan.mode.name != "full")
    return [
        compare_two(ours, theirs, split, scored, resampled)
        for index, ours in enumerate(ordered)
        for theirs in ordered[:index]
    ]


def compare_two(
    ours: ModeResults, theirs: ModeResults, split: str, scored: tuple[str, str, slice], resampled: Resampled
) -> Pair:
    """Compare two modes, seed by seed and row by row."""
    name, metric, rows = scored
    both = ours, theirs
    seeds = ours.plan.tested_seeds
    scores = [np.array([of_seed[name] for of_seed in mode.splits[split].scores]) for mode in both]
    per_seed = []
    if metric == "accuracy":
        right = [right_rows(mode.splits[split], rows) for mode in both]
        error = statistics.rows_error_of_accuracy(*right)
        per_seed = [statistics.mcnemar_exact(*of_seed) for of_seed in zip(seeds, *right, strict=True)]
    else:
        error = float(np.std(resampled(ours, name).mean(1) - resampled(theirs, name).mean(1), ddof=1))
    delta = float(np.mean(scores[0] - scores[1]))
    known = statistics.uncertainty((scores[0] - scores[1]).tolist(), error)
    half = statistics.half_width(known)
    share, around = None, None
    if METRICS[metric].higher_is_better and scores[0].mean() > 0 and scores[1].mean() > 0:
        share = float(scores[0].mean() / scores[1].mean())
        # Of a ratio m / f the error is that of m - (m / f) f, divided by f.
        if metric == "accuracy":
            error = statistics.rows_error_of_accuracy(right[0], share * right[1])
        else:
            error = float(np.std(resampled(ours, name).mean(1) - share * resampled(theirs, name).mean(1), ddof=1))
        apart = statistics.half_width(statistics.uncertainty((scores[0] - share * scores[1]).tolist(), error))
        around = share - apart / scores[1].mean(), share + apart / scores[1].mean()
    return Pair(
        mode=ours.plan.mode.name,
        against=theirs.plan.mode.name,
        metric=name,
        split=split,
        seeds=seeds,
        delta=delta,
        share=share,
        share_interval=around,
        uncertainty=known,
        interval=(delta - half, delta + half),
        p=statistics.p_value(delta, known),
        mcnemar=per_seed,
        mcnemar_p=statistics.combined_p([test.p for test in per_seed]) if per_seed else None,
        verdict=verdict(None),
    )


def right_rows(found: SplitPredictions, rows: slice) -> np.ndarray:
    """Return whether each seed is right on each of some rows: [seeds, rows]."""
    return found.predictions[:, rows] == found.labels[rows]


def verdict(corrected_p: float | None) -> Verdict:
    """Return what may be said of a difference. Of one seed nothing, as the other source of chance cannot be seen."""
    if corrected_p is None:
        return "one seed: not assessable"
    return "beyond noise" if corrected_p <= SIGNIFICANT else "within noise"


def judged(tasks: list[TaskComparison]) -> list[TaskComparison]:
    """Return the tasks with the p values of all their pairs corrected together, and so the verdicts."""
    pairs = [pair for task in tasks for pair in task.pairs]
    corrected = iter(statistics.holm([pair.p for pair in pairs if pair.p is not None]))

    def judge(pair: Pair) -> Pair:
        if pair.p is None:
            return pair
        p = next(corrected)
        detectable = statistics.detectable(pair.uncertainty, len(pairs))
        return pair.model_copy(update={"p_holm": p, "detectable": detectable, "verdict": verdict(p)})

    return [task.model_copy(update={"pairs": tuple(map(judge, task.pairs))}) for task in tasks]
