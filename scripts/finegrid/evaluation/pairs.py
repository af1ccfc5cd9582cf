"""Every pair of modes on a task: how far they are apart, and whether that is more than noise."""

from collections.abc import Callable

import numpy as np

from finegrid.config.metrics import METRICS
from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import Pair, TaskComparison, Uncertainty, Verdict
from finegrid.evaluation.results import ModeResults, SplitPredictions

SIGNIFICANT = 0.05
MANY = 8  # modes that are compared each with each
Resampled = Callable[[str, str], np.ndarray]  # of a mode's name and a score's: its resampled values, [resamples, seeds]


def compare_pairs(
    modes: list[ModeResults], split: str, scored: tuple[str, str, slice], resampled: Resampled
) -> list[Pair]:
    """Compare each mode with those before it, full fine-tuning being the first; many modes only with that one.

    All pairs of many modes would be so many that Holm's correction leaves no difference beyond noise. `scored` is the
    name, metric and rows of the score that selects. The p values are not yet corrected.
    """
    ordered = sorted((mode for mode in modes if mode.ok), key=lambda mode: mode.plan.mode.name != "full")
    return [
        compare_two(ours, theirs, split, scored, resampled)
        for index, ours in enumerate(ordered)
        for theirs in ordered[: index if len(ordered) <= MANY else min(index, 1)]
    ]


def compare_two(
    ours: ModeResults, theirs: ModeResults, split: str, scored: tuple[str, str, slice], resampled: Resampled
) -> Pair:
    """Compare two modes, seed by seed and row by row."""
    name, metric, rows = scored
    both = ours, theirs
    modes = [mode.plan.mode.name for mode in both]
    seeds = ours.plan.tested_seeds
    scores = [np.array([of_seed[name] for of_seed in mode.splits[split].scores]) for mode in both]
    right = [right_rows(mode.splits[split], rows) for mode in both] if metric == "accuracy" else []

    def uncertainty(factor: float) -> Uncertainty:
        """Return how certain our mean is, less so many times theirs."""
        if right:
            error = statistics.rows_error_of_accuracy(right[0], factor * right[1])
        else:
            means = [resampled(mode, name).mean(1) for mode in modes]
            error = float(np.std(means[0] - factor * means[1], ddof=1))
        return statistics.uncertainty((scores[0] - factor * scores[1]).tolist(), error)

    delta, known = float(np.mean(scores[0] - scores[1])), uncertainty(1)
    half = statistics.half_width(known)
    share, around = None, None
    mean, of_theirs = (float(of_seeds.mean()) for of_seeds in scores)
    if METRICS[metric].higher_is_better and mean > 0 and of_theirs > 0:
        share = mean / of_theirs
        # Of a ratio m / f the error is that of m - (m / f) f, divided by f.
        apart = statistics.half_width(uncertainty(share)) / of_theirs
        around = share - apart, share + apart
    per_seed = [statistics.mcnemar_exact(*of_seed) for of_seed in zip(seeds, *right, strict=True)] if right else []
    return Pair(
        mode=modes[0],
        against=modes[1],
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
        metric = METRICS[pair.metric]
        if detectable is not None and detectable > metric.highest - metric.lowest:
            detectable = None
        return pair.model_copy(update={"p_holm": p, "detectable": detectable, "verdict": verdict(p)})

    return [task.model_copy(update={"pairs": tuple(map(judge, task.pairs))}) for task in tasks]
