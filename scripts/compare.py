#!/usr/bin/env python3
"""Compare the modes of a run: every score with how certain it is, and every pair of modes with what tells them apart.

Writes comparison.json, from which tables, figures, discussion and report are made.
"""

import argparse

from finegrid import errors
from finegrid.evaluation.compare import compare
from finegrid.files import write_json
from finegrid.sealed import as_json


def main() -> None:
    arguments = parse_arguments()
    models = dict(pair.split("=") for pair in arguments.models)
    comparison = compare(arguments.results, models, arguments.tasks, arguments.modes, arguments.partial)
    write_json(arguments.output, as_json(comparison))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument(
        "--models",
        nargs="+",
        required=True,
        help="MODEL=OTHER: the models, in the order in which they are shown, each with the one whose data it reads",
    )
    parser.add_argument("--tasks", nargs="+", required=True, help="the tasks, in the order in which they are shown")
    parser.add_argument("--modes", nargs="+", required=True, help="the modes, in the order in which they are shown")
    parser.add_argument(
        "--partial", action="store_true", help="list the modes that lack a cell as missing, and compare the others"
    )
    parser.add_argument("--output", required=True, help="path of comparison.json")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
