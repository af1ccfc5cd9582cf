"""Word embeddings that AdamW updates row by row, each once a batch reads it.

AdamW moves every row at every step, also those that the batch did not read, as their moving averages go on. That is
most of its work: a batch reads a few hundred of many thousand rows. Here a row does all the steps that it missed when
it is read again, while it is in the processor's cache. The numbers are those of updating all rows, up to rounding.
"""

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.training.fast.bert import compiled
from finegrid.training.fast.embedding import UsedRows, add_rows
from finegrid.training.optimiser import BETAS


class LazyRows(UsedRows):
    """The rows that a split uses, with AdamW's state of them: without weight decay, and with compiled kernels."""

    def __init__(self, model: torch.nn.Module, split: Split):
        super().__init__(model, split)
        self.means, self.squares = torch.zeros_like(self.gradient), torch.zeros_like(self.gradient)
        self.steps = torch.zeros(())  # done in all
        self.touched = torch.empty(0, dtype=torch.int64)  # the rows with a gradient, each once
        self._begin()

    def _begin(self) -> None:
        """Count steps anew, when all rows have done all of them."""
        self.done = torch.zeros(len(self.part), dtype=torch.int32)  # the last step of each row
        self.rates = self.roots = np.zeros(1, dtype=np.float32)  # of each step, from 1: see _kernels.c

    def __exit__(self, *_):
        self._catch_up(torch.arange(len(self.part)))
        self._begin()
        super().__exit__()

    def _catch_up(self, rows: torch.Tensor) -> None:
        compiled.catch_up(rows, *self._state)

    @property
    def _state(self) -> tuple:
        return self.part.data, self.means, self.squares, self.done, self.rates, self.roots

    def lookup(self, ids: torch.Tensor) -> torch.Tensor:
        """Return rows `ids` [tokens], up to date: [tokens, hidden size]."""
        self._catch_up(ids)
        return self.part.data.index_select(0, ids)

    def add_gradient(self, ids: torch.Tensor, gradient: torch.Tensor) -> None:
        """Add the gradient [tokens, hidden size] of rows `ids` [tokens] to that of the batch."""
        add_rows(self.gradient, ids, gradient, self.module.padding_idx)
        self.touched = torch.cat([self.touched, ids]).unique()

    def norm(self) -> torch.Tensor:
        """Return the norm of the batch's gradient."""
        return self.gradient.index_select(0, self.touched).norm()

    def step(self, learning_rate: float, scale: float) -> None:
        """Do a step of AdamW by the batch's gradient times `scale`; afterwards there is none."""
        self.steps += 1
        of_means, of_squares = (1 - beta ** self.steps.item() for beta in BETAS)
        self.rates = np.append(self.rates, np.float32(learning_rate / of_means))
        self.roots = np.append(self.roots, np.float32(of_squares**-0.5))
        compiled.update_rows(self.touched, *self._state, gradient=self.gradient, scale=scale)
        self.touched = self.touched[:0]

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moving averages and the step count, by name: live references, not copies."""
        return {
            "optimiser.rows.mean": self.means,
            "optimiser.rows.square": self.squares,
            "optimiser.rows.step": self.steps,
        }
