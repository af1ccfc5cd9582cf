#!/usr/bin/env python3
"""Train the cells of a configuration by transformers' Trainer, one after another, in one process.

`plain` is the loop that most scripts have: texts padded to the maximum length, evaluation after each epoch.
`best` is the quickest set-up that we know of: padding to the longest text of a batch, texts of like length
together, bfloat16 where the processor has it, the fused optimiser, evaluation in large batches.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import torch
import yaml
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    default_data_collator,
    set_seed,
)
from transformers.utils import logging

from finegrid.training import environment
from finegrid.config import cell as grid
from finegrid.modeling import classifier as models
from finegrid.config.definition import complete, plans
from finegrid.modeling.bundled import FOLDER
from finegrid.data.splits import load_splits

SCHEMA = Path(__file__).resolve().parent.parent / "workflow" / "schemas" / "config.schema.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="configuration with one task and the embedded model")
    parser.add_argument("kind", choices=["plain", "best"])
    parser.add_argument("--scratch", required=True, help="folder for what Trainer writes")
    parser.add_argument("--part", type=int, nargs=2, default=[0, 1], help="every which cell, from which on")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    config = complete(yaml.safe_load(Path(arguments.config).read_text()), SCHEMA, arguments.config)
    first, processes = arguments.part
    if processes > 1:
        torch.set_num_threads(1)

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    cells = [(cell, plan["config"]) for plan in plans(config) for cell in grid.cells(plan)]
    task = cells[0][1]["task"]
    splits = load_splits(task, config["mirror"])[0]
    data = {name: tokenise(splits[name].rows, task, tokenizer, arguments.kind) for name in ("train", "validation")}
    results = []
    for cell, settings in cells[first::processes]:
        started = time.perf_counter()
        accuracy = train(cell, settings, data, tokenizer, arguments)
        results.append({"cell": cell, "seconds": time.perf_counter() - started, "accuracy": accuracy})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"cells": results, "peak_memory_bytes": peak}))


def tokenise(rows, task: dict, tokenizer, kind: str) -> Dataset:
    texts = [list(rows[column]) for column in task["text"]]
    padding = "max_length" if kind == "plain" else False
    encoded = tokenizer(*texts, truncation=True, max_length=task["max_length"], padding=padding)
    return Dataset.from_dict({**encoded, "labels": rows[task["label"]]})


def train(cell: dict, settings: dict, data: dict, tokenizer, arguments) -> float:
    """Train one cell; return the accuracy on validation after the last epoch."""
    set_seed(cell["seed"])
    outputs = models.outputs_of(settings["task"])
    model = AutoModelForSequenceClassification.from_pretrained(FOLDER, num_labels=outputs, dtype="float32")
    models.apply_mode(model, settings, cell["seed"])
    batch_size, best = cell["batch_size"], arguments.kind == "best"
    accuracies = []

    def measure(outputs) -> dict:
        accuracies.append(float((outputs.predictions.argmax(-1) == outputs.label_ids).mean()))
        return {"accuracy": accuracies[-1]}

    faster = {
        "train_sampling_strategy": "group_by_length",
        "bf16": environment.choose_dtype("cpu") == torch.bfloat16,
        "optim": "adamw_torch_fused",
        "per_device_eval_batch_size": 64,
    }
    trainer = Trainer(
        model,
        TrainingArguments(
            arguments.scratch,
            num_train_epochs=settings["epochs"],
            per_device_train_batch_size=batch_size,
            learning_rate=float(cell["learning_rate"]),
            lr_scheduler_type="linear",
            weight_decay=settings["weight_decay"],
            max_grad_norm=settings["max_grad_norm"],
            eval_strategy="epoch",
            save_strategy="no",
            seed=cell["seed"],
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            **(faster if best else {"per_device_eval_batch_size": batch_size}),
        ),
        DataCollatorWithPadding(tokenizer) if best else default_data_collator,
        data["train"],
        data["validation"],
        compute_metrics=measure,
    )
    trainer.train()
    return accuracies[-1]


if __name__ == "__main__":
    main()
