"""The elementwise parts of BERT's step in torch operations: what `compiled` has from C, where there is a compiler."""

import torch

from finegrid.training.fast.bert.batch import Group
from finegrid.training.fast.bert.mask import Mask
from finegrid.training.fast.bert.norm import Norm

aten = torch.ops.aten


def scaled(mask: Mask) -> torch.Tensor:
    """Return what a mask multiplies each element by, float32."""
    return mask.scaled()


def add_and_norm(states: torch.Tensor, more: torch.Tensor, norm: Norm, mask: Mask | None) -> tuple:
    """Add to float32 states [rows, width] some of another dtype, after dropout, and normalise the sum.

    Returns the result in float32 and in the other dtype, and what the way back needs.
    """
    scaled = mask and mask.scaled()
    total = states + more if mask is None else torch.addcmul(states, more.float(), scaled)
    result, of_norm = norm.forward(total)
    return result, result.to(more.dtype), (of_norm, scaled, more.dtype)


def add_and_norm_backward(
    gradient: torch.Tensor, extra: torch.Tensor | None, norm: Norm, saved: tuple, of_last: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of both summands, given that of the result: `gradient` + `extra`.

    Adds those of the normalisation and, to `of_last` [width], that of the bias that was last added to the second
    summand. May overwrite `gradient`.
    """
    of_norm, scaled, dtype = saved
    if extra is not None:
        gradient += extra
    of_states = norm.backward(gradient, of_norm)
    of_more = (of_states if scaled is None else of_states * scaled).to(dtype)
    if of_last is not None:
        of_last.add_(of_more.sum(0))
    return of_states, of_more


def gelu(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return GELU (Hendrycks and Gimpel, 2016, arXiv:1606.08415) of states, and what the way back needs."""
    return aten.gelu(states), states


def gelu_backward(gradient: torch.Tensor, saved: torch.Tensor, of_last: torch.Tensor | None) -> torch.Tensor:
    """Return the gradient of the states; `of_last` is that of the bias last added to them. May overwrite `gradient`."""
    of_states = aten.gelu_backward.grad_input(gradient, saved, grad_input=gradient)
    if of_last is not None:
        of_last.add_(of_states.sum(0))
    return of_states


def softmax(scores: torch.Tensor, group: Group, mask: Mask | None) -> tuple[torch.Tensor, tuple]:
    """Turn scores [texts x heads, longest, longest] into weights, over the real keys.

    Returns them with 0 where dropout drops one, not yet scaled, and what the way back needs.
    """
    if group.padding is not None:
        scores.view(len(group.padding), -1, *scores.shape[1:]).masked_fill_(group.padding, float("-inf"))
    weights = torch._softmax(scores, -1, False)
    if mask is None:
        return weights, (weights, None)
    ones = mask.ones(weights.dtype)
    return weights * ones, (weights, ones)


def softmax_backward(gradient: torch.Tensor, group: Group, saved: tuple) -> torch.Tensor:
    """Return the gradient of the scores by that of the kept weights. May overwrite `gradient`."""
    weights, ones = saved
    if ones is not None:
        gradient *= ones
    return torch._softmax_backward_data(gradient, weights, -1, weights.dtype)
