"""The splits of a task: train, validation, test and hidden, and where the rows of each come from."""

import os
from typing import NamedTuple

import numpy as np
from datasets import Dataset

from finegrid.config.data_files import Files, split_files
from finegrid.config.definition import SPLITS, Draw, Task
from finegrid.data import mirror, reviews
from finegrid.data.labels import Labels
from finegrid.data.readers import FileRows, draw, read_file, texts_of
from finegrid.errors import InputError
from finegrid.records import DataSource


class Rows(NamedTuple):
    """The rows of one split."""

    rows: Dataset | None  # None: there is no such split
    parts: dict[str, int]  # the number of rows of each part, in the order in which they lie
    origin: str  # where they come from, in words for the tables' notes


NONE = Rows(None, {}, "none")


def load_splits(task: Task, mirror_folder, fetched=None, names=SPLITS) -> tuple[dict[str, Rows], DataSource]:
    """Return the four splits of a task, and where they come from; of `names` only the files that they need are read.

    `mirror_folder` is the mirror; `fetched` is the file that fetch.py wrote, for source 'hub'. Raises InputError if
    the rows are not there or do not suit the task.
    """
    needed = task.training_splits if set(names) <= {"train", "validation"} else SPLITS
    if task.source == "bundled":
        read, source = _read_bundled(task), DataSource(package=reviews.PACKAGE)
    else:
        folder, source = "", DataSource()
        if task.source != "files":
            folder, files = mirror.repository("datasets", task.repo, task.patterns, mirror_folder, fetched)
            source = DataSource(repo=task.repo, revision=files.revision, files=files.files)
        found = {name: parts for name, parts in split_files(task, folder).items() if name in needed}
        read = {name: _read(name, parts, task) for name, parts in found.items()}
        source = source.model_copy(update=_files_read(found, folder))
    labels = Labels(task, [files for name, parts in read.items() if name != "hidden" for files in parts.values()])
    splits = {name: _labelled(name, parts, labels, task) for name, parts in read.items()}
    source = source.model_copy(update={"labels": labels.reading, **_left_out(read, splits, task)})
    if task.drop_training_rows_in_test:
        splits["train"], dropped = _drop_tested(splits, task)
        source = source.model_copy(update={"dropped_training_rows": dropped})
    if task.test_from_train:
        splits["train"], splits["test"] = _hold_out(splits["train"], "test", task.test_from_train, task)
    if "validation" not in splits:
        splits["train"], splits["validation"] = _hold_out(
            splits["train"], "validation", task.validation_from_train, task
        )
    splits = {name: splits.get(name, NONE) for name in SPLITS}
    if task.sample:
        for name, size in task.sample.sizes.items():
            if name in names:
                splits[name] = _sample(splits[name], name, size, task)
    return splits, source


def _read_bundled(task: Task) -> dict[str, dict[str, list[FileRows]]]:
    splits = {}
    for name, rows in reviews.load_reviews(task.validation_from_train).items():
        for column in (*task.text, task.label):
            if column not in rows.column_names:
                raise InputError(f"task {task.name}: no column {column!r}; its columns: {', '.join(rows.column_names)}")
        texts = {column: rows[column][:] for column in task.text}
        splits[name] = {name: [FileRows(f"task {task.name}", texts, rows[task.label][:], reviews.CLASSES)]}
    return splits


def _read(name: str, parts: dict[str, Files], task: Task) -> dict[str, list[FileRows]]:
    """Read the files of the parts of a split."""
    read = {}
    for part, files in parts.items():
        patterns = ", ".join(task.files[name][part])
        if not files.paths:
            raise InputError(f"task {task.name}: there is no file {patterns} for {name}")
        read[part] = [read_file(path, task, labelled=name != "hidden") for path in files.paths]
        if not any(_rows(file) for file in read[part]):
            raise InputError(f"task {task.name}: {patterns}: {name} has no rows")
    return read


def _rows(file: FileRows) -> int:
    return len(next(iter(file.texts.values())))


