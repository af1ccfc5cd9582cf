"""The learning rate over the steps of a training."""


def learning_rate_at(step: int, steps: int, warmup_steps: int) -> float:
    """Return the factor of the learning rate at a step, counted from 0: linear warm-up, then linear decay to 0.

    The same as `get_linear_schedule_with_warmup` of transformers.
    """
    if step < warmup_steps:
        return step / max(1, warmup_steps)
    return max(0.0, (steps - step) / max(1, steps - warmup_steps))
