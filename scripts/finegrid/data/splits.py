"""The splits of a task: train, validation, test and hidden, and where the rows of each come from."""

import glob
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset, concatenate_datasets

from finegrid.config.definition import Draw, Task
from finegrid.data import mirror, reviews
from finegrid.data.readers import draw, read_rows, texts_of
from finegrid.errors import InputError
from finegrid.records import DataSource


class Rows(NamedTuple):
    """The rows of one split."""

    rows: Dataset | None  # None: there is no such split
    parts: dict[str, int]  # the number of rows of each part, in the order in which they lie
    origin: str  # where they come from, in words for the tables' notes


NONE = Rows(None, {}, "none")


def load_splits(task: Task, mirror_folder, fetched=None) -> tuple[dict[str, Rows], DataSource]:
    """Return the four splits of a task, and where they come from.

    `mirror_folder` is the mirror; `fetched` is the file that fetch.py wrote, for source 'hub'. Raises InputError if
    the rows are not there or do not suit the task.
    """
    if task.source == "bundled":
        splits, source = _read_bundled(task.validation_from_train), DataSource(package=reviews.PACKAGE)
    else:
        folder, source = Path(), DataSource()
        if task.source != "files":
            folder, files = mirror.repository("datasets", task.repo, task.patterns, mirror_folder, fetched)
            source = DataSource(repo=task.repo, revision=files.revision, files=files.files)
        splits = {name: _read(folder, name, parts, task) for name, parts in task.files.items()}
    if task.drop_training_rows_in_test:
        splits["train"], dropped = _drop_tested(splits, task)
        source = source.model_copy(update={"dropped_training_rows": dropped})
    if task.test_from_train:
        splits["train"], splits["test"] = _hold_out(splits["train"], "test", task.test_from_train, task)
    if "validation" not in splits:
        splits["train"], splits["validation"] = _hold_out(
            splits["train"], "validation", task.validation_from_train, task
        )
    splits = {name: splits.get(name, NONE) for name in ("train", "validation", "test", "hidden")}
    if task.sample:
        for name, size in task.sample.sizes.items():
            splits[name] = _sample(splits[name], name, size, task)
    return splits, source


def _read_bundled(held_out: Draw) -> dict[str, Rows]:
    taken = "held out from the official training split"
    origins = {"train": "official training split", "validation": taken, "test": taken}
    return {name: Rows(rows, {name: len(rows)}, origins[name]) for name, rows in reviews.load_reviews(held_out).items()}


def _read(folder: Path, name: str, parts: dict[str, tuple[str, ...]], task: Task) -> Rows:
    """Read a split from the files of its parts, whose patterns are relative to `folder`."""
    read = {}
    for part, patterns in parts.items():
        within = Path(glob.escape(str(folder)))
        paths = [Path(path) for pattern in patterns for path in sorted(glob.glob(str(within / pattern)))]
        if not paths:
            raise InputError(f"task {task.name}: there is no file {', '.join(patterns)} for {name}")
        read[part] = read_rows(paths, task, labelled=name != "hidden")
        if not len(read[part]):
            raise InputError(f"task {task.name}: {', '.join(patterns)}: {name} has no rows")
    origin = "hidden labels" if name == "hidden" else f"official {'training' if name == 'train' else name} split"
    if task.source == "files":
        origin = "files of the configuration"
    return Rows(concatenate_datasets(list(read.values())), {part: len(rows) for part, rows in read.items()}, origin)


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
