"""The metrics by name, as plain data: what tables call each, what it is for, and which way is better."""

import math
from typing import NamedTuple


class MetricInfo(NamedTuple):
    """What is known of a metric without computing it; `evaluation.metrics` computes it."""

    display_name: str
    regression: bool = False
    higher_is_better: bool = True
    lowest: float = 0.0
    binary: bool = False  # needs two classes, of which the second is the positive one

    @property
    def highest(self) -> float:
        """The largest value that the metric can have."""
        return 1.0 if self.higher_is_better else math.inf


METRICS = {
    "accuracy": MetricInfo("accuracy"),
    "f1": MetricInfo("F1", binary=True),
    "macro_f1": MetricInfo("macro F1"),
    "matthews": MetricInfo("Matthews correlation", lowest=-1.0),
    "pearson": MetricInfo("Pearson correlation", regression=True, lowest=-1.0),
    "spearman": MetricInfo("Spearman correlation", regression=True, lowest=-1.0),
    "mean_squared_error": MetricInfo("mean squared error", regression=True, higher_is_better=False),
}


def metric_names(regression: bool, num_classes: int) -> list[str]:
    """List the metrics that suit a regression, or a classification with so many classes."""
    return [
        name
        for name, metric in METRICS.items()
        if metric.regression == regression and (not metric.binary or num_classes == 2)
    ]
