"""The fast engine: the plain engine's numbers in a fraction of its time."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.modeling.sparse_subset import entries_of
from finegrid.modeling.trainable import trains
from finegrid.training.engine import Engine
from finegrid.training.fast import bert
from finegrid.training.fast.dropout import random_state, replace_dropout, set_random_state
from finegrid.training.fast.embedding import UsedRows, trains_whole
from finegrid.training.fast.features import Features, Head, only_head_trains
from finegrid.training.fast.inference import extract, model_inputs, parts_of, predict, prepare_for_device
from finegrid.training.fast.like_length import LIKE_LENGTH, cut_by_length
from finegrid.training.fast.precision import autocast
from finegrid.training.fast.subset import SubsetParameter
from finegrid.training.loss import summed_loss


def enable(
    model: torch.nn.Module, split: Split, device: str, dtype: torch.dtype, seed: int, weight_decay: float
) -> Engine:
    """Return an engine that trains a model quickly; prepares the model for the device.

    `dtype` is that of the matrix products; parameters, their updates and the loss are float32. `weight_decay` is that
    of the optimiser: without any, the embeddings of words that the split lacks never change, which saves time.
    """
    if bert.fits(model, device) and trains(model.base_model):
        return bert.BertEngine(model, split, dtype, seed, weight_decay)
    return FastEngine(model, split, device, dtype, seed, weight_decay)


class FastEngine(Engine):
    """Combines the modules of this folder, each where it applies.

    - unpadded: texts lie end to end without padding (CPU, most encoders)
    - like_length: a batch is drawn from texts of like length, so that little is padded (CPU, the other models)
    - micro_batches: a batch goes through in pieces that fit the processor's cache, and whose gradients add up
    - precision: matrix products in bfloat16, the parts that need it in float32
    - dropout: masks from a quick generator (CPU)
    - embedding: only the embeddings of words that the split uses are updated (no weight decay)
    - features: an encoder of which nothing trains reads each text once
    - subset: of a parameter that trains in part, the optimiser sees only that part
    """

    def __init__(self, model, split: Split, device: str, dtype: torch.dtype, seed: int, weight_decay: float):
        self.dtype, self.batches = dtype, prepare_for_device(model, device)
        self.encoder, self.features = None, {}
        if only_head_trains(model):
            self.encoder, model, split = model, Head(model), extract(model, split, device, dtype)
            if self.batches == LIKE_LENGTH:
                self.batches = "padded"  # only when the encoder reads them; features are all of one length
        super().__init__(model, split, device, seed)

        self.subsets = [SubsetParameter(each) for each in self.parameters if entries_of(each) is not None]
        self.parameters = [each for each in self.parameters if entries_of(each) is None]
        self.parameters += [subset.values for subset in self.subsets]
        self.used_rows = None
        if self.encoder is None and not weight_decay and trains_whole(model):
            self.used_rows = UsedRows(model, split)
            self.split = self.used_rows.split
            self.parameters = [
                self.used_rows.part if each is self.used_rows.whole else each for each in self.parameters
            ]
        self.random = replace_dropout(model, seed) if device == "cpu" else None

    @contextmanager
    def training(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.enter_context(super().training())
            if self.used_rows:
                stack.enter_context(self.used_rows)
            yield

    def cut(self, order: torch.Tensor, batch_size: int, random: torch.Generator) -> Sequence[torch.Tensor]:
        if self.batches == LIKE_LENGTH:
            return cut_by_length(order, self.split.lengths, batch_size, random)
        return super().cut(order, batch_size, random)

    def backward(self, rows: torch.Tensor) -> torch.Tensor:
        loss = torch.zeros((), device=self.device)
        for part in parts_of(self.model, self.split, rows, self.device):
            row_order, inputs = model_inputs(self.model, self.split, part, self.device)
            with autocast(self.device, self.dtype):
                logits = self.model(**inputs).logits
            labels = self.split.labels[row_order].to(self.device)
            share = summed_loss(logits.float(), labels) / len(rows)
            share.backward()
            loss += share.detach()
        for subset in self.subsets:
            subset.take_gradient()
        return loss

    def after_step(self) -> None:
        for subset in self.subsets:
            subset.write_back()

    def predict(self, split: Split) -> np.ndarray:
        return predict(self.model, split if self.encoder is None else self._features(split), self.device, self.dtype)

    def _features(self, split: Split) -> Features:
        """Return the features of a split, extracted when first asked for."""
        if id(split) not in self.features:
            features = extract(self.encoder, split, self.device, self.dtype)
            self.features[id(split)] = (split, features)  # the split stays alive, so that its id stays its own
        return self.features[id(split)][1]

    def state(self) -> dict[str, torch.Tensor]:
        return {**super().state(), **({} if self.random is None else random_state(self.random))}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        super().load_state(state)
        for copy in [*self.subsets, *([self.used_rows] if self.used_rows else [])]:
            copy.read()
        if self.random is not None:
            set_random_state(self.random, state)
