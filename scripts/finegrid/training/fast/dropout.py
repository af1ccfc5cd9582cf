"""Dropout with a quick random generator.

torch draws the elements of CPU dropout masks one by one, which took a sixth of a training step. Here 16 random bits
of numpy's SFC64 decide on each element, so the rate is exact to within 2^-17.
"""

import math
from typing import NamedTuple

import numpy as np
import torch

ONE = {torch.float32: (np.int32, 0x3F800000), torch.bfloat16: (np.int16, 0x3F80)}  # the bits of the number 1


class Mask(NamedTuple):
    """Which elements dropout drops: those with random bits below a number; the others are multiplied by `kept`."""

    bits: np.ndarray  # uint16
    dropped: int
    kept: float

    def ones(self, dtype: torch.dtype) -> torch.Tensor:
        """Return 1 where an element is kept and 0 where it is dropped."""
        return ones(self.bits >= self.dropped, dtype)

    def scaled(self) -> torch.Tensor:
        """Return what each element is multiplied by, float32."""
        return scaled(self.bits >= self.dropped, self.kept)


def ones(keeps: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Turn truth values into 1 and 0."""
    # numpy has no bfloat16 and torch compares 16-bit numbers slowly, so the ones are made from their bits.
    integer, one = ONE[dtype]
    return torch.from_numpy(np.multiply(keeps, integer(one), dtype=integer)).view(dtype)


def scaled(keeps: np.ndarray, kept: float) -> torch.Tensor:
    """Turn truth values into `kept` and 0, float32."""
    return torch.from_numpy(np.multiply(keeps, np.float32(kept), dtype=np.float32))


def draw_mask(random: np.random.Generator, p: float, shape: tuple[int, ...]) -> Mask:
    """Draw a mask that drops a share of p."""
    size = math.prod(shape)
    bits = random.integers(0, 2**64, size=-(-size // 4), dtype=np.uint64).view(np.uint16)[:size]
    return Mask(bits.reshape(shape), round(p * 2**16), 1 / (1 - p))


class Dropout(torch.nn.Module):
    """Replaces `torch.nn.Dropout` on the CPU: the same distribution, from a generator of its own."""

    def __init__(self, p: float, random: np.random.Generator):
        super().__init__()
        self.p, self.random = p, random

    def forward(self, activations: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return activations
        return activations.float() * self.draw(activations.shape).scaled()

    def draw(self, shape: tuple[int, ...]) -> Mask:
        """Draw a mask."""
        return draw_mask(self.random, self.p, shape)


def replace_dropout(model: torch.nn.Module, seed: int) -> np.random.Generator:
    """Replace every `torch.nn.Dropout` of a model by `Dropout`; return the generator that they share."""
    random = np.random.Generator(np.random.SFC64(seed))
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) in (torch.nn.Dropout, Dropout):
                setattr(module, name, Dropout(child.p, random).train(child.training))
    return random


def random_state(random: np.random.Generator) -> dict[str, torch.Tensor]:
    """Return the state of the generator, by name."""
    return {"random.dropout": torch.from_numpy(random.bit_generator.state["state"]["state"].view(np.int64))}


def set_random_state(random: np.random.Generator, state: dict[str, torch.Tensor]) -> None:
    """Put the generator into the state that `random_state` returned."""
    whole = random.bit_generator.state
    whole["state"]["state"] = state["random.dropout"].numpy().view(np.uint64)
    random.bit_generator.state = whole
