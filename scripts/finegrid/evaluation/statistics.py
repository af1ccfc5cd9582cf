"""How sure a score is, and whether two modes differ: intervals and paired tests.

All intervals are of 95 %. scipy and statsmodels do the work; what is chosen here is what is fair to compare.
"""

import math
import statistics

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

LEVEL = 0.95
RESAMPLES = 1000  # for an interval
RESAMPLES_FOR_P = 5000  # as a p of n draws cannot be smaller than 2 / n, which Holm's correction multiplies


def spread(values: list[float]) -> dict:
    """Return n, mean, standard deviation (n - 1 in its denominator; None of a single value), median and range."""
    return {
        "n": len(values),
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
    }


def wilson(accuracy: float, rows: int) -> list[float]:
    """Return Wilson's interval (1927) of a share of correct rows.

    Of a mean over seeds it is the interval, too: the seeds answer the same rows, so that more seeds are not more rows.
    """
    return [float(bound) for bound in proportion_confint(accuracy * rows, rows, 1 - LEVEL, method="wilson")]


def resample(score, predictions: np.ndarray, labels: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Draw the rows with replacement, again and again, and score all predictions on each draw.

    predictions: [runs, rows]; labels: [rows]; returns [resamples, runs]. All runs are scored on the same draws, so
    that their differences are paired. The draws are the same each time.
    """
    generator = np.random.default_rng(0)
    scores = np.empty((resamples, len(predictions)))
    for draw in scores:
        rows = generator.integers(len(labels), size=len(labels))
        drawn = labels[rows]
        draw[:] = [score(of_run[rows], drawn) for of_run in predictions]
    return scores


def percentile_interval(values: np.ndarray) -> list[float]:
    """Return the interval that holds the middle of some resampled values [resamples]."""
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def resampled_differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Return the resampled difference of two modes, as means over seeds that are themselves drawn with replacement.

    ours, theirs: [resamples, seeds] of `resample`; returns [resamples]. The seeds are drawn in pairs, as the two runs
    of one seed share its random numbers.
    """
    resamples, seeds = ours.shape
    drawn = np.random.default_rng(1).integers(seeds, size=(resamples, seeds))
    return np.take_along_axis(ours - theirs, drawn, axis=1).mean(axis=1)


def bootstrap_p(differences: np.ndarray) -> float:
    """Return the two-sided p of resampled differences: how often they lie on the other side of 0, or on it."""
    below, above = (differences <= 0).sum(), (differences >= 0).sum()
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(differences) + 1)))


def mcnemar_exact(ours: np.ndarray, theirs: np.ndarray) -> dict:
    """Return McNemar's exact test (1947) of two runs: who alone was right how often, and p.

    ours, theirs: [rows], whether each was right.
    """
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    both, neither = int((ours & theirs).sum()), int((~ours & ~theirs).sum())
    p = mcnemar([[both, only_ours], [only_theirs, neither]], exact=True).pvalue
    return {"only_mode": only_ours, "only_against": only_theirs, "p": float(p)}


def combine(tests: list[dict]) -> dict:
    """Return the middle one of tests of the same hypothesis, by p, with a p for all of them.

    The k-th smallest of n p, times n / k, is a p however the n depend on each other (Rüger, 1978); k is the middle.
    """
    middle = math.ceil(len(tests) / 2)
    test = sorted(tests, key=lambda test: test["p"])[middle - 1]
    return {**test, "p": min(1.0, test["p"] * len(tests) / middle)}


def permutation_p(ours: list[float], theirs: list[float]) -> float:
    """Return the exact two-sided p of a permutation test over seeds: in each pair either mode could have been either.

    Of n seeds it cannot be smaller than 2 / 2^n. Up to 15 seeds all swaps are gone through, of more a sample of them.
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
    """Correct the p of a family of tests by Holm (1979)."""
    return multipletests(p, method="holm")[1].tolist() if p else []
