"""The classifier's inputs, computed once per text, if nothing else trains.

The encoder is then a fixed feature extractor without dropout; the classifier keeps its own.
"""

from types import SimpleNamespace
from typing import NamedTuple

import torch


class Features(NamedTuple):
    """A split as the classifier sees it."""

    vectors: torch.Tensor  # float32 [rows, features]: the classifier's inputs
    labels: torch.Tensor  # [rows], as the split has them
    tokens: int  # of the texts

    @property
    def lengths(self) -> torch.Tensor:
        """Vectors per row, as a Split has tokens per row: int64 [rows], all 1."""
        return torch.ones(len(self.labels), dtype=torch.int64)


class Head(torch.nn.Module):
    """The classifier of a model and the dropout before it, as a model of their own."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.config, self.dropout, self.classifier = model.config, model.dropout, model.classifier
        self.base_model = torch.nn.Identity()  # in the encoder's place

    def forward(self, vectors: torch.Tensor) -> SimpleNamespace:
        """Return an object with `logits` [rows, num_labels], as models of transformers do."""
        return SimpleNamespace(logits=self.classifier(self.dropout(vectors)))


def only_head_trains(model: torch.nn.Module) -> bool:
    """Whether nothing trains but a single linear layer that follows the encoder."""
    if not isinstance(getattr(model, "classifier", None), torch.nn.Linear) or not hasattr(model, "dropout"):
        return False
    head = set(model.classifier.parameters())
    return all(parameter in head for parameter in model.parameters() if parameter.requires_grad)
