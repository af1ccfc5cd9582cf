"""The loss of some rows, of a whole split, and its curve over an epoch."""

import math

import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss

CURVE_POINTS = 20  # kept of each epoch


def summed_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum the losses of some rows: cross-entropy in nats, or the squared error if the labels are floating-point.

    logits: [rows, num_labels]; labels: [rows].
    """
    if labels.is_floating_point():
        return mse_loss(logits.squeeze(1), labels, reduction="sum")
    return cross_entropy(logits, labels, reduction="sum")


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean loss over the rows of a split, in float64: logits [rows, num_labels], labels [rows]."""
    labels = torch.from_numpy(labels)
    exact = labels.double() if labels.is_floating_point() else labels
    return float(summed_loss(torch.from_numpy(logits).double(), exact) / len(labels))


def loss_curve(losses: list[float], first_step: int) -> list[tuple[int, float | None]]:
    """Shorten the losses of an epoch to at most CURVE_POINTS points (last step, mean loss of the steps up to it).

    A mean that is infinite or not a number becomes None, as JSON has neither.
    """
    points, start = [], 0
    for segment in np.array_split(losses, min(CURVE_POINTS, len(losses))):
        start += len(segment)
        mean = float(np.mean(segment))
        points.append((first_step + start, round(mean, 6) if math.isfinite(mean) else None))
    return points
