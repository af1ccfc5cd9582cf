#!/usr/bin/env python3
"""Write one mode's predictions for hidden test labels, as the GLUE benchmark's server takes them.

For each hidden split it writes a file of tab-separated values, `index` and `prediction`, with the server's name for it,
and submission.zip with all of them. They are the predictions of the chosen setting's best seed on validation, of the
seeds that were tested. A task of which every setting or a confirming seed diverged is left out.
"""

import argparse
import zipfile
from pathlib import Path

import numpy as np

from finegrid import errors
from finegrid.config.cell import MODE_FOLDER
from finegrid.config.definition import Task
from finegrid.evaluation.metrics import predictions_of
from finegrid.evaluation.predictions import load_predictions
from finegrid.evaluation.results import ModeResults, read_mode
from finegrid.evaluation.selection import best_seed
from finegrid.files import replacing, write_text

FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # of every file in the archive: equal predictions make equal archives


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    names = []
    for task in arguments.tasks:
        folder = Path(arguments.results, MODE_FOLDER.format(model=arguments.model, task=task, mode=arguments.mode))
        mode = read_mode(folder / "best.json", arguments.results)
        if not mode.ok:
            print(f"{task}: left out, as {arguments.mode} diverged")
            continue
        for name, predictions in hidden_predictions(mode, arguments.results).items():
            rows = "".join(f"{index}\t{prediction}\n" for index, prediction in enumerate(predictions))
            write_text(output / f"{name}.tsv", "index\tprediction\n" + rows)
            names.append(f"{name}.tsv")
    with replacing(output / "submission.zip") as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, FIRST_DATE)
            archive.writestr(entry, (output / name).read_bytes(), zipfile.ZIP_DEFLATED)


def hidden_predictions(mode: ModeResults, run_folder) -> dict[str, list[str]]:
    """Return the best seed's predictions for each hidden part of the task, in the server's spelling.

    Raises InputError if the file of predictions is damaged.
    """
    path = mode.plan.chosen_folder(run_folder) / "hidden.safetensors"
    mode.evaluation.check_file(path)
    logits, _ = load_predictions(path)
    of_best = logits[mode.tested.index(best_seed(mode.tested))]
    predictions, start = {}, 0
    for part, rows in mode.evaluation.data.hidden.parts.items():
        predictions[part] = spell(predictions_of(of_best[start : start + rows], mode.plan.task), mode.plan.task)
        start += rows
    return predictions


def spell(predictions: np.ndarray, task: Task) -> list[str]:
    """Spell class numbers, or a regression's numbers clipped to the range of its labels: [rows]."""
    if task.regression:
        return [f"{number:.3f}" for number in np.clip(predictions, *(task.label_range or (None, None)))]
    names = task.submitted or task.classes
    return [names[number] for number in predictions]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument("--model", required=True, help="the model")
    parser.add_argument("--tasks", nargs="+", required=True, help="the tasks whose test labels are hidden")
    parser.add_argument("--mode", required=True, help="the mode")
    parser.add_argument("--output", required=True, help="folder for the files")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
