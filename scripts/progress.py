#!/usr/bin/env python3
"""Show how far a grid is: how many cells are done, which run and at which epoch, and about how long the rest takes.

Reads what the cells wrote, so it can be asked at any time, from any machine that sees the results. The time left is
that of training: the mean cost of the finished cells of the same task, mode and batch size (or of all, where none
is), times what is left to do, shared among the cells that run now.
"""

import argparse
import contextlib
import platform
import shutil
import sys
import time
from pathlib import Path
from statistics import mean

from tabulate import tabulate

from finegrid import errors
from finegrid.config.definition import complete, plans, read_configfile
from finegrid.errors import InputError
from finegrid.files import is_alive, read_json
from finegrid.config.cell import cell_folder, cells
from finegrid.evaluation.results import read_metrics

SCHEMA = Path(__file__).resolve().parent.parent / "workflow" / "schemas" / "config.schema.yaml"
REDRAW_SECONDS = 3
# A cell on another machine counts as lost if it is silent for this long and for three of its epochs.
SILENT_SECONDS = 1800


def main() -> None:
    arguments = parse_arguments()
    config = read_config(arguments.configfile)
    watched = arguments.watch and sys.stdout.isatty()
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            waiting, begun, done = survey(config)
            lines = render(waiting, begun, done, time.time()).splitlines()
            if watched:
                lines = ["\x1b[H\x1b[J" + lines[0], *lines[1 : shutil.get_terminal_size().lines - 1]]
            print("\n".join(lines), flush=True)
            if not watched or not (waiting or begun):
                return
            time.sleep(REDRAW_SECONDS)


def read_config(path: str) -> dict:
    """Return a complete configuration, read as Snakemake reads it."""
    return complete(read_configfile(path), SCHEMA, path)


def survey(config: dict) -> tuple[list[dict], list[dict], list[dict]]:
    """Sort the cells of a configuration: those waiting, progress.json of those begun, metrics.json of those done.

    A result of other settings, of another cell or damaged is none: Snakemake makes it anew, or tells of it.
    """
    waiting, begun, done = [], [], []
    for plan in plans(config):
        for cell in cells(plan):
            folder = cell_folder(Path("results", config["run"]), cell)
            # Either may come or go at any moment.
            with contextlib.suppress(InputError):
                done.append(read_metrics(folder / "metrics.json", cell, plan["config"]))
                continue
            with contextlib.suppress(InputError):
                if read_json(folder / "progress.json", "cell") == cell:
                    begun.append(read_json(folder / "progress.json"))
                    continue
            waiting.append(cell)
    return waiting, begun, done


def render(waiting: list[dict], begun: list[dict], done: list[dict], now: float) -> str:
    """Return the counts, the time left and a row for each cell that was begun, as text for a terminal."""
    lost, running = [], []
    for progress in begun:
        (lost if is_lost(progress, now) else running).append(progress)
    diverged = sum(metrics["status"] == "diverged" for metrics in done)
    counts = {
        "done": len(done),
        "of them diverged": diverged,
        "running": len(running),
        "stopped before their end": len(lost),
        "waiting": len(waiting),
    }
    shown = [f"{count:,} {name}" for name, count in counts.items() if count or name in ("done", "running", "waiting")]
    lines = [f"{len(waiting) + len(begun) + len(done):,} cells: " + ", ".join(shown)]
    if waiting or begun:
        lines.append("Time left: " + time_left(waiting + [progress["cell"] for progress in lost], running, done))
    if begun:
        rows = [row(progress, False, now) for progress in running] + [row(progress, True, now) for progress in lost]
        lines += ["", tabulate(rows, headers="keys", disable_numparse=True)]
    return "\n".join(lines)


def is_lost(progress: dict, now: float) -> bool:
    """Whether a cell has ended without a result: its process is gone, or is elsewhere and has long been silent."""
    if progress["host"] == platform.node():
        return not is_alive(progress["pid"])
    epoch_seconds = (progress["updated"] - progress["started"]) / max(progress["epoch"], 1)
    return now - progress["updated"] > max(SILENT_SECONDS, 3 * epoch_seconds)


def time_left(waiting: list[dict], running: list[dict], done: list[dict]) -> str:
    """Return the time until the last cell is trained, in words."""
    costs: dict[tuple, list[float]] = {}
    for metrics in done:
        if metrics["status"] == "ok":  # one that diverged ended early
            for key in (kind(metrics["cell"]), ()):
                costs.setdefault(key, []).append(metrics["cost"]["total_seconds"])
    if not costs:
        return "not known before a cell is done"
    seconds = [cost(cell, costs) for cell in waiting]
    seconds += [cost(progress["cell"], costs) * (1 - progress["epoch"] / progress["epochs"]) for progress in running]
    if not running:
        return f"{duration(sum(seconds))} for one cell at a time; none runs now"
    # No sharing makes the last of the cells shorter.
    return f"about {duration(max(sum(seconds) / len(running), *seconds))} if {len(running)} at a time go on running"


def cost(cell: dict, costs: dict[tuple, list[float]]) -> float:
    """Return the seconds that a cell is expected to take: the mean of those like it, or else of all."""
    return mean(costs.get(kind(cell)) or costs[()])


def kind(cell: dict) -> tuple:
    """Return what most of a cell's cost depends on."""
    return cell["task"], cell["mode"], cell["batch_size"]


def row(progress: dict, lost: bool, now: float) -> dict:
    """Return one cell that was begun as a row of the table."""
    cell = progress["cell"]
    score = "" if progress["score"] is None else f"{progress['metric']} {progress['score']:.4f}"
    return {
        "task": cell["task"],
        "mode": cell["mode"],
        "batch size": cell["batch_size"],
        "learning rate": cell["learning_rate"],
        "seed": cell["seed"],
        **({"data order": cell["data_order_seed"]} if "data_order_seed" in cell else {}),
        "epoch": f"{progress['epoch']} of {progress['epochs']}",
        "loss": "" if progress["loss"] is None else f"{progress['loss']:.4f}",
        "validation": score,
        "silent": duration(now - progress["updated"]),
        "": "stopped" if lost else "",
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
        "--configfile", default="config/config.yaml", help="the run's configuration (default: %(default)s)"
    )
    parser.add_argument("--watch", action="store_true", help="on a terminal, show it anew until the grid is done")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
