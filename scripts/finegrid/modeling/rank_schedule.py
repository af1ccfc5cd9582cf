"""What AdaLoRA adds to a training: a penalty to the loss, and ranks that fall from step to step.

AdaLoRA (Zhang et al., 2023, arXiv:2303.10512) writes an update as P diag(E) Q. The penalty keeps P and Q orthogonal.
The entries of E that matter least are set to 0, more and more of them, until `target_r` of each layer are left on
average. peft computes both, but expects the training loop to call it.
"""

from types import SimpleNamespace

import torch

from finegrid.errors import InputError


class Schedule:
    """What most models do between steps: nothing."""

    def begin(self, steps: int) -> None:
        """Prepare for a training of this many steps. Raises InputError if they are too few."""

    def add_penalty(self) -> None:
        """Add the gradient of the penalty to that of the loss."""

    def after_step(self, step: int) -> None:
        """Adapt the model to `step`, counted from 1, after the optimiser's update and before gradients are cleared."""

    def state(self) -> dict[str, torch.Tensor]:
        """Return what a training resumes from: live references, not copies."""
        return {}

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from what `state` returned."""


class RankSchedule(Schedule):
    """The schedule of AdaLoRA; `tuner` is peft's AdaLoraModel. Raises InputError if the ranks would not fall."""

    def __init__(self, tuner: torch.nn.Module):
        self.tuner, self.allocator = tuner, tuner.rankallocator
        self.config = self.allocator.peft_config
        if self.config.init_r <= self.config.target_r:
            raise InputError(
                f"mode: peft: init_r is {self.config.init_r} and target_r {self.config.target_r}; expected a larger "
                "init_r, as ranks fall from one to the other"
            )

    @property
    def device(self) -> torch.device:
        """Where the model is, which may move after it got its adapters."""
        return next(self.tuner.parameters()).device

    def begin(self, steps: int) -> None:
        first, last = self.config.tinit, steps - self.config.tfinal
        if not first + 1 < last:
            raise InputError(
                f"mode: peft: with tinit {first} and tfinal {self.config.tfinal}, a training of {steps} steps leaves "
                "no step for ranks to fall; expected fewer"
            )
        self.allocator.set_total_step(steps)

    def add_penalty(self) -> None:
        # peft adds it to the loss of the model's output, so that is 0 here.
        output, model = SimpleNamespace(loss=torch.zeros((), device=self.device)), self.tuner.model
        forward, model.forward = model.forward, lambda: output
        try:
            self.tuner().loss.backward()
        finally:
            model.forward = forward

    def after_step(self, step: int) -> None:
        self.tuner.update_and_allocate(step)

    def state(self) -> dict[str, torch.Tensor]:
        kept = self.config.rank_pattern or {}
        return {
            **{f"rank.mean.{name}": mean for name, mean in self.allocator.exp_avg_ipt.items()},
            **{f"rank.deviation.{name}": deviation for name, deviation in self.allocator.exp_avg_unc.items()},
            **{f"rank.kept.{name}": torch.tensor(entries) for name, entries in kept.items()},
        }

    def load_state(self, state: dict[str, torch.Tensor]) -> None:
        def part(kind: str) -> dict[str, torch.Tensor]:
            prefix = f"rank.{kind}."
            found = ((name, each) for name, each in state.items() if name.startswith(prefix))
            return {name.removeprefix(prefix): each.to(self.device) for name, each in found}

        self.allocator.reset_ipt()
        self.allocator.exp_avg_ipt, self.allocator.exp_avg_unc = part("mean"), part("deviation")
        self.allocator.ipt = dict(self.allocator.exp_avg_ipt)  # replaced before it is read
        self.config.rank_pattern = {name: kept.tolist() for name, kept in part("kept").items()} or None
