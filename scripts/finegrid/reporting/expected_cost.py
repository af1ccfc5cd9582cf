"""What a grid will cost, before it runs: cells, core-hours, memory and disk, by model and task."""

from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from finegrid.config import limits
from finegrid.config.cell import Plan, plans
from finegrid.config.definition import Config, Mode
from finegrid.config.modes import EVERYTHING, MODES

SMALL_SHARE = 0.02  # of the parameters: more than biases, normalisations or a usual adapter
PREPARE = "Where there is a question mark, `snakemake prepared --cores all` makes what the cost depends on."


class Cost(NamedTuple):
    """What cells take, and the memory that the largest of them asks for."""

    core_seconds: float
    memory_mb: int
    disk_bytes: float


class Expected(NamedTuple):
    """The cells of a model on a task; their cost is None if the model or the data are not prepared."""

    model: str
    task: str
    cells: int
    cost: Cost | None


def expected_costs(config: Config, product_rate: float) -> list[Expected]:
    """Return the cost of each model on each task; `product_rate` is in operations per second of a core."""
    found: dict[tuple[str, str], list[Plan]] = {}
    for plan in plans(config):
        found.setdefault(plan.key[:2], []).append(plan)
    return [
        Expected(*key, sum(map(len, map(batch_sizes, own))), cost_of(config, own, product_rate))
        for key, own in found.items()
    ]


def cost_of(config: Config, own: list[Plan], product_rate: float) -> Cost | None:
    """Return the cost of all modes of a model on a task."""
    run, (model, task, _) = Path("results", config.run), own[0].key
    data = run / "data" / config.tokenizer_of(model) / task
    try:
        size, work = limits.read_size(run / "base_model" / model), limits.read_work(data)
    except FileNotFoundError:
        return None
    epochs = config.training.epochs
    memory_mb = config.models[model].memory_mb or limits.memory_mb(size, max(config.batch_sizes), work.longest)
    core_seconds = disk_bytes = 0
    for plan in own:
        cells = batch_sizes(plan)
        core_seconds += sum(limits.seconds(size, work, epochs, batch_size, product_rate) for batch_size in cells)
        disk_bytes += 4 * len(cells) * size.parameters * (SMALL_SHARE if trains_little(plan.mode) else 1)
    return Cost(core_seconds, memory_mb, disk_bytes)


def batch_sizes(plan: Plan) -> list[int]:
    """Return the batch size of every cell; until validation chooses one, the first stands for the confirming seeds'."""
    return [cell.batch_size for cell in plan.cells()] + [plan.batch_sizes[0]] * len(plan.confirming_seeds)


def trains_little(mode: Mode) -> bool:
    """Whether a mode is known to train a small share of the parameters: an adapter, or one that comes with finegrid."""
    return mode.peft is not None or (mode.name in MODES and mode.train != tuple(EVERYTHING))


def table(expected: list[Expected]) -> str:
    """Return the costs as text for a terminal, with a line that adds them up."""
    rows = [(each.model, each.task, f"{each.cells:,}", *as_shown(each.cost)) for each in expected]
    costs = [each.cost for each in expected]
    if len(rows) > 1 and all(costs):
        core_seconds, memory_mb, disk_bytes = zip(*costs, strict=True)
        total = Cost(sum(core_seconds), max(memory_mb), sum(disk_bytes))
        rows.append(("all", "", f"{sum(each.cells for each in expected):,}", *as_shown(total)))
    text = tabulate(rows, ["model", "task", "cells", "core-hours", "memory of a cell", "disk"], disable_numparse=True)
    return text if all(costs) else f"{text}\n{PREPARE}"


def as_shown(cost: Cost | None) -> tuple[str, str, str]:
    """Return a cost as columns."""
    if cost is None:
        return ("?", "?", "?")
    hours = cost.core_seconds / 3600
    return f"{hours:,.{1 if hours >= 1 else 2}f}", f"{cost.memory_mb / 1000:.1f} GB", f"{cost.disk_bytes / 1e9:.1f} GB"
