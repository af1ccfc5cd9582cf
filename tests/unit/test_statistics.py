"""Intervals and tests against values of textbooks, or counted by hand."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binom

from finegrid.config.metrics import METRICS
from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import McNemar, Uncertainty
from finegrid.evaluation.metrics import OF_TABLES, score


def test_the_spread_of_scores():
    found = statistics.spread([2, 4, 4, 4, 5, 5, 7, 9])
    expected = {"n": 8, "mean": 5, "sd": pytest.approx(math.sqrt(32 / 7)), "median": 4.5, "min": 2, "max": 9}
    assert found.model_dump() == expected
    assert statistics.spread([0.5]).sd is None


# Newcombe (1998), Two-sided confidence intervals for the single proportion, Table I, method 3.
@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
@pytest.mark.parametrize("seeds", [1, 3])
def test_wilson_takes_seeds_that_agree_for_one(right, rows, low, high, seeds):
    same = np.tile(np.arange(rows) < right, (seeds, 1))
    assert statistics.wilson(same) == pytest.approx([low, high], abs=5e-5)


def test_wilson_takes_independent_seeds_for_more_rows():
    right = np.random.default_rng(0).random((4, 400)) < 0.8
    low, high = statistics.wilson(right)
    four_times = statistics.wilson(right.reshape(1, -1))
    one = statistics.wilson(right[:1])
    assert high - low == pytest.approx(four_times[1] - four_times[0], rel=0.1)
    assert high - low < 0.6 * (one[1] - one[0])
    # Never for more rows than all seeds have, even if they are wrong on different ones.
    apart = np.stack([np.arange(100) % 5 != seed for seed in range(4)])
    assert statistics.wilson(apart) == pytest.approx(statistics.wilson(apart.reshape(1, -1)))


def known(seeds: int, over_seeds: float | None, over_rows: float) -> Uncertainty:
    return Uncertainty(seeds=seeds, over_seeds=over_seeds, over_rows=over_rows)


def test_the_standard_errors_of_a_mean_over_seeds():
    found = statistics.uncertainty([0.1, 0.2, 0.3], 0.04)
    assert (found.seeds, found.over_seeds, found.over_rows) == (3, pytest.approx(0.1 / math.sqrt(3)), 0.04)
    assert statistics.uncertainty([0.1], 0.04) == known(1, None, 0.04)


# Student's quantiles of tables, with 2 and 4 degrees of freedom: 4.303 and 2.776; the normal distribution's: 1.960.
@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (known(3, 0.01, 0.0), 0.04303),
        (known(1, None, 0.01), 0.01960),
        (known(5, 0.0, 0.01), 0.01960),
        (known(5, 0.01, 0.02), math.hypot(0.02776, 0.03920)),
    ],
)
def test_an_interval_has_both_sources_of_chance(of, expected):
    assert statistics.half_width(of) == pytest.approx(expected, rel=2e-4)


@pytest.mark.parametrize(
    "of", [known(3, 0.01, 0.0), known(5, 0.0, 0.01), known(2, 0.01, 0.02), known(10, 0.003, 0.001)]
)
@pytest.mark.parametrize("significance", [0.9, 0.3, 0.05, 1e-3, 1e-12, 1e-50])
def test_p_inverts_the_interval(of, significance):
    t, z = stats.t.isf(significance / 2, of.seeds - 1), stats.norm.isf(significance / 2)
    width = math.hypot(t * of.over_seeds, z * of.over_rows)
    assert statistics.half_width(of, significance) == pytest.approx(width)
    assert statistics.p_value(width, of) == pytest.approx(significance, rel=1e-9)
    assert statistics.p_value(-width, of) == pytest.approx(significance, rel=1e-9)


def test_of_one_source_p_is_that_of_its_test():
    scores = [0.02, 0.05, 0.03, 0.04]
    only_seeds = statistics.uncertainty(scores, 0.0)
    assert statistics.p_value(np.mean(scores), only_seeds) == pytest.approx(stats.ttest_1samp(scores, 0).pvalue)
    assert statistics.p_value(0.03, known(4, 0.0, 0.01)) == pytest.approx(2 * stats.norm.sf(3))


@pytest.mark.parametrize(
    ("difference", "of", "p"),
    [
        (0.0, known(3, 0.01, 0.02), 1),
        (0.0, known(3, 0.0, 0.0), 1),
        (1e-9, known(3, 0.0, 0.0), 0),
        (0.5, known(30, 1e-9, 1e-9), 0),
        (0.5, known(1, None, 0.01), None),
        (0.0, known(1, None, 0.01), None),
    ],
)
def test_p_at_its_ends(difference, of, p):
    assert statistics.p_value(difference, of) == p


def test_what_is_detectable():
    # Of two normal quantiles, 1.960 and 0.842, where the seeds add nothing or are many.
    assert statistics.detectable(known(3, 0.0, 0.01)) == pytest.approx(0.02802, rel=1e-3)
    assert statistics.detectable(known(10_000, 0.01, 0.0)) == pytest.approx(0.02802, rel=1e-3)
    both = known(4, 0.01, 0.01)
    parts = statistics.detectable(known(4, 0.01, 0.0)), statistics.detectable(known(4, 0.0, 0.01))
    assert statistics.detectable(both) == pytest.approx(math.hypot(*parts))
    sizes = [statistics.detectable(both, comparisons) for comparisons in (1, 2, 10, 100)]
    assert statistics.half_width(both) < sizes[0] and sizes == sorted(set(sizes))
    assert statistics.detectable(known(1, None, 0.01)) is None


@pytest.mark.parametrize(("seeds", "comparisons"), [(2, 1), (3, 1), (5, 1), (20, 1), (3, 15), (5, 15)])
def test_what_is_detectable_has_the_power_of_students_test(seeds, comparisons):
    free, significance = seeds - 1, 0.05 / comparisons
    # On average, as the standard deviation of a few seeds is too small by this factor.
    mean = statistics.detectable(known(seeds, 1.0, 0.0), comparisons) * stats.chi.mean(free) / math.sqrt(free)
    power = stats.nct.sf(stats.t.isf(significance / 2, free), free, mean)
    assert power == pytest.approx(0.8, abs=0.02)


def test_seeds_widen_an_interval_over_rows():
    low, high = statistics.with_seeds(0.9, (0.86, 0.93), known(3, 0.01, 0.0))
    # Half of the interval over seeds is 4.303 * 0.01; the two sides stay unlike.
    assert low == pytest.approx(0.9 - math.hypot(0.04303, 0.04), abs=1e-5)
    assert high == pytest.approx(0.9 + math.hypot(0.04303, 0.03), abs=1e-5)
    assert statistics.with_seeds(0.9, (0.86, 0.93), known(1, None, 0.0)) == pytest.approx((0.86, 0.93))


def test_the_error_over_rows_of_a_difference_in_accuracy():
    ours, theirs = (np.array(rows, bool) for rows in ([[1, 1, 0, 0], [1, 0, 0, 0]], [[1, 0, 0, 0], [1, 0, 0, 1]]))
    # By row the means of the differences are 0, 1/2, 0 and -1/2, of which the mean is 0.
    assert statistics.rows_error_of_accuracy(ours, theirs) == pytest.approx(math.sqrt(0.5 + 1) / 4)
    same = np.ones((2, 100), bool)
    assert statistics.rows_error_of_accuracy(same, same) == pytest.approx(1 / 100)


def runs(*counts: int) -> list[np.ndarray]:
    """Return whether two runs were right, by rows where both, only the first, only the second, neither was."""
    return [np.repeat(pattern, counts) for pattern in ([True, True, False, False], [True, False, True, False])]


@pytest.mark.parametrize(
    ("counts", "p"),
    [
        ((50, 10, 2, 5), 2 * (1 + 12 + 66) / 2**12),  # the binomial's tail, by hand
        ((50, 3, 3, 5), 1),
        ((50, 0, 0, 5), 1),
        ((0, 6, 0, 0), 2 / 2**6),
    ],
)
def test_mcnemar(counts, p):
    found = statistics.mcnemar_exact(3, *runs(*counts))
    assert found == McNemar(seed=3, only_mode=counts[1], only_against=counts[2], p=found.p)
    assert found.p == pytest.approx(p)


def test_holm():
    # The smallest times 4, the next times 3, ..., none smaller than the one before.
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([]) == []


@pytest.mark.parametrize(
    ("p", "combined"),
    [([0.3], 0.3), ([0.3, 0.1], 0.2), ([0.2, 0.01, 0.04], 0.06), ([0.9, 0.8, 0.7], 1.0)],
)
def test_the_middle_test_stands_for_all_seeds(p, combined):
    assert statistics.combined_p(p) == pytest.approx(combined)


def test_resampled_accuracy_is_binomial():
    labels = np.zeros(500, dtype=int)
    predictions = np.stack([(np.arange(500) < wrong).astype(int) for wrong in (100, 250)])
    scores = statistics.resample("accuracy", predictions, labels, 4000)
    assert scores.shape == (4000, 2)
    for run, right in enumerate((0.8, 0.5)):
        expected = binom.ppf([0.025, 0.975], 500, right) / 500
        assert statistics.percentile_interval(scores[:, run]) == pytest.approx(expected, abs=0.005)


def test_resampled_runs_are_paired():
    labels = np.arange(200) % 2
    scores = statistics.resample("f1", np.stack([labels, labels, 1 - labels]), labels, 50)
    assert (scores == [1, 1, 0]).all()
    assert (statistics.resample("f1", np.stack([labels]), labels, 50) == 1).all()


@pytest.mark.parametrize(("metric", "classes"), [(name, 3 if name in OF_TABLES else None) for name in METRICS])
def test_resampled_scores_are_those_of_the_rows_that_are_drawn(metric, classes):
    draw, resamples = np.random.default_rng(1), statistics.DRAWS_AT_ONCE + 5
    if classes:
        labels, predictions = draw.integers(0, classes, 40), draw.integers(0, classes, (2, 40))
    else:
        labels, predictions = draw.normal(size=40), draw.normal(size=(2, 40))
    drawn = [np.repeat(np.arange(40), counts) for counts in statistics._drawn(40, resamples)]
    assert all(len(rows) == 40 for rows in drawn)
    expected = [[score(metric, of_seed[rows], labels[rows]) for of_seed in predictions] for rows in drawn]
    assert statistics.resample(metric, predictions, labels, resamples) == pytest.approx(np.array(expected))
