#!/usr/bin/env python3
"""Train chosen settings of the reference once more by transformers' Trainer, in float32, to the end.

Trainer starts from the same encoder and head as the cell of finegrid, and reads the same rows in the same batches and
order. What differs are the masks of dropout and, where finegrid multiplies in bfloat16, the precision. Both accuracies
on the test split are written as JSON and printed, with the interval in which finegrid's accuracy with one more seed
would be expected. A setting that is in the JSON already is not trained again. Needs the run's prepared data: run it
after `make reference`. It takes hours.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from trainer_accuracies import AllTrained, Trained, cell_of, table
from transformers import Trainer, TrainingArguments
from transformers.utils import logging

from finegrid import errors
from finegrid.config.cell import Cell
from finegrid.data.tokens import Split, load_split
from finegrid.evaluation.comparison import Comparison, ModeComparison
from finegrid.evaluation.metrics import score_all
from finegrid.files import write_json
from finegrid.modeling.classifier import load_classifier
from finegrid.modeling.trainable import apply_mode
from finegrid.sealed import as_json, read_record
from finegrid.training.environment import set_up
from finegrid.training.inputs import padded_inputs
from finegrid.training.plain import PlainEngine

MODES = ("full", "bitfit-head")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparison", default="results/reference/comparison.json", help="default: %(default)s")
    parser.add_argument("--run", default="results/imdb-bundled", help="folder of the run (default: %(default)s)")
    parser.add_argument("--output", default="benchmarks/results/reference_by_trainer.json", help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: %(default)s")
    arguments = parser.parse_args()
    set_up(arguments.threads)  # as for a cell: with glibc's defaults, page faults take half of the time
    logging.set_verbosity_error()
    (task,) = read_record(Comparison, arguments.comparison).tasks
    output = Path(arguments.output)
    done = read_record(AllTrained, output) if output.exists() else AllTrained()
    for mode in task.modes:
        if mode.name in MODES:
            cell = cell_of(mode)
            if cell not in [each.cell for each in done.settings]:
                trained = train_setting(mode, cell, Path(arguments.run))
                others = tuple(each for each in done.settings if each.cell.mode.name != mode.name)
                done = AllTrained(settings=(*others, trained))
                write_json(output, as_json(done))
    print(table(done))


def train_setting(mode: ModeComparison, cell: Cell, run: Path) -> Trained:
    """Train a cell by Trainer; return its accuracy on the test split beside finegrid's."""
    data = run / "data" / cell.model.name / cell.task.name
    train_split, _ = load_split(data, "train")
    test_split, test_stats = load_split(data, "test")
    model, _ = load_classifier(run / "base_model" / cell.model.name, cell.task.num_labels, cell.seed)
    apply_mode(model, cell.mode, cell.seed)
    torch.manual_seed(cell.seed)
    settings, rows = cell.training, range(len(train_split.labels))
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            scratch,
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=cell.batch_size,
            learning_rate=float(cell.learning_rate),
            lr_scheduler_type="linear",
            warmup_steps=settings.warmup,  # below 1: a share of the steps
            weight_decay=settings.weight_decay,
            max_grad_norm=settings.max_grad_norm,
            save_strategy="no",
            logging_strategy="epoch",
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
        )
        started = time.perf_counter()
        OrderedTrainer(model, arguments, partial(collated, model, train_split), rows, cell=cell).train()
        seconds = time.perf_counter() - started
    logits = PlainEngine(model, test_split, "cpu", cell.seed).predict(test_split)
    return Trained(
        cell=cell,
        trainer=score_all(cell.task, logits, test_split.labels.numpy(), test_stats.parts)["accuracy"],
        finegrid=next(each.test for each in (*mode.confirmations, *mode.chosen_cells) if each.seed == cell.seed),
        seeds=mode.chosen.test["accuracy"],
        seconds=seconds,
    )


class OrderedTrainer(Trainer):
    """Trains on the row numbers of a split in the batches and the order of a cell of finegrid."""

    def __init__(self, model, arguments: TrainingArguments, collator, rows: range, cell: Cell):
        super().__init__(model, arguments, collator, rows)
        self.batches = Batches(len(rows), cell.batch_size, cell.seed)

    def get_train_dataloader(self) -> DataLoader:
        return DataLoader(self.train_dataset, batch_sampler=self.batches, collate_fn=self.data_collator)


class Batches:
    """The batches of each epoch, drawn as `finegrid.training.loop.train` draws them."""

    def __init__(self, rows: int, batch_size: int, seed: int):
        self.rows, self.batch_size, self.order = rows, batch_size, torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        return math.ceil(self.rows / self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(
            [batch.tolist() for batch in torch.randperm(self.rows, generator=self.order).split(self.batch_size)]
        )


def collated(model: torch.nn.Module, split: Split, rows: list[int]) -> dict[str, torch.Tensor]:
    """Return the model's padded inputs for a batch, each [rows, longest], and its labels [rows]."""
    rows = torch.tensor(rows)
    return {**padded_inputs(model, split, rows, "cpu"), "labels": split.labels[rows]}


if __name__ == "__main__":
    errors.run(main)
