"""Training and prediction by BERT's parts."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.training.engine import Engine
from finegrid.training.fast.bert import compiled, kernels
from finegrid.training.fast.bert.batch import Source, lay_out
from finegrid.training.fast.bert.model import Encoder
from finegrid.training.fast.bert.parameters import FlatParameters
from finegrid.training.fast.bert.parts import counted_after, head_of
from finegrid.training.fast.bert.rows import LazyRows
from finegrid.training.fast.dropout import random_state, replace_dropout, set_random_state
from finegrid.training.fast.embedding import UsedRows, add_rows, trains_whole
from finegrid.training.fast.micro_batches import micro_batches
from finegrid.training.loss import summed_loss


class BertEngine(Engine):
    """Trains a classifier that `parts.fits` on the CPU."""

    batches, kernels = "unpadded", kernels.NAME

    def __init__(self, model, split: Split, dtype: torch.dtype, seed: int, weight_decay: float):
        super().__init__(model, split, "cpu", seed)
        self.random = replace_dropout(model, seed)
        self.words, self.used_rows = model.get_input_embeddings().weight, None
        if not weight_decay and trains_whole(model):
            self.rows = LazyRows(model, split) if kernels.chosen is compiled else None
            self.used_rows = self.rows or UsedRows(model, split)
            self.split = self.used_rows.split
        apart = self.words if self.used_rows else None
        self.flat = FlatParameters({name: each for name, each in self.trainable.items() if each is not apart})
        self.parameters = [self.flat.values, *([self.used_rows.part] if self.used_rows and not self.rows else [])]
        self.encoder, self.head = Encoder(model, self.flat.gradients, dtype), head_of(model)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        self.of_words = self.flat.gradients.get(names[id(self.words)])
        self.source, self.lengths = Source.of(self.split, counted_after(model)), self.split.lengths

    @contextmanager
    def training(self) -> Iterator[None]:
        with super().training(), self.used_rows or nullcontext():
            yield

    @torch.no_grad()
    def backward(self, rows: torch.Tensor) -> torch.Tensor:
        encoder, loss = self.encoder, torch.zeros(())
        self.flat.clear_gradient()
        encoder.refresh()
        lookup = self.used_rows.lookup if self.used_rows else partial(self.words.index_select, 0)
        for part in micro_batches(self.lengths, rows, "cpu"):
            batch = lay_out(self.source, part, encoder.heads.count)
            first, saved = encoder.forward(lookup(batch.ids), batch, self.random)
            with torch.enable_grad():
                logits = self.head(first.requires_grad_())
                share = summed_loss(logits, self.split.labels[batch.rows]) / len(rows)
                share.backward()
            loss += share.detach()
            gradient = encoder.backward(first.grad, batch, saved)
            if self.used_rows:
                self.used_rows.add_gradient(batch.ids, gradient)
            elif self.of_words is not None:
                add_rows(self.of_words, batch.ids, gradient, self.model.get_input_embeddings().padding_idx)
        encoder.backward_adapters()
        self.flat.set_gradient()
        return loss

    def after_step(self) -> None:
        self.flat.write_back()

    def predict(self, split: Split) -> np.ndarray:
        self.model.eval()
        self.encoder.refresh()
        return logits_of(self.model, self.encoder, split)

    def state(self) -> dict[str, torch.Tensor]:
        return {**super().state(), **random_state(self.random)}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        super().load_state(state)
        self.flat.read()
        if self.used_rows:
            self.used_rows.read()
        set_random_state(self.random, state)


def predict(model: torch.nn.Module, split: Split, dtype: torch.dtype) -> np.ndarray:
    """Return the logits of every row, in order, of a model in evaluation mode: float32 [rows, num_labels]."""
    return logits_of(model, Encoder(model, {}, dtype), split)


@torch.no_grad()
def logits_of(model: torch.nn.Module, encoder: Encoder, split: Split) -> np.ndarray:
    """Return what the head makes of every row, in order: float32 [rows, num_labels]. `encoder` is the model's."""
    if not len(split.labels):
        return np.empty((0, model.config.num_labels), dtype=np.float32)
    source, head, words = Source.of(split, counted_after(model)), head_of(model), model.get_input_embeddings().weight
    rows, parts = [], []
    for part in micro_batches(split.lengths, torch.arange(len(split.labels)), "cpu"):
        batch = lay_out(source, part, encoder.heads.count)
        first, _ = encoder.forward(words.index_select(0, batch.ids), batch, None)
        rows.append(batch.rows)
        parts.append(head(first))
    return torch.cat(parts)[torch.cat(rows).argsort()].numpy()
