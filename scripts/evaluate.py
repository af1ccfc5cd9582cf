#!/usr/bin/env python3
"""Score one chosen cell on the test split: the only script that reads it.

Writes test.json and the per-example predictions, test.safetensors, beside the cell's metrics.json, and
hidden.safetensors, the predictions for the test split whose labels are hidden. Either may have no rows.
"""

import argparse
import gc
from pathlib import Path

from finegrid import errors
from finegrid.errors import InputError
from finegrid.files import write_json
from finegrid.evaluation.results import read_any_metrics
from finegrid.seal import read_sealed, seal


def main() -> None:
    arguments = parse_arguments()
    folder = Path(arguments.cell)
    metrics = read_any_metrics(folder / "metrics.json")
    cell, task = metrics["cell"], metrics["config"]["task"]
    chosen = read_sealed(arguments.best)["chosen"]
    if chosen is None or cell not in chosen["cells"]:
        raise InputError(f"{folder}: not the cell chosen by {arguments.best}; the test split is for that one only")

    gc.disable()  # as finetune.py does
    import torch

    from finegrid.training import loop as engine
    from finegrid.training import environment
    from finegrid.modeling import classifier as models
    from finegrid.data.tokens import load_split
    from finegrid.evaluation.metrics import score_all
    from finegrid.evaluation.predictions import save_predictions

    torch.set_num_threads(arguments.threads)
    device = environment.choose_device()
    dtype = environment.choose_dtype(device)

    splits = {name: load_split(arguments.data, name) for name in ("test", "hidden")}
    model = models.load_cell(folder, metrics, arguments.backbone)
    batches = models.place(model, device)
    gc.freeze()
    gc.enable()

    logits = {name: engine.predict(model, split, device, dtype) for name, (split, _) in splits.items()}
    labels = {name: split.labels.numpy() for name, (split, _) in splits.items()}
    for name in splits:
        save_predictions(folder / f"{name}.safetensors", logits[name], labels[name])
    data = {name: stats for name, (_, stats) in splits.items()}
    scores, loss = None, None
    if len(labels["test"]):
        scores = score_all(task, logits["test"], labels["test"], data["test"]["parts"])
        loss = engine.mean_loss(logits["test"], labels["test"])
    result = {
        "cell": cell,
        "fingerprint": metrics["fingerprint"],
        "metric": task["metrics"][0],
        "score": scores and scores[task["metrics"][0]],
        "scores": scores,
        "loss": loss,
        "data": data,
        "environment": {**environment.describe(device, dtype), "batches": batches},
    }
    write_json(folder / "test.json", seal(result, folder, "test.safetensors", "hidden.safetensors"))
    environment.leave()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", help="folder of the chosen cell")
    parser.add_argument("--best", required=True, help="best.json of the cell's task and mode")
    parser.add_argument("--backbone", required=True, help="model folder that backbone.py made")
    parser.add_argument("--data", required=True, help="data folder that prepare.py made")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
