"""Per-example predictions of a split, as safetensors: `logits` [rows, classes] and `labels` [rows]."""

import numpy as np
from safetensors.numpy import save_file

from finegrid.files import replacing


def save_predictions(path, logits: np.ndarray, labels: np.ndarray) -> None:
    """Write the predictions of a split atomically."""
    with replacing(path) as temporary:
        save_file({"logits": logits, "labels": labels}, temporary)
