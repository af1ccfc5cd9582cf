"""The elementwise parts of BERT's step from C, which `pip install` compiles where it can; see `twins` for each."""

import ctypes
from ctypes import c_float, c_int, c_size_t, c_uint32, c_void_p
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import numpy as np
import torch

from finegrid.training.fast.bert.batch import Group
from finegrid.training.fast.bert.mask import Mask
from finegrid.training.fast.bert.norm import Norm
from finegrid.training.optimiser import BETAS, EPSILON

VERSION = 4  # of _kernels.c; a library of another one, from before an update, is not used
SUFFIX = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
MASK = [c_uint32] * 3
ARGUMENTS = {
    "add_and_norm": [c_void_p] * 2 + MASK + [c_float] + [c_void_p] * 2 + [c_float, c_int, c_int] + [c_void_p] * 5,
    "add_and_norm_backward": [c_void_p] * 6 + MASK + [c_float, c_int, c_int] + [c_void_p] * 5,
    "gelu": [c_void_p, c_void_p, c_size_t],
    "gelu_backward": [c_void_p, c_void_p, c_int, c_int, c_void_p],
    "softmax": [c_void_p] * 2 + MASK + [c_void_p, c_int, c_int, c_int],
    "softmax_backward": [c_void_p] * 2 + MASK + [c_void_p, c_int, c_int, c_int],
}
ADAMW = [c_void_p, c_int, c_int, *[c_void_p] * 4, c_int, *[c_void_p] * 2, *[c_float] * 3]
OF_FLOATS = {
    "catch_up": ADAMW,
    "update_rows": [*ADAMW, c_void_p, c_float],
    "fill_mask": [c_void_p, c_int, *MASK, c_float],
}


def load() -> ctypes.CDLL | None:
    """Return the library, or None if it was not compiled."""
    paths = [Path(__file__).with_name(f"_kernels{suffix}") for suffix in EXTENSION_SUFFIXES]
    for path in filter(Path.exists, paths):
        library = ctypes.CDLL(str(path))
        if library.version() == VERSION:
            return library
    return None


LIBRARY = load()
FUNCTIONS = {
    (name, dtype): getattr(LIBRARY, f"{name}_{suffix}")
    for name in (ARGUMENTS if LIBRARY else ())
    for dtype, suffix in SUFFIX.items()
}
FUNCTIONS |= {name: getattr(LIBRARY, name) for name in (OF_FLOATS if LIBRARY else ())}
for key, function in FUNCTIONS.items():
    function.argtypes, function.restype = OF_FLOATS[key] if key in OF_FLOATS else ARGUMENTS[key[0]], None


def address(tensor: torch.Tensor | None) -> int | None:
    """Return where a contiguous tensor begins; None is the null pointer."""
    return None if tensor is None else tensor.data_ptr()


def dropout(mask: Mask | None) -> tuple[int, int, int, float]:
    """Return both numbers of a mask, the one below which elements are dropped, and what the others get."""
    return (0, 0, 0, 1.0) if mask is None else mask[1:]


def scaled(mask: Mask) -> torch.Tensor:
    """Return what a mask multiplies each element by, float32."""
    result = torch.empty(mask.shape)
    FUNCTIONS["fill_mask"](address(result), result.numel(), *dropout(mask))
    return result


def add_and_norm(states: torch.Tensor, more: torch.Tensor, norm: Norm, mask: Mask | None) -> tuple:
    """Add states, after dropout, and normalise the sum."""
    rows, width = states.shape
    total, result = torch.empty_like(states), torch.empty_like(states)
    mean, scale, low = states.new_empty(rows), states.new_empty(rows), torch.empty_like(more)
    FUNCTIONS["add_and_norm", more.dtype](
        *(address(states), address(more), *dropout(mask)),
        *(address(norm.weight), address(norm.bias), norm.epsilon, rows, width),
        *map(address, (total, mean, scale, result, low)),
    )
    return result, low, (total, mean, scale, mask, more.dtype)


def add_and_norm_backward(
    gradient: torch.Tensor, extra: torch.Tensor | None, norm: Norm, saved: tuple, of_last: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of both summands."""
    total, mean, scale, mask, dtype = saved
    of_more = torch.empty_like(gradient, dtype=dtype)
    FUNCTIONS["add_and_norm_backward", dtype](
        *map(address, (gradient, extra, total, mean, scale, norm.weight)),
        *(*dropout(mask), *gradient.shape),
        *map(address, (gradient, of_more, norm.weight_gradient, norm.bias_gradient, of_last)),
    )
    return gradient, of_more


def gelu(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return GELU of states, which become its slopes."""
    result = torch.empty_like(states)
    FUNCTIONS["gelu", states.dtype](address(states), address(result), states.numel())
    return result, states


def gelu_backward(gradient: torch.Tensor, saved: torch.Tensor, of_last: torch.Tensor | None) -> torch.Tensor:
    """Multiply the gradient by the slopes."""
    FUNCTIONS["gelu_backward", gradient.dtype](address(gradient), address(saved), *gradient.shape, address(of_last))
    return gradient


def softmax(scores: torch.Tensor, group: Group, mask: Mask | None) -> tuple[torch.Tensor, tuple]:
    """Turn scores into weights, in their place."""
    kept = scores if mask is None else torch.empty_like(scores)
    FUNCTIONS["softmax", scores.dtype](address(scores), address(kept), *dropout(mask)[:3], *lengths(group, scores))
    return kept, (scores, mask)


def softmax_backward(gradient: torch.Tensor, group: Group, saved: tuple) -> torch.Tensor:
    """Turn the gradient of the kept weights into that of the scores, in its place."""
    weights, mask = saved
    FUNCTIONS["softmax_backward", gradient.dtype](
        address(gradient), address(weights), *dropout(mask)[:3], *lengths(group, weights)
    )
    return gradient


def catch_up(rows: torch.Tensor, *state) -> None:
    """Do the steps of AdamW that `rows` missed; `state` is that of rows.LazyRows."""
    FUNCTIONS["catch_up"](*adamw_arguments(rows, *state))


def update_rows(rows: torch.Tensor, *state, gradient: torch.Tensor, scale: float) -> None:
    """Do the last step of AdamW for `rows`, each once, by their gradient times `scale`, and set that to 0."""
    FUNCTIONS["update_rows"](*adamw_arguments(rows, *state), address(gradient), scale)


def adamw_arguments(rows, values, means, squares, done, rates: np.ndarray, roots: np.ndarray) -> tuple:
    """Return what both functions above pass on."""
    return (
        *(address(rows), len(rows), values.shape[1], *map(address, (values, means, squares, done)), len(rates) - 1),
        *(rates.ctypes.data, roots.ctypes.data, *BETAS, EPSILON),
    )


def lengths(group: Group, scores: torch.Tensor) -> tuple[int, int, int, int]:
    """Return the address of the lengths of a group's texts, and the numbers of texts, of heads and of places."""
    texts = len(group.lengths)
    return group.lengths.ctypes.data, texts, len(scores) // texts, group.longest
