"""Scores of predictions, each by the name that a task gives it. Higher is better."""

import numpy as np


def accuracy(logits, labels) -> float:
    """Share of rows whose highest logit is the label's. logits: [rows, classes]; labels: [rows]."""
    return float(np.mean(np.argmax(logits, axis=-1) == labels))


METRICS = {"accuracy": accuracy}
