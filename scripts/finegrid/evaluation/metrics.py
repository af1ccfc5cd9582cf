"""Scores of predictions: the metrics by name, what each is for, and which way is better.

The Snakefile imports this module, so numpy, scikit-learn and scipy are imported where they are called.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Metric(NamedTuple):
    """A score of predictions against labels, both [rows]: class numbers, or the numbers of a regression."""

    shown: str  # what tables call it
    function: Callable
    regression: bool = False
    higher_is_better: bool = True
    binary: bool = False  # asks for two classes, of which the second is the one to find


def accuracy(predictions, labels) -> float:
    return float((predictions == labels).mean())


def f1(predictions, labels) -> float:
    """F1 of class 1; 0 where neither predictions nor labels hold it."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, zero_division=0))


def macro_f1(predictions, labels) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="macro", zero_division=0))


def matthews(predictions, labels) -> float:
    """Matthews' correlation; 0 where all predictions are one class."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predictions))


def pearson(predictions, labels) -> float:
    return _correlation("pearsonr", predictions, labels)


def spearman(predictions, labels) -> float:
    return _correlation("spearmanr", predictions, labels)


def mean_squared_error(predictions, labels) -> float:
    return float(((predictions - labels) ** 2).mean())


def _correlation(name: str, predictions, labels) -> float:
    """Correlate by scipy; 0 where either side is constant, as it then tells nothing of the other."""
    import numpy as np
    from scipy import stats

    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(getattr(stats, name)(predictions.astype(float), labels.astype(float)).statistic)


METRICS = {
    "accuracy": Metric("accuracy", accuracy),
    "f1": Metric("F1", f1, binary=True),
    "macro_f1": Metric("macro F1", macro_f1),
    "matthews": Metric("Matthews correlation", matthews),
    "pearson": Metric("Pearson correlation", pearson, regression=True),
    "spearman": Metric("Spearman correlation", spearman, regression=True),
    "mean_squared_error": Metric("mean squared error", mean_squared_error, regression=True, higher_is_better=False),
}


def predictions_of(logits, classes: list[str] | None):
    """Return the class numbers, or in a regression the numbers, that logits [rows, outputs] stand for: [rows]."""
    return logits[:, 0] if classes is None else logits.argmax(axis=-1)


def score_all(task: dict, logits, labels, parts: dict[str, int]) -> dict[str, float]:
    """Return every metric of a task on every part of a split, by the names that `score_names` lists.

    logits: [rows, outputs]; labels: [rows]; parts: rows of each part, in the order in which they lie.
    """
    predictions = predictions_of(logits, task["classes"])
    return {
        name: METRICS[metric].function(predictions[rows], labels[rows])
        for name, metric, rows in scored_parts(task["metrics"], parts)
    }


def scored_parts(metrics: list[str], parts: dict[str, int]) -> Iterator[tuple[str, str, slice]]:
    """Yield each score of a split as its name, its metric and its rows, in the order of `score_names`."""
    names, start = iter(score_names(metrics, parts)), 0
    for rows in parts.values():
        for metric in metrics:
            yield next(names), metric, slice(start, start + rows)
        start += rows


def score_names(metrics: list[str], parts) -> list[str]:
    """Name the scores of a split: `accuracy`, and of a second part `accuracy (mismatched)`. The first one selects."""
    return [name if index == 0 else f"{name} ({part})" for index, part in enumerate(parts) for name in metrics]


def shown(name: str) -> str:
    """Return what tables call a score of `score_names`."""
    metric, _, part = name.partition(" ")
    return " ".join(filter(None, [METRICS[metric].shown, part]))


def to_maximise(metric: str, score: float) -> float:
    """Return a score, or its negative where lower is better."""
    return score if METRICS[metric].higher_is_better else -score
