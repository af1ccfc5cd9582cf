"""Parts of a model that compute in float32 where the model around them computes in less."""

import torch


def keep_float32(module, device: str) -> None:
    """Make a module, which takes tensors, compute in float32 under autocast."""
    forward = module.forward

    def in_float32(*inputs):
        with torch.autocast(device, enabled=False):
            return forward(*(tensor.float() for tensor in inputs))

    module.forward = in_float32
