"""The plain engine: a whole batch, padded, through ordinary autograd in float32.

It says what the fast engine computes. Tests train with both and compare losses and parameters.
"""

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.modeling.sparse_subset import entries_of, set_entries
from finegrid.training.engine import Engine
from finegrid.training.inputs import batches_of, padded_inputs
from finegrid.training.loss import summed_loss

PREDICTED_AT_ONCE = 32  # rows


class PlainEngine(Engine):
    """Trains with torch's own layers, dropout and autograd."""

    batches = "padded"

    def __init__(self, model: torch.nn.Module, split: Split, device: str, seed: int):
        super().__init__(model.to(device), split, device, seed)
        # Parameters of which only some entries train, as they were: weight decay must not change the other entries.
        self.sparse = [(each, each.detach().clone()) for each in self.parameters if entries_of(each) is not None]

    def backward(self, rows: torch.Tensor) -> torch.Tensor:
        loss = torch.zeros((), device=self.device)
        for batch in batches_of(self.model, self.split.lengths, rows):
            logits = self.model(**padded_inputs(self.model, self.split, batch, self.device)).logits
            share = summed_loss(logits, self.split.labels[batch].to(self.device)) / len(rows)
            share.backward()
            loss += share.detach()
        for parameter, _ in self.sparse:
            gradient = torch.zeros_like(parameter)
            set_entries(gradient, entries_of(parameter), parameter.grad.flatten()[entries_of(parameter)])
            parameter.grad = gradient
        return loss

    @torch.no_grad()
    def after_step(self) -> None:
        for parameter, start in self.sparse:
            values = parameter.flatten()[entries_of(parameter)]
            parameter.copy_(start)
            set_entries(parameter, entries_of(parameter), values)

    @torch.inference_mode()
    def predict(self, split: Split) -> np.ndarray:
        self.model.eval()
        logits = torch.empty(len(split.labels), self.model.config.num_labels)
        for chunk in torch.arange(len(split.labels)).split(PREDICTED_AT_ONCE):
            for rows in batches_of(self.model, split.lengths, chunk):
                logits[rows] = self.model(**padded_inputs(self.model, split, rows, self.device)).logits.cpu()
        return logits.numpy()
