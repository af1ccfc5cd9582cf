"""Selection of a setting by its validation score, and warnings where it lies at the edge of the grid.

A setting is a batch size and a learning rate. Its score is that of the last epoch on validation, by the task's first
metric, as a mean over the seeds. Ties go to the lower validation loss. A setting of which a seed diverged is never
chosen. The test split plays no part.
"""

import math
from statistics import mean

from finegrid.config.cell import Plan
from finegrid.evaluation.metrics import signed_score
from finegrid.evaluation.results import by_setting
from finegrid.records import Best, Chosen, Edge, Metrics


def select(plan: Plan, cells: list[Metrics]) -> Best:
    """Return what validation chooses of a plan, given all its cells in its order; of equal settings the first."""
    settings = by_setting(cells)
    ok = {setting: seeds for setting, seeds in settings.items() if all_ok(seeds)}
    chosen = None
    if ok:
        batch_size, learning_rate = setting = max(ok, key=lambda setting: selection_key(ok[setting]))
        chosen = Chosen(
            batch_size=batch_size,
            learning_rate=learning_rate,
            validation=mean_score(ok[setting]),
            edges=edges(plan, batch_size, learning_rate),
        )
    return Best(plan=plan, tried=len(settings), diverged=len(settings) - len(ok), chosen=chosen)


def all_ok(cells: list[Metrics]) -> bool:
    """Whether none of these cells diverged."""
    return all(metrics.status == "ok" for metrics in cells)


def mean_score(cells: list[Metrics]) -> float:
    """Return the mean validation score after the last epoch of seeds none of which diverged."""
    return mean(metrics.validation.last.score for metrics in cells)


def selection_key(cells: list[Metrics]) -> tuple[float, float]:
    """Return what to maximise over settings, given the seeds of one, none diverged: score, then negative loss."""
    score = signed_score(cells[0].validation.metric, mean_score(cells))
    return score, -mean(metrics.validation.last.loss for metrics in cells)


def best_seed(cells: list[Metrics]) -> Metrics:
    """Return the seed that is best on validation, given seeds none of which diverged; of equal ones the first."""
    return max(cells, key=lambda metrics: selection_key([metrics]))


def edges(plan: Plan, batch_size: int, learning_rate: str) -> list[Edge]:
    """Return a warning for each side of the grid that a setting lies on, as a better one may lie beyond."""
    found = []
    rates, sizes = sorted(plan.learning_rates, key=float), sorted(plan.batch_sizes)
    for axis, value, values, beyond, key in (
        ("learning rate", learning_rate, rates, rates_beyond, plan.learning_rates_key),
        ("batch size", batch_size, sizes, sizes_beyond, "batch_sizes"),
    ):
        smaller, larger = beyond(values[0])[0], beyond(values[-1])[1]
        if len(values) == 1:
            side, extended = "only", [smaller, *values, larger]
        elif value == values[-1]:
            side, extended = "largest", [*values, larger]
        elif value == values[0] and smaller != value:
            side, extended = "smallest", [smaller, *values]
        else:
            continue
        message = f"{axis} {value} is the {side}{' one' if side == 'only' else ''} tried"
        change = f"{key}: [{', '.join(map(str, dict.fromkeys(extended)))}]"
        found.append(Edge(axis=axis, side=side, message=message, change=change))
    return found


def rates_beyond(rate: str) -> tuple[str, str]:
    """Return the next smaller and larger learning rate on the scale 1, 3, 10, 30, ... of all powers of ten."""
    exponent = math.floor(math.log10(float(rate)))
    steps = [f"{digit}e{power}" for power in range(exponent - 1, exponent + 2) for digit in (1, 3)]
    return (
        max((step for step in steps if float(step) < float(rate)), key=float),
        min((step for step in steps if float(step) > float(rate)), key=float),
    )


def sizes_beyond(batch_size: int) -> tuple[int, int]:
    """Return half of a batch size, but at least 1, and its double."""
    return max(1, batch_size // 2), 2 * batch_size
