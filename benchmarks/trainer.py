#!/usr/bin/env python3
"""Train the cells of a configuration by transformers' Trainer, one after another, in one process.

`plain` is the loop that most scripts have: texts padded to the maximum length, evaluation after each epoch.
`best` is the quickest set-up that we know of: padding to the longest text of a batch, texts of similar length
together, bfloat16 where the processor has it, the fused optimiser, evaluation in large batches.
"""

import argparse
import json
import resource
import time

import torch
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

from finegrid.config.cell import Cell, plans
from finegrid.config.definition import Task
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.data.splits import load_splits
from finegrid.modeling.bundled import FOLDER
from finegrid.modeling.trainable import apply_mode
from finegrid.training import environment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="configuration with one task and the bundled model")
    parser.add_argument("kind", choices=["plain", "best"])
    parser.add_argument("--scratch", required=True, help="folder for what Trainer writes")
    parser.add_argument("--part", type=int, nargs=2, default=[0, 1], help="first cell, and the step to the next one")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    config = resolve_config(read_configfile(arguments.config), arguments.config)
    first, processes = arguments.part
    if processes > 1:
        torch.set_num_threads(1)

    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    (task,) = config.tasks.values()
    splits, _ = load_splits(task, config.mirror)
    data = {name: tokenise(splits[name].rows, task, tokenizer, arguments.kind) for name in ("train", "validation")}
    results = []
    cells = [cell for plan in plans(config) for cell in plan.cells()]
    for cell in cells[first::processes]:
        started = time.perf_counter()
        accuracy = train(cell, data, tokenizer, arguments)
        folder = cell.folder("").as_posix()
        results.append({"cell": folder, "seconds": time.perf_counter() - started, "accuracy": accuracy})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"cells": results, "peak_memory_bytes": peak}))


def tokenise(rows, task: Task, tokenizer, kind: str) -> Dataset:
    texts = [list(rows[column]) for column in task.text]
    padding = "max_length" if kind == "plain" else False
    encoded = tokenizer(*texts, truncation=True, max_length=task.max_length, padding=padding)
    return Dataset.from_dict({**encoded, "labels": rows[task.label]})


def train(cell: Cell, data: dict[str, Dataset], tokenizer, arguments) -> float:
    """Train one cell; return the accuracy on validation after the last epoch."""
    set_seed(cell.seed)
    model = AutoModelForSequenceClassification.from_pretrained(FOLDER, num_labels=cell.task.num_labels, dtype="float32")
    apply_mode(model, cell.mode, cell.seed)
    best = arguments.kind == "best"
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
            num_train_epochs=cell.training.epochs,
            per_device_train_batch_size=cell.batch_size,
            learning_rate=float(cell.learning_rate),
            lr_scheduler_type="linear",
            weight_decay=cell.training.weight_decay,
            max_grad_norm=cell.training.max_grad_norm,
            eval_strategy="epoch",
            save_strategy="no",
            seed=cell.seed,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            **(faster if best else {"per_device_eval_batch_size": cell.batch_size}),
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
