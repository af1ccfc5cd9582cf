"""The rows of a task: texts and labels as its files hold them, checked, and put together into splits."""

import csv
from numbers import Number
from pathlib import Path

import numpy as np
import pandas
from datasets import Dataset, concatenate_datasets

from finegrid.errors import InputError

NAMED_AT_ONCE = 10  # rows, or columns, that a message names


def _read_separated(path: Path, **form) -> pandas.DataFrame:
    # All as text, and nothing taken for missing: "null" and "NA" are words, too. The header is a row as others, as
    # pandas would rename the second of two equal columns, and take a row with a field too many for one with a name.
    table = pandas.read_csv(path, header=None, dtype=str, keep_default_na=False, **form)
    return table[1:].reset_index(drop=True).set_axis(table.iloc[0].tolist(), axis=1)


READERS = {
    ".parquet": pandas.read_parquet,
    ".csv": _read_separated,
    ".tsv": lambda path: _read_separated(path, sep="\t", quoting=csv.QUOTE_NONE),
    ".jsonl": lambda path: pandas.read_json(path, lines=True, dtype=False, encoding="utf-8-sig"),
}


def read_rows(paths: list[Path], task: dict, labelled: bool) -> Dataset:
    """Read the text columns and the label column of a task from some files, one after the other.

    Labels are class numbers, or the numbers of a regression; without labels the label column is left out.
    A missing text becomes an empty one. Raises InputError, which names the file and its rows (from 0), if a
    column is missing or there twice, a text is no text, or a label is missing or is none of the task's.
    """
    return concatenate_datasets([_read_file(path, task, labelled) for path in paths])


def _read_file(path: Path, task: dict, labelled: bool) -> Dataset:
    name = f"task {task['name']}: {path.name}"
    if path.suffix not in READERS:
        raise InputError(f"{name}: the format is not known; expected {', '.join(READERS)}")
    try:
        table = READERS[path.suffix](path)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{name}: cannot be read: the byte 0x{byte:02x} is not of text in UTF-8") from None
    except (ValueError, OSError, NotImplementedError) as error:  # pandas' and pyarrow's errors are of these kinds
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        raise InputError(f"{name}: cannot be read: {reason}") from None
    there = [str(column) for column in table.columns]
    for column in [*task["text"], *([task["label"]] if labelled else [])]:
        if column not in there:
            named = ", ".join(repr(name[:50]) for name in there[:NAMED_AT_ONCE]) or "none"
            more = f" and {len(there) - NAMED_AT_ONCE} more" if len(there) > NAMED_AT_ONCE else ""
            raise InputError(f"{name}: there is no column {column!r}; there are {named}{more}")
        if there.count(column) > 1:
            raise InputError(f"{name}: there are {there.count(column)} columns {column!r}; expected one")
    columns = {column: _read_texts(table[column], f"{name}: column {column!r}") for column in task["text"]}
    if labelled:
        columns[task["label"]] = read_labels(table[task["label"]], task["classes"], name)
    return Dataset.from_dict(columns)


def _read_texts(texts: pandas.Series, name: str) -> list[str]:
    values = ["" if missing else text for text, missing in zip(texts.tolist(), texts.isna(), strict=True)]
    for row, value in enumerate(values):
        if not isinstance(value, (str, Number)):
            raise InputError(f"{name}: row {row} is of the type {type(value).__name__}; expected text")
    return list(map(str, values))


def read_labels(labels: pandas.Series, classes: list[str] | None, name: str) -> np.ndarray:
    """Return class numbers, int64, of class names or numbers; in a regression, where `classes` is None, float32.

    `name` says where they come from. Raises InputError, which names rows, if a label is missing or not allowed.
    """
    spelled = labels.astype(str).str.strip()
    missing = (labels.isna() | (spelled == "")).to_numpy()
    if classes is None:
        numbers = pandas.to_numeric(spelled, errors="coerce").to_numpy(dtype=float)
        # Such as 32 bits hold, in which they are kept.
        wrong, allowed = ~(np.abs(numbers) <= np.finfo(np.float32).max), "a number"
    elif spelled.isin(classes)[~missing].all():
        numbers = spelled.map({name: number for number, name in enumerate(classes)}).to_numpy(dtype=float)
        wrong, allowed = missing, "a class"
    else:
        numbers = pandas.to_numeric(spelled, errors="coerce").to_numpy(dtype=float)
        allowed = f"0 to {len(classes) - 1} or one of {', '.join(classes)}"
        wrong = ~np.isin(numbers, range(len(classes)))
    if len(numbers) and (numbers == -1).all():
        raise InputError(f"{name}: every label is -1, as the labels of a hidden test split are; name it 'hidden'")
    wrong = wrong | missing
    if wrong.any():
        rows = np.flatnonzero(wrong)
        named = ", ".join(map(str, rows[:NAMED_AT_ONCE]))
        more = f" and {len(rows) - NAMED_AT_ONCE} more" if len(rows) > NAMED_AT_ONCE else ""
        value = "missing" if missing[rows[0]] else repr(spelled.iloc[rows[0]])
        raise InputError(
            f"{name}: row{'s' if len(rows) > 1 else ''} {named}{more}: "
            f"the label of row {rows[0]} is {value}; expected {allowed}"
        )
    return numbers.astype(np.float32 if classes is None else np.int64)


def texts_of(rows: Dataset, task: dict) -> list[tuple[str, ...]]:
    """Return the text, or pair of texts, of each row."""
    return list(zip(*(rows[column] for column in task["text"]), strict=True))


def draw(rows: Dataset, size: int, seed: int, task: dict) -> list[int]:
    """Draw `size` rows, the classes in proportion; return their numbers. Raises ValueError if that cannot be."""
    from sklearn.model_selection import train_test_split

    if size == len(rows):
        return list(range(size))
    labels = rows[task["label"]] if task["classes"] is not None else None
    return train_test_split(range(len(rows)), train_size=size, stratify=labels, random_state=seed)[0]
