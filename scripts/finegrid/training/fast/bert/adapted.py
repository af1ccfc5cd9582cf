"""A linear layer with an adapter, as the one weight and bias that they amount to.

Whatever its method, such a layer maps a token's state x to W x + b, with W and b made of the adapter's parameters. They
are read off once for each step, from what it makes of the zero vector and of every unit vector: far fewer rows than a
batch has tokens.
"""

import torch


class Adapted:
    """The weight [outputs, inputs] and bias [outputs] of an adapted layer, and the gradients that a batch adds up.

    Both gradients are None unless the layer `trains`.
    """

    def __init__(self, module: torch.nn.Module, trains: bool):
        self.module, base = module, module.get_base_layer()
        self.weight, self.bias = torch.empty_like(base.weight), torch.empty_like(base.bias)
        self.trains = trains
        self.weight_gradient, self.bias_gradient = (
            torch.zeros_like(each) if self.trains else None for each in (self.weight, self.bias)
        )
        inputs = base.weight.shape[1]
        self.probes = torch.eye(inputs + 1, inputs)  # the last row is 0
        self.outputs = None

    @torch.no_grad()
    def refresh(self) -> None:
        """Read weight and bias from the adapter's parameters, and set the gradients to 0."""
        with torch.set_grad_enabled(self.trains):
            self.outputs = self.module(self.probes)
        bias = self.outputs[-1]
        self.bias.copy_(bias)
        torch.sub(self.outputs[:-1].t(), bias[:, None], out=self.weight)
        if self.trains:
            self.weight_gradient.zero_()
            self.bias_gradient.zero_()

    def of_outputs(self) -> torch.Tensor:
        """Return the gradient of `outputs` [inputs + 1, outputs], given those of weight and bias."""
        of_weight = self.weight_gradient.t()
        return torch.cat([of_weight, (self.bias_gradient - of_weight.sum(0))[None]])


def backward(layers: list[Adapted]) -> None:
    """Add the gradients of the adapters' parameters to their `grad`, from those of weights and biases."""
    layers = [layer for layer in layers if layer.trains]
    if layers:
        torch.autograd.backward([layer.outputs for layer in layers], [layer.of_outputs() for layer in layers])
