#!/usr/bin/env python3
"""Compare cells trained with bfloat16 products to cells trained with float32: validation accuracy over seeds.

Trains one setting of config/config.yaml with each of the seeds, both ways, and prints scores and seconds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
import yaml

from finegrid.training import loop as engine
from finegrid.training import environment
from finegrid.config import cell as grid
from finegrid.modeling import classifier as models
from finegrid.config.definition import complete, plan
from finegrid.data.tokens import load_split
from finegrid.evaluation.metrics import score_all

REPOSITORY = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mode", default="full", help="default: %(default)s")
    parser.add_argument("--learning-rate", default="3e-4", help="default: %(default)s")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    source = "config/config.yaml"
    config = complete(
        yaml.safe_load((REPOSITORY / source).read_text()), REPOSITORY / "workflow/schemas/config.schema.yaml", source
    )
    settings = plan(config, "imdb", arguments.mode)["config"]
    results = {"mode": arguments.mode, "learning_rate": arguments.learning_rate, "batch_size": config["batch_sizes"][0]}
    with tempfile.TemporaryDirectory() as folder:
        prepare(settings, folder)
        for seed in range(arguments.seeds):
            for dtype in (torch.float32, torch.bfloat16):
                name = str(dtype).removeprefix("torch.")
                started = time.perf_counter()
                accuracy = train(settings, folder, config["batch_sizes"][0], arguments.learning_rate, seed, dtype)
                result = results.setdefault(name, {"accuracy": [], "seconds": []})
                result["accuracy"].append(accuracy)
                result["seconds"].append(round(time.perf_counter() - started, 1))
    for name in ("float32", "bfloat16"):
        scores = results[name]["accuracy"]
        results[name] |= {"mean": round(statistics.mean(scores), 4), "deviation": round(statistics.stdev(scores), 4)}
    pairs = zip(results["bfloat16"]["accuracy"], results["float32"]["accuracy"], strict=True)
    differences = [bfloat16 - float32 for bfloat16, float32 in pairs]
    results["difference"] = {
        "mean": round(statistics.mean(differences), 4),
        "standard_error": round(statistics.stdev(differences) / len(differences) ** 0.5, 4),
    }
    results["bfloat16_in_hardware"] = environment.choose_dtype("cpu") == torch.bfloat16
    print(json.dumps(results, indent=1))


def prepare(settings: dict, folder: str) -> None:
    """Make the backbone and the data, as the rules do."""
    model, task = grid.canonical_json(settings["model"]), grid.canonical_json(settings["task"])
    environ = {**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")}
    for name, argument, *more in (("backbone", model), ("prepare", task, "--tokenizer", f"{folder}/backbone")):
        script = REPOSITORY / "scripts" / f"{name}.py"
        command = [sys.executable, script, argument, *more, "--output", f"{folder}/{name}"]
        subprocess.run(command, env=environ, check=True)


def train(settings: dict, folder: str, batch_size: int, learning_rate: str, seed: int, dtype: torch.dtype) -> float:
    """Train one cell; return its validation score after the last epoch."""
    train_split, _ = load_split(Path(folder, "prepare"), "train")
    validation_split, stats = load_split(Path(folder, "prepare"), "validation")
    model, _ = models.load_classifier(Path(folder, "backbone"), models.outputs_of(settings["task"]), seed)
    models.apply_mode(model, settings, seed)
    models.place(model, "cpu")
    for _ in engine.train(
        model,
        train_split,
        batch_size=batch_size,
        learning_rate=float(learning_rate),
        epochs=settings["epochs"],
        weight_decay=settings["weight_decay"],
        warmup=settings["warmup"],
        max_grad_norm=settings["max_grad_norm"],
        seed=seed,
        device="cpu",
        dtype=dtype,
    ):
        pass
    logits = engine.predict(model, validation_split, "cpu", dtype)
    scores = score_all(settings["task"], logits, validation_split.labels.numpy(), stats["parts"])
    return scores[settings["task"]["metrics"][0]]


if __name__ == "__main__":
    main()
