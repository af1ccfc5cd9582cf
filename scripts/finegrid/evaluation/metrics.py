"""Scores of predictions. What each metric is called and which way is better: `config.metrics`.

They are written out here because the bootstrap needs them for many seeds at once and thousands of times, and because a
training that only wants an F1 would import scikit-learn for a second. The tests hold them to scikit-learn and scipy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from finegrid.config.definition import Task
from finegrid.config.metrics import METRICS

# Metrics of a classification take confusion tables [..., classes, classes]: rows of each class, by predicted class.


def accuracy(table: np.ndarray) -> np.ndarray:
    return np.trace(table, axis1=-2, axis2=-1) / table.sum((-2, -1))


def f1(table: np.ndarray) -> np.ndarray:
    """F1 of class 1; 0 if it occurs neither among the predictions nor among the labels."""
    return np.nan_to_num(f1_of_classes(table)[..., 1])


def macro_f1(table: np.ndarray) -> np.ndarray:
    """Unweighted mean of the F1 of the classes that occur among the predictions or the labels."""
    return np.nanmean(f1_of_classes(table), axis=-1)


def f1_of_classes(table: np.ndarray) -> np.ndarray:
    """Return the F1 of every class [..., classes]; NaN of one that does not occur."""
    right = np.diagonal(table, axis1=-2, axis2=-1)
    return _ratio(2 * right, table.sum(-1) + table.sum(-2), otherwise=np.nan)


def matthews(table: np.ndarray) -> np.ndarray:
    """Matthews correlation coefficient (1975), of several classes as by Gorodkin (2004); 0 where it is undefined."""
    rows, right = table.sum((-2, -1)), np.trace(table, axis1=-2, axis2=-1)
    labelled, predicted = table.sum(-1), table.sum(-2)
    spread = (rows**2 - (labelled**2).sum(-1)) * (rows**2 - (predicted**2).sum(-1))
    return _ratio(right * rows - (labelled * predicted).sum(-1), np.sqrt(spread))


# Metrics of a regression take predictions [..., rows] and labels [rows].


def pearson(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pearson's correlation; 0 if either side is constant, where it is undefined."""
    x = predictions - predictions.mean(-1, keepdims=True, dtype=float)
    y = labels - labels.mean(dtype=float)
    # Of constants the mean may be off by a rounding, which must not pass for a spread.
    constant = (np.ptp(predictions, axis=-1) == 0) | (np.ptp(labels) == 0)
    return np.where(constant, 0, _ratio((x * y).sum(-1), np.sqrt((x**2).sum(-1) * (y**2).sum())))


def spearman(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the ranks."""
    from scipy.stats import rankdata

    return pearson(rankdata(predictions, axis=-1), rankdata(labels))


def mean_squared_error(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return ((predictions - labels) ** 2).mean(-1)


def _ratio(numerator, denominator, otherwise=0.0) -> np.ndarray:
    known = denominator != 0
    return np.where(known, numerator / np.where(known, denominator, 1), otherwise)


OF_TABLES = {"accuracy": accuracy, "f1": f1, "macro_f1": macro_f1, "matthews": matthews}
OF_NUMBERS = {"pearson": pearson, "spearman": spearman, "mean_squared_error": mean_squared_error}


def score(metric: str, predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return a metric of predictions [..., rows], class numbers or the numbers of a regression: [...].

    labels: [rows].
    """
    if metric in OF_NUMBERS:
        return OF_NUMBERS[metric](predictions, labels)
    rows, classes = np.atleast_2d(predictions), number_of_classes(predictions, labels)
    tables = [np.bincount(labels * classes + of_seed, minlength=classes**2) for of_seed in rows]
    return OF_TABLES[metric](np.reshape(tables, (*predictions.shape[:-1], classes, classes)))


def number_of_classes(predictions: np.ndarray, labels: np.ndarray) -> int:
    """Return how many classes a confusion table of these class numbers needs, at least two."""
    return 1 + int(max(1, predictions.max(initial=0), labels.max(initial=0)))


def predictions_of(logits, task: Task):
    """Return the predicted class numbers, or numbers of a regression: logits [..., rows, outputs] to [..., rows]."""
    return logits[..., 0] if task.regression else logits.argmax(axis=-1)


def score_all(task: Task, logits, labels, parts: Mapping[str, int]) -> dict[str, float]:
    """Return every metric of a task on every part of a split, by the names of `score_names`.

    logits: [rows, outputs]; labels: [rows]; parts: the number of rows of each part, in the order in which they lie.
    """
    predictions = predictions_of(logits, task)
    return {
        name: float(score(metric, predictions[rows], labels[rows]))
        for name, metric, rows in scored_parts(task.metrics, parts)
    }


def scored_parts(metrics: Sequence[str], parts: Mapping[str, int]) -> Iterator[tuple[str, str, slice]]:
    """Yield the name, metric and rows of each score of a split, in the order of `score_names`."""
    names, start = iter(score_names(metrics, parts)), 0
    for rows in parts.values():
        for metric in metrics:
            yield next(names), metric, slice(start, start + rows)
        start += rows


def score_names(metrics: Sequence[str], parts: Iterable[str]) -> list[str]:
    """Name the scores of a split: `accuracy`, and of a second part `accuracy (mismatched)`. The first one selects."""
    return [name if index == 0 else f"{name} ({part})" for index, part in enumerate(parts) for name in metrics]


def display_name(name: str) -> str:
    """Return what tables call a score of `score_names`."""
    metric, _, part = name.partition(" ")
    return " ".join(filter(None, [METRICS[metric].display_name, part]))


def signed_score(metric: str, score: float) -> float:
    """Return the score, negated if lower is better, so that a larger one is always better."""
    return score if METRICS[metric].higher_is_better else -score
