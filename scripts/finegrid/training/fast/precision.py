"""Matrix products of less than float32, and the parts of a model that are exempt."""

import torch


def autocast(device: str, dtype: torch.dtype) -> torch.autocast:
    """Return a context in which matrix products have this dtype."""
    return torch.autocast(device, dtype, enabled=dtype != torch.float32)


def keep_float32(module: torch.nn.Module, device: str) -> None:
    """Make a module, which takes tensors, compute in float32 even under autocast."""
    forward = module.forward

    def in_float32(*inputs: torch.Tensor):
        with torch.autocast(device, enabled=False):
            return forward(*(tensor.float() for tensor in inputs))

    module.forward = in_float32
