"""Intervals and tests against values of textbooks, or counted by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import McNemar
from finegrid.evaluation.metrics import FUNCTIONS


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
def test_wilson(right, rows, low, high):
    assert statistics.wilson(right / rows, rows) == pytest.approx([low, high], abs=5e-5)


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


def test_permutation_of_pairs():
    # Fisher (1935), The Design of Experiments, section 21: of Darwin's 15 pairs of plants the differences in heights,
    # in eighths of an inch; 863 of the 32,768 changes of sign make a sum as large.
    differences = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
    assert statistics.permutation_p(differences, [0] * 15) == pytest.approx(2 * 863 / 2**15)


@pytest.mark.parametrize("n", [2, 3, 5])
def test_few_seeds_cannot_have_a_small_p(n):
    ours = [0.9 + seed / 100 for seed in range(n)]
    assert statistics.permutation_p(ours, [0.1] * n) == pytest.approx(2 / 2**n)


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
    scores = statistics.resample(FUNCTIONS["accuracy"], predictions, labels, 4000)
    assert scores.shape == (4000, 2)
    for run, right in enumerate((0.8, 0.5)):
        expected = binom.ppf([0.025, 0.975], 500, right) / 500
        assert statistics.percentile_interval(scores[:, run]) == pytest.approx(expected, abs=0.005)


def test_resampled_runs_are_paired():
    labels = np.arange(200) % 2
    scores = statistics.resample(FUNCTIONS["f1"], np.stack([labels, labels, 1 - labels]), labels, 50)
    assert (scores == [1, 1, 0]).all()
    assert (statistics.resample(FUNCTIONS["f1"], np.stack([labels]), labels, 50) == 1).all()


def test_differences_of_seeds_vary_with_the_seeds():
    theirs = np.zeros((2000, 2))
    ours = theirs + np.array([0.1, 0.3])
    differences = statistics.resampled_differences(ours, theirs)
    values, counts = np.unique(differences.round(6), return_counts=True)
    assert values.tolist() == [0.1, 0.2, 0.3]
    assert counts / 2000 == pytest.approx([0.25, 0.5, 0.25], abs=0.05)
    assert (statistics.resampled_differences(ours[:, :1], theirs[:, :1]) == 0.1).all()


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
@settings(max_examples=settings.default.max_examples // 2)
def test_a_bootstrap_p_is_one_of_two_sides(differences):
    p = statistics.bootstrap_p(np.array(differences))
    assert 0 < p <= 1
    assert p == statistics.bootstrap_p(-np.array(differences))


def test_a_bootstrap_p_by_hand():
    assert statistics.bootstrap_p(np.array([0.1] * 97 + [-0.1] * 2)) == pytest.approx(2 * 3 / 100)
    assert statistics.bootstrap_p(np.zeros(99)) == 1