def _files_read(found: dict[str, dict[str, Files]], folder) -> dict:
    """Return what DataSource says of the files, named as the patterns name them."""
    read = {name: [path for files in parts.values() for path in files.paths] for name, parts in found.items()}
    repeated = [path for parts in found.values() for files in parts.values() for path in files.repeated]
    within = str(folder) + os.sep if folder else ""
    return {
        "read": {name: tuple(path.removeprefix(within) for path in paths) for name, paths in read.items()},
        "repeated": tuple(path.removeprefix(within) for path in repeated),
    }


def _labelled(name: str, parts: dict[str, list[FileRows]], labels: Labels, task: Task) -> Rows:
    """Put the rows of a split together: those with a label, or all rows where labels are hidden."""
    texts, numbers, counts = {column: [] for column in task.text}, [], {}
    for part, files in parts.items():
        counts[part] = 0
        for file in files:
            kept = range(_rows(file))
            if name != "hidden":
                values, kept = labels.of(file)
                numbers.append(values)
            for column, values in texts.items():
                values += [file.texts[column][row] for row in kept]
            counts[part] += len(kept)
        if not counts[part]:
            raise InputError(f"{files[0].name}: no row of {name} has a label; expected some, or the split 'hidden'")
    labelled = {} if name == "hidden" else {task.label: np.concatenate(numbers)}
    return Rows(Dataset.from_dict({**texts, **labelled}), counts, _origin(name, task))


def _origin(name: str, task: Task) -> str:
    if task.source == "bundled":
        return "official training split" if name == "train" else "held out from the official training split"
    if task.source == "files":
        return "files of the configuration"
    return "hidden labels" if name == "hidden" else f"official {'training' if name == 'train' else name} split"


def _left_out(read: dict[str, dict[str, list[FileRows]]], splits: dict[str, Rows], task: Task) -> dict:
    """Return what DataSource says of the rows without a label."""
    if task.unlabelled is None:
        return {}
    there = {name: sum(_rows(file) for files in parts.values() for file in files) for name, parts in read.items()}
    return {"unlabelled_rows": {name: there[name] - len(splits[name].rows) for name in splits if name != "hidden"}}


def _drop_tested(splits: dict[str, Rows], task: Task) -> tuple[Rows, int]:
    """Leave out the training rows whose texts are in a test split; return the rest and how many were left out."""
    tested = {text for name in ("test", "hidden") if name in splits for text in texts_of(splits[name].rows, task)}
    train = splits["train"].rows
    kept = [number for number, text in enumerate(texts_of(train, task)) if text not in tested]
    return Rows(train.select(kept), {"train": len(kept)}, splits["train"].origin), len(train) - len(kept)


def _hold_out(train: Rows, name: str, drawn: Draw, task: Task) -> tuple[Rows, Rows]:
    """Take a share of the training rows for another split, as `datasets` draws it; return the rest and the share."""
    try:
        parts = train.rows.train_test_split(drawn.share, seed=drawn.seed)
    except ValueError:
        raise InputError(
            f"tasks.{task.name}.{name}_from_train.share: {drawn.share} of {len(train.rows)} training rows leaves none "
            "to train; expected 2 rows or more, and a smaller share"
        ) from None
    origin = f"{drawn.share:.0%} held out from the training split, seed {drawn.seed}"
    rest, taken = parts["train"], parts["test"]
    return Rows(rest, {"train": len(rest)}, train.origin), Rows(taken, {name: len(taken)}, origin)


def _sample(split: Rows, name: str, size: int, task: Task) -> Rows:
    """Draw `size` rows of each part of a split, the classes in proportion."""
    key, drawn, start = f"tasks.{task.name}.sample.{name}", [], 0
    for rows in split.parts.values():
        if size > rows:
            raise InputError(f"{key}: {size} rows asked for, the split has {rows}")
        part = split.rows.select(range(start, start + rows))
        try:
            drawn += [start + row for row in draw(part, size, task.sample.seed, task)]
        except ValueError as error:
            raise InputError(f"{key}: {size} rows cannot be drawn: {error}") from None
        start += rows
    return Rows(split.rows.select(drawn), dict.fromkeys(split.parts, size), split.origin)
