#!/usr/bin/env python3
"""Compare the modes: Table 1 (validation), Table 2 (test), Table 3 (learning rates) and the whole grid.

Writes table1, table2 and table3 as .md, .tex (booktabs) and .csv, and grid.csv with one row per cell, all
of them from the JSON files of the run.
"""

import argparse
from functools import partial
from pathlib import Path
from statistics import mean

import pandas
from tabulate import LATEX_ESCAPE_RULES, tabulate

from finegrid import errors
from finegrid.errors import InputError
from finegrid.files import read_json, write_text
from finegrid.grid import MODE_FOLDER
from finegrid.metrics import score_names, shown, to_maximise
from finegrid.results import all_ok, by_setting, read_cells, read_test, score


def main() -> None:
    arguments = parse_arguments()
    rows = [read_row(Path(arguments.results), task, mode) for task in arguments.tasks for mode in arguments.modes]
    output = Path(arguments.output)
    # Tasks of the same metrics share columns; others say in each row which metric it is.
    columns_of = shared_columns if len({tuple(row["names"]) for row in rows}) == 1 else row_columns
    of_validation, of_test = (partial(function, columns_of) for function in (validation_columns, test_columns))
    write_table(output / "table1", rows, "Table 1", "Best validation {metric} of each mode", of_validation)
    write_table(output / "table2", rows, "Table 2", "Test {metric} of the cell that validation chose", of_test)
    rates = sorted({rate for row in rows for rate in row["plan"]["learning_rates"]}, key=float)
    by_rate = partial(learning_rate_columns, rates)
    write_table(output / "table3", rows, "Table 3", "Best validation {metric} at each learning rate", by_rate)
    write_text(output / "grid.csv", grid(rows).to_csv(index=False))


def read_row(run_folder: Path, task: str, mode: str) -> dict:
    """Gather all that the tables tell of one (task, mode)."""
    folder = run_folder / MODE_FOLDER.format(task=task, mode=mode)
    best = read_json(folder / "best.json")
    if (best["plan"]["task"], best["plan"]["mode"]) != (task, mode):
        raise InputError(f"{folder}/best.json: belongs to {best['plan']['task']}, {best['plan']['mode']}")
    cells = read_cells(best["plan"], run_folder)
    tests = [read_test(run_folder, cell) for cell in best["chosen"]["cells"]] if best["chosen"] else []
    data = read_json(run_folder / "data" / task / "stats.json")
    return {
        "plan": best["plan"],
        "best": best,
        "cells": cells,
        "tests": tests,
        "data": data,
        "names": score_names(best["plan"]["config"]["task"]["metrics"], data["splits"]["validation"]["parts"]),
    }


def shared_columns(split: str, names: list[str], scores: dict | str) -> dict:
    """Return a column for each score; `scores` may be a word that says why there are none."""
    return {f"{split} {shown(name)}": scores if isinstance(scores, str) else scores[name] for name in names}


def row_columns(split: str, names: list[str], scores: dict | str) -> dict:
    """Return one column for the score that selects, one that names it, and one for the others."""
    first, *others = names
    told = "" if isinstance(scores, str) else ", ".join(f"{shown(name)} {scores[name]:.3f}" for name in others)
    value = scores if isinstance(scores, str) else scores[first]
    return {"metric": shown(first), split: value, "also": told}


def validation_columns(columns_of, row: dict) -> dict:
    """Return Table 1's cells of a row."""
    chosen = row["best"]["chosen"]
    last = [metrics["validation"]["last"] for metrics in row["cells"] if chosen and metrics["cell"] in chosen["cells"]]
    return {
        **columns_of("validation", row["names"], mean_scores(last) if chosen else "diverged"),
        "learning rate": chosen["learning_rate"] if chosen else "",
        "batch size": chosen["batch_size"] if chosen else "",
    }


def test_columns(columns_of, row: dict) -> dict:
    """Return Table 2's cells of a row."""
    trainable = row["cells"][0]["trainable"]
    splits = row["data"]["splits"]
    if not row["tests"]:
        scores = "diverged"
    elif splits["test"]["rows"]:
        scores = mean_scores(row["tests"])
    else:
        scores = "hidden" if splits["hidden"]["rows"] else "no test split"
    names = score_names(row["plan"]["config"]["task"]["metrics"], ["test"])
    return {
        "trainable parameters": trainable["total"],
        "of these in the head": trainable["head"],
        **columns_of("test", names, scores),
    }


