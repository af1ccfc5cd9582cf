"""AdamW (Loshchilov and Hutter, 2019, arXiv:1711.05101) with torch's fused kernel."""

from typing import Protocol

import torch
from torch.optim.adamw import adamw

BETAS = (0.9, 0.999)
EPSILON = 1e-8


class Rows(Protocol):
    """Embeddings whose rows do their own steps of AdamW, each when it is needed."""

    def norm(self) -> torch.Tensor: ...
    def step(self, learning_rate: float, scale: float) -> None: ...
    def state(self) -> dict[str, torch.Tensor]: ...


class AdamW:
    """The same as `torch.optim.AdamW(fused=True)`, whose first step imports torch's compiler, which takes a second."""

    def __init__(self, parameters: list[torch.nn.Parameter], weight_decay: float, rows: Rows | None = None):
        self.parameters, self.weight_decay, self.rows = parameters, weight_decay, rows
        self.means, self.squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.steps = [torch.zeros((), device=p.device) for p in parameters]

    def state(self) -> dict[str, torch.Tensor]:
        """Return the moving averages and step counts by name: live references, not copies."""
        kept = {"mean": self.means, "square": self.squares, "step": self.steps}
        state = {f"optimiser.{name}.{i}": tensor for name, tensors in kept.items() for i, tensor in enumerate(tensors)}
        return {**state, **(self.rows.state() if self.rows else {})}

    @torch.no_grad()
    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from what `state` returned."""
        for name, tensor in self.state().items():
            tensor.copy_(state[name])

    @torch.no_grad()
    def step(self, learning_rate: float, max_grad_norm: float) -> None:
        """Update every parameter that has a gradient; all gradients together are clipped to a norm.

        The same as after `torch.nn.utils.clip_grad_norm_`, but the gradients are read once: the update divides them.
        """
        states = zip(self.parameters, self.means, self.squares, self.steps, strict=True)
        parameters, means, squares, steps = zip(*(state for state in states if state[0].grad is not None), strict=True)
        gradients = [parameter.grad for parameter in parameters]
        norm = torch.nn.utils.get_total_norm([*gradients, *([self.rows.norm()] if self.rows else [])])
        divisor = ((norm + 1e-6) / max_grad_norm).clamp_(min=1)
        adamw(
            list(parameters),
            gradients,
            list(means),
            list(squares),
            [],
            list(steps),
            fused=True,
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=learning_rate,
            weight_decay=self.weight_decay,
            eps=EPSILON,
            maximize=False,
            grad_scale=divisor,
        )
        if self.rows:
            self.rows.step(learning_rate, 1 / divisor.item())

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for parameter in self.parameters:
            parameter.grad = None
