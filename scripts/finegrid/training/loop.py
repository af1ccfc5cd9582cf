"""The training loop, and prediction."""

import math
from contextlib import nullcontext
from functools import cache
from inspect import signature
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy, mse_loss

from finegrid.training.fast import unpadded
from finegrid.data.tokens import Split, collate
from finegrid.training.fast.dropout import replace_dropout
from finegrid.training.fast.embedding import UsedRows, trains_whole
from finegrid.modeling.sparse_subset import Part, entries_of
from finegrid.training.optimiser import AdamW
from finegrid.training.schedule import learning_rate_at

# Tokens that a device works on at once. A larger batch goes through the model in pieces whose gradients add
# up to the batch's. So the memory of a cell does not grow with its batch, and what is at work stays in the cache.
TOKENS_AT_ONCE = {"cpu": 8192, "cuda": 32768}
# Points of the loss curve that are kept of an epoch.
CURVE_POINTS = 20


class Epoch(NamedTuple):
    """What one epoch of training left behind."""

    losses: list[float]  # the training loss of every step, see `loss_of`
    tokens: int  # of the texts that it went through, padding not counted
    state: dict[str, torch.Tensor]  # all that the next epoch starts from, not copied: good until it starts

    @property
    def diverged(self) -> bool:
        """Whether a loss was infinite or not a number."""
        return not all(map(math.isfinite, self.losses))


