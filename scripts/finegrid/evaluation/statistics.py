"""How certain a score or a difference is: 95 % intervals, p values, and what a run could have seen.

A score has two sources of chance: which rows are in the split, and which seed trained. With n seeds the interval of a
difference d has the half-width

    sqrt((t(n - 1) s / sqrt(n))^2 + (z SE)^2)

where s is the standard deviation over seeds of the per-seed difference, SE the standard error over rows of the
difference averaged over seeds, t and z the quantiles of Student's and of the normal distribution. That is Banerjee's
interval (1960) for a sum of two sources, which never covers less than it says if both are normal and independent; as s
holds some chance of the rows as well, it covers more. benchmarks/calibration.py measures it.
"""

import math
import statistics
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from scipy import sparse
from scipy.optimize import brentq
from scipy.special import chdtri, ndtri, poch, stdtrit
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from finegrid.evaluation.comparison import McNemar, Spread, Uncertainty
from finegrid.evaluation.metrics import OF_TABLES, number_of_classes, score

LEVEL = 0.95
POWER = 0.8
RESAMPLES = 1000
DRAWS_AT_ONCE = 100  # bounds the memory of a bootstrap
SMALLEST_P = 1e-100  # a smaller one is 0


def spread(values: list[float]) -> Spread:
    """Summarise a score over seeds; the standard deviation is that of a sample (n - 1), None for a single value."""
    return Spread(
        n=len(values),
        mean=statistics.fmean(values),
        sd=statistics.stdev(values) if len(values) > 1 else None,
        median=statistics.median(values),
        min=min(values),
        max=max(values),
    )


def uncertainty(of_seeds: list[float], over_rows: float) -> Uncertainty:
    """Return the two standard errors of a mean over seeds, given the one over rows; of one seed only that is known."""
    seeds = len(of_seeds)
    over_seeds = statistics.stdev(of_seeds) / math.sqrt(seeds) if seeds > 1 else None
    return Uncertainty(seeds=seeds, over_seeds=over_seeds, over_rows=over_rows)


def half_width(known: Uncertainty, significance: float = 1 - LEVEL) -> float:
    """Return the half-width of the interval that misses a difference with this probability at most."""
    tail = significance / 2
    seeds = stdtrit(known.seeds - 1, tail) * known.over_seeds if known.over_seeds else 0.0
    return math.hypot(seeds, ndtri(tail) * known.over_rows)


def p_value(difference: float, known: Uncertainty) -> float | None:
    """Return the significance at which the interval of a difference just reaches 0; None for one seed."""
    if known.over_seeds is None:
        return None
    if difference == 0:
        return 1.0

    def beyond(log_p: float) -> float:
        return half_width(known, math.exp(log_p)) - abs(difference)

    smallest = math.log(SMALLEST_P)
    return 0.0 if beyond(smallest) <= 0 else math.exp(brentq(beyond, smallest, 0.0))


def detectable(known: Uncertainty, comparisons: int = 1) -> float | None:
    """Return the true difference that such a comparison finds with 80 % power; None for one seed.

    Each quantile of the interval is raised by that of the power. The one over seeds is raised further, as the standard
    deviation may come out large; and as that of a few seeds is too small on average, it is taken without this bias.
    `comparisons` is how many the run has: Holm's correction asks of the smallest p to be so many times smaller.
    """
    if known.over_seeds is None:
        return None
    tail, free = (1 - LEVEL) / comparisons / 2, known.seeds - 1
    t, z, power = -stdtrit(free, tail), -ndtri(tail), ndtri(POWER)
    # An estimate of a standard deviation of 1: the largest of so many as POWER says, and the mean of all.
    large, mean = math.sqrt(chdtri(free, 1 - POWER) / free), math.sqrt(2 / free) * poch(free / 2, 0.5)
    return math.hypot(
        (t + math.hypot(t * (large - 1), power)) * known.over_seeds / mean,
        (z + power) * known.over_rows,
    )


def with_seeds(mean: float, rows_interval: tuple[float, float], known: Uncertainty) -> tuple[float, float]:
    """Widen a score's interval over rows by the chance of the seeds.

    Each side is the root of the sum of the squares of its two parts (Zou & Donner, 2008), so one that is longer, as
    Wilson's near 1, stays so. With one seed the interval stays what it is.
    """
    seeds = half_width(known.model_copy(update={"over_rows": 0.0}))
    low, high = rows_interval
    return mean - math.hypot(seeds, mean - low), mean + math.hypot(seeds, high - mean)


