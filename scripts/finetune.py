#!/usr/bin/env python3
"""Fine-tune one cell of the grid.

Writes three files into the output folder: metrics.json (the result), validation.safetensors (the
logits and labels of the validation split) and trained.safetensors (the parameters that trained). Killed, it goes
on after the last epoch that it finished: resume.safetensors, gone at the end, holds all that this takes. Until the
end progress.json tells how far it is.
"""

import argparse
import gc
import math
import os
import time
from pathlib import Path

from finegrid import errors
from finegrid.training import progress
from finegrid.errors import InputError
from finegrid.files import parse_json, read_json, write_json
from finegrid.config.cell import fingerprint
from finegrid.seal import seal
from finegrid.code_hash import code_hash


def main() -> None:
    started = time.monotonic()
    arguments = parse_arguments()

    # Settings
    cell, config = read_cell(arguments.cell)
    task = config["task"]
    metric = task["metrics"][0]
    progress.tell(arguments.output, cell, config, 0, [], [])

    # Not before the settings are known to be good, as these imports take seconds; a third less without a search
    # for garbage among all the objects that they make.
    gc.disable()
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what deterministic CUDA products need
    import torch

    from finegrid.training import loop as engine
    from finegrid.training import environment
    from finegrid.training.fast import features
    from finegrid.training import resume
    from finegrid.modeling import classifier as models
    from finegrid.data.tokens import load_split
    from finegrid.evaluation.metrics import score_all, to_maximise
    from finegrid.evaluation.predictions import save_predictions

    torch.set_num_threads(arguments.threads)
    # AdamW's averages of a word not seen for 800 steps fade below 1e-38, where arithmetic takes twice as long.
    torch.set_flush_denormal(True)
    device = environment.choose_device()
    if device == "cuda":  # on the CPU nothing here depends on an order; and the call imports torch's compiler
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # no result reads any
    dtype = environment.choose_dtype(device)

    # Data
    train_split, train_data = load_split(arguments.data, "train")
    validation_split, validation_data = load_split(arguments.data, "validation")
    labels = validation_split.labels.numpy()

    # Model
    model, start = models.load_classifier(arguments.backbone, models.outputs_of(task), cell["seed"])
    models.apply_mode(model, config, cell["seed"])
    trainable, total = models.count_parameters(model)
    batches = models.place(model, device)
    gc.freeze()
    gc.enable()

    # What the result depends on
    origin = {
        "start": start,
        "data": {"train": train_data, "validation": validation_data},
        "environment": {**environment.describe(device, dtype), "batches": batches},
    }
    identity = fingerprint(cell=cell, config=config, code=code_hash("finetune"), **origin)

    # Loop, from the start or from where a killed run of this cell came to
    output = Path(arguments.output)
    unfinished = output / "resume.safetensors"
    state, found = resume.load(unfinished, identity)
    found = found or {"history": [], "curve": [], "tokens": 0, "seconds": 0.0}
    history, curve, tokens, earlier = found["history"], found["curve"], found["tokens"], found["seconds"]
    if history:
        print(f"going on after epoch {len(history)} of {config['epochs']}", flush=True)
        progress.tell(output, cell, config, earlier + time.monotonic() - started, history, curve)
    diverged = False
    training_started = time.monotonic()
    trained = model
    if features.suffice(model):
        train_split, validation_split = (
            features.extract(model, split, device, dtype) for split in (train_split, validation_split)
        )
        trained = features.Head(model)
    for epoch in engine.train(
        trained,
        train_split,
        batch_size=cell["batch_size"],
        learning_rate=float(cell["learning_rate"]),
        epochs=config["epochs"],
        weight_decay=config["weight_decay"],
        warmup=config["warmup"],
        max_grad_norm=config["max_grad_norm"],
        seed=cell.get("data_order_seed", cell["seed"]),
        device=device,
        dtype=dtype,
        state=state,
    ):
        curve += engine.loss_curve(epoch.losses, first_step=curve[-1][0] if curve else 0)
        tokens += epoch.tokens
        logits = engine.predict(trained, validation_split, device, dtype)
        loss = engine.mean_loss(logits, labels)
        diverged = epoch.diverged or not math.isfinite(loss)
        if diverged:
            print(f"epoch {len(history) + 1} of {config['epochs']}: diverged", flush=True)
            break
        scores = score_all(task, logits, labels, validation_data["parts"])
        history.append({"epoch": len(history) + 1, "score": scores[metric], "scores": scores, "loss": loss})
        if len(history) < config["epochs"]:
            seconds = earlier + time.monotonic() - training_started
            found = {"history": history, "curve": curve, "tokens": tokens, "seconds": seconds}
            resume.save(unfinished, epoch.state, found, identity)
        print(f"epoch {len(history)} of {config['epochs']}: validation {metric} {scores[metric]:.4f}", flush=True)
        progress.tell(output, cell, config, earlier + time.monotonic() - started, history, curve)
    seconds = earlier + time.monotonic() - training_started

    # Result; metrics.json comes last: where it is, the cell is whole.
    models.save_trained(output / "trained.safetensors", model)
    save_predictions(output / "validation.safetensors", logits, labels)
    metrics = {
        "cell": cell,
        "config": config,
        "fingerprint": identity,
        "status": "diverged" if diverged else "ok",
        "trainable": trainable,
        "total": total,
        "validation": {
            "metric": metric,
            "last": None if diverged else history[-1],
            "best": None if diverged else max(history, key=lambda epoch: to_maximise(metric, epoch["score"])),
            "history": history,
        },
        "train": {"loss": curve},
        **origin,
        "cost": {
            "startup_seconds": round(training_started - started, 3),
            "training_seconds": round(seconds, 3),
            "total_seconds": round(earlier + time.monotonic() - started, 3),
            "tokens": tokens,
            "tokens_per_second": round(tokens / seconds, 1),
            "peak_memory_bytes": environment.peak_memory_bytes(device),
        },
    }
    write_json(output / "metrics.json", seal(metrics, output, "trained.safetensors", "validation.safetensors"))
    unfinished.unlink(missing_ok=True)
    progress.end(output)
    environment.leave()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="`snakemake -n -p` prints the whole command of each cell.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "cell",
        help="JSON with the keys 'cell' (its identity) and 'config' (its settings), "
        "or a file that holds them, such as another cell's metrics.json",
    )
    parser.add_argument("--backbone", required=True, help="model folder that backbone.py made")
    parser.add_argument("--data", required=True, help="data folder that prepare.py made")
    parser.add_argument("--output", required=True, help="folder for the results")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


def read_cell(argument: str) -> tuple[dict, dict]:
    """Return the identity and the settings of a cell, given as JSON or as the path of a file of JSON."""
    content = parse_json(argument, "cell") if argument.lstrip().startswith("{") else read_json(argument)
    if not isinstance(content, dict) or not {"cell", "config"} <= content.keys():
        raise InputError("cell: expected JSON with the keys 'cell' and 'config'")
    return content["cell"], content["config"]


if __name__ == "__main__":
    errors.run(main)
