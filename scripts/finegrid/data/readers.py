"""The rows of a task's files: texts and labels, checked."""

import csv
from numbers import Number
from pathlib import Path

import numpy as np
import pandas
from datasets import Dataset, concatenate_datasets

from finegrid.config.definition import Task
from finegrid.errors import InputError

MOST_LISTED = 10  # rows, or columns, that a message lists


def _read_separated(path: Path, **form) -> pandas.DataFrame:
    # Everything is text and nothing counts as missing, since "null" and "NA" are words, too. The header is read as a
    # row because pandas would rename the second of two equal columns, and would take the first field of rows with one
    # field too many for the rows' names.
    table = pandas.read_csv(path, header=None, dtype=str, keep_default_na=False, **form)
    return table[1:].reset_index(drop=True).set_axis(table.iloc[0].tolist(), axis=1)


READERS = {
    ".parquet": pandas.read_parquet,
    ".csv": _read_separated,
    ".tsv": lambda path: _read_separated(path, sep="\t", quoting=csv.QUOTE_NONE),
    ".jsonl": lambda path: pandas.read_json(path, lines=True, dtype=False, encoding="utf-8-sig"),
}


def read_rows(paths: list[Path], task: Task, labelled: bool) -> Dataset:
    """Read the text columns and the label column of a task from files, one after the other.

    Labels become class numbers, or the numbers of a regression; with `labelled` false the label column is left out.
    A missing text becomes an empty one. Raises InputError, which names the file and its rows (counted from 0), if a
    column is missing or there twice, a text is not text, or a label is missing or not allowed.
    """
    return concatenate_datasets([_read_file(path, task, labelled) for path in paths])


def _read_file(path: Path, task: Task, labelled: bool) -> Dataset:
    name = f"task {task.name}: {path.name}"
    if path.suffix not in READERS:
        raise InputError(f"{name}: unknown format; expected {', '.join(READERS)}")
    try:
        table = READERS[path.suffix](path)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{name}: cannot be read: the byte 0x{byte:02x} is not UTF-8 text") from None
    except (ValueError, OSError, NotImplementedError) as error:  # all that pandas and pyarrow raise
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{name}: cannot be read: {reason}") from None
    there = [str(column) for column in table.columns]
    for column in [*task.text, *([task.label] if labelled else [])]:
        if column not in there:
            listed = ", ".join(repr(name[:50]) for name in there[:MOST_LISTED]) or "none"
            raise InputError(f"{name}: no column {column!r}; its columns: {listed}{_and_more(there)}")
        if there.count(column) > 1:
            raise InputError(f"{name}: {there.count(column)} columns {column!r}; expected one")
    columns = {column: _read_texts(table[column], f"{name}: column {column!r}") for column in task.text}
    if labelled:
        columns[task.label] = read_labels(table[task.label], task.classes, name)
    return Dataset.from_dict(columns)


def _and_more(items) -> str:
    return f" and {len(items) - MOST_LISTED} more" if len(items) > MOST_LISTED else ""


def _read_texts(texts: pandas.Series, name: str) -> list[str]:
    values = ["" if missing else text for text, missing in zip(texts.tolist(), texts.isna(), strict=True)]
    for row, value in enumerate(values):
        if not isinstance(value, (str, Number)):
            raise InputError(f"{name}: row {row} is of type {type(value).__name__}; expected text")
    return list(map(str, values))


def read_labels(labels: pandas.Series, classes: tuple[str, ...] | None, name: str) -> np.ndarray:
    """Turn class names or numbers into class numbers, int64 [rows]; for a regression (`classes` None) float32 [rows].

    `name` says where the labels come from. Raises InputError, which names rows, if a label is missing or not allowed.
    """
    spelled = labels.astype(str).str.strip()
    missing = (labels.isna() | (spelled == "")).to_numpy()
    if classes is None:
        numbers = pandas.to_numeric(spelled, errors="coerce").to_numpy(dtype=float)
        wrong, allowed = ~(np.abs(numbers) <= np.finfo(np.float32).max), "a number"  # they are kept as float32
    elif spelled.isin(classes)[~missing].all():
        numbers = spelled.map({name: number for number, name in enumerate(classes)}).to_numpy(dtype=float)
        wrong, allowed = missing, "a class"
    else:
        numbers = pandas.to_numeric(spelled, errors="coerce").to_numpy(dtype=float)
        allowed = f"0 to {len(classes) - 1} or one of {', '.join(classes)}"
        wrong = ~np.isin(numbers, range(len(classes)))
    if len(numbers) and (numbers == -1).all():
        raise InputError(f"{name}: every label is -1, as in a test split with hidden labels; name the split 'hidden'")
    wrong = wrong | missing
    if wrong.any():
        rows = np.flatnonzero(wrong)
        listed = ", ".join(map(str, rows[:MOST_LISTED]))
        value = "missing" if missing[rows[0]] else repr(spelled.iloc[rows[0]])
        raise InputError(
            f"{name}: row{'s' if len(rows) > 1 else ''} {listed}{_and_more(rows)}: "
            f"the label of row {rows[0]} is {value}; expected {allowed}"
        )
    return numbers.astype(np.float32 if classes is None else np.int64)


def texts_of(rows: Dataset, task: Task) -> list[tuple[str, ...]]:
    """Return the text, or pair of texts, of each row."""
    return list(zip(*(rows[column] for column in task.text), strict=True))


def draw(rows: Dataset, size: int, seed: int, task: Task) -> list[int]:
    """Draw `size` rows, the classes in proportion; return their numbers. Raises ValueError if that cannot be done."""
    from sklearn.model_selection import train_test_split

    if size == len(rows):
        return list(range(size))
    labels = None if task.classes is None else rows[task.label]
    return train_test_split(range(len(rows)), train_size=size, stratify=labels, random_state=seed)[0]
