"""Training and prediction by BERT's parts."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.modeling.methods import is_linear
from finegrid.training.engine import Engine
from finegrid.training.fast.bert import compiled, kernels
from finegrid.training.fast.bert.batch import Source, lay_out
from finegrid.training.fast.bert.model import Classifier
from finegrid.training.fast.bert.parameters import FlatParameters
from finegrid.training.fast.bert.rows import LazyRows
from finegrid.training.fast.dropout import random_state, set_random_state
from finegrid.training.fast.embedding import UsedRows, trains_whole
from finegrid.training.fast.micro_batches import micro_batches
from finegrid.training.loss import summed_loss


def fits(model: torch.nn.Module, device: str) -> bool:
    """Whether a model is one that this folder knows, on a device that it is quick on."""
    config = model.config
    return (
        device == "cpu"
        and type(model).__name__ == "BertForSequenceClassification"
        and type(model.classifier) is torch.nn.Linear
        and (config.hidden_act, config.is_decoder) == ("gelu", False)
        and adapters_fit(model)
    )


def adapters_fit(model: torch.nn.Module) -> bool:
    """Whether all adapters of a model, if there are any, amount to other weights and biases of linear layers."""
    layers = [module for module in model.modules() if hasattr(module, "get_base_layer")]
    return not layers or (
        all(type(layer.get_base_layer()) is torch.nn.Linear for layer in layers)
        and all(parameter.dtype == torch.float32 for parameter in model.parameters() if parameter.requires_grad)
        and is_linear(model.peft_config["default"])
    )


class BertEngine(Engine):
    """Trains a BERT classifier on the CPU."""

    batches, kernels = "unpadded", kernels.NAME

    def __init__(self, model, split: Split, dtype: torch.dtype, seed: int, weight_decay: float):
        super().__init__(model, split, "cpu", seed)
        self.random = np.random.Generator(np.random.SFC64(seed))
        self.words, self.used_rows = model.get_input_embeddings().weight, None
        if not weight_decay and trains_whole(model):
            self.rows = LazyRows(model, split) if kernels.chosen is compiled else None
            self.used_rows = self.rows or UsedRows(model, split)
            self.split = self.used_rows.split
        apart = self.words if self.used_rows else None
        self.flat = FlatParameters({name: each for name, each in self.trainable.items() if each is not apart})
        self.parameters = [self.flat.values, *([self.used_rows.part] if self.used_rows and not self.rows else [])]
        self.classifier = Classifier(model, self.flat.gradients, dtype)
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        self.of_words = self.flat.gradients.get(names[id(self.words)])
        self.source, self.lengths = Source.of(self.split), self.split.lengths

    @contextmanager
    def training(self) -> Iterator[None]:
        with self.used_rows or nullcontext():
            yield

    @torch.no_grad()
    def backward(self, rows: torch.Tensor) -> torch.Tensor:
        classifier, loss = self.classifier, torch.zeros(())
        self.flat.clear_gradient()
        classifier.refresh()
        lookup = self.used_rows.lookup if self.used_rows else partial(self.words.index_select, 0)
        for part in micro_batches(self.lengths, rows, "cpu"):
            batch = lay_out(self.source, part, classifier.heads.count)
            logits, saved = classifier.forward(lookup(batch.ids), batch, self.random)
            with torch.enable_grad():
                share = summed_loss(logits.requires_grad_(), self.split.labels[batch.rows]) / len(rows)
                (gradient,) = torch.autograd.grad(share, logits)
            loss += share.detach()
            gradient = classifier.backward(gradient, batch, saved)
            if self.used_rows:
                self.used_rows.add_gradient(batch.ids, gradient)
            elif self.of_words is not None:
                self.of_words.index_add_(0, batch.ids, gradient)
        classifier.backward_adapters()
        self.flat.set_gradient()
        return loss

    def after_step(self) -> None:
        self.flat.write_back()

    def predict(self, split: Split) -> np.ndarray:
        self.classifier.refresh()
        return logits_of(self.classifier, self.words, split)

    def state(self) -> dict[str, torch.Tensor]:
        return {**super().state(), **random_state(self.random)}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        super().load_state(state)
        self.flat.read()
        if self.used_rows:
            self.used_rows.read()
        set_random_state(self.random, state)


def predict(model: torch.nn.Module, split: Split, dtype: torch.dtype) -> np.ndarray:
    """Return the logits of every row, in order: float32 [rows, num_labels]."""
    return logits_of(Classifier(model, {}, dtype), model.get_input_embeddings().weight, split)


@torch.no_grad()
def logits_of(classifier: Classifier, words: torch.Tensor, split: Split) -> np.ndarray:
    """Return the logits of every row, in order: float32 [rows, num_labels]. `words`: all word embeddings."""
    logits = torch.empty(len(split.labels), len(classifier.classifier.bias))
    source = Source.of(split)
    for rows in micro_batches(split.lengths, torch.arange(len(split.labels)), "cpu") if len(logits) else ():
        batch = lay_out(source, rows, classifier.heads.count)
        logits[batch.rows], _ = classifier.forward(words.index_select(0, batch.ids), batch, None)
    return logits.numpy()
