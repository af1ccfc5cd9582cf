"""Attention within each text of an unpadded batch, as a function that transformers' own layers call."""

import torch

from finegrid.modeling.lean_transformers import lean
from finegrid.training.fast.unpadded.layout import Group, Layout

with lean():
    from transformers.modeling_utils import AttentionInterface

NAME = "finegrid_unpadded"


def use_unpadded_attention(model: torch.nn.Module) -> None:
    """Make every layer of a transformers model use `attend`, for all tokens."""
    AttentionInterface.register(NAME, attend)
    model.set_attn_implementation(NAME)


def attend(
    module,
    query,
    key,
    value,
    attention_mask,
    *,
    layout: Layout,
    scaling: float,
    dropout: float,
    sliding_window=None,
    **_,
):
    """Attend within each text: an attention function of transformers.

    `query` is [1, heads, tokens, head size]; `key` and `value` may have fewer heads, each for several of the query's.
    With `sliding_window`, a token attends to tokens fewer than so many places away. Returns [1, tokens, heads, head
    size], None.
    """
    shared = query.shape[1] // key.shape[1]
    if shared > 1:
        key, value = (tensor.repeat_interleave(shared, 1) for tensor in (key, value))
    query, key, value = (in_autocast_dtype(tensor[0].transpose(0, 1)) for tensor in (query, key, value))
    dropout = dropout_of(module) if dropout else None
    return Attention.apply(query, key, value, layout, False, scaling, dropout, sliding_window)[None], None


def dropout_of(module: torch.nn.Module) -> torch.nn.Module:
    """Return the dropout of attention weights, which ALBERT names otherwise."""
    named = getattr(module, "attention_dropout", None)
    return named if isinstance(named, torch.nn.Module) else module.dropout


def in_autocast_dtype(tensor: torch.Tensor) -> torch.Tensor:
    """Cast to the dtype of matrix products, as autocast casts what torch's own attention takes.

    Layers with adapters may return float32 where others return bfloat16.
    """
    return tensor.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else tensor


class Attention(torch.autograd.Function):
    """Softmax attention within each text, with dropout of its weights.

    query, key and value [tokens, heads, head size]; with `first`, query and result are [texts, heads, head size].
    With `window`, a token attends to tokens fewer than so many places away.
    """

    @staticmethod
    def forward(ctx, query, key, value, layout, first, scaling, dropout, window=None):
        ctx.layout, ctx.first, ctx.scaling = layout, first, scaling
        ctx.keep, ctx.tokens = 1 - dropout.p if dropout else 1, len(key)
        parts, saved = [], []
        with torch.autocast("cpu", enabled=False):  # the caller has chosen the dtype
            for group in layout.groups:
                q, k, v = pad(query, group, first).mul_(scaling), pad(key, group), pad(value, group)
                scores = q @ k.mT
                if group.bias is not None:
                    scores += group.bias
                if window is not None and window < group.size[1]:
                    scores += outside(window, group.size[1])
                weights = scores.softmax(-1)
                mask = dropout.draw(weights.shape).ones(weights.dtype) if dropout else None
                kept = weights if mask is None else weights * mask
                parts.append(unpad(kept @ v, group, first))
                saved += [q, k, v, weights, mask]
            ctx.save_for_backward(*saved)
            return concatenate_groups(parts, *query.shape[:2]).div_(ctx.keep)

    @staticmethod
    def backward(ctx, gradient):
        gradient = gradient / ctx.keep
        of_query, of_key, of_value = [], [], []
        saved = iter(ctx.saved_tensors)
        for group in ctx.layout.groups:
            q, k, v, weights, mask = (next(saved) for _ in range(5))
            g = pad(gradient, group, ctx.first)
            kept = weights if mask is None else weights * mask
            of_value.append(unpad(kept.mT @ g, group))
            of_weights = g @ v.mT
            if mask is not None:
                of_weights *= mask
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            of_query.append(unpad(of_scores @ k, group, ctx.first))
            of_key.append(unpad(of_scores.mT @ q, group))
        of_query = concatenate_groups(of_query, *gradient.shape[:2]).mul_(ctx.scaling)
        of_key, of_value = (concatenate_groups(parts, ctx.tokens, gradient.shape[1]) for parts in (of_key, of_value))
        return of_query, of_key, of_value, None, None, None, None, None


def outside(window: int, longest: int) -> torch.Tensor:
    """Return what to add to scores for a window: float32 [longest, longest], 0 inside and low outside.

    Not -inf, as padding may see no text in its window, and its weights would be no numbers.
    """
    position = torch.arange(longest)
    return torch.zeros(longest, longest).masked_fill_((position - position[:, None]).abs() >= window, -1e9)


def pad(tensor: torch.Tensor, group: Group, first: bool = False) -> torch.Tensor:
    """Copy a group's rows of [tokens, heads, head size] to [texts x heads, longest, head size], padded with 0.

    With `first`, from [texts, heads, head size] to [texts x heads, 1, head size].
    """
    if first:
        return tensor[group.texts].flatten(0, 1)[:, None].clone()
    _, heads, head_size = tensor.shape
    texts, longest = group.size
    padded = tensor.new_zeros(texts * heads * longest, head_size)
    padded.index_copy_(0, group.place, tensor.flatten(0, 1)[group.rows])
    return padded.view(texts * heads, longest, head_size)


def unpad(padded: torch.Tensor, group: Group, first: bool = False) -> torch.Tensor:
    """Undo `pad`: from [texts x heads, longest, head size] to [tokens x heads, head size]."""
    rows = padded.flatten(0, 1)
    return rows if first else rows.index_select(0, group.place)


def concatenate_groups(parts: list[torch.Tensor], rows: int, heads: int) -> torch.Tensor:
    """Concatenate the rows of all groups, and 0 for tokens of no group: [`rows`, heads, head size]."""
    rest = rows * heads - sum(map(len, parts))
    if rest:
        parts = [*parts, parts[0].new_zeros(rest, parts[0].shape[1])]
    return (torch.cat(parts) if len(parts) > 1 else parts[0]).unflatten(0, (rows, heads))
