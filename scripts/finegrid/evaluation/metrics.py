"""Scores of predictions. What each metric is called and which way is better: `config.metrics`.

A training imports this module, so numpy, scikit-learn and scipy are imported only by the metrics that need them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from finegrid.config.definition import Task
from finegrid.config.metrics import METRICS


def accuracy(predictions, labels) -> float:
    return float((predictions == labels).mean())


def f1(predictions, labels) -> float:
    """F1 of class 1; 0 if it occurs neither among the predictions nor among the labels."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, zero_division=0))


def macro_f1(predictions, labels) -> float:
    """Unweighted mean of the classes' F1."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, average="macro", zero_division=0))


def matthews(predictions, labels) -> float:
    """Matthews correlation coefficient (1975); 0 if all predictions are the same class."""
    from sklearn.metrics import matthews_corrcoef

    return float(matthews_corrcoef(labels, predictions))


def pearson(predictions, labels) -> float:
    return _correlation("pearsonr", predictions, labels)


def spearman(predictions, labels) -> float:
    return _correlation("spearmanr", predictions, labels)


def mean_squared_error(predictions, labels) -> float:
    return float(((predictions - labels) ** 2).mean())


def _correlation(name: str, predictions, labels) -> float:
    """Correlate by scipy; 0 if either side is constant, where the correlation is undefined."""
    import numpy as np
    from scipy import stats

    if np.ptp(predictions) == 0 or np.ptp(labels) == 0:
        return 0.0
    return float(getattr(stats, name)(predictions.astype(float), labels.astype(float)).statistic)


# Each takes predictions [rows] and labels [rows], both class numbers or both the numbers of a regression.
FUNCTIONS = {
    "accuracy": accuracy,
    "f1": f1,
    "macro_f1": macro_f1,
    "matthews": matthews,
    "pearson": pearson,
    "spearman": spearman,
    "mean_squared_error": mean_squared_error,
}


def predictions_of(logits, task: Task):
    """Return the predicted class numbers, or numbers of a regression: logits [..., rows, outputs] to [..., rows]."""
    return logits[..., 0] if task.regression else logits.argmax(axis=-1)


def score_all(task: Task, logits, labels, parts: Mapping[str, int]) -> dict[str, float]:
    """Return every metric of a task on every part of a split, by the names of `score_names`.

    logits: [rows, outputs]; labels: [rows]; parts: the number of rows of each part, in the order in which they lie.
    """
    predictions = predictions_of(logits, task)
    return {
        name: FUNCTIONS[metric](predictions[rows], labels[rows])
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
