#!/usr/bin/env python3
"""Write the report of a run: one HTML page with the discussion, tables, figures, every cell and what they come from.

The page asks for nothing else, from this machine or another, and its own policy forbids it to: pictures are in it,
and of style and script only what stands here runs. It reads what `compare`, `discuss`, `tables`, `figures` and
`anatomy` wrote.
"""

import argparse
import base64
import hashlib
from importlib.metadata import version
from pathlib import Path

import yaml
from markupsafe import Markup

from finegrid import errors
from finegrid.reporting import footnotes as notes
from finegrid.files import parse_json, read_json, write_text
from finegrid.flow import draw
from finegrid.evaluation.metrics import shown
from finegrid.reporting.pages import TEMPLATES, render

# What writes the tables, figures and this page; what trained the cells is with the comparison.
PACKAGES = ["snakemake", "datasets", "tokenizers", "scikit-learn", "scipy", "statsmodels", "pandas", "matplotlib"]


def main() -> None:
    arguments = parse_arguments()
    page = gather(
        Path(arguments.results),
        parse_json(arguments.configuration, "--configuration"),
        parse_json(arguments.steps, "--steps"),
    )
    write_text(arguments.output, html(page))


def gather(run_folder: Path, configuration: dict, steps: dict[str, list[str]]) -> dict:
    """Collect all that the page shows."""
    comparison = read_json(run_folder / "comparison.json")
    tasks = comparison["tasks"]
    return {
        "comparison": comparison,
        "modes": list(dict.fromkeys(mode["mode"] for task in tasks for mode in task["modes"])),
        "discussion": read_json(run_folder / "discussion.json"),
        "tables": read_json(run_folder / "tables" / "tables.json"),
        "figures": figures(run_folder / "figures"),
        "grid": grid(tasks),
        "anatomy": [read_json(run_folder / "anatomy" / f"{task['task']}.json") for task in tasks],
        "data": [data(task) for task in tasks],
        "configuration": yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True, width=100),
        "environments": comparison["environments"],
        "packages": {name: version(name) for name in PACKAGES},
        "steps": steps,
        "flow": draw(steps),
        "counts": counts(tasks),
    }


def figures(folder: Path) -> list[dict]:
    """Read the figures with their pictures, each as an address that holds the picture itself.

    As images of their own, so that ids and styles of one SVG are unknown to the others and to the page.
    """
    entries = read_json(folder / "figures.json")
    for entry in entries:
        picture = base64.b64encode((folder / f"{entry['name']}.svg").read_bytes()).decode()
        entry["source"] = f"data:image/svg+xml;base64,{picture}"
    return entries


def grid(tasks: list[dict]) -> dict:
    """Return every cell as a row: {"columns", "constant", "rows"}, where each value is (as shown, to sort by).

    A number sorts by its exact value, a learning rate by what it is worth; None is a text or is not to be had.
    What is the same in all rows of task and metric is "constant" and no column.
    """
    rows = [
        {
            "task": (task["task"], None),
            "mode": (mode["mode"], None),
            "batch size": number(cell["batch_size"], "d"),
            "learning rate": (cell["learning_rate"], float(cell["learning_rate"])),
            "seed": number(cell["seed"], "d"),
            **({"data order": number(cell["data_order_seed"], "d")} if "data_order_seed" in cell else {}),
            "metric": (shown(task["metric"]), None),
            "validation": number(cell["validation"], ".3f") if cell["status"] == "ok" else (cell["status"], None),
            "best epoch": number((cell["best_epoch"] or {}).get("epoch"), "d"),
            "validation then": number((cell["best_epoch"] or {}).get("score"), ".3f"),
            "chosen": ("chosen" if cell["chosen"] else "", None),
            "seconds": number(cell["cost"]["total_seconds"], ",.1f"),
            "tokens per second": number(cell["cost"]["tokens_per_second"], ",.0f"),
            "peak memory, MiB": number(cell["cost"]["peak_memory_bytes"] / 2**20, ",.0f"),
        }
        for task in tasks
        for mode in task["modes"]
        for cell in mode["cells"]
    ]
    constant = {name: rows[0][name][0] for name in ("task", "metric") if len({row[name] for row in rows}) == 1}
    columns = [name for name in rows[0] if name not in constant]
    return {"columns": columns, "constant": constant, "rows": [[row[name] for name in columns] for row in rows]}


def number(value, spelling: str) -> tuple[str, float | None]:
    return ("", None) if value is None else (format(value, spelling), value)


def data(task: dict) -> dict:
    """Return what a task's data is: {"task", "source", "max_length", "splits", "notes"}."""
    return {
        "task": task["task"],
        "source": task["settings"]["source"],
        "max_length": task["settings"]["max_length"],
        "splits": {name: split for name, split in task["data"]["splits"].items() if split["rows"]},
        "notes": [*notes.repeated(task["data"]), *notes.dropped(task["data"])],
    }


def counts(tasks: list[dict]) -> list[dict]:
    """Count the cells of each task and mode, and the hours that they took one after another."""
    return [
        {
            "task": task["task"],
            "mode": mode["mode"],
            "settings": len(mode["settings"]),
            "seeds": len(mode["cells"]) // len(mode["settings"]),  # with their data orders
            "cells": len(mode["cells"]),
            "diverged": sum(cell["status"] != "ok" for cell in mode["cells"]),
            "hours": sum(cell["cost"]["total_seconds"] for cell in mode["cells"]) / 3600,
        }
        for task in tasks
        for mode in task["modes"]
    ]


def html(page: dict) -> str:
    """Return the page; its policy lets in images that are inside it, and one style and one script by their hash."""
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "report.css"))
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    policy = "; ".join(
        [
            *("default-src 'none'", "base-uri 'none'", "form-action 'none'", "img-src data:"),
            f"style-src '{content_hash(style)}'",
            f"script-src '{content_hash(script)}'",
        ]
    )
    return render("report.html", **page, style=Markup(style), script=Markup(script), policy=policy)


def content_hash(text: str) -> str:
    """Return the hash by which a Content-Security-Policy knows an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument("--configuration", required=True, help="the run's complete configuration, as JSON")
    parser.add_argument("--steps", required=True, help="the rules, each with those that it reads from, as JSON")
    parser.add_argument("--output", required=True, help="the page")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
