"""Parameters that train in part: the optimiser sees only the entries that train."""

import torch

from finegrid.modeling.sparse_subset import entries_of, set_entries


class SubsetParameter:
    """The entries of a parameter that train, as a parameter of their own: `values` [entries]."""

    def __init__(self, parameter: torch.nn.Parameter):
        self.whole, self.entries = parameter, entries_of(parameter).to(parameter.device)
        self.values = torch.nn.Parameter(parameter.detach().flatten()[self.entries])

    def take_gradient(self) -> None:
        """Move the gradient of the entries from the whole parameter, whose own is cleared."""
        if self.whole.grad is not None:
            self.values.grad = self.whole.grad.flatten()[self.entries]
            self.whole.grad = None

    def write_back(self) -> None:
        """Write the values into the whole parameter."""
        set_entries(self.whole, self.entries, self.values.detach())

    @torch.no_grad()
    def read(self) -> None:
        """Read the values from the whole parameter."""
        self.values.copy_(self.whole.flatten()[self.entries])
