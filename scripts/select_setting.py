#!/usr/bin/env python3
"""Select the best setting of one (task, mode) by its validation score. Writes best.json."""

import argparse

from finegrid import errors
from finegrid.config.cell import Plan
from finegrid.evaluation.results import read_cells
from finegrid.evaluation.selection import select
from finegrid.sealed import read_record


def main() -> None:
    arguments = parse_arguments()
    plan = read_record(Plan, arguments.plan)
    select(plan, read_cells(plan, arguments.results)).write(arguments.output)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("plan", help="plan.json of the (task, mode)")
    parser.add_argument("--results", required=True, help="folder of the run, which holds its cells")
    parser.add_argument("--output", required=True, help="path of best.json")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
