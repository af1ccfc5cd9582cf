#!/usr/bin/env python3
"""Tokenise splits of one task, once for all cells.

Writes <split>.safetensors, which cells memory-map, and <split>.json for each split; one that the task does not have has
no rows. With the test splits it also writes stats.json, which describes all of the task's data. The training splits are
prepared apart, so a change of the test files trains nothing again. sources.json keeps the hashes of the files read.
Uses no network: a task of source 'hub' or 'mirror' is read from the mirror.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.config.definition import SPLITS, Task
from finegrid.data.content import TASK_SOURCES, TRAINING_SOURCES, record, task_files
from finegrid.data.splits import load_splits
from finegrid.data.tokenise import count_duplicates, load_tokenizer, tokenise
from finegrid.files import parse_json, write_json
from finegrid.records import DataStats, Splits, SplitStats
from finegrid.sealed import as_json, read_as, read_record


def main() -> None:
    arguments = parse_arguments()
    task = read_as(Task, parse_json(arguments.task, "task"), "task")
    folder = Path(arguments.output)
    tokenizer = load_tokenizer(arguments.base_model, task)
    splits, source = load_splits(task, arguments.mirror, arguments.fetched, arguments.splits)
    for name in arguments.splits:
        stats = tokenise(tokenizer, splits[name], task, folder / f"{name}.safetensors")
        write_json(folder / f"{name}.json", as_json(stats))

    whole = "test" in arguments.splits
    if whole:
        stats = Splits(**{name: read_record(SplitStats, folder / f"{name}.json") for name in SPLITS})
        duplicates = count_duplicates(splits, task)
        write_json(
            folder / "stats.json", as_json(DataStats(task=task, source=source, splits=stats, duplicates=duplicates))
        )
    files = task_files(task, arguments.mirror)
    read = [path for name in (SPLITS if whole else task.training_splits) for path in files.get(name, [])]
    record(read, folder / (TASK_SOURCES if whole else TRAINING_SOURCES))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="the task as JSON, with its row of the task table and all defaults filled in")
    parser.add_argument("--splits", nargs="+", default=SPLITS, choices=SPLITS, help="splits to write (default: all)")
    parser.add_argument("--base-model", required=True, help="model folder that base_model.py made")
    parser.add_argument("--mirror", default="", help="folder laid out as the hub's repositories")
    parser.add_argument("--fetched", nargs="?", help="what fetch.py wrote, for source 'hub'")
    parser.add_argument("--output", required=True, help="folder for the prepared data")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
