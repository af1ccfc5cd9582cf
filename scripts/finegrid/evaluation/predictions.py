"""Predictions of a split as safetensors: `logits` and `labels` of every row."""

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from finegrid.errors import InputError
from finegrid.files import replacing


def save_predictions(path, logits: np.ndarray, labels: np.ndarray) -> None:
    """Write the predictions of a split atomically.

    logits: [rows, outputs] of a cell, [seeds, rows, outputs] of a chosen setting; labels: [rows].
    """
    with replacing(path) as temporary:
        temporary.write_bytes(save({"logits": logits, "labels": labels}))


def load_predictions(path) -> tuple[np.ndarray, np.ndarray]:
    """Read logits and labels, shaped as they were saved. Raises InputError if the file does not hold them."""
    try:
        tensors = load_file(path)
        return tensors["logits"], tensors["labels"]
    except (SafetensorError, FileNotFoundError, KeyError) as error:
        raise InputError(f"{path}: not the predictions of a split ({error})") from None
