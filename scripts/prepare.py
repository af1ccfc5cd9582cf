#!/usr/bin/env python3
"""Tokenise the splits of one task, once for all cells.

Writes train, validation and test.safetensors, which cells memory-map, and stats.json into the
output folder. A task of source 'hub' or 'mirror' is read from the mirror, without the network.
"""

import argparse
import collections
import itertools
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from finegrid import errors
from finegrid.errors import InputError
from finegrid.files import parse_json, replacing, sha256, write_json


def main() -> None:
    arguments = parse_arguments()
    task = parse_json(arguments.task, "task")
    splits, source = load_splits(task, arguments.mirror, arguments.fetched)
    if "sample" in task:
        splits = {name: sample(rows, task["sample"][name], task, name) for name, rows in splits.items()}

    tokenizer = Tokenizer.from_file(str(Path(arguments.tokenizer, "tokenizer.json")))
    tokenizer.enable_truncation(task["max_length"])
    stats = {
        name: tokenise(tokenizer, rows, task, Path(arguments.output, f"{name}.safetensors"))
        for name, rows in splits.items()
    }
    write_json(
        Path(arguments.output, "stats.json"),
        {"task": task, "source": source, "splits": stats, "duplicates": count_duplicates(splits, task)},
    )


def load_splits(task: dict, mirror, fetched):
    """Return the train, validation and test split of a task, each a `datasets.Dataset`, and their source."""
    from datasets import Dataset

    from finegrid import hub, reviews

    if task["source"] == "embedded":
        return dict(reviews.load_splits(task["held_out"])), {"package": reviews.PACKAGE}
    patterns = task["hub"]["files"]
    folder, entry = hub.repository("datasets", task["hub"]["repo"], list(patterns.values()), mirror, fetched)
    official = {
        name: Dataset.from_parquet([str(path) for path in sorted(folder.glob(pattern))])
        for name, pattern in patterns.items()
    }
    parts = official["train"].train_test_split(task["held_out"]["share"], seed=task["held_out"]["seed"])
    splits = {"train": parts["train"], "validation": parts["test"], "test": official["test"]}
    return splits, {"repo": task["hub"]["repo"], **entry}


def sample(rows, size: int, task: dict, name: str):
    """Draw `size` rows of a split, the classes in proportion. Raises InputError if it has fewer."""
    from sklearn.model_selection import train_test_split

    if size > len(rows):
        raise InputError(f"tasks.{task['name']}.sample.{name}: {size} rows asked for, the split has {len(rows)}")
    if size == len(rows):
        return rows
    labels = rows[task["label"]]
    try:
        drawn, _ = train_test_split(
            range(len(rows)), train_size=size, stratify=labels, random_state=task["sample"]["seed"]
        )
    except ValueError as error:
        raise InputError(f"tasks.{task['name']}.sample.{name}: {size} rows cannot be drawn: {error}") from None
    return rows.select(drawn)


def tokenise(tokenizer: Tokenizer, rows, task: dict, path: Path) -> dict:
    """Write the tokens and labels of a split; return what `stats.json` tells of it."""
    classes = task["classes"]
    labels = np.asarray(rows[task["label"]], dtype=np.int64)
    for row in np.flatnonzero((labels < 0) | (labels >= len(classes))):
        raise InputError(
            f"task {task['name']}, {path.stem} row {row}: label {labels[row]}, not 0 to {len(classes) - 1}"
        )
    encodings = tokenizer.encode_batch([text if len(text) > 1 else text[0] for text in texts_of(rows, task)])
    lengths = np.array([len(encoding.ids) for encoding in encodings], dtype=np.int64)
    with replacing(path) as temporary:
        save_file(
            {
                "input_ids": np.concatenate([np.array(encoding.ids, dtype=np.int32) for encoding in encodings]),
                "token_type_ids": np.concatenate([np.array(encoding.type_ids, np.uint8) for encoding in encodings]),
                "offsets": np.concatenate([[0], np.cumsum(lengths)]),
                "labels": labels,
            },
            temporary,
        )
    return {
        "rows": len(labels),
        "sha256": sha256(path),
        "labels": {name: int((labels == index).sum()) for index, name in enumerate(classes)},
        "tokens": int(lengths.sum()),
        "length": {"median": float(np.median(lengths)), "longest": int(lengths.max())},
        "truncated_share": float(np.mean([bool(encoding.overflowing) for encoding in encodings])),
    }


def texts_of(rows, task: dict) -> list[tuple[str, ...]]:
    """Return the text, or pair of texts, of each row."""
    return list(zip(*(rows[column] for column in task["text"]), strict=True))


def count_duplicates(splits: dict, task: dict) -> dict:
    """Count the distinct texts that stand more than once in a split, and those that two splits share."""
    texts = {name: collections.Counter(texts_of(rows, task)) for name, rows in splits.items()}
    within = {name: sum(count > 1 for count in counter.values()) for name, counter in texts.items()}
    across = {
        f"{one} and {other}": len(texts[one].keys() & texts[other].keys())
        for one, other in itertools.combinations(texts, 2)
    }
    return within | across


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", help="the task as JSON: its row of the task table with the configuration's settings")
    parser.add_argument("--tokenizer", required=True, help="model folder that backbone.py made")
    parser.add_argument("--mirror", default="", help="folder laid out as the hub's repositories")
    parser.add_argument("--fetched", nargs="?", help="what fetch.py wrote, for source 'hub'")
    parser.add_argument("--output", required=True, help="folder for the prepared data")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
