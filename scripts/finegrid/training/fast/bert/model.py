"""An encoder as its parts, from the words of a batch to the first token of each text, and back."""

from collections.abc import Iterator

import numpy as np
import torch

from finegrid.modeling.trainable import trains
from finegrid.training.fast.bert import adapted, first_token
from finegrid.training.fast.bert.adapted import Adapted
from finegrid.training.fast.bert.batch import Batch
from finegrid.training.fast.bert.layers import (
    Draw,
    Heads,
    Layer,
    Linear,
    Product,
    after_attention,
    after_attention_backward,
    scaled,
)
from finegrid.training.fast.bert.mask import Mask, draw_mask, numbers
from finegrid.training.fast.bert.norm import Norm
from finegrid.training.fast.bert.parts import Block, blocks_of
from finegrid.training.fast.embedding import add_rows


class Encoder:
    """The parts of an encoder of transformers that `parts.fits`; they read its parameters.

    It ends at the first token of each text. `gradients` has a float32 tensor for each parameter that trains, by name,
    to which its gradient is added. The word embeddings are left to the caller: forward takes their rows, backward
    returns the gradient of these.
    """

    def __init__(self, model: torch.nn.Module, gradients: dict[str, torch.Tensor], dtype: torch.dtype):
        config, embeddings = model.config, model.base_model.embeddings
        self.dtype, names = dtype, {id(parameter): name for name, parameter in model.named_parameters()}
        self.adapted: list[Adapted] = []

        def gradient_of(parameter) -> torch.Tensor | None:
            return gradients.get(names[id(parameter)])

        def parts(module) -> tuple:
            weight, bias = module.weight, module.bias
            return weight.detach(), bias.detach(), gradient_of(weight), gradient_of(bias)

        def linear(module, scale: float = 1.0) -> Linear:
            if type(module) is torch.nn.Linear:
                return Linear(*parts(module), scale)
            layer = Adapted(module, bool(gradients) and trains(module))
            layer.refresh()
            self.adapted.append(layer)
            return Linear(layer.weight, layer.bias, layer.weight_gradient, layer.bias_gradient, scale)

        def norm(module) -> Norm:
            return Norm(*parts(module), module.eps)

        size = config.hidden_size // config.num_attention_heads
        self.heads = Heads(config.num_attention_heads, size)

        def attention(block: Block) -> tuple[Linear, Linear, Linear]:
            return linear(block.query, size**-0.5), linear(block.key), linear(block.value)

        def layer(block: Block, dtype: torch.dtype) -> Layer:
            return Layer(
                Product(linear(block.attention_output), dtype=dtype),
                norm(block.attention_norm),
                Product(linear(block.up), dtype=dtype),
                Product(linear(block.down), dtype=dtype),
                norm(block.output_norm),
            )

        *blocks, last = blocks_of(model)
        self.query_key_value = [Product(*attention(block), dtype=dtype) for block in blocks]
        self.layers = [layer(block, dtype) for block in blocks]
        self.last, self.last_attention = layer(last, torch.float32), attention(last)
        self.embeddings = [  # but for the words: the row of each token, the weight, its gradient, a row without one
            (rows, module.weight.detach(), gradient_of(module.weight), module.padding_idx)
            for rows, module in (
                ("positions", embeddings.position_embeddings),
                ("types", getattr(embeddings, "token_type_embeddings", None)),
            )
            if module is not None
        ]
        self.norm = norm(embeddings.LayerNorm)
        # Rates of dropout: of embeddings, attention weights, the attention's output and the layer's.
        self.rates = embeddings.dropout.p, last.attention_rate, last.attention_output_rate, last.output_rate
        # The gradient goes down no further than to the lowest part that trains: 0 for the embeddings.
        parts_upwards = (embeddings, *(block.module for block in blocks))
        self.lowest = next((i for i, part in enumerate(parts_upwards) if trains(part)), 1 + len(blocks))

    def refresh(self) -> None:
        """Read the parameters that train anew, after the optimiser updated them."""
        for layer in self.adapted:
            layer.refresh()
        for product in (*self.query_key_value, *(each for layer in self.layers for each in layer.products)):
            product.refresh()

    def forward(self, words: torch.Tensor, batch: Batch, random: np.random.Generator | None) -> tuple:
        """Return the first token's state of each text [texts, hidden size], and what `backward` needs.

        `words` [tokens, hidden size] is overwritten. Without a random generator nothing is dropped, and layers keep
        nothing for `backward`, as for predictions.
        """
        drawn = numbers(random) if random else None
        embedded, attention, *hidden = (masks(drawn, rate) for rate in self.rates)
        for rows, weight, *_ in self.embeddings:
            words += weight.index_select(0, getattr(batch, rows))
        states, of_norm = self.norm.forward(words)
        of_dropout = scaled(embedded(states.shape))
        if of_dropout is not None:
            states *= of_dropout
        low, saved = states.to(self.dtype), []
        for query_key_value, layer in zip(self.query_key_value, self.layers, strict=True):
            inputs = low
            context, of_attention = self.heads.attend(query_key_value(inputs), batch, attention)
            states, low, of_rest = after_attention(layer, context, states, *hidden)
            if random:
                saved.append((inputs, of_attention, of_rest))
        context, of_attention = first_token.attend(self.heads, self.last_attention, states, batch, attention)
        first, _, of_rest = after_attention(self.last, context, of_attention[0], *hidden)
        return first, ((of_norm, of_dropout), saved, of_attention, of_rest)

    def backward(self, gradient: torch.Tensor, batch: Batch, saved: tuple) -> torch.Tensor | None:
        """Add the gradients of the parameters, given that of the result; return that of the words if it is known."""
        of_embeddings, layers, of_attention, of_rest = saved
        of_context, of_first = after_attention_backward(self.last, gradient, None, of_rest)
        gradient, of_query = first_token.backward(self.heads, self.last_attention, of_context, batch, of_attention)
        gradient.index_add_(0, batch.starts, of_first + of_query)
        extra = None
        for depth in reversed(range(len(layers))):
            if depth + 1 < self.lowest:
                return None
            query_key_value, (inputs, of_attention, of_rest) = self.query_key_value[depth], layers[depth]
            of_context, gradient = after_attention_backward(self.layers[depth], gradient, extra, of_rest)
            of_three = self.heads.backward(of_context, batch, of_attention)
            query_key_value.backward_bias(of_three)
            extra = query_key_value.backward(of_three, inputs)
        if self.lowest > 0:
            return None
        return self._backward_embeddings(gradient if extra is None else gradient + extra, batch, of_embeddings)

    def backward_adapters(self) -> None:
        """Add the gradients of the adapters' parameters to their `grad`, once `backward` saw the whole batch."""
        adapted.backward(self.adapted)

    def _backward_embeddings(self, gradient: torch.Tensor, batch: Batch, saved: tuple) -> torch.Tensor:
        of_norm, of_dropout = saved
        if of_dropout is not None:
            gradient *= of_dropout
        gradient = self.norm.backward(gradient, of_norm)
        for rows, _, of_weight, padding in self.embeddings:
            if of_weight is not None:
                add_rows(of_weight, getattr(batch, rows), gradient, padding)
        return gradient


def masks(drawn: Iterator[int] | None, rate: float) -> Draw:
    """Return a function that draws masks of dropout by their shape, from `numbers`; None without these."""

    def draw(shape: tuple[int, ...]) -> Mask | None:
        return draw_mask(drawn, rate, shape) if drawn and rate else None

    return draw
