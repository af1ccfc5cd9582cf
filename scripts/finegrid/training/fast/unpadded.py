"""Texts without padding: the texts of a batch lie end to end, as one row of tokens through the model's own layers.

transformers passes extra keyword arguments of a model's call down to its attention function. So the layers see one
row [1, tokens, hidden size], and `attend`, registered as an attention function, keeps the texts apart. The last layer
computes only the first token of each text, as the classifier reads no other. The logits are those of a padded batch.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch.nn.functional import pad as pad_end

from finegrid.data.tokens import Split
from finegrid.modeling.lean_transformers import lean
from finegrid.training.fast.precision import keep_float32

with lean():
    from transformers.modeling_utils import AttentionInterface

NAME = "finegrid_unpadded"
# Architectures that have the parts which `use_unpadded` replaces.
MODEL_TYPES = ("bert",)
# Attention runs over groups of texts, each padded to its longest text: as many texts as keep the scores
# [texts, heads, longest, longest] small enough for the processor's cache. Two groups are merged if padding one to the
# other's length takes less time than another group would, which is about the time of GROUP_COST scores.
GROUP_SCORES = 2**18
GROUP_COST = 2**16
# torch compiles bfloat16 products for every new shape, which takes longer than the product itself. So sizes are
# rounded up, by at most these shares, and a few shapes recur.
LONGEST_ROUNDING = 1 / 4
TOKENS_ROUNDING = 1 / 8


class Group(NamedTuple):
    """Neighbouring texts of a batch whose attention is one product."""

    texts: slice
    size: tuple[int, int]  # texts, and the length that each is padded to
    rows: slice  # of these texts in [tokens x heads]
    place: torch.Tensor  # int64: where each of these rows goes in [texts x heads x longest]
    bias: torch.Tensor | None  # float [texts x heads, 1, longest]: 0, or -inf at padding; None if none is padded


class Layout(NamedTuple):
    """Where the texts of an unpadded batch lie."""

    starts: torch.Tensor  # int64 [texts]: the first token of each
    groups: list[Group]


def concatenate(split: Split, rows: torch.Tensor, heads: int) -> tuple[torch.Tensor, dict]:
    """Concatenate some rows, the longest first, for a model with `heads` attention heads.

    Returns the rows in that order, and the model's inputs: `input_ids`, `token_type_ids` and `position_ids`, each
    [1, tokens], and `layout`. A few tokens at the end may belong to no text.
    """
    rows = rows[split.lengths[rows].argsort(descending=True, stable=True)]
    lengths = split.lengths[rows]
    layout = lay_out(lengths, heads)
    position = torch.arange(int(lengths.sum())) - layout.starts.repeat_interleave(lengths)
    token = split.offsets[rows].repeat_interleave(lengths) + position
    inputs = {
        "input_ids": split.input_ids[token].long(),
        "token_type_ids": split.token_type_ids[token].long(),
        "position_ids": position,
    }
    rest = (0, rounded(len(token), TOKENS_ROUNDING) - len(token))
    return rows, {**{name: pad_end(tensor, rest)[None] for name, tensor in inputs.items()}, "layout": layout}


def rounded(size: int, share: float) -> int:
    """Round a size up to a multiple of 8 or, where that adds at most `share`, of a larger power of two."""
    step = 8
    while 2 * step <= share * size:
        step *= 2
    return -(-size // step) * step


def lay_out(lengths: torch.Tensor, heads: int) -> Layout:
    """Lay out texts of these lengths end to end: int64 [texts], sorted for the least padding."""
    ends, groups = lengths.cumsum(0), []
    for first, texts in group_texts(lengths.tolist(), heads):
        longest = rounded(int(lengths[first]), LONGEST_ROUNDING)
        groups.append(_group(first, lengths[first : first + texts], int(ends[first]), longest, heads))
    return Layout(ends - lengths, groups)


def group_texts(sizes: list[int], heads: int) -> Iterator[tuple[int, int]]:
    """Yield the first text and the number of texts of each group; sizes are in tokens, the longest first."""
    first = 0
    while first < len(sizes):
        texts = 1
        # Double the number of texts as long as that saves time, so that it, too, takes few values.
        while first + 2 * texts <= len(sizes):
            one, other = (sizes[start : start + texts] for start in (first, first + texts))
            together = scores(one + other, heads)
            if together > GROUP_SCORES or together - scores(one, heads) - scores(other, heads) > GROUP_COST:
                break
            texts *= 2
        yield first, texts
        first += texts


def scores(sizes: list[int], heads: int) -> int:
    """Count the attention scores of some texts in one group."""
    return len(sizes) * heads * rounded(max(sizes), LONGEST_ROUNDING) ** 2


def _group(first: int, lengths: torch.Tensor, first_end: int, longest: int, heads: int) -> Group:
    start, total, size = first_end - int(lengths[0]), int(lengths.sum()), (len(lengths), longest)
    texts, rows = slice(first, first + len(lengths)), slice(start * heads, (start + total) * heads)
    real = torch.arange(longest) < lengths[:, None]
    text, position = real.nonzero().T
    place = (text[:, None] * heads + torch.arange(heads)) * longest + position[:, None]
    bias = None
    if total < len(lengths) * longest:
        bias = torch.zeros(size).masked_fill_(~real, float("-inf")).repeat_interleave(heads, 0)[:, None]
    return Group(texts, size, rows, place.flatten(), bias)


def use_unpadded(model: torch.nn.Module) -> None:
    """Make a model of one of MODEL_TYPES take unpadded batches and the keyword argument `layout`."""
    use_unpadded_attention(model)
    last = model.base_model.encoder.layer[-1]
    attention = last.attention
    attention.forward = lambda hidden_states, *_, layout, **__: (attend_first(attention, hidden_states, layout), None)
    # These see one token per text: too little work to compile bfloat16 products for every number of texts.
    for module in (attention.self.query, attention.output, last.intermediate, last.output):
        keep_float32(module, "cpu")
    # The pooler takes the first token of each row: [1, texts, hidden size] to [texts, 1, hidden size].
    model.base_model.pooler.register_forward_pre_hook(lambda _, inputs: (inputs[0].transpose(0, 1),))


def use_unpadded_attention(model: torch.nn.Module) -> None:
    """Make every layer of a transformers model use `attend`, for all tokens."""
    AttentionInterface.register(NAME, attend)
    model.set_attn_implementation(NAME)


def in_use(model: torch.nn.Module) -> bool:
    """Whether a model takes unpadded batches."""
    return model.config._attn_implementation == NAME


def attend(module, query, key, value, attention_mask, *, layout: Layout, scaling: float, dropout: float, **_):
    """Attend within each text: an attention function of transformers.

    `query`, `key` and `value` are [1, heads, tokens, head size]; returns [1, tokens, heads, head size], None.
    """
    query, key, value = (in_autocast_dtype(tensor[0].transpose(0, 1)) for tensor in (query, key, value))
    return Attention.apply(query, key, value, layout, False, scaling, module.dropout if dropout else None)[None], None


def attend_first(attention, hidden_states: torch.Tensor, layout: Layout) -> torch.Tensor:
    """Run a layer's attention block for the first token of each text: [1, tokens, hidden] to [1, texts, hidden]."""
    block = attention.self
    first = hidden_states[:, layout.starts]
    query, key, value = (
        in_autocast_dtype(linear(states)[0].unflatten(-1, (block.num_attention_heads, -1)))
        for linear, states in ((block.query, first), (block.key, hidden_states), (block.value, hidden_states))
    )
    dropout = block.dropout if block.training and block.dropout.p else None
    context = Attention.apply(query, key, value, layout, True, block.scaling, dropout)
    return attention.output(context.flatten(1)[None], first)


def in_autocast_dtype(tensor: torch.Tensor) -> torch.Tensor:
    """Cast to the dtype of matrix products, as autocast casts what torch's own attention takes.

    Layers with adapters may return float32 where others return bfloat16.
    """
    return tensor.to(torch.get_autocast_dtype("cpu")) if torch.is_autocast_enabled("cpu") else tensor


class Attention(torch.autograd.Function):
    """Softmax attention within each text, with dropout of its weights.

    query, key and value [tokens, heads, head size]; with `first`, query and result are [texts, heads, head size].
    """

    @staticmethod
    def forward(ctx, query, key, value, layout, first, scaling, dropout):
        ctx.layout, ctx.first, ctx.scaling = layout, first, scaling
        ctx.keep, ctx.tokens = 1 - dropout.p if dropout else 1, len(key)
        parts, saved = [], []
        with torch.autocast("cpu", enabled=False):  # the caller has chosen the dtype
            for group in layout.groups:
                q, k, v = pad(query, group, first).mul_(scaling), pad(key, group), pad(value, group)
                scores = q @ k.mT
                if group.bias is not None:
                    scores += group.bias
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
        return of_query, of_key, of_value, None, None, None, None


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
