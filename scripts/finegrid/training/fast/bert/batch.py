"""A batch without padding, and where attention finds each text's tokens in it."""

from typing import NamedTuple

import numpy as np
import torch

from finegrid.data.tokens import Split
from finegrid.training.fast.unpadded import LONGEST_ROUNDING, TOKENS_ROUNDING, group_texts, positions_after, rounded


class Group(NamedTuple):
    """Neighbouring texts whose attention is one product."""

    lengths: np.ndarray  # int64 [texts]
    longest: int  # the length that each is padded to
    padded: slice  # of their rows among those of all groups
    padding: torch.Tensor | None  # bool [texts, 1, 1, longest]: whether a key is padding; None if none is


class Batch(NamedTuple):
    """Texts end to end, the longest first; then at least one token of no text.

    Attention reads rows of [tokens x heads, head size] as [padded, head size], in which the rows of a group lie as
    [texts, heads, longest].
    """

    rows: torch.Tensor  # int64 [texts]: of the split
    starts: torch.Tensor  # int64 [texts]: the first token of each
    real: int  # tokens of texts
    ids: torch.Tensor  # int64 [tokens], as are the next two
    types: torch.Tensor
    positions: torch.Tensor
    groups: list[Group]
    pad: torch.Tensor  # int64 [padded]: for each row the one of [tokens x heads]; padding has a token of no text
    unpad: torch.Tensor  # int64 [tokens x heads]: the way back
    pad_three: torch.Tensor  # int64 [3 x padded]: the same of query, key and value, from [tokens x 3 x heads]
    unpad_three: torch.Tensor  # int64 [tokens x 3 x heads]
    pad_texts: torch.Tensor  # int64 [texts x longest]: the token at each place of all texts padded to the longest
    unpad_texts: torch.Tensor  # int64 [tokens]: the way back
    padding: torch.Tensor | None  # bool [texts, 1, longest]: whether a place is padding; None if none is

    @property
    def tokens(self) -> int:
        """All tokens, those of no text included."""
        return len(self.ids)


class Source(NamedTuple):
    """A split as numpy arrays, which are quicker to index by few rows."""

    ids: np.ndarray
    types: np.ndarray
    offsets: np.ndarray
    padding: int | None  # the token from whose number on positions are counted; None: from 0

    @classmethod
    def of(cls, split: Split, padding: int | None = None) -> "Source":
        """Return the arrays of a split."""
        return cls(split.input_ids.numpy(), split.token_type_ids.numpy(), split.offsets.numpy(), padding)


def lay_out(source: Source, rows: torch.Tensor, heads: int) -> Batch:
    """Lay out some rows of a split, int64 [texts], for attention with `heads` heads."""
    rows = rows.numpy()
    lengths = source.offsets[rows + 1] - source.offsets[rows]
    by_length = np.argsort(-lengths, kind="stable")
    rows, lengths = rows[by_length], lengths[by_length]
    ends = lengths.cumsum()
    starts, real = ends - lengths, int(ends[-1])
    tokens = rounded(real + 1, TOKENS_ROUNDING)
    positions = np.arange(real) - starts.repeat(lengths)
    token = source.offsets[rows].repeat(lengths) + positions
    ids = source.ids[token]
    if source.padding is not None:
        positions = positions_after(source.padding, ids, positions, starts, lengths)

    groups, pad, unpad, padded = [], [], [], 0
    head = np.arange(heads)
    for first, count in group_texts(lengths.tolist(), heads):
        texts, longest = slice(first, first + count), rounded(int(lengths[first]), LONGEST_ROUNDING)
        position = np.arange(longest)
        is_real = position < lengths[texts, None]
        token_at = np.where(is_real, starts[texts, None] + position, real)
        pad.append((token_at[:, None] * heads + head[:, None]).ravel())
        row_at = padded + (np.arange(count)[:, None, None] * heads + head) * longest + position[:, None]
        unpad.append(row_at[is_real])
        padding = None if is_real.all() else torch.from_numpy(~is_real)[:, None, None]
        size = count * heads * longest
        groups.append(Group(lengths[texts], longest, slice(padded, padded + size), padding))
        padded += size

    position = np.arange(lengths[0])
    is_real = position < lengths[:, None]
    pad_texts = np.where(is_real, starts[:, None] + position, real).ravel()
    padding = None if is_real.all() else torch.from_numpy(~is_real)[:, None]

    pad = np.concatenate(pad)
    unpad = np.concatenate([*unpad, np.zeros((tokens - real, heads), dtype=np.int64)])
    base = pad // heads * (3 * heads) + pad % heads
    pad_three = np.concatenate([base, base + heads, base + 2 * heads])
    unpad_three = np.stack([unpad, unpad + padded, unpad + 2 * padded], axis=1).ravel()

    def by_token(values: np.ndarray) -> torch.Tensor:
        whole = np.zeros(tokens, dtype=np.int64)
        whole[:real] = values
        return torch.from_numpy(whole)

    return Batch(
        *(torch.from_numpy(rows), torch.from_numpy(starts), real),
        *map(by_token, (ids, source.types[token], positions)),
        groups,
        *map(torch.from_numpy, (pad, unpad.ravel(), pad_three, unpad_three, pad_texts)),
        by_token(is_real.ravel().nonzero()[0]),
        padding,
    )
