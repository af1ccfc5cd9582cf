"""A model prepared for its device, its inputs, and its predictions."""

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.records import Form
from finegrid.training.fast import bert, unpadded
from finegrid.training.fast.features import Features
from finegrid.training.fast.like_length import LIKE_LENGTH
from finegrid.training.fast.micro_batches import micro_batches
from finegrid.training.fast.precision import autocast, keep_float32
from finegrid.training.inputs import batches_of, padded_inputs


def prepare_for_device(model: torch.nn.Module, device: str) -> Form:
    """Move a model to the device that it runs on; return the form of its batches."""
    if device == "cpu" and unpadded.fits(model):
        unpadded.use_unpadded(model)
    model.to(device)
    # With 8 significant bits, different logits would tie, and a tie always goes to the same class.
    for name, module in model.named_children():
        if name != model.base_model_prefix and any(True for _ in module.parameters()):
            keep_float32(module, device)
    if getattr(model.base_model, "pooler", None) is not None:
        keep_float32(model.base_model.pooler, device)
    if unpadded.in_use(model):
        return "unpadded"
    return LIKE_LENGTH if device == "cpu" else "padded"


@torch.inference_mode()
def predict(model: torch.nn.Module, split: Split | Features, device: str, dtype: torch.dtype) -> np.ndarray:
    """Return the logits of every row, in order: float32 [rows, num_labels]. Leaves the model in evaluation mode."""
    if not len(split.labels):
        return np.empty((0, model.config.num_labels), dtype=np.float32)
    model.eval()
    if bert.fits(model, device) and not isinstance(split, Features):
        return bert.predict(model, split, dtype)
    logits = None
    for rows in parts_of(model, split, torch.arange(len(split.labels)), device):
        row_order, inputs = model_inputs(model, split, rows, device)
        with autocast(device, dtype):
            part = model(**inputs).logits.float().cpu()
        if logits is None:
            logits = torch.empty(len(split.labels), part.shape[1])
        logits[row_order] = part
    return logits.numpy()


def extract(model: torch.nn.Module, split: Split, device: str, dtype: torch.dtype) -> Features:
    """Run the encoder of a model over a split."""
    classifier, model.classifier = model.classifier, torch.nn.Identity()
    vectors = predict(model, split, device, dtype)
    model.classifier = classifier
    return Features(torch.from_numpy(vectors), split.labels, split.tokens)


def parts_of(model, split: Split | Features, rows: torch.Tensor, device: str) -> list[torch.Tensor]:
    """Cut rows into micro-batches that the model can take."""
    parts = micro_batches(split.lengths, rows, device)
    return [batch for part in parts for batch in batches_of(model, split.lengths, part)]


def model_inputs(model, split: Split | Features, rows: torch.Tensor, device: str) -> tuple[torch.Tensor, dict]:
    """Return rows in the order in which the inputs hold them, and the keyword arguments of the model for them."""
    if isinstance(split, Features):
        return rows, {"vectors": split.vectors[rows].to(device)}
    if unpadded.in_use(model):
        return unpadded.inputs_of(model, split, rows)
    return rows, padded_inputs(model, split, rows, device)
