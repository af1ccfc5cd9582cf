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

    def forward(self, states: torch.Tensor) -> tuple[torch.Tensor, tuple]:
        """Return float32 states [rows, width] normalised, and what the way back needs."""
        result, mean, scale = torch.native_layer_norm(states, states.shape[-1:], self.weight, self.bias, self.epsilon)
        return result, (states, mean, scale)

    def backward(self, gradient: torch.Tensor, saved: tuple) -> torch.Tensor:
        """Add the gradients of weight and bias; return that of the states."""
        states, mean, scale = saved
        asked = [True, self.weight_gradient is not None, self.bias_gradient is not None]
        of_states, of_weight, of_bias = torch.ops.aten.native_layer_norm_backward(
            gradient, states, states.shape[-1:], mean, scale, self.weight, self.bias, asked
        )
        if self.weight_gradient is not None:
            self.weight_gradient.add_(of_weight)
        if self.bias_gradient is not None:
            self.bias_gradient.add_(of_bias)
        return of_states
