#!/usr/bin/env python3
"""Write the tables of a run from its comparison.json: each as .md, .tex (booktabs) and .csv.

table1 (validation), table2 (test), table3 (learning rates), pairs (of modes), retention (of full fine-tuning's
score), parameters, cost and published (beside what others report); all of them together as tables.json, and
grid.csv with one row per cell.
"""

import argparse
from pathlib import Path

import pandas

from finegrid import errors, published_table, table, table_contents
from finegrid.files import read_json, write_json, write_text

FORMATS = {".md": table.markdown, ".tex": table.latex, ".csv": table.csv}


def main() -> None:
    arguments = parse_arguments()
    comparison, output = read_json(arguments.comparison), Path(arguments.output)
    tables = make_tables(comparison, arguments.published)
    for made in tables:
        for suffix, spell in FORMATS.items():
            write_text(output / f"{made.name}{suffix}", spell(made))
    write_json(output / "tables.json", [table.as_data(made) for made in tables])
    grid = pandas.DataFrame(table_contents.grid(comparison)).convert_dtypes()  # whole numbers stay whole
    write_text(output / "grid.csv", grid.to_csv(index=False))


def make_tables(comparison: dict, published_files=()) -> list[table.Table]:
    """Return all tables, in the order in which a report shows them."""
    return [
        table_contents.validation(comparison),
        table_contents.test(comparison),
        table_contents.learning_rates(comparison),
        table_contents.pairs(comparison),
        table_contents.retention(comparison),
        table_contents.parameters(comparison),
        table_contents.cost(comparison),
        published_table.make(comparison, published_files),
    ]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json of the run")
    parser.add_argument(
        "--published", nargs="*", default=[], help="files like workflow/published.yaml, read besides it"
    )
    parser.add_argument("--output", required=True, help="folder for the tables")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