def mean_scores(results: list[dict]) -> dict[str, float]:
    """Return the means over seeds of every score."""
    return {name: mean(result["scores"][name] for result in results) for name in results[0]["scores"]}


def learning_rate_columns(learning_rates: list[str], row: dict) -> dict:
    """Return Table 3's cells of a row: the best batch size's score at each learning rate."""
    scores: dict[str, list[float]] = {rate: [] for rate in row["plan"]["learning_rates"]}
    for (_, rate), cells in by_setting(row["cells"]).items():
        if all_ok(cells):
            scores[rate].append(score(cells)[0])
    best = partial(max, key=partial(to_maximise, row["names"][0]), default="diverged")
    return {rate: best(scores[rate]) if rate in scores else "" for rate in learning_rates}


def write_table(path: Path, rows: list[dict], name: str, caption: str, columns) -> None:
    """Write one table in three formats; the .csv has exact numbers, and columns in place of notes."""
    several_tasks = len({row["plan"]["task"] for row in rows}) > 1
    records = [
        {**({"task": row["plan"]["task"]} if several_tasks else {}), "mode": row["plan"]["mode"], **columns(row)}
        for row in rows
    ]
    metrics = {shown(row["names"][0]) for row in rows}
    caption = caption.format(metric=metrics.pop() if len(metrics) == 1 else "score")
    notes = [*protocol_notes(rows), *data_notes(rows), *warning_notes(rows)]
    write_text(path.with_suffix(".md"), markdown(records, f"{name}. {caption}", notes))
    write_text(path.with_suffix(".tex"), latex(records, caption, f"tab:{path.name}", notes))
    exact = [{**record, **csv_context(row)} for record, row in zip(records, rows, strict=True)]
    write_text(path.with_suffix(".csv"), pandas.DataFrame(exact).to_csv(index=False))


def csv_context(row: dict) -> dict:
    """Return what the notes of the other formats say, as columns of a .csv row."""
    splits = row["data"]["splits"]
    return {
        "model": row["plan"]["model"],
        "data": f"{row['plan']['task']} ({row['plan']['config']['task']['source']})",
        **{f"{name} rows": splits[name]["rows"] for name in ("train", "validation", "test")},
        "test split": splits["test"]["origin"],
        "seeds": " ".join(map(str, row["plan"]["seeds"])),
        "note": "; ".join(edge["message"] for edge in row["best"]["chosen"]["edges"]) if row["best"]["chosen"] else "",
    }


def protocol_notes(rows: list[dict]) -> list[str]:
    """Say what the numbers of a table are: model, data, sample sizes, seeds, and what chose."""
    first = rows[0]["plan"]
    notes = [f"Model: {first['model']} ({first['config']['model']['source']})."]
    for task, row in {row["plan"]["task"]: row for row in rows}.items():
        splits, settings = row["data"]["splits"], row["plan"]["config"]["task"]
        notes.append(
            f"Data: {task} ({settings['source']}), {splits['train']['rows']:,} training, "
            f"{splits['validation']['rows']:,} validation and {splits['test']['rows']:,} test rows "
            f"of at most {settings['max_length']} tokens. Validation: {splits['validation']['origin']}. "
            f"Test: {splits['test']['origin']}"
            + (f"; the labels of {splits['hidden']['rows']:,} more are hidden." if splits["hidden"]["rows"] else ".")
        )
    seeds = first["seeds"]
    notes.append(
        f"Training: {first['config']['epochs']} epoch{'s' * (first['config']['epochs'] > 1)}; "
        + (f"seed {seeds[0]}." if len(seeds) == 1 else f"means over the seeds {', '.join(map(str, seeds))}.")
    )
    notes.append("Validation chooses the learning rate and batch size; test is read for the chosen cell only.")
    return notes


