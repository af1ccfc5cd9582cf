"""A padded batch as a model takes it."""

from functools import cache
from inspect import signature

import torch

from finegrid.data.tokens import Split, collate
from finegrid.modeling.architectures import PADDED_LEFT, SAME_LENGTH


def padded_inputs(model: torch.nn.Module, split: Split, rows: torch.Tensor, device: str) -> dict[str, torch.Tensor]:
    """Return the keyword arguments of a transformers model for some rows, each [rows, longest]."""
    left = model.config.model_type in PADDED_LEFT
    inputs = collate(split, rows, device, model.config.pad_token_id or 0, left)
    taken = arguments(type(model))
    if not getattr(model, "token_types", True):
        taken = taken - {"token_type_ids"}
    return {name: tensor for name, tensor in inputs.items() if name in taken}


def batches_of(model: torch.nn.Module, lengths: torch.Tensor, rows: torch.Tensor) -> list[torch.Tensor]:
    """Split rows into batches: one, unless only texts of one length may share a batch of this model.

    `lengths`: tokens of every row of the split, int64.
    """
    if model.config.model_type not in SAME_LENGTH:
        return [rows]
    return [rows[lengths[rows] == length] for length in lengths[rows].unique()]


@cache
def arguments(architecture: type) -> frozenset[str]:
    """Return the names of the keyword arguments of a class of models."""
    return frozenset(signature(architecture.forward).parameters)
