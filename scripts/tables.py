#!/usr/bin/env python3
"""Write the tables of a run: scores, learning rates, pairs of modes, what is retained, cost, published scores.

Each as .md, .tex (booktabs, graphicx) and .csv, all of them as tables.json for the report, and grid.csv with one row
per cell. All from comparison.json; only published scores come from elsewhere.
"""

import argparse
from pathlib import Path

import pandas

from finegrid.reporting import cost_tables
from finegrid import errors
from finegrid.reporting import footnotes as notes
from finegrid.reporting import published_table
from finegrid.reporting import score_tables
from finegrid.files import read_json, write_json, write_text
from finegrid.reporting.layout import Table, as_data, write_table
from finegrid.evaluation.published import read_published


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    comparison = read_json(arguments.comparison)
    tables = [
        score_tables.validation(comparison),
        score_tables.test(comparison),
        score_tables.learning_rates(comparison),
        score_tables.pairs(comparison),
        score_tables.retention(comparison),
        cost_tables.parameters(comparison),
        cost_tables.cost(comparison),
        published_table.table(comparison, read_published(arguments.published)),
    ]
    tables = [tell_missing(table, comparison.get("missing", [])) for table in tables]
    for table in tables:
        write_table(output, table)
    write_json(output / "tables.json", [as_data(table) for table in tables])
    write_text(output / "grid.csv", grid(comparison).to_csv(index=False))


def tell_missing(table: Table, missing: list[dict]) -> Table:
    """Return a table that says, in caption, notes and .csv, which cells its comparison lacks; as it is if none."""
    if not missing:
        return table
    rows = [
        {"task": each["task"], "mode": each["mode"], "missing_cells": f"{len(each['cells'])} of {each['planned']}"}
        for each in missing
    ]
    left_out = ", ".join(f"{each['task']} {each['mode']}" for each in missing)
    return table._replace(
        caption=f"INCOMPLETE, without {left_out}: {table.caption}",
        exact=[*table.exact, *rows],
        notes=[*notes.missing(missing), *table.notes],
    )


def grid(comparison: dict) -> pandas.DataFrame:
    """Return the whole grid in tidy form: one row per cell, one column per fact."""
    missing = [{**cell, "status": "missing"} for each in comparison.get("missing", []) for cell in each["cells"]]
    facts = [
        {
            **{"task": task["task"], "mode": mode["mode"], "model": comparison["model"]["name"]},
            **{key: value for key, value in cell.items() if not isinstance(value, (dict, list))},
            "metric": task["metric"],
            "best_epoch": cell["best_epoch"] and cell["best_epoch"]["epoch"],
            "validation_best_epoch": cell["best_epoch"] and cell["best_epoch"]["score"],
            **{f"trainable_{key}": value for key, value in mode["trainable"].items()},
            "parameters": mode["parameters"],
            **cell["cost"],
        }
        for task, mode in score_tables.rows_of(comparison)
        for cell in mode["cells"]
    ]
    return pandas.DataFrame(facts + missing).convert_dtypes()  # whole numbers stay whole where a diverged cell has none


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json of the run")
    parser.add_argument("--published", nargs="*", default=[], help="files of published scores")
    parser.add_argument("--output", required=True, help="folder for the tables")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
