"""How the learning rate goes over the steps of a training."""


def learning_rate_at(step: int, steps: int, warmup_steps: int) -> float:
    """Return the learning rate's factor at a step, counted from 0: linear warm-up, then linear decay to 0.

    It is that of transformers' `get_linear_schedule_with_warmup`.
    """
    if step < warmup_steps:
        return step / max(1, warmup_steps)
    return max(0.0, (steps - step) / max(1, steps - warmup_steps))
