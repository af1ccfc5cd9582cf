#!/usr/bin/env python3
"""Show how far a grid is: the cells that are done, those that run with their epoch, and about how long the rest takes.

Of a grid that has not begun it shows what the cells will cost on a machine like this one. Reads only files of the
results, so it can be run at any time, on any machine that sees them. A cell counts as running from its start until its
result is there; one that was killed does too, but its last update gets old.
"""

import argparse
import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from tabulate import tabulate

from finegrid import errors
from finegrid.config.cell import Cell, Plan, plans
from finegrid.config.definition import Config
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.errors import InputError
from finegrid.evaluation.results import read_metrics
from finegrid.records import Best, Metrics, Progress
from finegrid.reporting import expected_cost
from finegrid.sealed import read_record

DEFAULT_CONFIG = Path(__file__).resolve().parent.parent / "config" / "config.yaml"
REDRAW_SECONDS = 3


class Survey(NamedTuple):
    """The cells of a run by state."""

    waiting: list[Cell]
    running: list[Progress]
    done: list[Metrics]


def main() -> None:
    arguments = parse_arguments()
    config = resolve_config(read_configfile(arguments.configfile), arguments.configfile)
    watched = arguments.watch and sys.stdout.isatty()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            found = survey(config)
            begun = found.running or found.done
            lines = (render(found, time.time()) if begun else before_it_begins(config)).splitlines()
            if watched:
                lines = ["\x1b[H\x1b[J" + lines[0], *lines[1 : shutil.get_terminal_size().lines - 1]]
            print("\n".join(lines), flush=True)
            if not watched or not (found.waiting or found.running):
                return
            time.sleep(REDRAW_SECONDS)


@cache
def rate() -> float:
    """Return how fast this machine is."""
    from finegrid.training.product_rate import product_rate  # imports torch, which takes a second

    return product_rate()


def before_it_begins(config: Config) -> str:
    """Say what a grid will cost of which no cell has begun."""
    expected = expected_cost.expected_costs(config, rate())
    cells = sum(each.cells for each in expected)
    return f"{cells:,} cells, none has begun. On a machine like this one, about:\n\n{expected_cost.table(expected)}"


def survey(config: Config) -> Survey:
    """Sort the cells of a configuration, whose results are below the working directory, by state.

    A damaged result, or one of other settings, is none: Snakemake runs the cell again, or reports it.
    """
    found = Survey([], [], [])
    run_folder = Path("results", config.run)
    for cell, folder in (pair for plan in plans(config) for pair in trainings(plan, run_folder)):
        # Either file may appear or disappear at any moment.
        with contextlib.suppress(InputError):
            found.done.append(read_metrics(folder / "metrics.json", cell))
            continue
        with contextlib.suppress(InputError):
            progress = read_record(Progress, folder / "progress.json")
            if progress.cell == cell:
                found.running.append(progress)
                continue
        found.waiting.append(cell)
    return found


def trainings(plan: Plan, run_folder: Path) -> Iterator[tuple[Cell, Path]]:
    """Yield each cell of a plan with its folder, those of the confirming seeds included.

    Until a setting is chosen, the first one of the plan stands for it.
    """
    for cell in plan.cells():
        yield cell, cell.folder(run_folder)
    batch_size, learning_rate = plan.batch_sizes[0], plan.learning_rates[0]
    with contextlib.suppress(InputError):
        best = Best.read(plan.folder(run_folder) / "best.json")
        if best.chosen is None:
            return
        batch_size, learning_rate = best.chosen.batch_size, best.chosen.learning_rate
    for seed in plan.confirming_seeds:
        cell = plan.cell(batch_size, learning_rate, seed)
        yield cell, plan.tested_folder(cell, run_folder)


def render(found: Survey, now: float) -> str:
    """Return the counts, the time left and a row for each running cell, as text for a terminal."""
    waiting, running, done = found
    diverged = sum(metrics.status == "diverged" for metrics in done)
    counts = f"{len(done):,} done{f' ({diverged:,} diverged)' if diverged else ''}, {len(running):,} running"
    lines = [f"{sum(map(len, found)):,} cells: {counts}, {len(waiting):,} waiting"]
    if waiting or running:
        lines.append(f"Time left: {time_left(found)}")
    if running:
        cells = [*waiting, *(each.cell for each in (*running, *done))]
        said_once = {"model"} if len({cell.model.name for cell in cells}) == 1 else set()
        rows = [row(progress, now) for progress in running]
        rows = [{name: text for name, text in row.items() if name not in said_once} for row in rows]
        lines += ["", tabulate(rows, headers="keys", disable_numparse=True)]
    return "\n".join(lines)


def time_left(found: Survey) -> str:
    """Return about how long the rest takes, in words, if as many cells run at once as now.

    A cell is expected to take as long as the finished ones of its model, task, mode and batch size did on average or,
    without one, as all of them did.
    """
    seconds: dict[tuple, list[float]] = {}
    for metrics in found.done:
        if metrics.status == "ok":  # diverged cells end early
            for kind in (kind_of(metrics.cell), "all"):
                seconds.setdefault(kind, []).append(metrics.cost.total_seconds)
    if not seconds:
        return "not known before a cell is done"

    def expected(cell: Cell) -> float:
        return mean(seconds.get(kind_of(cell)) or seconds["all"])

    left = sum(map(expected, found.waiting))
    left += sum(expected(each.cell) * (1 - each.epoch / each.cell.training.epochs) for each in found.running)
    at_once = len(found.running) or 1
    return f"about {duration(left / at_once)}, {at_once} cell{'s' if at_once > 1 else ''} at a time"


def kind_of(cell: Cell) -> tuple[str, str, str, int]:
    """Return what most of a cell's training time depends on."""
    return cell.model.name, cell.task.name, cell.mode.name, cell.batch_size


def row(progress: Progress, now: float) -> dict[str, str]:
    """Return a running cell as a row of the table."""
    cell = progress.cell
    return {
        **{name.replace("_", " "): str(value) for name, value in cell.wildcards.items()},
        "epoch": f"{progress.epoch} of {cell.training.epochs}",
        "loss": "" if progress.loss is None else f"{progress.loss:.4f}",
        "validation": "" if progress.score is None else f"{cell.task.metrics[0]} {progress.score:.4f}",
        "updated": f"{duration(now - progress.updated)} ago",
    }


def duration(seconds: float) -> str:
    """Spell a time in its two largest units."""
    seconds = max(round(seconds), 0)
    for size, unit, part_size, part in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // part_size} {part}"
    return f"{seconds} s"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--configfile", default=str(DEFAULT_CONFIG), help="the run's configuration (default: finegrid's config.yaml)"
    )
    parser.add_argument("--watch", action="store_true", help="on a terminal, redraw until the grid is done")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
