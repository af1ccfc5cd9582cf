#!/usr/bin/env python3
"""Write the chosen model of one (task, mode) as a standard transformers folder.

The folder has the whole model in float32, its configuration with the names of the classes, the tokenizer,
a model card (README.md) and provenance.json. Of the chosen setting's seeds it is the one with the best
validation score.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.reporting.model_card import chosen_card
from finegrid.errors import InputError
from finegrid.files import make_folder, read_json, write_text
from finegrid.config.cell import cell_folder
from finegrid.evaluation.results import best_seed, read_cells, read_test
from finegrid.seal import read_sealed


def main() -> None:
    arguments = parse_arguments()
    best = read_sealed(arguments.best)
    plan, chosen = best["plan"], best["chosen"]
    if chosen is None:
        raise InputError(
            f"{arguments.best}: nothing to export of {plan['task']}, {plan['mode']}: every setting diverged"
        )
    cells = read_cells(plan, arguments.results)
    metrics = best_seed([metrics for metrics in cells if metrics["cell"] in chosen["cells"]])
    test = read_test(arguments.results, metrics["cell"])

    def make(folder: Path) -> dict:
        save_model(folder, metrics, cell_folder(arguments.results, metrics["cell"]), arguments.backbone)
        write_text(folder / "README.md", chosen_card(best, cells, metrics, test))
        return {
            **{key: metrics[key] for key in ("cell", "config", "fingerprint", "start")},
            "backbone": read_json(Path(arguments.backbone, "provenance.json")),
        }

    make_folder(arguments.output, make)


def save_model(folder: Path, metrics: dict, trained: Path, backbone: str) -> None:
    """Save the model that a cell trained, and its tokenizer, into `folder`. `trained` is the cell's folder.

    Raises InputError if the cell did not start from this backbone or has other parameters than its mode trains.
    """
    from finegrid.modeling import classifier as models

    task = metrics["config"]["task"]
    classes = task["classes"]
    model = models.merge_adapters(models.load_cell(trained, metrics, backbone))
    if classes:
        model.config.id2label = dict(enumerate(classes))
        model.config.label2id = {name: index for index, name in enumerate(classes)}
    model.config.problem_type = "single_label_classification" if classes else "regression"
    model.save_pretrained(folder)

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(backbone, model_max_length=task["max_length"], local_files_only=True)
    tokenizer.save_pretrained(folder)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("best", help="best.json of the task and mode")
    parser.add_argument("--results", required=True, help="folder of the run, below which its cells lie")
    parser.add_argument("--backbone", required=True, help="model folder that backbone.py made")
    parser.add_argument("--output", required=True, help="folder for the model")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
