"""From the texts of a split to its tokens, as one safetensors file, and what stats.json says of it."""

import collections
import itertools
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from finegrid.config.definition import Task
from finegrid.data.readers import texts_of
from finegrid.data.splits import Rows
from finegrid.data.tokenizer import ModelTokenizer, longest_text, read_tokenizer
from finegrid.errors import InputError
from finegrid.files import read_json, replacing, sha256
from finegrid.records import Lengths, SplitStats


def load_tokenizer(base_model, task: Task) -> ModelTokenizer:
    """Return the tokenizer of a model folder, which cuts texts after `task.max_length` tokens.

    Raises InputError if the model takes fewer tokens than that, or if the special tokens leave no room for a text.
    """
    check_max_length(task, read_json(Path(base_model, "config.json")))
    tokenizer = read_tokenizer(base_model, task.max_length)
    special = tokenizer.tokenizer.num_special_tokens_to_add(task.pair)
    if task.max_length < special + len(task.text):
        raise InputError(
            f"tasks.{task.name}.max_length: {task.max_length}, of which this model's special tokens take {special}; "
            f"expected {special + len(task.text)} or more"
        )
    return tokenizer


def check_max_length(task: Task, model: dict) -> None:
    """Raise InputError if a text may have more tokens than the model of this config.json has positions."""
    longest = longest_text(model)
    if task.max_length > longest:
        raise InputError(f"tasks.{task.name}.max_length: {task.max_length}, the model takes at most {longest}")


def tokenise(tokenizer: ModelTokenizer, split: Rows, task: Task, path: Path) -> SplitStats:
    """Write the tokens and labels of a split in the form of `data.tokens`; return its entry in stats.json."""
    texts = texts_of(split.rows, task) if split.rows else []
    encodings = tokenizer.encode([text if task.pair else text[0] for text in texts])
    lengths = np.array([len(encoding.ids) for encoding in encodings], dtype=np.int64)
    if not lengths.all():
        row = int(lengths.argmin())
        raise InputError(
            f"tasks.{task.name}: row {row} of {path.stem} has no tokens, and this model adds none: {texts[row]}"
        )
    words = any(part.strip() for text in texts for part in text)
    if path.stem == "train" and words and not tokenizer.knows_a_word(encodings):
        raise InputError(
            f"{tokenizer.path}: knows no word of the training texts of task {task.name}: the vocabulary does not fit "
            "the model or the texts"
        )
    no_tokens = np.empty(0, dtype=np.int64)
    input_ids = np.concatenate([no_tokens, *(encoding.ids for encoding in encodings)])
    labels = labels_of(split, task)
    tensors = {
        "input_ids": input_ids.astype(np.int32),
        "token_type_ids": tokenizer.token_types(encodings),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]),
        "labels": labels,
    }
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors))
    truncated = sum(bool(encoding.overflowing) for encoding in encodings)
    return SplitStats(
        rows=len(texts),
        parts=split.parts,
        origin=split.origin,
        sha256=sha256(path),
        labels=None if path.stem == "hidden" else describe_labels(labels, task),
        tokens=int(lengths.sum()),
        length=Lengths(median=float(np.median(lengths)), longest=int(lengths.max())) if texts else None,
        truncated_rows=truncated,
        truncated_share=truncated / len(texts) if texts else 0.0,
        empty_texts=sum(not part.strip() for text in texts for part in text),
    )


def labels_of(split: Rows, task: Task) -> np.ndarray:
    """Return the labels of a split: class numbers, int64 [rows], or numbers, float32 [rows]; -1 where hidden."""
    dtype = np.float32 if task.classes is None else np.int64
    if split.rows is None or task.label not in split.rows.column_names:
        return np.full(sum(split.parts.values()), -1, dtype=dtype)
    return np.asarray(split.rows[task.label], dtype=dtype)


def describe_labels(labels: np.ndarray, task: Task) -> dict[str, int | float] | None:
    """Count the rows of each class, or give the range of a regression's labels; None where there are no rows."""
    if not len(labels):
        return None
    if task.classes is None:
        return {"lowest": float(labels.min()), "mean": float(labels.mean()), "highest": float(labels.max())}
    return {name: int((labels == number).sum()) for number, name in enumerate(task.classes)}


def count_duplicates(splits: dict[str, Rows], task: Task) -> dict[str, int]:
    """Count the distinct texts that are in a split more than once, and those that two splits share."""
    texts = {name: collections.Counter(texts_of(split.rows, task)) for name, split in splits.items() if split.rows}
    within = {name: sum(count > 1 for count in counter.values()) for name, counter in texts.items()}
    across = {
        f"{one} and {other}": len(texts[one].keys() & texts[other].keys())
        for one, other in itertools.combinations(texts, 2)
    }
    return within | across
