"""The training loop, and prediction."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from finegrid import unpadded
from finegrid.data import Split, collate
from finegrid.dropout import replace_dropout
from finegrid.schedule import learning_rate_at

# Rows per batch when no gradient is needed. It sets speed and memory, not the result.
PREDICTION_BATCH = 64
# Points of the loss curve that are kept of an epoch.
CURVE_POINTS = 20


class Epoch(NamedTuple):
    """What one epoch of training left behind."""

    losses: list[float]  # the training loss of every step, in nats
    tokens: int  # tokens that the model read, padding not counted

    @property
    def diverged(self) -> bool:
        """Whether a loss was infinite or not a number."""
        return not all(map(math.isfinite, self.losses))


def train(
    model, split: Split, *, batch_size, learning_rate, epochs, weight_decay, warmup, max_grad_norm, seed, device, dtype
):
    """Train the model's trainable parameters; yield an Epoch after each pass over the split.

    AdamW (betas 0.9 and 0.999, epsilon 1e-8), linear decay of the learning rate (a float) after
    `warmup`, a share of all steps; the gradient's norm clipped to `max_grad_norm`; cross-entropy loss.
    Each epoch takes the rows in a new random order; the last batch may be smaller. `seed` sets the
    order of the rows and the dropout. `dtype` is that of the matrix products; parameters, their updates
    and the loss are float32. Between two epochs the caller may use the model, in any mode.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, fused=True)
    rows = len(split.labels)
    steps = epochs * math.ceil(rows / batch_size)
    warmup_steps = math.ceil(warmup * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: learning_rate_at(step, steps, warmup_steps))

    order = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # dropout
    if device == "cpu":
        replace_dropout(model, seed)
    for _ in range(epochs):
        model.train()
        losses = []
        for chosen in torch.randperm(rows, generator=order).split(batch_size):
            batch, inputs = inputs_of(model, split, chosen, device)
            with torch.autocast(device, dtype, enabled=dtype != torch.float32):
                logits = model(**inputs).logits
            loss = cross_entropy(logits.float(), split.labels[batch].to(device))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            losses.append(loss.detach())
        yield Epoch(torch.stack(losses).tolist(), len(split.input_ids))


@torch.inference_mode()
def predict(model, split: Split, device, dtype) -> np.ndarray:
    """Return the logits of every row, in order: float32 [rows, classes]."""
    model.eval()
    logits = torch.empty(len(split.labels), model.config.num_labels)
    # Rows of like length go together, so that a batch holds hardly any padding.
    for chosen in split.lengths.argsort(stable=True).split(PREDICTION_BATCH):
        batch, inputs = inputs_of(model, split, chosen, device)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            logits[batch] = model(**inputs).logits.float().cpu()
    return logits.numpy()


def inputs_of(model, split: Split, rows: torch.Tensor, device) -> tuple[torch.Tensor, dict]:
    """Return rows of a split, in the order in which they are laid out, and the model's inputs for them."""
    if unpadded.in_use(model):
        return unpadded.concatenate(split, rows, model.config.num_attention_heads)
    return rows, collate(split, rows, device)


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean cross-entropy, in nats, of logits [rows, classes] against labels [rows]."""
    return float(cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)))


def loss_curve(losses: list[float], first_step: int) -> list[list]:
    """Shorten an epoch's losses to at most CURVE_POINTS points [last step, mean loss of the steps up to it].

    A mean that is infinite or not a number becomes None, as JSON has neither.
    """
    points, start = [], 0
    for segment in np.array_split(losses, min(CURVE_POINTS, len(losses))):
        start += len(segment)
        mean = float(np.mean(segment))
        points.append([first_step + start, round(mean, 6) if math.isfinite(mean) else None])
    return points
