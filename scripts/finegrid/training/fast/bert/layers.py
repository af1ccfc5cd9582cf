"""The parts of an encoder layer, forward and backward.

A forward function returns its result and what its backward function needs, which adds the gradients of parameters and
returns that of the input. States [tokens, hidden size] between the parts are float32; products are in their own dtype.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch

from finegrid.training.fast.bert.batch import Batch
from finegrid.training.fast.bert.kernels import chosen as kernels
from finegrid.training.fast.bert.mask import Mask
from finegrid.training.fast.bert.norm import Norm

Draw = Callable[[tuple[int, ...]], Mask | None]  # a mask of dropout by its shape; None: nothing is dropped


def scaled(mask: Mask | None) -> torch.Tensor | None:
    """Return what a mask multiplies each element by, float32."""
    return mask and kernels.scaled(mask)


class Linear(NamedTuple):
    """A linear layer of the model; a gradient is None where nothing trains. `scale` multiplies the layer."""

    weight: torch.Tensor
    bias: torch.Tensor
    weight_gradient: torch.Tensor | None
    bias_gradient: torch.Tensor | None
    scale: float = 1.0


class Product:
    """Linear layers of the same input as one matrix product, with weights in the dtype of products."""

    def __init__(self, *linears: Linear, dtype: torch.dtype):
        self.linears, size = linears, len(linears[0].weight)
        self.slices = [slice(i * size, (i + 1) * size) for i in range(len(linears))]
        self.same = len(linears) == 1 and dtype == torch.float32  # as the model's own
        self.weight_trains = any(each.weight_gradient is not None for each in linears)
        self.bias_trains = any(each.bias_gradient is not None for each in linears)
        if self.same:
            self.weight, self.bias = linears[0].weight, linears[0].bias
        else:
            self.weight = torch.empty(size * len(linears), linears[0].weight.shape[1], dtype=dtype)
            self.bias = torch.empty(size * len(linears), dtype=dtype)
        self.refresh(everything=True)

    def refresh(self, everything: bool = False) -> None:
        """Copy what trains, or everything, from the model."""
        if self.same:
            return
        for rows, linear in zip(self.slices, self.linears, strict=True):
            if everything or linear.weight_gradient is not None:
                torch.mul(linear.weight, linear.scale, out=self.weight[rows])
            if everything or linear.bias_gradient is not None:
                torch.mul(linear.bias, linear.scale, out=self.bias[rows])

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.linear(states, self.weight, self.bias)

    def backward(self, gradient: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """Add the gradients of the weights; return that of the states."""
        if self.weight_trains:
            of_weight = gradient.t() @ states
            for rows, linear in zip(self.slices, self.linears, strict=True):
                if linear.weight_gradient is not None:
                    linear.weight_gradient.add_(of_weight[rows], alpha=linear.scale)
        return gradient @ self.weight

    def backward_bias(self, gradient: torch.Tensor) -> None:
        """Add the gradients of the biases."""
        if self.bias_trains:
            of_bias = gradient.sum(0)
            for rows, linear in zip(self.slices, self.linears, strict=True):
                if linear.bias_gradient is not None:
                    linear.bias_gradient.add_(of_bias[rows], alpha=linear.scale)

    @property
    def of_bias(self) -> torch.Tensor | None:
        """The gradient of the bias of a single linear layer."""
        return self.linears[0].bias_gradient


class Layer(NamedTuple):
    """An encoder layer, but for what its attention reads."""

    attention_output: Product
    attention_norm: Norm
    up: Product
    down: Product
    output_norm: Norm

    @property
    def products(self) -> tuple[Product, ...]:
        """All matrix products."""
        return self.attention_output, self.up, self.down


def after_attention(layer: Layer, context: torch.Tensor, states: torch.Tensor, draw: Draw, draw_last: Draw) -> tuple:
    """Run all of a layer but the attention: `context` [rows, hidden size] is what the heads return.

    `draw` draws the masks of the attention's output, `draw_last` those of the layer's. Returns the new states, in
    float32 and in the dtype of products.
    """
    output = layer.attention_output(context)
    states, inner, first = kernels.add_and_norm(states, output, layer.attention_norm, draw(states.shape))
    activated, slopes = kernels.gelu(layer.up(inner))
    states, low, second = kernels.add_and_norm(
        states, layer.down(activated), layer.output_norm, draw_last(states.shape)
    )
    return states, low, (context, first, inner, activated, slopes, second)


def after_attention_backward(
    layer: Layer, gradient: torch.Tensor, extra: torch.Tensor | None, saved: tuple
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of the context and of the states, given that of the new states: `gradient` + `extra`."""
    context, first, inner, activated, slopes, second = saved
    gradient, of_down = kernels.add_and_norm_backward(gradient, extra, layer.output_norm, second, layer.down.of_bias)
    of_up = kernels.gelu_backward(layer.down.backward(of_down, activated), slopes, layer.up.of_bias)
    of_inner, norm = layer.up.backward(of_up, inner), layer.attention_norm
    gradient, of_output = kernels.add_and_norm_backward(gradient, of_inner, norm, first, layer.attention_output.of_bias)
    return layer.attention_output.backward(of_output, context), gradient


class Heads(NamedTuple):
    """How attention is split."""

    count: int
    size: int

    def attend(self, three: torch.Tensor, batch: Batch, draw: Draw) -> tuple[torch.Tensor, tuple]:
        """Attend within each text: from query, key and value [tokens, 3 x hidden size] to [tokens, hidden size]."""
        query, key, value = three.view(-1, self.size).index_select(0, batch.pad_three).chunk(3)
        context, saved, scale = torch.empty_like(query), [], 1.0
        for group in batch.groups:
            q, k, v = (self._of_group(each, group) for each in (query, key, value))
            scores = torch.bmm(q, k.mT)
            mask = draw(scores.shape)
            scale = mask.kept if mask else 1.0
            kept, of_softmax = kernels.softmax(scores, group, mask)
            torch.bmm(kept, v, out=self._of_group(context, group))
            saved.append((q, k, v, kept, of_softmax))
        context = context.index_select(0, batch.unpad).view(batch.tokens, -1)
        return context if scale == 1 else context.mul_(scale), (scale, saved)

    def backward(self, gradient: torch.Tensor, batch: Batch, saved: tuple) -> torch.Tensor:
        """Return the gradient of query, key and value [tokens, 3 x hidden size] by that of the result.

        The gradient of tokens of no text must be 0.
        """
        scale, of_groups = saved
        if scale != 1:
            gradient = gradient * scale
        padded = gradient.view(-1, self.size).index_select(0, batch.pad)
        three = padded.new_empty(3 * len(padded), self.size)
        of_query, of_key, of_value = three.chunk(3)
        for group, (q, k, v, kept, of_softmax) in zip(batch.groups, of_groups, strict=True):
            g = self._of_group(padded, group)
            torch.bmm(kept.mT, g, out=self._of_group(of_value, group))
            of_scores = kernels.softmax_backward(torch.bmm(g, v.mT), group, of_softmax)
            torch.bmm(of_scores, k, out=self._of_group(of_query, group))
            torch.bmm(of_scores.mT, q, out=self._of_group(of_key, group))
        result = three.index_select(0, batch.unpad_three).view(batch.tokens, -1)
        result[batch.real :] = 0
        return result

    def _of_group(self, padded: torch.Tensor, group) -> torch.Tensor:
        """Return a group's rows of [padded, head size] as [texts x heads, longest, head size]."""
        return padded[group.padded].view(-1, group.longest, self.size)
