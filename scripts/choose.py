#!/usr/bin/env python3
"""Choose the best setting of one (task, mode) by its validation score.

A setting is a batch size and a learning rate; its score is the last epoch's on validation, by the task's
first metric, as a mean over the seeds. Ties go to the lower validation loss. A setting with a diverged
cell is never chosen. The test split plays no part. Writes best.json.
"""

import argparse

from finegrid import errors
from finegrid.files import parse_json, write_json
from finegrid.results import all_ok, by_setting, merit, read_cells, score


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
    write_json(arguments.output, result)


def edges(plan: dict, batch_size: int, learning_rate: str) -> list[str]:
    """Say where the chosen setting lies on the border of the grid: a better one may lie beyond."""
    found = []
    for name, values, value in (
        ("learning rate", [float(rate) for rate in plan["learning_rates"]], float(learning_rate)),
        ("batch size", plan["batch_sizes"], batch_size),
    ):
        shown = learning_rate if name == "learning rate" else batch_size
        if len(values) == 1:
            found.append(f"{name} {shown} is the only one tried")
        elif value == max(values):
            found.append(f"{name} {shown} is the largest tried")
        elif value == min(values):
            found.append(f"{name} {shown} is the smallest tried")
    return found


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", help="the plan of the (task, mode) as JSON")
    parser.add_argument("--results", required=True, help="folder of the run, below which its cells lie")
    parser.add_argument("--output", required=True, help="path of best.json")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