def data_notes(rows: list[dict]) -> list[str]:
    """Say what is not as it should be in the data: cut, empty and repeated texts."""
    notes = []
    for task, row in {row["plan"]["task"]: row for row in rows}.items():
        data = row["data"]
        facts = []
        if "dropped_training_rows" in data["source"]:
            dropped = data["source"]["dropped_training_rows"]
            facts.append(f"{dropped:,} training rows left out, as their texts stand in a test split")
        splits = data["splits"].items()
        cut = [f"{split['truncated_share']:.1%} of {name}" for name, split in splits if split["truncated_rows"]]
        if cut:
            facts.append(f"{', '.join(cut)} cut to {data['task']['max_length']} tokens")
        facts += [f"{split['empty_texts']:,} empty texts in {name}" for name, split in splits if split["empty_texts"]]
        for names, count in data["duplicates"].items():
            if count:
                where = f"in both {names}" if " and " in names else f"more than once in {names}"
                facts.append(f"{count:,} texts {where}")
        if facts:
            notes.append(f"Data of {task}: {'; '.join(facts)}.")
    return notes


def warning_notes(rows: list[dict]) -> list[str]:
    """Say where a better setting may lie beyond the grid, and where cells diverged."""
    several_tasks = len({row["plan"]["task"] for row in rows}) > 1
    notes = []
    for row in rows:
        name = f"{row['plan']['task']}, {row['plan']['mode']}" if several_tasks else row["plan"]["mode"]
        if row["best"]["chosen"] and row["best"]["chosen"]["edges"]:
            notes.append(
                f"Edge of the grid: {name}: {'; '.join(edge['message'] for edge in row['best']['chosen']['edges'])}."
            )
        diverged = sum(cell["status"] == "diverged" for cell in row["cells"])
        if diverged:
            notes.append(f"Diverged: {name}: {diverged} of {len(row['cells'])} cells.")
    return notes


def markdown(records: list[dict], caption: str, notes: list[str]) -> str:
    """Return a caption, a table and its notes."""
    return f"**{caption}**\n\n{layout(records, 'pipe')}\n\n" + "".join(f"- {note}\n" for note in notes)


def latex(records: list[dict], caption: str, label: str, notes: list[str]) -> str:
    """Return a table environment; the document that reads it needs the package booktabs."""
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(caption)}.}}",
            rf"\label{{{label}}}",
            layout(records, "latex_booktabs"),
            r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize",
            *map(latex_escape, notes),
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


def layout(records: list[dict], table_format: str) -> str:
    """Lay out a table by tabulate: scores to three decimals, numbers to the right."""
    frame = pandas.DataFrame(records).fillna("")
    numeric = [any(not isinstance(value, str) for value in frame[column]) for column in frame]
    return tabulate(
        [[spell(value) for value in row] for row in frame.itertuples(index=False)],
        headers=frame.columns,
        tablefmt=table_format,
        colalign=["right" if right else "left" for right in numeric],
        disable_numparse=True,
    )


def spell(value) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def latex_escape(text: str) -> str:
    return "".join(LATEX_ESCAPE_RULES.get(character, character) for character in text)


def grid(rows: list[dict]) -> pandas.DataFrame:
    """Return the whole grid in tidy form: one row per cell, one column per fact."""
    facts = [cell_facts(row, metrics) for row in rows for metrics in row["cells"]]
    return pandas.DataFrame(facts).convert_dtypes()  # whole numbers stay whole where a diverged cell has none


def cell_facts(row: dict, metrics: dict) -> dict:
    last, best = metrics["validation"]["last"] or {}, metrics["validation"]["best"] or {}
    scores = {test["cell"]["seed"]: test["score"] for test in row["tests"] if test["cell"] == metrics["cell"]}
    return {
        **{key: metrics["cell"][key] for key in ("task", "mode", "batch_size", "learning_rate", "seed", "model")},
        "status": metrics["status"],
        "metric": metrics["validation"]["metric"],
        "validation_last_epoch": last.get("score"),
        "validation_best_epoch": best.get("score"),
        "best_epoch": best.get("epoch"),
        "validation_loss": last.get("loss"),
        "chosen": bool(scores),
        "test": scores.get(metrics["cell"]["seed"]),
        "trainable_encoder": metrics["trainable"]["encoder"],
        "trainable_head": metrics["trainable"]["head"],
        "trainable": metrics["trainable"]["total"],
        "parameters": metrics["total"],
        "train_rows": metrics["data"]["train"]["rows"],
        "validation_rows": metrics["data"]["validation"]["rows"],
        **metrics["cost"],
        "fingerprint": metrics["fingerprint"],
    }


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument("--tasks", nargs="+", required=True, help="the tasks, in the order of the rows")
    parser.add_argument("--modes", nargs="+", required=True, help="the modes, in the order of the rows")
    parser.add_argument("--output", required=True, help="folder for the tables")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
