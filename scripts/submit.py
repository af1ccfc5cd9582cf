#!/usr/bin/env python3
"""Write one mode's predictions for the test splits whose labels are hidden, as the benchmark's server takes them.

One file of tab-separated values for each, `index` and `prediction`, named as the GLUE benchmark names it, and
submission.zip, which holds them all. Of the seeds of a chosen setting the one that validation finds best speaks.
A task that has no chosen cell, as all diverged, is told and left out.
"""

import argparse
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from finegrid import errors
from finegrid.files import check_sha256, replacing, write_text
from finegrid.config.cell import MODE_FOLDER, cell_folder
from finegrid.evaluation.metrics import predictions_of
from finegrid.evaluation.results import best_seed, read_any_metrics, read_test
from finegrid.seal import read_sealed

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of all files in the archive, so that equal predictions make equal archives


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    names = []
    for task in arguments.tasks:
        best = read_sealed(Path(arguments.results, MODE_FOLDER.format(task=task, mode=arguments.mode), "best.json"))
        if best["chosen"] is None:
            print(f"{task}: left out, as every cell of {arguments.mode} diverged")
            continue
        for name, predictions in hidden_predictions(Path(arguments.results), best).items():
            rows = "".join(f"{index}\t{prediction}\n" for index, prediction in enumerate(predictions))
            write_text(output / f"{name}.tsv", "index\tprediction\n" + rows)
            names.append(f"{name}.tsv")
    with replacing(output / "submission.zip") as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            archive.writestr(entry, (output / name).read_bytes(), zipfile.ZIP_DEFLATED)


def hidden_predictions(results: Path, best: dict) -> dict[str, list[str]]:
    """Return the predictions of the chosen cell for each hidden part of its task, as the server spells them.

    Raises InputError if they are not those of the cell's last training.
    """
    cells = [cell_folder(results, cell) for cell in best["chosen"]["cells"]]
    metrics = best_seed([read_any_metrics(folder / "metrics.json") for folder in cells])
    folder = cell_folder(results, metrics["cell"])
    test = read_test(results, metrics["cell"])
    check_sha256(folder / "hidden.safetensors", test["files"]["hidden.safetensors"])
    logits = load_file(folder / "hidden.safetensors")["logits"]
    task, predictions, start = metrics["config"]["task"], {}, 0
    for part, rows in test["data"]["hidden"]["parts"].items():
        predictions[part] = spell(predictions_of(logits[start : start + rows], task["classes"]), task)
        start += rows
    return predictions


def spell(predictions: np.ndarray, task: dict) -> list[str]:
    """Spell class numbers, or numbers of a regression within its range, [rows]."""
    if task["classes"] is None:
        return [f"{number:.3f}" for number in np.clip(predictions, *task.get("range", (None, None)))]
    names = task.get("submitted", task["classes"])
    return [names[number] for number in predictions]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument("--tasks", nargs="+", required=True, help="the tasks whose test labels are hidden")
    parser.add_argument("--mode", required=True, help="the mode")
    parser.add_argument("--output", required=True, help="folder for the files")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
