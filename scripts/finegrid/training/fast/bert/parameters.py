"""What trains as one vector, with its gradient as another: the optimiser then takes a few operations, not hundreds."""

import torch

from finegrid.modeling.sparse_subset import entries_of


class FlatParameters:
    """Parameters laid end to end; the module's own become views of them.

    `values` is what the optimiser updates, by its `grad`: all of them or, of parameters that train in part, their
    entries that train. `gradients` has a view for each parameter, to which gradients are added.
    """

    def __init__(self, parameters: dict[str, torch.nn.Parameter]):
        self.whole = torch.cat([torch.empty(0), *(each.detach().flatten() for each in parameters.values())])
        self.gradient = torch.zeros_like(self.whole)
        self.gradients, entries, start = {}, [], 0
        for name, parameter in parameters.items():
            end = start + parameter.numel()
            parameter.data = self.whole[start:end].view(parameter.shape)
            parameter.grad = self.gradients[name] = self.gradient[start:end].view(parameter.shape)
            own = entries_of(parameter)
            entries.append(torch.arange(start, end) if own is None else start + own)
            start = end
        partly = any(entries_of(each) is not None for each in parameters.values())
        self.entries = torch.cat(entries) if partly else None
        self.values = torch.nn.Parameter(self.whole[self.entries] if partly else self.whole)

    def clear_gradient(self) -> None:
        """Set all gradients to 0."""
        self.gradient.zero_()

    def set_gradient(self) -> None:
        """Give `values` the gradient that was added up."""
        self.values.grad = self.gradient if self.entries is None else self.gradient[self.entries]

    @torch.no_grad()
    def write_back(self) -> None:
        """Write the values that the optimiser updated into the parameters, unless they are the same memory."""
        if self.entries is not None:
            self.whole.index_copy_(0, self.entries, self.values)

    @torch.no_grad()
    def read(self) -> None:
        """Read the values from the parameters."""
        if self.entries is not None:
            self.values.copy_(self.whole[self.entries])
