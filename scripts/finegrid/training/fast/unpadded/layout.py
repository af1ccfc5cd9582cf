"""Where the texts of an unpadded batch lie, and in which groups attention takes them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.functional import pad as pad_end

from finegrid.data.tokens import Split

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
    lengths: torch.Tensor  # int64 [texts]: tokens of each
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
    return Layout(ends - lengths, lengths, groups)


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


def positions_after(
    padding: int, ids: np.ndarray, positions: np.ndarray, starts: np.ndarray, lengths: np.ndarray
) -> np.ndarray:
    """Number the tokens of each text from `padding` + 1, as RoBERTa does.

    `ids` and `positions`, counted from 0, are int [tokens], `starts` and `lengths` of each text int [texts]. A padding
    token inside a text has the number `padding` and is not counted.
    """
    counted = ids != padding
    if counted.all():
        return positions + padding + 1
    total = counted.cumsum()
    return (total - (total - counted)[starts].repeat(lengths)) * counted + padding
