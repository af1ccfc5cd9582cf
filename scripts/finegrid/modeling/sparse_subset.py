"""Single entries of parameters that train, in the place of whole parameters.

Which they are is kept on the parameter itself, as `entries`: int64 [n], their places in the flattened tensor.
"""

import numpy as np
import torch

from finegrid.errors import InputError


def entries_of(parameter: torch.Tensor) -> torch.Tensor | None:
    """Return the entries of a parameter that train; None if it trains as a whole or not at all."""
    return getattr(parameter, "entries", None)


def draw_entries(whole: list, drawn_from: list, count: int, seed: int) -> None:
    """Let `count` entries train: all of the parameters `whole`, the others drawn from the parameters `drawn_from`.

    They are drawn evenly and without replacement. Raises InputError if there are too few or too many to draw.
    """
    ends = np.cumsum([parameter.numel() for parameter in drawn_from], dtype=np.int64)
    least, available = sum(parameter.numel() for parameter in whole), int(ends[-1]) if drawn_from else 0
    if not least < count <= least + available:
        raise InputError(
            f"mode: random.parameters is {count:,}, but 'train' selects {least:,} parameters of the head, which all "
            f"train, and {available:,} of the encoder to draw from; expected more than {least:,}, "
            f"{least + available:,} at most"
        )
    drawn = np.random.default_rng(seed).choice(ends[-1], count - least, replace=False, shuffle=False)
    drawn.sort()
    bounds = np.searchsorted(drawn, ends)
    for parameter, end, places in zip(drawn_from, ends, np.split(drawn, bounds[:-1]), strict=True):
        parameter.requires_grad_(len(places) > 0)
        parameter.entries = torch.from_numpy(places - end + parameter.numel()) if len(places) else None


class Part:
    """The entries of a parameter that train, as a parameter of their own, `values` [n], for the optimiser."""

    def __init__(self, parameter: torch.nn.Parameter):
        self.whole, self.entries = parameter, parameter.entries.to(parameter.device)
        self.values = torch.nn.Parameter(parameter.detach().flatten()[self.entries])

    def take_gradient(self) -> None:
        """Move the entries' gradient from the whole parameter, whose gradient is cleared."""
        if self.whole.grad is not None:
            self.values.grad = self.whole.grad.flatten()[self.entries]
            self.whole.grad = None

    def put_back(self) -> None:
        """Write the values to where they belong."""
        place_entries(self.whole, self.entries, self.values.detach())


@torch.no_grad()
def place_entries(parameter: torch.Tensor, entries: torch.Tensor, values: torch.Tensor) -> None:
    """Set some entries of a parameter to values [n]."""
    parameter.view(-1).index_copy_(0, entries, values)
