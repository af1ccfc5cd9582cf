#!/usr/bin/env python3
"""Write the tables of a run: scores, learning rates, pairs of modes, retention, cost, and published scores.

Each is written as .md, .tex (needs booktabs and graphicx) and .csv, and all of them as tables.json for the report.
grid.csv has one row per cell. All numbers come from comparison.json, except those of the published scores.
"""

import argparse
from pathlib import Path

import pandas

from finegrid import errors
from finegrid.evaluation.comparison import Comparison
from finegrid.evaluation.published import PublishedScore, read_published
from finegrid.files import write_json, write_text
from finegrid.reporting import cost_tables, footnotes, ladder, published_table, ranking, score_tables
from finegrid.reporting.layout import Table, shown, write_table
from finegrid.sealed import as_json, read_record


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    comparison = read_record(Comparison, arguments.comparison)
    tables = make_tables(comparison, read_published(arguments.published))
    for table in tables:
        write_table(output, table)
    write_json(output / "tables.json", [as_json(shown(table)) for table in tables])
    write_text(output / "grid.csv", grid(comparison).to_csv(index=False))


def make_tables(comparison: Comparison, published: list[PublishedScore]) -> list[Table]:
    """Return all tables, each of which says which cells the comparison lacks."""
    tables = [
        score_tables.validation(comparison),
        score_tables.test(comparison),
        score_tables.learning_rates(comparison),
        score_tables.pairs(comparison),
        ranking.table(comparison),
        score_tables.retention(comparison),
        *([ladder.table(comparison)] if comparison.several_models else []),
        cost_tables.parameters(comparison),
        cost_tables.cost(comparison),
        published_table.table(comparison, published),
    ]
    return [mark_incomplete(table, comparison) for table in tables] if comparison.missing else tables


def mark_incomplete(table: Table, comparison: Comparison) -> Table:
    """Return a table that names, in caption, notes and CSV, the modes whose cells are missing."""
    rows = [
        {
            "model": plan.model,
            "task": plan.task,
            "mode": plan.mode,
            "missing_cells": f"{len(plan.cells)} of {plan.planned}",
        }
        for plan in comparison.missing
    ]
    modes = ", ".join(footnotes.of_plan(comparison, plan, " ") for plan in comparison.missing)
    return table._replace(
        caption=f"INCOMPLETE, without {modes}: {table.caption}",
        exact=[*table.exact, *rows],
        notes=[*footnotes.missing(comparison), *table.notes],
    )


def grid(comparison: Comparison) -> pandas.DataFrame:
    """Return the whole grid in tidy form: one row per cell, one column per fact."""
    rows = [
        {
            **{"model": task.model.name, "task": task.name, "mode": mode.name},
            **cell.model_dump(exclude={"best_epoch", "history", "train_loss", "cost"}),
            "confirming": cell.seed in mode.plan.confirming_seeds,
            "metric": task.metric,
            "best_epoch": cell.best_epoch.epoch if cell.best_epoch else None,
            "validation_best_epoch": cell.best_epoch.score if cell.best_epoch else None,
            **{f"trainable_{part}": count for part, count in mode.trainable},
            "parameters": mode.parameters,
            **dict(cell.cost),
        }
        for task, mode in comparison.rows()
        for cell in (*mode.cells, *mode.confirmations)
    ]
    rows += [{**cell.wildcards, "status": "missing"} for plan in comparison.missing for cell in plan.cells]
    return pandas.DataFrame(rows).convert_dtypes()  # keeps whole numbers whole in columns with empty cells


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json of the run")
    parser.add_argument("--published", nargs="*", default=[], help="YAML files of published scores")
    parser.add_argument("--output", required=True, help="folder for the tables")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
