#!/usr/bin/env python3
"""Compare cells trained with bfloat16 products to cells trained with float32: validation accuracy over seeds.

Trains one setting of config/config.yaml with each of the seeds, both ways, and prints scores and seconds.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from finegrid.config.cell import Cell, Plan, plans
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.data.tokens import load_split
from finegrid.evaluation.metrics import score_all
from finegrid.files import canonical_json
from finegrid.modeling.classifier import load_classifier
from finegrid.modeling.trainable import apply_mode
from finegrid.sealed import as_json
from finegrid.training import environment, fast
from finegrid.training.loop import train

REPOSITORY = Path(__file__).resolve().parent.parent
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="config/config.yaml", help="default: %(default)s")
    parser.add_argument("--mode", default="full", help="default: %(default)s")
    parser.add_argument("--learning-rate", default="3e-4", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = resolve_config(read_configfile(REPOSITORY / arguments.config), arguments.config)
    plan = next(plan for plan in plans(config) if plan.mode.name == arguments.mode)
    batch_size = plan.batch_sizes[0]
    accuracies, seconds = ({name: [] for name in DTYPES} for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        prepare(plan, folder)
        for seed in range(arguments.seeds):
            for name, dtype in DTYPES.items():
                started = time.perf_counter()
                accuracies[name].append(accuracy(plan.cell(batch_size, arguments.learning_rate, seed), folder, dtype))
                seconds[name].append(round(time.perf_counter() - started, 1))
    differences = [half - single for half, single in zip(accuracies["bfloat16"], accuracies["float32"], strict=True)]
    result = {
        "mode": arguments.mode,
        "learning_rate": arguments.learning_rate,
        "batch_size": batch_size,
        **{
            name: {"accuracy": accuracies[name], "seconds": seconds[name], **spread(accuracies[name])}
            for name in DTYPES
        },
        "difference": spread(differences),
        "bfloat16_in_hardware": environment.choose_dtype("cpu") == torch.bfloat16,
    }
    print(json.dumps(result, indent=1))


def spread(values: list[float]) -> dict[str, float]:
    """Return mean, standard deviation and the mean's standard error."""
    deviation = statistics.stdev(values)
    figures = {"mean": statistics.mean(values), "sd": deviation, "standard_error": deviation / len(values) ** 0.5}
    return {name: round(value, 4) for name, value in figures.items()}


def prepare(plan: Plan, folder: str) -> None:
    """Make the base model and the data, as the rules do."""
    model, task = canonical_json(as_json(plan.model)), canonical_json(as_json(plan.task))
    base_model = ["--base-model", f"{folder}/base_model"]
    for script, *arguments in (["base_model", model], ["prepare", task, *base_model]):
        command = [sys.executable, REPOSITORY / "scripts" / f"{script}.py", *arguments]
        subprocess.run([*command, "--output", f"{folder}/{script}"], check=True)


def accuracy(cell: Cell, folder: str, dtype: torch.dtype) -> float:
    """Train one cell; return its validation score after the last epoch."""
    train_split, _ = load_split(Path(folder, "prepare"), "train")
    validation_split, stats = load_split(Path(folder, "prepare"), "validation")
    model, _ = load_classifier(Path(folder, "base_model"), cell.task.num_labels, cell.seed)
    apply_mode(model, cell.mode, cell.seed)
    engine = fast.enable(model, train_split, "cpu", dtype, cell.seed, cell.training.weight_decay)
    for _ in train(engine, cell.training, cell.batch_size, float(cell.learning_rate), cell.seed):
        pass
    scores = score_all(cell.task, engine.predict(validation_split), validation_split.labels.numpy(), stats.parts)
    return scores[cell.task.metrics[0]]


if __name__ == "__main__":
    main()
