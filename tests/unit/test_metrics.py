"""Metrics: worked examples, what a model that learned nothing scores, and names."""

import numpy as np
import pytest
from comparisons import settings_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef, mean_squared_error

from finegrid.config.metrics import METRICS
from finegrid.evaluation.metrics import (
    OF_NUMBERS,
    OF_TABLES,
    display_name,
    predictions_of,
    score,
    score_all,
    score_names,
    signed_score,
)

# 6 of 10 rows are of class 1, of which 4 are found; 1 of the other 4 is taken for class 1.
LABELS = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
PREDICTIONS = np.array([1, 1, 1, 1, 0, 0, 1, 0, 0, 0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 7 / 10),
        ("f1", 2 * 4 / (2 * 4 + 1 + 2)),
        ("macro_f1", (8 / 11 + 6 / 9) / 2),
        ("matthews", (4 * 3 - 1 * 2) / (5 * 6 * 4 * 5) ** 0.5),
    ],
)
def test_worked_examples_of_classes(name, expected):
    assert score(name, PREDICTIONS, LABELS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pearson", 8 / 10),  # deviations (-2 -1 0 1 2) and (-1 -2 1 0 2): 8 / (sqrt(10) sqrt(10))
        ("spearman", 1 - 6 * 4 / (5 * 24)),
        ("mean_squared_error", 4 / 5),
    ],
)
def test_worked_examples_of_numbers(name, expected):
    labels, predictions = np.array([1, 2, 3, 4, 5], np.float32), np.array([2, 1, 4, 3, 5], np.float32)
    assert score(name, predictions, labels) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson", "spearman"])
def test_a_constant_prediction_scores_0(name):
    constant = np.zeros(10, np.float32 if METRICS[name].regression else np.int64)
    assert score(name, constant, LABELS.astype(constant.dtype)) == 0


def test_logits_become_classes_or_numbers():
    classes, numbers = settings_of("t", ["accuracy"]), settings_of("t", ["pearson"])
    logits = np.array([[0.1, 0.2], [2, 1]])
    assert predictions_of(logits, classes).tolist() == [1, 0]
    assert predictions_of(np.stack([logits, -logits]), classes).tolist() == [[1, 0], [0, 1]]
    assert predictions_of(np.array([[0.5], [4.5]]), numbers).tolist() == [0.5, 4.5]


def test_each_part_of_a_split_has_its_scores():
    task = settings_of("t", ["accuracy", "f1"])
    logits = np.eye(2)[PREDICTIONS]
    scores = score_all(task, logits, LABELS, {"matched": 6, "mismatched": 4})
    assert list(scores) == ["accuracy", "f1", "accuracy (mismatched)", "f1 (mismatched)"]
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["accuracy (mismatched)"] == pytest.approx(3 / 4)
    assert [display_name(name) for name in scores] == ["accuracy", "F1", "accuracy (mismatched)", "F1 (mismatched)"]


@given(st.sampled_from(sorted(METRICS)), st.lists(st.integers(0, 1), min_size=2, max_size=30), st.randoms())
def test_perfect_predictions_are_best(name, labels, random):
    labels = np.array([0, 1, *labels], np.float32 if METRICS[name].regression else np.int64)
    others = labels.copy()
    others[random.randrange(len(others))] = 1 - others[0]
    best, other = (signed_score(name, score(name, these, labels)) for these in (labels, others))
    assert best >= other
    assert score_names([name], ["all"]) == [name]


def test_every_metric_has_a_function():
    assert OF_TABLES.keys() | OF_NUMBERS.keys() == METRICS.keys()


ORACLES = {
    "accuracy": accuracy_score,
    "f1": lambda labels, predictions: f1_score(labels, predictions, zero_division=0),
    "macro_f1": lambda labels, predictions: f1_score(labels, predictions, average="macro", zero_division=0),
    "matthews": matthews_corrcoef,
    "pearson": lambda labels, predictions: stats.pearsonr(predictions, labels).statistic,
    "spearman": lambda labels, predictions: stats.spearmanr(predictions, labels).statistic,
    "mean_squared_error": mean_squared_error,
}


@pytest.mark.parametrize(
    ("name", "classes"), [*((name, 2) for name in METRICS), ("accuracy", 5), ("macro_f1", 5), ("matthews", 5)]
)
def test_scores_of_many_seeds_are_those_of_scikit_learn_and_scipy(name, classes):
    draw = np.random.default_rng(classes)
    labels = draw.integers(0, classes, 60)
    predictions = np.where(draw.random((3, 60)) < 0.5, labels, draw.integers(0, classes, (3, 60)))
    if METRICS[name].regression:  # with ties
        labels, predictions = labels.astype(np.float32), predictions.astype(np.float32)
    expected = [ORACLES[name](labels, of_seed) for of_seed in predictions]
    assert score(name, predictions, labels) == pytest.approx(expected, abs=1e-6)
    assert score(name, predictions[1], labels) == pytest.approx(expected[1], abs=1e-6)
    # Classes that do not occur change nothing.
    if not METRICS[name].regression:
        few = np.minimum(labels, 1), np.minimum(predictions[0], 1)
        assert score(name, few[1], few[0]) == pytest.approx(ORACLES[name](*few))
