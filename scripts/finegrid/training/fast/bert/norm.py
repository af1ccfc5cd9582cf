"""A layer normalisation of a model, and where its gradients go."""

from typing import NamedTuple

import torch


class Norm(NamedTuple):
    """Weight and bias [width], their gradients, None where they do not train, and what keeps the variance above 0."""

    weight: torch.Tensor
    bias: torch.Tensor
    weight_gradient: torch.Tensor | None
    bias_gradient: torch.Tensor | None
    epsilon: float
