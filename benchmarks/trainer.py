#!/usr/bin/env python3
"""Train the cells of a configuration by transformers' Trainer, one after another, in one process with one thread.

Processes that have a scratch folder in common share the cells: each takes the next one that no other has taken.

It is set up as quickly as we know: texts padded to the longest of a batch, texts of similar length together, bfloat16
where the processor multiplies it, a fused optimiser, evaluation in large batches, no logs, checkpoints or progress
bars, and torch set up as finegrid's cells do. On a processor, attention with dropout is quicker "eager" than by "sdpa".
`torch.compile` would take longer than most of these cells.
"""

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from datasets import Dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.utils import logging

from finegrid.config.cell import Cell, plans
from finegrid.config.definition import Task
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.data.splits import load_splits
from finegrid.modeling.trainable import apply_mode
from finegrid.training import environment

# The length of a batch is rounded up to a multiple, as torch compiles bfloat16 products for every new shape.
LENGTH_MULTIPLE = 32
EVALUATION_BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="configuration with one task and one model")
    parser.add_argument("--base-model", required=True, help="folder that base_model.py made")
    parser.add_argument("--scratch", required=True, help="folder for what Trainer writes, and which cells are taken")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    environment.set_up(threads=1)
    config = resolve_config(read_configfile(arguments.config), arguments.config)

    tokenizer = AutoTokenizer.from_pretrained(arguments.base_model)
    (task,) = config.tasks.values()
    splits, _ = load_splits(task, config.mirror)
    data = {name: tokenise(splits[name].rows, task, tokenizer) for name in ("train", "validation")}
    cells = [cell for plan in plans(config) for cell in plan.cells()]
    results = [train(cell, data, tokenizer, arguments) for cell in untaken(cells, Path(arguments.scratch, "taken"))]
    print(json.dumps({"cells": results, "peak_memory_bytes": environment.peak_memory_bytes("cpu")}))


def untaken(cells: list[Cell], folder: Path) -> Iterator[Cell]:
    """Take cells one by one, as long as there are any that no other process has taken."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, cell in enumerate(cells):
        try:
            (folder / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield cell


def tokenise(rows, task: Task, tokenizer) -> Dataset:
    """Tokenise the texts of a split, without padding."""
    encoded = tokenizer(*(list(rows[column]) for column in task.text), truncation=True, max_length=task.max_length)
    lengths = [len(tokens) for tokens in encoded["input_ids"]]
    return Dataset.from_dict({**encoded, "labels": rows[task.label], "length": lengths})


def train(cell: Cell, data: dict[str, Dataset], tokenizer, arguments) -> dict:
    """Train one cell; return the accuracy on validation after the last epoch, and how long training took."""
    set_seed(cell.seed)
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.base_model, num_labels=cell.task.num_labels, dtype="float32", attn_implementation="eager"
    )
    apply_mode(model, cell.mode, cell.seed)
    accuracies = []

    def measure(outputs) -> dict:
        accuracies.append(float((outputs.predictions.argmax(-1) == outputs.label_ids).mean()))
        return {"accuracy": accuracies[-1]}

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
            optim="adamw_torch_fused",
            bf16=environment.choose_dtype("cpu") == torch.bfloat16,
            train_sampling_strategy="group_by_length",
            per_device_eval_batch_size=EVALUATION_BATCH,
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="no",
            logging_nan_inf_filter=False,  # would look at the loss of every step
            dataloader_num_workers=0,  # a worker would take the core from the training
            dataloader_pin_memory=False,
            seed=cell.seed,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        ),
        DataCollatorWithPadding(tokenizer, pad_to_multiple_of=LENGTH_MULTIPLE),
        data["train"],
        data["validation"],
        compute_metrics=measure,
    )
    started = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - started
    return {"cell": cell.folder("").as_posix(), "accuracy": accuracies[-1], "training_seconds": seconds}


if __name__ == "__main__":
    main()
