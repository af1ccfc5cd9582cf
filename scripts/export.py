#!/usr/bin/env python3
"""Write the chosen model of one (task, mode) as a standard transformers folder.

The folder holds the whole model in float32, its configuration with the names of the classes, the tokenizer, a model
card (README.md) and provenance.json. The model is that of the chosen setting's best seed on validation, of the seeds
that were tested. If every setting or a confirming seed diverged there is no model, and README.md says so.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.evaluation.results import ModeResults, read_mode
from finegrid.evaluation.selection import best_seed
from finegrid.files import make_folder, read_json, write_text
from finegrid.records import Metrics
from finegrid.reporting.footnotes import with_noun
from finegrid.reporting.markdown import escape
from finegrid.reporting.model_card import model_card
from finegrid.sealed import as_json


def main() -> None:
    arguments = parse_arguments()
    mode = read_mode(arguments.best, arguments.results)

    def make(folder: Path) -> dict:
        if not mode.ok:
            print(f"nothing to export of {', '.join(mode.plan.key)}: {why_not(mode)}")
            write_text(folder / "README.md", diverged_card(mode))
            return {"plan": as_json(mode.plan), "status": "diverged"}
        return export(folder, mode, arguments.results, arguments.base_model)

    make_folder(arguments.output, make)


def export(folder: Path, mode: ModeResults, run_folder, base_model) -> dict:
    """Write the model and its card into `folder`; return its provenance."""
    metrics = best_seed(mode.tested)
    save_model(folder, metrics, mode.plan.tested_folder(metrics.cell, run_folder), base_model)
    write_text(folder / "README.md", model_card(mode, metrics))
    return {
        "cell": as_json(metrics.cell),
        "fingerprint": metrics.fingerprint,
        "start": as_json(metrics.start),
        "base_model": read_json(Path(base_model, "provenance.json")),
    }


def save_model(folder: Path, metrics: Metrics, cell_folder: Path, base_model) -> None:
    """Save the model that a cell trained, and its tokenizer.

    Raises InputError if the cell started from another base model, or trained other parameters than its mode's.
    """
    from finegrid.modeling.adapters import merge_adapters
    from finegrid.modeling.classifier import load_cell

    task = metrics.cell.task
    model = merge_adapters(load_cell(cell_folder, metrics, base_model))
    if task.classes:
        model.config.id2label = dict(enumerate(task.classes))
        model.config.label2id = {name: index for index, name in enumerate(task.classes)}
    model.config.problem_type = "regression" if task.regression else "single_label_classification"
    model.save_pretrained(folder)

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model, model_max_length=task.max_length, local_files_only=True)
    tokenizer.save_pretrained(folder)


def why_not(mode: ModeResults) -> str:
    """Say why there is no model of a mode."""
    return "a confirming seed diverged" if mode.chosen else "every setting diverged"


def diverged_card(mode: ModeResults) -> str:
    """Return the README.md of a folder without a model."""
    plan = mode.plan
    heading = "# No model: {2} on {1} diverged\n\n".format(*map(escape, plan.key))
    if mode.chosen:
        diverged = [metrics.cell.seed for metrics in mode.tested if metrics.status == "diverged"]
        return heading + (
            f"Batch size {mode.best.chosen.batch_size} with learning rate {mode.best.chosen.learning_rate} was best on "
            f"validation, and diverged with {with_noun(diverged, 'confirming seed')}. A smaller learning rate may "
            "train.\n"
        )
    return heading + (
        f"Training diverged at every setting of the grid: batch sizes {', '.join(map(str, plan.batch_sizes))}; "
        f"learning rates {', '.join(plan.learning_rates)}. Smaller learning rates may train.\n"
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("best", help="best.json of the task and mode")
    parser.add_argument("--results", required=True, help="folder of the run, which holds its cells")
    parser.add_argument("--base-model", required=True, help="model folder that base_model.py made")
    parser.add_argument("--output", required=True, help="folder for the model")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
