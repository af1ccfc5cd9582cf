#!/usr/bin/env python3
"""Tokenise the splits of one task, once for all cells.

Writes train, validation, test and hidden.safetensors, which cells memory-map, and stats.json into the output
folder. A task without a test split, with labels or without, has an empty file of it. A task of source 'hub' or
'mirror' is read from the mirror, without the network.
"""

import argparse
import collections
import itertools
import math
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from tokenizers import Tokenizer

from finegrid import errors
from finegrid.errors import InputError
from finegrid.files import parse_json, read_json, replacing, sha256, write_json
from finegrid.data.readers import texts_of
from finegrid.data.splits import Rows, load_splits

# Architectures whose first position is the one after the padding token's number.
COUNT_AFTER_PADDING = ("roberta", "xlm-roberta", "camembert")


def main() -> None:
    arguments = parse_arguments()
    task = parse_json(arguments.task, "task")
    check_max_length(task, read_json(Path(arguments.tokenizer, "config.json")))
    splits, source = load_splits(task, arguments.mirror, arguments.fetched)
    tokenizer = Tokenizer.from_file(str(Path(arguments.tokenizer, "tokenizer.json")))
    tokenizer.enable_truncation(task["max_length"])
    tokenizer.no_padding()
    stats = {
        name: tokenise(tokenizer, split, task, Path(arguments.output, f"{name}.safetensors"))
        for name, split in splits.items()
    }
    write_json(
        Path(arguments.output, "stats.json"),
        {"task": task, "source": source, "splits": stats, "duplicates": count_duplicates(splits, task)},
    )


def check_max_length(task: dict, model: dict) -> None:
    """Raise InputError if a text may have more tokens than the model of this config.json has positions."""
    longest = model.get("max_position_embeddings", math.inf)
    if model.get("model_type") in COUNT_AFTER_PADDING:
        longest -= model["pad_token_id"] + 1
    if task["max_length"] > longest:
        raise InputError(f"tasks.{task['name']}.max_length: {task['max_length']}, the model takes at most {longest}")


def tokenise(tokenizer: Tokenizer, split: Rows, task: dict, path: Path) -> dict:
    """Write the tokens and labels of a split; return what `stats.json` tells of it."""
    texts = texts_of(split.rows, task) if split.rows else []
    encodings = tokenizer.encode_batch([text if len(text) > 1 else text[0] for text in texts])
    lengths = np.array([len(encoding.ids) for encoding in encodings], dtype=np.int64)
    no_tokens = np.empty(0, dtype=np.int64)
    input_ids, token_type_ids = (
        np.concatenate([no_tokens, *(getattr(encoding, field) for encoding in encodings)])
        for field in ("ids", "type_ids")
    )
    labels = labels_of(split, task)
    with replacing(path) as temporary:
        tensors = {
            "input_ids": input_ids.astype(np.int32),
            "token_type_ids": token_type_ids.astype(np.uint8),
            "offsets": np.concatenate([[0], np.cumsum(lengths)]),
            "labels": labels,
        }
        temporary.write_bytes(save(tensors))
    truncated = sum(bool(encoding.overflowing) for encoding in encodings)
    return {
        "rows": len(texts),
        "parts": split.parts,
        "origin": split.origin,
        "sha256": sha256(path),
        "labels": describe_labels(labels, task, path.stem),
        "tokens": int(lengths.sum()),
        "length": {"median": float(np.median(lengths)), "longest": int(lengths.max())} if texts else None,
        "truncated_rows": truncated,
        "truncated_share": truncated / len(texts) if texts else 0.0,
        "empty_texts": sum(not part.strip() for text in texts for part in text),
    }


def labels_of(split: Rows, task: dict) -> np.ndarray:
    """Return the labels of a split: class numbers int64 [rows] or numbers float32 [rows]; -1 where they are hidden."""
    dtype = np.float32 if task["classes"] is None else np.int64
    if split.rows is None or task["label"] not in split.rows.column_names:
        return np.full(sum(split.parts.values()), -1, dtype=dtype)
    return np.asarray(split.rows[task["label"]], dtype=dtype)


def describe_labels(labels: np.ndarray, task: dict, name: str) -> dict | None:
    """Count the rows of each class, or tell the range of a regression's labels; None where there are no labels."""
    if name == "hidden" or not len(labels):
        return None
    if task["classes"] is None:
        return {"lowest": float(labels.min()), "mean": float(labels.mean()), "highest": float(labels.max())}
    return {name: int((labels == number).sum()) for number, name in enumerate(task["classes"])}


def count_duplicates(splits: dict[str, Rows], task: dict) -> dict:
    """Count the distinct texts that stand more than once in a split, and those that two splits share."""
    texts = {name: collections.Counter(texts_of(split.rows, task)) for name, split in splits.items() if split.rows}
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
