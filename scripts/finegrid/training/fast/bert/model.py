"""A BERT classifier as its parts, from the texts of a batch to logits and back."""

from collections.abc import Iterator

import numpy as np
import torch

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


class Classifier:
    """The parts of a transformers BertForSequenceClassification; they read its parameters.

    `gradients` has a float32 tensor for each parameter that trains, by name, to which its gradient is added. The word
    embeddings are left to the caller: forward takes their rows, backward returns the gradient of these.
    """

    def __init__(self, model: torch.nn.Module, gradients: dict[str, torch.Tensor], dtype: torch.dtype):
        config, bert = model.config, model.bert
        self.dtype, names = dtype, {id(parameter): name for name, parameter in model.named_parameters()}
        self.adapted: list[Adapted] = []
        attention_dropout = bert.encoder.layer[0].attention.self.dropout.p
        self.dropout = bert.embeddings.dropout.p, attention_dropout, model.dropout.p

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

        def attention(block) -> tuple[Linear, Linear, Linear]:
            own = block.attention.self
            return linear(own.query, size**-0.5), linear(own.key), linear(own.value)

        def layer(block, dtype: torch.dtype) -> Layer:
            return Layer(
                Product(linear(block.attention.output.dense), dtype=dtype),
                norm(block.attention.output.LayerNorm),
                Product(linear(block.intermediate.dense), dtype=dtype),
                Product(linear(block.output.dense), dtype=dtype),
                norm(block.output.LayerNorm),
            )

        *blocks, last = bert.encoder.layer
        self.query_key_value = [Product(*attention(block), dtype=dtype) for block in blocks]
        self.layers = [layer(block, dtype) for block in blocks]
        self.last, self.last_attention = layer(last, torch.float32), attention(last)
        embeddings = bert.embeddings
        self.positions, self.types = (
            (module.weight.detach(), gradient_of(module.weight))
            for module in (embeddings.position_embeddings, embeddings.token_type_embeddings)
        )
        self.norm = norm(embeddings.LayerNorm)
        self.pooler = Product(linear(bert.pooler.dense), dtype=torch.float32)
        self.classifier = Product(linear(model.classifier), dtype=torch.float32)
        # The gradient goes down no further than to the lowest part that trains: 0 for the embeddings.
        self.lowest = next((i for i, part in enumerate((embeddings, *blocks)) if trains(part)), 1 + len(blocks))

    def refresh(self) -> None:
        """Read the parameters that train anew, after the optimiser updated them."""
        for layer in self.adapted:
            layer.refresh()
        for product in (*self.query_key_value, *(each for layer in self.layers for each in layer.products)):
            product.refresh()

    def forward(self, words: torch.Tensor, batch: Batch, random: np.random.Generator | None) -> tuple:
        """Return logits [texts, labels] and what `backward` needs; `words` [tokens, hidden size] is overwritten.

        Without a random generator nothing is dropped, and layers keep nothing for `backward`, as for predictions.
        """
        drawn = numbers(random) if random else None
        hidden, attention, head = (masks(drawn, p) for p in self.dropout)
        words += self.positions[0].index_select(0, batch.positions)
        words += self.types[0].index_select(0, batch.types)
        states, of_norm = self.norm.forward(words)
        of_dropout = scaled(hidden(states.shape))
        if of_dropout is not None:
            states *= of_dropout
        low, saved = states.to(self.dtype), []
        for query_key_value, layer in zip(self.query_key_value, self.layers, strict=True):
            inputs = low
            context, of_attention = self.heads.attend(query_key_value(inputs), batch, attention)
            states, low, of_rest = after_attention(layer, context, states, hidden)
            if random:
                saved.append((inputs, of_attention, of_rest))
        context, of_attention = first_token.attend(self.heads, self.last_attention, states, batch, attention)
        first, _, of_rest = after_attention(self.last, context, of_attention[0], hidden)
        pooled = self.pooler(first).tanh_()
        of_last_dropout = scaled(head(pooled.shape))
        vectors = pooled if of_last_dropout is None else pooled * of_last_dropout
        of_embeddings, of_head = (of_norm, of_dropout), (first, pooled, of_last_dropout, vectors)
        return self.classifier(vectors), (of_embeddings, saved, of_attention, of_rest, of_head)

    def backward(self, gradient: torch.Tensor, batch: Batch, saved: tuple) -> torch.Tensor | None:
        """Add the gradients of the parameters, given that of the logits; return that of the words if it is known."""
        of_embeddings, layers, of_attention, of_rest, (first, pooled, of_dropout, vectors) = saved
        self.classifier.backward_bias(gradient)
        gradient = self.classifier.backward(gradient, vectors)
        if of_dropout is not None:
            gradient *= of_dropout
        gradient = torch.ops.aten.tanh_backward(gradient, pooled)
        self.pooler.backward_bias(gradient)
        gradient = self.pooler.backward(gradient, first)
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
        for of_rows, rows in ((self.positions[1], batch.positions), (self.types[1], batch.types)):
            if of_rows is not None:
                of_rows.index_add_(0, rows, gradient)
        return gradient


def trains(module: torch.nn.Module) -> bool:
    """Whether a parameter of a module trains."""
    return any(parameter.requires_grad for parameter in module.parameters())


def masks(drawn: Iterator[int] | None, p: float) -> Draw:
    """Return a function that draws masks of dropout by their shape, from `numbers`; None without these."""

    def draw(shape: tuple[int, ...]) -> Mask | None:
        return draw_mask(drawn, p, shape) if drawn and p else None

    return draw
