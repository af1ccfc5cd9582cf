"""The training loop."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch

from finegrid.config.definition import Training
from finegrid.training.engine import Engine
from finegrid.training.optimiser import AdamW
from finegrid.training.schedule import learning_rate_at


class Epoch(NamedTuple):
    """The outcome of one pass over the training split."""

    number: int  # from 1
    losses: list[float]  # of every step: the mean loss of its batch
    tokens: int  # read, padding not counted
    state: dict[str, torch.Tensor]  # what the next epoch starts from: live references; invalid once it starts

    @property
    def diverged(self) -> bool:
        """Whether a loss was infinite or not a number."""
        return not all(map(math.isfinite, self.losses))


def train(
    engine: Engine, settings: Training, batch_size: int, learning_rate: float, seed: int, state: dict | None = None
) -> Iterator[Epoch]:
    """Train the parameters of an engine; yield an Epoch after each pass over its split.

    AdamW with linear warm-up and decay of the learning rate, and the gradient clipped to a norm. Each epoch reads every
    row once, in a new random order drawn from `seed`, which the engine cuts into batches. Given the `state` of an Epoch
    of the same model, split and settings, training continues after that epoch, bit for bit as if it had never stopped.
    """
    rows = len(engine.split.labels)
    steps_per_epoch = math.ceil(rows / batch_size)
    steps = settings.epochs * steps_per_epoch
    warmup_steps = math.ceil(settings.warmup * steps)
    optimiser = AdamW(engine.parameters, settings.weight_decay, engine.rows)
    order = torch.Generator().manual_seed(seed)
    step = 0
    engine.schedule.begin(steps)
    if state is not None:
        engine.load_state(state)
        optimiser.load_state(state)
        engine.schedule.load_state(state)
        order.set_state(state["random.order"])
        step = int(state["steps"])

    for epoch in range(step // steps_per_epoch, settings.epochs):
        losses = []
        with engine.training():
            for batch in engine.cut(torch.randperm(rows, generator=order), batch_size, order):
                losses.append(engine.backward(batch))
                engine.schedule.add_penalty()
                optimiser.step(learning_rate * learning_rate_at(step, steps, warmup_steps), settings.max_grad_norm)
                step += 1
                engine.schedule.after_step(step)
                optimiser.zero_grad()
                engine.after_step()
        state = {
            **engine.state(),
            **optimiser.state(),
            **engine.schedule.state(),
            "random.order": order.get_state(),
            "steps": torch.tensor(step),
        }
        yield Epoch(epoch + 1, torch.stack(losses).tolist(), engine.split.tokens, state)
