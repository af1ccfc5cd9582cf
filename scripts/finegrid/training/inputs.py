"""A padded batch as a model takes it."""

from functools import cache
from inspect import signature

import torch

from finegrid.data.tokens import Split, collate


def padded_inputs(model: torch.nn.Module, split: Split, rows: torch.Tensor, device: str) -> dict[str, torch.Tensor]:
    """Return the keyword arguments of a transformers model for some rows, each [rows, longest]."""
    inputs = collate(split, rows, device, model.config.pad_token_id or 0)
    if not takes_token_types(type(model)):
        del inputs["token_type_ids"]
    return inputs


@cache
def takes_token_types(architecture: type) -> bool:
    """Whether a class of models uses `token_type_ids` to tell the two texts of a pair apart."""
    return "token_type_ids" in signature(architecture.forward).parameters
