"""What the training loop asks of a model: gradients of a batch, predictions, and a state to resume from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.modeling.rank_schedule import Schedule
from finegrid.modeling.trainable import trains
from finegrid.records import Form
from finegrid.training.optimiser import Rows


class Engine:
    """A model, the split that it trains on, and a way to compute with them.

    The loop uses the methods below and five attributes: `parameters`, which the optimiser updates by their `grad`;
    `rows`, embeddings that it updates in another way; `split`, of which it takes rows; `schedule`, for models that
    change between steps; and `batches`, the form of its batches, which is recorded with the result, as `kernels` is.
    `plain.PlainEngine` is the shortest engine, `fast.enable` returns a quick one. Both compute the same numbers, up
    to rounding and the masks of dropout.
    """

    batches: Form
    rows: Rows | None = None
    kernels: str | None = None  # what its elementwise parts are computed by, if that differs between machines

    def __init__(self, model: torch.nn.Module, split: Split, device: str, seed: int):
        self.model, self.split, self.device = model, split, device
        self.trainable = {name: each for name, each in model.named_parameters() if each.requires_grad}
        self.parameters = list(self.trainable.values())
        self.schedule = getattr(model, "rank_schedule", Schedule())
        torch.manual_seed(seed)  # for dropout

    @contextmanager
    def training(self) -> Iterator[None]:
        """Surround an epoch: within this context the model trains, outside it can be used and its state kept.

        An encoder of which nothing trains is a fixed feature extractor, so it runs without dropout.
        """
        self.model.train()
        encoder = self.model.base_model
        if not trains(encoder):
            encoder.eval()
        yield

    def cut(self, order: torch.Tensor, batch_size: int, random: torch.Generator) -> Sequence[torch.Tensor]:
        """Cut the random order of an epoch, int64 [rows], into batches, of which one may be smaller.

        Whatever is drawn for that comes from `random`, which drew the order.
        """
        return order.split(batch_size)

    def backward(self, rows: torch.Tensor) -> torch.Tensor:
        """Add the gradient of the mean loss of some rows (int64 [rows]) to `parameters`; return that loss, a scalar."""
        raise NotImplementedError

    def after_step(self) -> None:
        """Bring the model up to date with `parameters`, which the optimiser has just updated."""
        raise NotImplementedError

    def predict(self, split: Split) -> np.ndarray:
        """Return the logits of every row of a split, in order: float32 [rows, num_labels]."""
        raise NotImplementedError

    def state(self) -> dict[str, torch.Tensor]:
        """Return the trained parameters and the states of the random generators: live references, not copies."""
        state = {**self.trainable, "random.torch": torch.get_rng_state()}
        if torch.cuda.is_initialized():
            state["random.cuda"] = torch.cuda.get_rng_state()
        return state

    @torch.no_grad()
    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from what `state` returned."""
        for name, parameter in self.trainable.items():
            parameter.copy_(state[name])
        torch.set_rng_state(state["random.torch"])
        if "random.cuda" in state:
            torch.cuda.set_rng_state(state["random.cuda"])