def train(
    model,
    split: Split,
    *,
    batch_size,
    learning_rate,
    epochs,
    weight_decay,
    warmup,
    max_grad_norm,
    seed,
    device,
    dtype,
    state=None,
):
    """Train the model's trainable parameters; yield an Epoch after each pass over the split.

    AdamW (betas 0.9 and 0.999, epsilon 1e-8), linear decay of the learning rate (a float) after
    `warmup`, a share of all steps; the gradient's norm clipped to `max_grad_norm`; the loss of `loss_of`.
    Of a parameter that has entries (see entries.py) only these train. An encoder of which nothing trains
    runs without dropout. Each epoch takes the rows in a new random order; the last batch may be smaller.
    `seed` sets the order of the rows and the dropout. `dtype` is that of the matrix products; parameters,
    their updates and the loss are float32. Between two epochs the caller may use the model, in any mode.
    Given the `state` of an Epoch of the same model, split and settings, training goes on after that epoch, and all
    that follows is what would have followed it, bit for bit.
    """
    trainable = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    if state is not None:  # before the copies below are made
        put(trainable, state)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    parts = [Part(parameter) for parameter in parameters if entries_of(parameter) is not None]
    parameters = [parameter for parameter in parameters if entries_of(parameter) is None]
    parameters += [part.values for part in parts]
    embeddings = nullcontext()
    if isinstance(split, Split) and not weight_decay and trains_whole(model):
        embeddings = UsedRows(model, split)
        split = embeddings.split
        parameters = [embeddings.part if parameter is embeddings.whole else parameter for parameter in parameters]
    optimiser = AdamW(parameters, weight_decay)
    rows = len(split.labels)
    step, steps = 0, epochs * math.ceil(rows / batch_size)
    warmup_steps = math.ceil(warmup * steps)

    order = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # dropout
    dropout = replace_dropout(model, seed) if device == "cpu" else None
    if state is not None:
        put(optimiser.state(), state)
        set_random_state(state, order, dropout)
        step = int(state["steps"])
    for _ in range(step // math.ceil(rows / batch_size), epochs):
        model.train()
        if isinstance(split, Split) and not any(p.requires_grad for p in model.base_model.parameters()):
            model.base_model.eval()
        losses = []
        with embeddings:
            for batch in torch.randperm(rows, generator=order).split(batch_size):
                losses.append(accumulate_gradients(model, split, batch, device, dtype))
                for part in parts:
                    part.take_gradient()
                torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
                optimiser.step(learning_rate * learning_rate_at(step, steps, warmup_steps))
                for part in parts:
                    part.put_back()
                for parameter in parameters:
                    parameter.grad = None
                step += 1
        state = {**trainable, **optimiser.state(), **random_state(order, dropout), "steps": torch.tensor(step)}
        yield Epoch(torch.stack(losses).tolist(), split.tokens, state)


@torch.no_grad()
def put(tensors: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> None:
    """Set tensors to those that a state has under their names."""
    for name, tensor in tensors.items():
        tensor.copy_(state[name])


def random_state(order: torch.Generator, dropout: np.random.Generator | None) -> dict[str, torch.Tensor]:
    """Return where the generators of random numbers are: of the rows' order, of torch, and of dropout on the CPU."""
    state = {"random.order": order.get_state(), "random.torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():
        state["random.cuda"] = torch.cuda.get_rng_state()
    if dropout is not None:
        state["random.dropout"] = torch.from_numpy(dropout.bit_generator.state["state"]["state"].view(np.int64))
    return state


def set_random_state(state: dict[str, torch.Tensor], order: torch.Generator, dropout) -> None:
    """Put the generators of random numbers where they were, see `random_state`."""
    order.set_state(state["random.order"])
    torch.set_rng_state(state["random.torch"])
    if "random.cuda" in state:
        torch.cuda.set_rng_state(state["random.cuda"])
    if dropout is not None:
        whole = dropout.bit_generator.state
        whole["state"]["state"] = state["random.dropout"].numpy().view(np.uint64)
        dropout.bit_generator.state = whole


def accumulate_gradients(model, split: Split, batch: torch.Tensor, device, dtype) -> torch.Tensor:
    """Add the gradients of the mean loss of some rows to the parameters'; return that loss, a scalar."""
    loss = torch.zeros((), device=device)
    for piece in pieces(split, batch, device):
        laid, inputs = inputs_of(model, split, piece, device)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            logits = model(**inputs).logits
        share = loss_of(logits.float(), split.labels[laid].to(device)) / len(batch)
        share.backward()
        loss += share.detach()
    return loss


def loss_of(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Sum the losses of some rows: cross-entropy, in nats, or the squared error where the labels are no classes.

    logits: [rows, outputs]; labels: [rows], integers or, with one output, floating-point numbers.
    """
    if labels.is_floating_point():
        return mse_loss(logits.squeeze(1), labels, reduction="sum")
    return cross_entropy(logits, labels, reduction="sum")


@torch.inference_mode()
def predict(model, split: Split, device, dtype) -> np.ndarray:
    """Return the logits of every row, in order: float32 [rows, outputs]."""
    if not len(split.labels):
        return np.empty((0, model.config.num_labels), dtype=np.float32)
    model.eval()
    logits = None
    for piece in pieces(split, torch.arange(len(split.labels)), device):
        laid, inputs = inputs_of(model, split, piece, device)
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            of_piece = model(**inputs).logits.float().cpu()
        if logits is None:
            logits = torch.empty(len(split.labels), of_piece.shape[1])
        logits[laid] = of_piece
    return logits.numpy()


def pieces(split: Split, rows: torch.Tensor, device: str) -> list[torch.Tensor]:
    """Cut some rows into pieces of like length and like size, the longest first, of about TOKENS_AT_ONCE at most."""
    rows = rows[split.lengths[rows].argsort(descending=True, stable=True)]
    lengths = split.lengths[rows]
    count = math.ceil(int(lengths.sum()) / TOKENS_AT_ONCE[device])
    piece = (lengths.cumsum(0) - lengths) * count // lengths.sum()
    return [part for part in rows.split(piece.bincount().tolist()) if len(part)]


def inputs_of(model, split, rows: torch.Tensor, device) -> tuple[torch.Tensor, dict]:
    """Return rows of a Split or of Features, in the order in which they are laid out, and the inputs for them."""
    if not isinstance(split, Split):
        return rows, {"vectors": split.vectors[rows].to(device)}
    if unpadded.in_use(model):
        return unpadded.concatenate(split, rows, model.config.num_attention_heads)
    inputs = collate(split, rows, device, model.config.pad_token_id or 0)
    if not takes_token_types(type(model)):
        del inputs["token_type_ids"]
    return rows, inputs


@cache
def takes_token_types(architecture: type) -> bool:
    """Whether a class of models tells the two texts of a pair apart by `token_type_ids`."""
    return "token_type_ids" in signature(architecture.forward).parameters


def mean_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean over the rows of `loss_of` logits [rows, outputs] against labels [rows]."""
    labels = torch.from_numpy(labels)
    exact = labels.double() if labels.is_floating_point() else labels
    return float(loss_of(torch.from_numpy(logits).double(), exact) / len(labels))


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
