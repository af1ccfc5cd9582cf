#!/usr/bin/env python3
"""Fine-tune one cell of the grid.

Writes metrics.json (the result), validation.safetensors (logits and labels of the validation split) and
trained.safetensors (the parameters that trained) into the output folder; the same cell's result that is there already
stays. Until then progress.json tells how far the cell is, and resume.safetensors lets a killed cell continue after the
last epoch that it finished.
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
from finegrid.records import Cost, EpochScore, Metrics, TrainingData, Validation
from finegrid.sealed import as_json, read_as
from finegrid.training import progress
from finegrid.training.progress import Found


def main() -> None:
    arguments = parse_arguments()
    finetune(read_cell(arguments.cell), arguments)


def finetune(cell: Cell, arguments: argparse.Namespace) -> None:
    """Train a cell; `arguments` say from what and where to, as `add_folders` adds them."""
    started = time.monotonic()

    # Settings
    task, settings, output = cell.task, cell.training, Path(arguments.output)
    metric = task.metrics[0]
    progress.write(output, cell, Found(), seconds=0)

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
    labels = validation_split.labels.numpy()

    # Model: the cell's seed draws the head here, the order of the rows and dropout in training
    model, start = load_classifier(arguments.base_model, task.num_labels, cell.seed)
    dtype = environment.dtype_for(model, dtype)
    apply_mode(model, cell.mode, cell.seed)
    trainable, total = count_parameters(model)
    code = code_hash("finetune")
    gc.freeze()
    gc.enable()
    training_started = time.monotonic()
    engine = fast.enable(model, train_split, device, dtype, cell.seed, settings.weight_decay)

    # Everything that the result depends on; a killed run of the same cell is continued
    origin = {
        "cell": cell,
        "start": start,
        "data": TrainingData(train=train_stats, validation=validation_stats),
        "environment": environment.describe(device, dtype, engine.batches, engine.kernels),
    }
    identity = fingerprint({"code": code, **{name: as_json(record) for name, record in origin.items()}})
    if resume.is_done(output, identity):
        print("the result is there", flush=True)
        progress.remove(output)
        return
    unfinished = output / "resume.safetensors"
    state, found = resume.load(unfinished, identity)
    earlier = found.seconds
    if state is not None:
        print(f"resuming after epoch {len(found.history)} of {settings.epochs}", flush=True)
        progress.write(output, cell, found, earlier + time.monotonic() - started)

    # Loop
    for epoch in train(engine, settings, cell.batch_size, float(cell.learning_rate), cell.seed, state):
        logits = engine.predict(validation_split)
        loss, score = mean_loss(logits, labels), None
        if math.isfinite(loss) and not epoch.diverged:
            scores = score_all(task, logits, labels, validation_stats.parts)
            score = EpochScore(epoch=epoch.number, score=scores[metric], scores=scores, loss=loss)
        curve = loss_curve(epoch.losses, first_step=found.steps)
        found = found.after(score, curve, epoch.tokens, earlier + time.monotonic() - training_started)
        if score is None:
            print(f"epoch {epoch.number} of {settings.epochs}: diverged", flush=True)
            break
        if epoch.number < settings.epochs:
            resume.save(unfinished, epoch.state, found, identity)
        print(f"epoch {epoch.number} of {settings.epochs}: validation {metric} {score.score:.4f}", flush=True)
        progress.write(output, cell, found, earlier + time.monotonic() - started)

    # Result: metrics.json comes last, so that where it exists the cell is complete
    save_trained(output / "trained.safetensors", model)
    save_predictions(output / "validation.safetensors", logits, labels)
    best = score and max(found.history, key=lambda each: signed_score(metric, each.score))
    metrics = Metrics(
        **origin,
        fingerprint=identity,
        status="ok" if score else "diverged",
        trainable=trainable,
        total=total,
        trained_bytes=(output / "trained.safetensors").stat().st_size,
        validation=Validation(metric=metric, last=score, best=best, history=found.history),
        train_loss=found.curve,
        cost=Cost(
            startup_seconds=round(training_started - started, 3),
            training_seconds=round(found.seconds, 3),
            total_seconds=round(earlier + time.monotonic() - started, 3),
            tokens=found.tokens,
            tokens_per_second=round(found.tokens / found.seconds, 1),
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
        epilog="`snakemake -n -p` prints the command of each cell.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("cell", help="JSON of a cell, or a file with a cell under 'cell', such as its metrics.json")
    add_folders(parser)
    return parser.parse_args()


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that every training has."""
    parser.add_argument("--base-model", required=True, help="folder that base_model.py made")
    parser.add_argument("--data", required=True, help="folder that prepare.py made")
    parser.add_argument("--output", required=True, help="folder for the results")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")


def read_cell(argument: str) -> Cell:
    """Read a cell from JSON or from a file. Raises InputError if it is not one."""
    if argument.lstrip().startswith("{"):
        return read_as(Cell, parse_json(argument, "cell"), "cell")
    return read_as(Cell, read_json(argument, "cell"), argument)


if __name__ == "__main__":
    errors.run(main)
