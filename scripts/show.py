#!/usr/bin/env python3
"""Print the main results of a finished run: Tables 1 and 2, what they say, and where the report is."""

import argparse
import shutil
from pathlib import Path

from finegrid import errors
from finegrid.files import read_json
from finegrid.reporting.layout import ShownTable
from finegrid.reporting.sentences import Discussion
from finegrid.reporting.terminal import summary
from finegrid.sealed import read_as, read_record

WIDEST = 100  # characters; longer lines are hard to read


def main() -> None:
    folder = Path(parse_arguments().results)
    path = folder / "tables" / "tables.json"
    tables = [read_as(ShownTable, table, path) for table in read_json(path)]
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    print(f"\n{summary(tables, read_record(Discussion, folder / 'discussion.json'), width)}")
    print(f"\nAll tables, figures and cells on one page: {folder / 'report.html'}")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
