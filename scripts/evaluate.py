#!/usr/bin/env python3
"""Test the setting that validation chose for a task and mode: the only script that reads the test split.

Writes test.json with the scores of every seed and, beside it, the predictions of all seeds: validation.safetensors,
test.safetensors and hidden.safetensors (the test split whose labels are hidden), each with logits
[seeds, rows, num_labels] and labels [rows]. If every setting diverged, test.json says so and the predictions have no
seeds and no rows. So it does if a confirming seed diverged.
"""

import argparse
import gc
from pathlib import Path

import numpy as np

from finegrid import errors
from finegrid.evaluation.predictions import load_predictions, save_predictions
from finegrid.evaluation.results import read_tested
from finegrid.evaluation.selection import all_ok
from finegrid.records import Best, EvaluatedCell, Evaluation, EvaluationData

PREDICTIONS = ("validation", "test", "hidden")


def main() -> None:
    arguments = parse_arguments()
    best, output = Best.read(arguments.best), Path(arguments.output)
    plan, task = best.plan, best.plan.task
    found = read_tested(best, arguments.results)
    if not (found and all_ok(found)):
        cells = [EvaluatedCell(seed=metrics.cell.seed, fingerprint=metrics.fingerprint) for metrics in found]
        diverged = Evaluation(plan=plan, status="diverged", chosen=best.chosen, cells=cells)
        write(output, diverged, nothing(task.num_labels))
        return

    gc.disable()  # as finetune.py does
    from finegrid.data.tokens import load_split
    from finegrid.evaluation.metrics import score_all
    from finegrid.modeling.classifier import load_cell
    from finegrid.training import environment, fast
    from finegrid.training.loss import mean_loss

    device, dtype = environment.set_up(arguments.threads)
    test, test_stats = load_split(arguments.data, "test")
    hidden, hidden_stats = load_split(arguments.data, "hidden")
    labels = {"test": test.labels.numpy(), "hidden": hidden.labels.numpy()}
    logits = {name: [] for name in PREDICTIONS}
    cells = []
    for metrics in found:
        folder = plan.tested_folder(metrics.cell, arguments.results)
        metrics.check_file(folder / "validation.safetensors")
        validation_logits, labels["validation"] = load_predictions(folder / "validation.safetensors")

        model = load_cell(folder, metrics, arguments.base_model)
        dtype = environment.dtype_for(model, dtype)
        batches = fast.prepare_for_device(model, device)
        test_logits = fast.predict(model, test, device, dtype)
        hidden_logits = fast.predict(model, hidden, device, dtype)
        for name, of_cell in zip(PREDICTIONS, (validation_logits, test_logits, hidden_logits), strict=True):
            logits[name].append(of_cell)
        scores, loss = None, None
        if len(test.labels):
            scores = score_all(task, test_logits, labels["test"], test_stats.parts)
            loss = mean_loss(test_logits, labels["test"])
        cells.append(EvaluatedCell(seed=metrics.cell.seed, fingerprint=metrics.fingerprint, scores=scores, loss=loss))

    evaluation = Evaluation(
        plan=plan,
        status="ok",
        chosen=best.chosen,
        cells=cells,
        data=EvaluationData(test=test_stats, hidden=hidden_stats),
        environment=environment.describe(device, dtype, batches),
    )
    write(output, evaluation, {name: (np.stack(logits[name]), labels[name]) for name in PREDICTIONS})
    environment.exit_without_teardown()


def nothing(num_labels: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return predictions without seeds and rows."""
    empty = np.empty((0, 0, num_labels), dtype=np.float32), np.empty(0, dtype=np.int64)
    return dict.fromkeys(PREDICTIONS, empty)


def write(path: Path, evaluation: Evaluation, predictions: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Write the predictions and then test.json, which holds their sha256."""
    names = []
    for name, (logits, labels) in predictions.items():
        names.append(f"{name}.safetensors")
        save_predictions(path.parent / names[-1], logits, labels)
    evaluation.write(path, *names)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("best", help="best.json of the task and mode")
    parser.add_argument("--results", required=True, help="folder of the run, which holds its cells")
    parser.add_argument("--base-model", required=True, help="folder that base_model.py made")
    parser.add_argument("--data", required=True, help="folder that prepare.py made")
    parser.add_argument("--output", required=True, help="test.json to write; the predictions go beside it")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
