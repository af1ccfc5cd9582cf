"""Masks of dropout that are nowhere in memory: whether an element is dropped follows from a hash of its place.

So drawing a mask costs nothing, and the way back finds the same one again.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from finegrid.training.fast.dropout import ones, scaled

# An integer hash of two rounds: constants by C. Wellons, "Prospecting for Hash Functions" (2018), and the golden ratio.
STRIDE, FIRST, SECOND = (np.uint32(each) for each in (0x9E3779B1, 0x7FEB352D, 0x846CA68B))


class Mask(NamedTuple):
    """The elements of an array whose hashes are below `dropped` are dropped; the others are multiplied by `kept`."""

    shape: tuple[int, ...]
    low: int  # the mask's own numbers, below 2^32, as is the next
    high: int
    dropped: int
    kept: float

    @property
    def keeps(self) -> np.ndarray:
        """Whether each element is kept: bool [shape]."""
        x = np.arange(math.prod(self.shape), dtype=np.uint32)
        x *= STRIDE
        x += np.uint32(self.low)
        x ^= x >> np.uint32(16)
        x *= FIRST
        x ^= np.uint32(self.high)
        x ^= x >> np.uint32(15)
        x *= SECOND
        x ^= x >> np.uint32(16)
        return (x >= np.uint32(self.dropped)).reshape(self.shape)

    def ones(self, dtype: torch.dtype) -> torch.Tensor:
        """Return 1 where an element is kept and 0 where it is dropped."""
        return ones(self.keeps, dtype)

    def scaled(self) -> torch.Tensor:
        """Return what each element is multiplied by, float32."""
        return scaled(self.keeps, self.kept)


def numbers(random: np.random.Generator) -> Iterator[int]:
    """Draw numbers below 2^32, many at once: a call takes longer than the numbers."""
    while True:
        yield from random.integers(0, 2**32, size=128).tolist()


def draw_mask(drawn: Iterator[int], p: float, shape: tuple[int, ...]) -> Mask:
    """Draw a mask that drops a share of p, below 1, by the next two of `numbers`."""
    return Mask(shape, next(drawn), next(drawn), round(p * 2**32), 1 / (1 - p))
