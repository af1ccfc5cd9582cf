"""Batches of like length, for models that need padding: fewer of their tokens are padding.

Which rows share a batch then depends on their lengths, so that the result says so.
"""

import torch

from finegrid.records import Form

LIKE_LENGTH: Form = "padded, of like length"
# Of the tokens of whole reviews, 43% are padding in random batches of 8. A window of 8 batches leaves 8%. One of 50,
# as in transformers' LengthGroupedSampler, leaves 1%, but the wider the window, the less random are the batches.
WINDOW = 8  # batches


def cut_by_length(
    order: torch.Tensor, lengths: torch.Tensor, batch_size: int, random: torch.Generator
) -> list[torch.Tensor]:
    """Cut an order of rows, int64 [rows], into batches of like length, in an order drawn from `random`.

    Within each window of WINDOW batches, rows are sorted by length: `lengths` has that of every row, int64. One batch
    may be smaller than the others.
    """
    batches = []
    for window in order.split(WINDOW * batch_size):
        batches += window[lengths[window].argsort(stable=True)].split(batch_size)
    return [batches[index] for index in torch.randperm(len(batches), generator=random)]
