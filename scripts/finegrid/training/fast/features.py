"""What a frozen encoder says of each text, computed once: all that a classifier on top of it needs to train.

The encoder is then a fixed feature extractor, without dropout in it; the classifier keeps its own.
"""

from typing import NamedTuple

import torch
from transformers.modeling_outputs import SequenceClassifierOutput

from finegrid.training import loop as engine
from finegrid.data.tokens import Split


class Features(NamedTuple):
    """A split as the classifier sees it."""

    vectors: torch.Tensor  # float32 [rows, features]: the classifier's inputs
    labels: torch.Tensor  # [rows], as the split has them
    tokens: int  # of the texts

    @property
    def lengths(self) -> torch.Tensor:
        """Vectors of each row, in the place of its tokens: int64 [rows], all 1."""
        return torch.ones(len(self.labels), dtype=torch.int64)


class Head(torch.nn.Module):
    """The classifier of a model, with the dropout before it, as a model of its own."""

    def __init__(self, model):
        super().__init__()
        self.config, self.dropout, self.classifier = model.config, model.dropout, model.classifier

    def forward(self, vectors: torch.Tensor) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.classifier(self.dropout(vectors)))


def suffice(model) -> bool:
    """Whether nothing trains but the last linear layer."""
    if not isinstance(getattr(model, "classifier", None), torch.nn.Linear) or not hasattr(model, "dropout"):
        return False
    of_classifier = set(model.classifier.parameters())
    return all(parameter in of_classifier for parameter in model.parameters() if parameter.requires_grad)


def extract(model, split: Split, device, dtype) -> Features:
    """Run the encoder over a split."""
    classifier, model.classifier = model.classifier, torch.nn.Identity()
    vectors = engine.predict(model, split, device, dtype)
    model.classifier = classifier
    return Features(torch.from_numpy(vectors), split.labels, split.tokens)
