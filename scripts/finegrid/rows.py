"""The rows of a task: texts and labels as its files hold them, checked, and put together into splits."""

import csv
from pathlib import Path

import numpy as np
import pandas
from datasets import Dataset, concatenate_datasets

from finegrid.errors import InputError

# All as text, and nothing taken for missing but an empty field: "null" and "NA" are words, too.
AS_TEXT = {"dtype": str, "keep_default_na": False}
READERS = {
    ".parquet": pandas.read_parquet,
    ".csv": lambda path: pandas.read_csv(path, **AS_TEXT),
    ".tsv": lambda path: pandas.read_csv(path, sep="\t", quoting=csv.QUOTE_NONE, **AS_TEXT),
    ".jsonl": lambda path: pandas.read_json(path, lines=True, dtype=False),
}
NAMED_AT_ONCE = 10  # rows that a message names


def read_rows(paths: list[Path], task: dict, labelled: bool) -> Dataset:
    """Read the text columns and the label column of a task from some files, one after the other.

    Labels are class numbers, or the numbers of a regression; without labels the label column is left out.
    A missing text becomes an empty one. Raises InputError, which names the file and its rows (from 0), if a
    column is missing or a label is missing or is none of the task's.
    """
    return concatenate_datasets([_read_file(path, task, labelled) for path in paths])


def _read_file(path: Path, task: dict, labelled: bool) -> Dataset:
    name = f"task {task['name']}: {path.name}"
    if path.suffix not in READERS:
        raise InputError(f"{name}: the format is not known; expected {', '.join(READERS)}")
    try:
        table = READERS[path.suffix](path)
    except (ValueError, OSError, UnicodeError) as error:  # pandas' and pyarrow's errors are of these kinds
        raise InputError(f"{name}: cannot be read: {' '.join(str(error).split())}") from None
    for column in [*task["text"], *([task["label"]] if labelled else [])]:
        if column not in table:
            raise InputError(f"{name}: there is no column {column!r}; there are {', '.join(map(str, table.columns))}")
    columns = {column: table[column].fillna("").astype(str).tolist() for column in task["text"]}
    if labelled:
        columns[task["label"]] = read_labels(table[task["label"]], task["classes"], name)
    return Dataset.from_dict(columns)


def read_labels(labels: pandas.Series, classes: list[str] | None, name: str) -> np.ndarray:
    """Return class numbers, int64, of class names or numbers; in a regression, where `classes` is None, float32.

    `name` says where they come from. Raises InputError, which names rows, if a label is missing or not allowed.
    """
    spelled = labels.astype(str).str.strip()
    missing = (labels.isna() | (spelled == "")).to_numpy()
    if classes is None:
        numbers = pandas.to_numeric(spelled, errors="coerce").to_numpy(dtype=float)
        wrong, allowed = ~np.isfinite(numbers), "a number"
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
