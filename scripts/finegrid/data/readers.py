"""The rows of a task's files: texts as they are written, and labels as the file has them."""

import json
from numbers import Number
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
from datasets import Dataset
from datasets.utils.stratify import stratified_shuffle_split_generate_indices

from finegrid.config.definition import Task
from finegrid.data.csv_form import check_form, form_of, hint
from finegrid.errors import InputError

MOST_LISTED = 10  # rows, or columns, that a message lists


class Table(NamedTuple):
    """What a reader finds in a file."""

    names: list[str]  # of all columns
    columns: dict[str, list]  # the values of those that were asked for and are there
    class_names: tuple[str, ...] | None = None  # what the file itself says that the labels 0, 1, 2, ... mean


class FileRows(NamedTuple):
    """The rows of one file."""

    name: str  # of the file, for messages
    texts: dict[str, list[str]]  # by column
    labels: list | None  # values of any kind; None where labels are hidden
    class_names: tuple[str, ...] | None = None


def _read_separated(path: Path, task: Task, wanted: list[str]) -> Table:
    # Everything is text and nothing counts as missing, since "null" and "NA" are words, too. The header is read as a
    # row because pandas would rename the second of two equal columns, and would take the first field of rows with one
    # field too many for the rows' names.
    form = form_of(path, task.csv)
    table = pandas.read_csv(path, header=None, dtype=str, keep_default_na=False, **form.for_pandas)
    names = table.iloc[0].tolist()
    columns = {name: table.iloc[1:, names.index(name)].tolist() for name in wanted if name in names}
    check_form(path, form, names, columns)
    return Table(names, columns)


def _read_parquet(path: Path, _: Task, wanted: list[str]) -> Table:
    # Only the columns that are needed are read, and through Python's own values: pandas has no whole numbers beside
    # missing ones.
    with pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        there = [name for name in wanted if schema.names.count(name) == 1]
        table = file.read(columns=there)
    columns = {name: _values(table.column(name)) for name in there}
    return Table(schema.names, columns, _class_names(schema.metadata, wanted[-1]))


def _values(column: pyarrow.ChunkedArray) -> list:
    values = column.to_pylist()
    if pyarrow.types.is_float32(column.type) or pyarrow.types.is_float16(column.type):
        number = column.type.to_pandas_dtype()
        return [value if value is None else float(str(number(value))) for value in values]  # 0.1, not 0.10000000149
    return values


def _class_names(metadata: dict | None, label: str) -> tuple[str, ...] | None:
    """Return the names of a label column's integers, in the form in which the package datasets writes them."""
    try:
        feature = json.loads((metadata or {})[b"huggingface"])["info"]["features"][label]
        return tuple(map(str, feature["names"])) if feature["_type"] == "ClassLabel" else None
    except (KeyError, TypeError, ValueError):
        return None


def _read_json_lines(path: Path, _: Task, wanted: list[str]) -> Table:
    # Numbers stay as they are spelled: a column without texts would otherwise become one of floats, and a number of
    # more than 64 bits, in any column, an error.
    names, columns = {}, {name: [] for name in wanted}
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line, parse_int=str, parse_float=str, object_pairs_hook=_object)
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}: {error.msg} at column {error.colno}") from None
            except RecursionError:
                raise ValueError(f"line {number}: nested too deep") from None
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is of type {type(row).__name__}; expected an object")
            if isinstance(row, _Repeating) and row.twice & columns.keys():
                raise ValueError(f"line {number}: {min(row.twice & columns.keys())!r} is there twice")
            names.update(row)
            for name, values in columns.items():
                values.append(row.get(name))
    return Table(list(names), {name: values for name, values in columns.items() if name in names})


class _Repeating(dict):
    """An object of JSON that has some keys twice."""

    def __init__(self, pairs: list[tuple]):
        super().__init__(pairs)
        self.twice = {key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1}


def _object(pairs: list[tuple]) -> dict:
    content = dict(pairs)
    return content if len(content) == len(pairs) else _Repeating(pairs)


READERS = {
    ".parquet": _read_parquet,
    ".csv": _read_separated,
    ".tsv": _read_separated,
    ".jsonl": _read_json_lines,
}


def read_file(path, task: Task, labelled: bool) -> FileRows:
    """Read the text columns of a task and, if `labelled`, its label column.

    A missing text becomes an empty one. Raises InputError, which names the file and its row (counted from 0), if the
    file cannot be read, a column is missing or there twice, or a text is not text.
    """
    path = Path(path)
    name = f"task {task.name}: {path.name}"
    if path.suffix not in READERS:
        raise InputError(f"{name}: unknown format; expected {', '.join(READERS)}")
    wanted = list(dict.fromkeys([*task.text, *([task.label] if labelled else [])]))
    try:
        table = READERS[path.suffix](path, task, wanted)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(f"{name}: cannot be read: the byte 0x{byte:02x} is not UTF-8 text") from None
    except (ValueError, OSError, NotImplementedError, pyarrow.ArrowException) as error:
        reason = " ".join(str(error).split()).removeprefix("Error tokenizing data. C error: ")
        if isinstance(error, pandas.errors.ParserError):
            reason += "; how a file is separated, quoted and escaped is said by the task's key 'csv'"
        raise InputError(f"{name}: cannot be read: {reason}") from None
    for column in wanted:
        if column not in table.names:
            listed = ", ".join(repr(name[:50]) for name in table.names[:MOST_LISTED]) or "none"
            key = hint(table.names, wanted) if READERS[path.suffix] is _read_separated else ""
            raise InputError(f"{name}: no column {column!r}; its columns: {listed}{and_more(table.names)}{key}")
        if table.names.count(column) > 1:
            raise InputError(f"{name}: {table.names.count(column)} columns {column!r}; expected one")
    texts = {column: _texts(table.columns[column], f"{name}: column {column!r}") for column in task.text}
    return FileRows(name, texts, table.columns[task.label] if labelled else None, table.class_names)


def and_more(items) -> str:
    """Say how many items a message leaves out."""
    return f" and {len(items) - MOST_LISTED} more" if len(items) > MOST_LISTED else ""


def _texts(values: list, name: str) -> list[str]:
    texts = ["" if is_missing(value) else value for value in values]
    for row, value in enumerate(texts):
        if not isinstance(value, (str, Number)):
            raise InputError(f"{name}: row {row} is of type {type(value).__name__}; expected text")
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:  # JSON can spell one
                raise InputError(f"{name}: row {row} holds half of a pair of surrogates; expected text") from None
    return list(map(str, texts))


def is_missing(value) -> bool:
    """Whether a value of a file is none at all: null, or a float that is no number."""
    return value is None or value != value


def texts_of(rows: Dataset, task: Task) -> list[tuple[str, ...]]:
    """Return the text, or pair of texts, of each row."""
    return list(zip(*(rows[column] for column in task.text), strict=True))


def draw(rows: Dataset, size: int, seed: int, task: Task) -> list[int]:
    """Draw `size` rows, the classes in proportion; return their numbers. Raises ValueError if that cannot be done.

    The rows are those that scikit-learn's `train_test_split` draws, without its import, which takes over a second.
    """
    if size == len(rows):
        return list(range(size))
    others, random = len(rows) - size, np.random.RandomState(seed)
    if task.classes is None:
        return random.permutation(len(rows))[others:].tolist()
    labels = np.array(rows[task.label][:])
    if min(np.unique(labels, return_counts=True)[1]) < 2:
        raise ValueError("a class has a single row; expected two or more")
    drawn, _ = next(stratified_shuffle_split_generate_indices(labels, size, others, random))
    return drawn.tolist()
