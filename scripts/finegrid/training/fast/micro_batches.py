"""Micro-batches: a batch goes through the model in pieces whose gradients add up to the batch's.

So the memory of a cell does not grow with its batch size, and on the CPU the working set stays in the cache.
"""

import math

import torch

TOKENS_AT_ONCE = {"cpu": 8192, "cuda": 32768}


def micro_batches(lengths: torch.Tensor, rows: torch.Tensor, device: str) -> list[torch.Tensor]:
    """Cut some rows of a split into micro-batches of about TOKENS_AT_ONCE tokens at most.

    `lengths`: tokens of every row of the split, int64. The texts of a micro-batch have similar lengths, the longest
    come first, and all micro-batches have about the same number of tokens.
    """
    rows = rows[lengths[rows].argsort(descending=True, stable=True)]
    lengths = lengths[rows]
    count = math.ceil(int(lengths.sum()) / TOKENS_AT_ONCE[device])
    part = (lengths.cumsum(0) - lengths) * count // lengths.sum()
    return [each for each in rows.split(part.bincount().tolist()) if len(each)]
