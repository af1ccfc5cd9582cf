"""How certain a score is, and whether two modes differ: 95 % intervals and paired tests, by scipy and statsmodels."""

import math
import statistics

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from finegrid.evaluation.comparison import McNemar, Spread

LEVEL = 0.95
RESAMPLES = 1000  # for an interval
RESAMPLES_FOR_P = 5000  # p of n draws is at least 2 / (n + 1), and Holm's correction multiplies it


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


def wilson(accuracy: float, rows: int) -> list[float]:
    """Return Wilson's interval (1927) of the share of correct rows.

    It also holds for a mean over seeds: all seeds answer the same rows, so more seeds do not make more rows.
    """
    return [float(bound) for bound in proportion_confint(accuracy * rows, rows, 1 - LEVEL, method="wilson")]


def resample(score, predictions: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Return the scores of bootstrap samples of the rows (Efron, 1979): [resamples, seeds].

    predictions: [seeds, rows]; labels: [rows]. The samples are the same for every call with as many rows, so
    differences between seeds and between modes are paired.
    """
    generator = np.random.default_rng(0)
    scores = np.empty((resamples, len(predictions)))
    for draw in scores:
        rows = generator.integers(len(labels), size=len(labels))
        drawn = labels[rows]
        draw[:] = [score(of_seed[rows], drawn) for of_seed in predictions]
    return scores


def percentile_interval(values: np.ndarray) -> list[float]:
    """Return the percentile interval of resampled values [resamples]."""
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def resampled_differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return resampled differences of two modes' means over seeds, with the seeds resampled as well: [resamples].

    ours, theirs: [resamples, seeds] as `resample` returns them. Seeds are drawn in pairs, because the two trainings
    of a seed share its random numbers.
    """
    resamples, seeds = ours.shape
    drawn = np.random.default_rng(1).integers(seeds, size=(resamples, seeds))
    return np.take_along_axis(ours - theirs, drawn, axis=1).mean(axis=1)


def bootstrap_p(differences: np.ndarray) -> float:
    """Return the two-sided p of resampled differences: twice the share at or beyond 0 (Davison & Hinkley, 1997)."""
    below, above = (differences <= 0).sum(), (differences >= 0).sum()
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(differences) + 1)))


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


def permutation_p(ours: list[float], theirs: list[float]) -> float:
    """Return the two-sided p of a permutation test over seeds, which swaps the two modes' scores of a seed.

    Exact up to 15 seeds, a sample of 2^15 swaps beyond. With n seeds it is at least 2 / 2^n.
    """
    test = stats.permutation_test(
        (ours, theirs),
        lambda ours, theirs, axis: np.mean(ours - theirs, axis=axis),
        permutation_type="samples",
        n_resamples=2**15,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def holm(p: list[float]) -> list[float]:
    """Correct the p of a family of tests (Holm, 1979)."""
    return multipletests(p, method="holm")[1].tolist() if p else []
