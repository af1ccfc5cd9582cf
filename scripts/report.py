#!/usr/bin/env python3
"""Write the report of a run: one HTML page with the discussion, tables, figures, every cell and what they come from.

The page loads nothing, from this machine or another, and its Content-Security-Policy forbids it to. It is made from
what compare, discuss, tables, figures and inputs wrote.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.files import parse_json, write_text
from finegrid.reporting.report_page import gather, html


def main() -> None:
    arguments = parse_arguments()
    configuration = parse_json(arguments.configuration, "--configuration")
    write_text(arguments.output, html(gather(Path(arguments.results), configuration, arguments.inputs)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument("--configuration", required=True, help="the run's complete configuration, as JSON")
    parser.add_argument("--inputs", nargs="+", required=True, help="the pages of inputs.py, as JSON")
    parser.add_argument("--output", required=True, help="the page")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
