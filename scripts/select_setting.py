#!/usr/bin/env python3
"""Choose the best setting of one (task, mode) by its validation score.

A setting is a batch size and a learning rate; its score is the last epoch's on validation, by the task's
first metric, as a mean over the seeds. Ties go to the lower validation loss. A setting with a diverged
cell is never chosen. The test split plays no part. Writes best.json.
"""

import argparse
import math
from pathlib import Path

from finegrid import errors
from finegrid.files import parse_json, write_json
from finegrid.evaluation.results import all_ok, by_setting, merit, read_cells, score
from finegrid.seal import seal


def main() -> None:
    arguments = parse_arguments()
    plan = parse_json(arguments.plan, "plan")
    settings = by_setting(read_cells(plan, arguments.results))
    ok = {setting: cells for setting, cells in settings.items() if all_ok(cells)}
    best = max(ok, key=lambda setting: merit(ok[setting]), default=None)
    result = {"plan": plan, "tried": len(settings), "diverged": len(settings) - len(ok), "chosen": None}
    if best is not None:
        batch_size, learning_rate = best
        result["chosen"] = {
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "validation": score(ok[best])[0],
            "cells": [metrics["cell"] for metrics in ok[best]],
            "edges": edges(plan, batch_size, learning_rate),
        }
    write_json(arguments.output, seal(result, Path(arguments.output).parent))


def edges(plan: dict, batch_size: int, learning_rate: str) -> list[dict]:
    """Say where the chosen setting lies on the border of the grid, as a better one may lie beyond, and what extends it.

    `change` is the key of the configuration with the values that it would have.
    """
    found = []
    rates, sizes = sorted(plan["learning_rates"], key=float), sorted(plan["batch_sizes"])
    for of, value, values, beyond, key in (
        ("learning rate", learning_rate, rates, rates_beyond, f"modes.{plan['mode']}.learning_rates"),
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
        message = f"{of} {value} is the {side}{' one' * (side == 'only')} tried"
        shown = ", ".join(map(str, dict.fromkeys(extended)))
        found.append({"of": of, "side": side, "message": message, "change": f"{key}: [{shown}]"})
    return found


def rates_beyond(rate: str) -> list[str]:
    """Return the learning rates next to one, the smaller and the larger, of 1, 3, 10, ... times a power of ten."""
    exponent = math.floor(math.log10(float(rate)))
    steps = [f"{digit}e{power}" for power in range(exponent - 1, exponent + 2) for digit in (1, 3)]
    return [
        max((step for step in steps if float(step) < float(rate)), key=float),
        min((step for step in steps if float(step) > float(rate)), key=float),
    ]


def sizes_beyond(batch_size: int) -> list[int]:
    """Return half of a batch size, or 1, which has no half, and its double."""
    return [max(1, batch_size // 2), 2 * batch_size]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", help="the plan of the (task, mode) as JSON")
    parser.add_argument("--results", required=True, help="folder of the run, below which its cells lie")
    parser.add_argument("--output", required=True, help="path of best.json")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
