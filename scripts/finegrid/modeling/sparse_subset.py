"""Single entries of parameters that train, instead of whole parameters.

A parameter that trains in part has an attribute `entries`: int64 [n], their positions in the flattened tensor.
"""

import numpy as np
import torch

from finegrid.errors import InputError


def entries_of(parameter: torch.Tensor) -> torch.Tensor | None:
    """Return the entries of a parameter that train; None if it trains as a whole or not at all."""
    return getattr(parameter, "entries", None)


@torch.no_grad()
def set_entries(parameter: torch.Tensor, entries: torch.Tensor, values: torch.Tensor) -> None:
    """Set some entries of a parameter to values [n]."""
    parameter.view(-1).index_copy_(0, entries, values)


def draw_entries(head: list[torch.Tensor], encoder: list[torch.Tensor], count: int, seed: int) -> None:
    """Train `count` entries: all of the parameters `head`, the rest drawn from the parameters `encoder`.

    They are drawn uniformly without replacement. Raises InputError if there are too few or too many to draw.
    """
    ends = np.cumsum([parameter.numel() for parameter in encoder], dtype=np.int64)
    least, available = sum(parameter.numel() for parameter in head), int(ends[-1]) if encoder else 0
    if not least < count <= least + available:
        raise InputError(
            f"mode: random.parameters is {count:,}, but 'train' selects {least:,} parameters of the head, which all "
            f"train, and {available:,} of the encoder to draw from; expected more than {least:,} and at most "
            f"{least + available:,}"
        )
    drawn = np.random.default_rng(seed).choice(ends[-1], count - least, replace=False, shuffle=False)
    drawn.sort()
    bounds = np.searchsorted(drawn, ends)
    for parameter, end, positions in zip(encoder, ends, np.split(drawn, bounds[:-1]), strict=True):
        parameter.requires_grad_(len(positions) > 0)
        parameter.entries = torch.from_numpy(positions - end + parameter.numel()) if len(positions) else None
