#!/usr/bin/env python3
"""Tokenise the splits of one task, once for all cells.

Writes train, validation, test and hidden.safetensors, which cells memory-map, stats.json, and sources.json with the
hashes of the files it read, into the output folder. A split that the task does not have is written without rows. Uses
no network: a task of source 'hub' or 'mirror' is read from the mirror.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.config.definition import Task
from finegrid.data.content import record, task_files
from finegrid.data.splits import load_splits
from finegrid.data.tokenise import count_duplicates, load_tokenizer, tokenise
from finegrid.files import parse_json, write_json
from finegrid.records import DataStats, Splits
from finegrid.sealed import as_json, read_as


def main() -> None:
    arguments = parse_arguments()
    task = read_as(Task, parse_json(arguments.task, "task"), "task")
    tokenizer = load_tokenizer(arguments.base_model, task)
    splits, source = load_splits(task, arguments.mirror, arguments.fetched)
    folder = Path(arguments.output)
    record([path for paths in task_files(task, arguments.mirror).values() for path in paths], folder)
    stats = {name: tokenise(tokenizer, split, task, folder / f"{name}.safetensors") for name, split in splits.items()}
    duplicates = count_duplicates(splits, task)
    write_json(
        folder / "stats.json",
        as_json(DataStats(task=task, source=source, splits=Splits(**stats), duplicates=duplicates)),
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="the task as JSON, with its row of the task table and all defaults filled in")
    parser.add_argument("--base-model", required=True, help="model folder that base_model.py made")
    parser.add_argument("--mirror", default="", help="folder laid out as the hub's repositories")
    parser.add_argument("--fetched", nargs="?", help="what fetch.py wrote, for source 'hub'")
    parser.add_argument("--output", required=True, help="folder for the prepared data")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
