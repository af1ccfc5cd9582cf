#!/usr/bin/env python3
"""Fine-tune one cell of the grid.

Writes metrics.json (the result), validation.safetensors (logits and labels of the validation split) and
trained.safetensors (the parameters that trained) into the output folder. Until then progress.json tells how far the
cell is, and resume.safetensors lets a killed cell continue after the last epoch that it finished.
"""

import argparse
import gc
import math
import time
from pathlib import Path

from finegrid import errors
from finegrid.code_hash import code_hash
from finegrid.config.cell import Cell
from finegrid.files import fingerprint, parse_json, read_json
from finegrid.records import Cost, EpochScore, Metrics, TrainingData, Validation, as_json, read_as
from finegrid.training import progress


def main() -> None:
    started = time.monotonic()
    arguments = parse_arguments()

    # Settings
    cell, output = read_cell(arguments.cell), Path(arguments.output)
    task, settings = cell.task, cell.training
    metric = task.metrics[0]
    progress.write(output, cell, progress.Found(), seconds=0)

    # Imported only now that the settings are known to be good, as this takes seconds; a third less without garbage
    # collection among all the objects that the imports make.
    gc.disable()
    from finegrid.data.tokens import load_split
    from finegrid.evaluation.metrics import score_all, signed_score
    from finegrid.evaluation.predictions import save_predictions
    from finegrid.modeling.classifier import load_classifier, save_trained
    from finegrid.modeling.trainable import apply_mode, count_parameters
    from finegrid.training import environment, fast, resume
    from finegrid.training.loop import train
    from finegrid.training.loss import loss_curve, mean_loss

    device, dtype = environment.set_up(arguments.threads)

    # Data
    train_split, train_stats = load_split(arguments.data, "train")
    validation_split, validation_stats = load_split(arguments.data, "validation")
    data = TrainingData(train=train_stats, validation=validation_stats)
    labels = validation_split.labels.numpy()

    # Model: the cell's seed draws its head, and in training the order of the rows and dropout
    model, start = load_classifier(arguments.base_model, task.num_labels, cell.seed)
    apply_mode(model, cell.mode, cell.seed)
    trainable, total = count_parameters(model)
    gc.freeze()
    gc.enable()
    training_started = time.monotonic()
    engine = fast.enable(model, train_split, device, dtype, cell.seed, settings.weight_decay)

    # Continue where a killed run of the same cell stopped, if there was one
    described = environment.describe(device, dtype, engine.batches)
    origin = {"cell": cell, "start": start, "data": data, "environment": described}
    identity = fingerprint({"code": code_hash("finetune"), **{name: as_json(each) for name, each in origin.items()}})
    unfinished = output / "resume.safetensors"
    state, found = resume.load(unfinished, identity)
    earlier = found.seconds
    if found.history:
        print(f"resuming after epoch {len(found.history)} of {settings.epochs}", flush=True)
        progress.write(output, cell, found, earlier + time.monotonic() - started)

    # Loop
    history, curve, tokens, diverged = list(found.history), list(found.curve), found.tokens, False
    for epoch in train(engine, settings, cell.batch_size, float(cell.learning_rate), cell.seed, state):
        number = len(history) + 1
        curve += loss_curve(epoch.losses, first_step=curve[-1][0] if curve else 0)
        tokens += epoch.tokens
        logits = engine.predict(validation_split)
        loss = mean_loss(logits, labels)
        diverged = epoch.diverged or not math.isfinite(loss)
        if diverged:
            print(f"epoch {number} of {settings.epochs}: diverged", flush=True)
            break
        scores = score_all(task, logits, labels, validation_stats.parts)
        history.append(EpochScore(epoch=number, score=scores[metric], scores=scores, loss=loss))
        seconds = earlier + time.monotonic() - training_started
        found = progress.Found(history=history, curve=curve, tokens=tokens, seconds=seconds)
        if number < settings.epochs:
            resume.save(unfinished, epoch.state, found, identity)
        print(f"epoch {number} of {settings.epochs}: validation {metric} {scores[metric]:.4f}", flush=True)
        progress.write(output, cell, found, earlier + time.monotonic() - started)
    seconds = earlier + time.monotonic() - training_started

    # Result: metrics.json comes last, so that where it exists the cell is complete
    trained_path = output / "trained.safetensors"
    save_trained(trained_path, model)
    save_predictions(output / "validation.safetensors", logits, labels)
    best = None if diverged else max(history, key=lambda epoch: signed_score(metric, epoch.score))
    metrics = Metrics(
        **origin,
        fingerprint=identity,
        status="diverged" if diverged else "ok",
        trainable=trainable,
        total=total,
        trained_bytes=trained_path.stat().st_size,
        validation=Validation(metric=metric, last=None if diverged else history[-1], best=best, history=history),
        train_loss=curve,
        cost=Cost(
            startup_seconds=round(training_started - started, 3),
            training_seconds=round(seconds, 3),
            total_seconds=round(earlier + time.monotonic() - started, 3),
            tokens=tokens,
            tokens_per_second=round(tokens / seconds, 1),
            peak_memory_bytes=environment.peak_memory_bytes(device),
        ),
    )
    metrics.write(output / "metrics.json", "trained.safetensors", "validation.safetensors")
    unfinished.unlink(missing_ok=True)
    progress.remove(output)
    environment.exit_without_teardown()


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="`snakemake -n -p` prints the whole command of each cell.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cell", help="JSON of a cell, or a file with a cell under 'cell', such as its metrics.json")
    parser.add_argument("--base-model", required=True, help="folder that base_model.py made")
    parser.add_argument("--data", required=True, help="folder that prepare.py made")
    parser.add_argument("--output", required=True, help="folder for the results")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


def read_cell(argument: str) -> Cell:
    """Read a cell from JSON or from a file. Raises InputError if it is not one."""
    if argument.lstrip().startswith("{"):
        return read_as(Cell, parse_json(argument, "cell"), "cell")
    return read_as(Cell, read_json(argument, "cell"), argument)


if __name__ == "__main__":
    errors.run(main)