def wilson(right: np.ndarray) -> tuple[float, float]:
    """Return Wilson's interval (1927) of an accuracy over rows.

    right: [seeds, rows], whether each seed was right. As seeds agree on many rows, they count as so many rows as a
    single seed would need to be as certain of the mean: between one and `seeds` times the rows there are.
    """
    share, rows = float(right.mean()), right.shape[1]
    variance = float(right.mean(0).var()) / rows
    if variance:
        rows = min(right.size, share * (1 - share) / variance)
    low, high = proportion_confint(share * rows, rows, 1 - LEVEL, method="wilson")
    return float(low), float(high)


def rows_error_of_accuracy(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Return the standard error over rows of a difference in accuracy: [seeds, rows] each, whether it was right.

    Half a row is added for either mode alone being right (Agresti & Min, 2005), so two modes that never differ on the
    rows at hand are not taken to be equal on all others.
    """
    of_rows = (ours.astype(float) - theirs).mean(0)
    return math.sqrt(((of_rows - of_rows.mean()) ** 2).sum() + 1) / len(of_rows)


def resample(metric: str, predictions: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Return the scores of bootstrap samples of the rows (Efron, 1979): [resamples, seeds].

    predictions: [seeds, rows]; labels: [rows]. The samples are the same for every call with as many rows, so
    differences between seeds and between modes are paired.
    """
    found = []
    for counts in _samples(len(labels), resamples):
        if metric in OF_TABLES:
            found.append(OF_TABLES[metric](_confusion_tables(counts, predictions, labels)))
        else:
            drawn = (np.repeat(np.arange(len(labels)), of_draw) for of_draw in counts)
            found.append(np.array([score(metric, predictions[:, rows], labels[rows]) for rows in drawn]))
    return np.concatenate(found)


def _samples(rows: int, resamples: int) -> Iterator[np.ndarray]:
    """Yield how often each row is drawn: [some draws, rows]."""
    drawn = _drawn(rows, resamples)
    for start in range(0, resamples, DRAWS_AT_ONCE):
        yield drawn[start : start + DRAWS_AT_ONCE]


@lru_cache(maxsize=2)
def _drawn(rows: int, resamples: int) -> np.ndarray:
    generator = np.random.default_rng(0)
    draws = (np.bincount(generator.integers(rows, size=rows), minlength=rows) for _ in range(resamples))
    return np.array([draw.astype(np.uint16) for draw in draws])


def _confusion_tables(counts: np.ndarray, predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Count the confusion tables of samples: [draws, rows] to [draws, seeds, classes, classes]."""
    seeds, rows = predictions.shape
    classes = number_of_classes(predictions, labels)
    cells = labels * classes + predictions + np.arange(seeds)[:, None] * classes**2
    where = cells.ravel(), np.tile(np.arange(rows), seeds)
    one_per_row = sparse.csr_array((np.ones(seeds * rows), where), shape=(seeds * classes**2, rows))
    return (one_per_row @ counts.T.astype(float)).T.reshape(len(counts), seeds, classes, classes)


def percentile_interval(values: np.ndarray) -> tuple[float, float]:
    """Return the percentile interval of resampled values [resamples]."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def mcnemar_exact(seed: int, ours: np.ndarray, theirs: np.ndarray) -> McNemar:
    """Return McNemar's exact test (1947) of the two models of a seed.

    ours, theirs: [rows], whether each was right.
    """
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    both, neither = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    p = mcnemar([[both, only_ours], [only_theirs, neither]], exact=True).pvalue
    return McNemar(seed=seed, only_mode=only_ours, only_against=only_theirs, p=p)


def combined_p(p: list[float]) -> float:
    """Return one p for several tests of the same hypothesis, however they depend on each other (Rüger, 1978).

    That is the k-th smallest of the n p, times n / k; k is the middle.
    """
    middle = math.ceil(len(p) / 2)
    return min(1.0, sorted(p)[middle - 1] * len(p) / middle)


def holm(p: list[float]) -> list[float]:
    """Correct the p of a family of tests (Holm, 1979)."""
    return multipletests(p, method="holm")[1].tolist() if p else []
