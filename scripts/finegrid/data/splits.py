"""The splits of a task: train, validation, test and hidden, and where the rows of each come from."""

import glob
from pathlib import Path
from typing import NamedTuple

from datasets import Dataset, concatenate_datasets

from finegrid.data import mirror as hub
from finegrid.data import reviews
from finegrid.errors import InputError
from finegrid.data.readers import draw, read_rows, texts_of
from finegrid.config.tasks import patterns_of


class Rows(NamedTuple):
    """The rows of one split."""

    rows: Dataset | None  # None: there is no such split
    parts: dict[str, int]  # the number of rows of each part, in the order in which they lie
    origin: str  # where they come from, in words for the tables' notes


NONE = Rows(None, {}, "none")


def load_splits(task: dict, mirror, fetched=None) -> tuple[dict[str, Rows], dict]:
    """Return the four splits of a task, and what stats.json tells of their source.

    `mirror` is the folder of the hub's repositories, `fetched` the file that fetch.py wrote of what is in it.
    Raises InputError if they are not to be had or not what the task says.
    """
    if task["source"] == "embedded":
        parts = reviews.load_splits(task["held_out"])
        held_out = "held out of the official training split"
        origins = {"train": "official training split", "validation": held_out, "test": held_out}
        splits = {name: Rows(rows, {name: len(rows)}, origins[name]) for name, rows in parts.items()}
        source = {"package": reviews.PACKAGE}
    else:
        folder, source = _open(task, mirror, fetched)
        splits = {name: _read(folder, name, parts, task) for name, parts in task["files"].items()}
    dropped = None
    if task.get("drop_training_rows_in_test"):
        splits["train"], dropped = _drop(splits, task)
    if "carve_out" in task:
        splits["train"], splits["test"] = _hold_out(splits["train"], "test", task, "carve_out", "carved out of")
    if "validation" not in splits:
        splits["train"], splits["validation"] = _hold_out(
            splits["train"], "validation", task, "held_out", "held out of"
        )
    splits = {name: splits.get(name, NONE) for name in ("train", "validation", "test", "hidden")}
    for name, size in task.get("sample", {}).items():
        if name != "seed":
            splits[name] = _sample(splits[name], name, size, task)
    return splits, source | ({} if dropped is None else {"dropped_training_rows": dropped})


def _open(task: dict, mirror, fetched) -> tuple[Path, dict]:
    """Return the folder that a task's patterns belong to, and what stats.json tells of it."""
    if task["source"] == "files":
        return Path(), {"files": True}
    folder, entry = hub.repository("datasets", task["repo"], patterns_of(task), mirror, fetched)
    return folder, {"repo": task["repo"], **entry}


def _read(folder: Path, name: str, parts: dict[str, list[str]], task: dict) -> Rows:
    read = {}
    for part, patterns in parts.items():
        within = Path(glob.escape(str(folder)))
        paths = [Path(path) for pattern in patterns for path in sorted(glob.glob(str(within / pattern)))]
        if not paths:
            raise InputError(f"task {task['name']}: there is no file {', '.join(patterns)} for {name}")
        read[part] = read_rows(paths, task, labelled=name != "hidden")
        if not len(read[part]):
            raise InputError(f"task {task['name']}: {', '.join(patterns)}: {name} has no rows")
    origin = "hidden labels" if name == "hidden" else f"official {'training' if name == 'train' else name} split"
    if task["source"] == "files":
        origin = "files of the configuration"
    return Rows(concatenate_datasets(list(read.values())), {part: len(rows) for part, rows in read.items()}, origin)


def _drop(splits: dict[str, Rows], task: dict) -> tuple[Rows, int]:
    """Leave out the training rows whose texts stand in a test split; return what is left and how many went."""
    tested = {text for name in ("test", "hidden") if name in splits for text in texts_of(splits[name].rows, task)}
    train = splits["train"].rows
    kept = [number for number, text in enumerate(texts_of(train, task)) if text not in tested]
    return Rows(train.select(kept), {"train": len(kept)}, splits["train"].origin), len(train) - len(kept)


def _hold_out(train: Rows, name: str, task: dict, key: str, verb: str) -> tuple[Rows, Rows]:
    """Take the share of the training rows that the task has under `key` for another split, as `datasets` draws it."""
    share = task[key]
    try:
        parts = train.rows.train_test_split(share["share"], seed=share["seed"])
    except ValueError:
        raise InputError(
            f"tasks.{task['name']}.{key}.share: {share['share']} of the {len(train.rows)} training rows leaves none to "
            f"train; expected 2 rows or more, and a smaller share"
        ) from None
    origin = f"{share['share']:.0%} {verb} the training split, seed {share['seed']}"
    rest, taken = parts["train"], parts["test"]
    return Rows(rest, {"train": len(rest)}, train.origin), Rows(taken, {name: len(taken)}, origin)


def _sample(split: Rows, name: str, size: int, task: dict) -> Rows:
    """Draw `size` rows of each part of a split, the classes in proportion."""
    key, drawn, start = f"tasks.{task['name']}.sample.{name}", [], 0
    for rows in split.parts.values():
        if size > rows:
            raise InputError(f"{key}: {size} rows asked for, the split has {rows}")
        part = split.rows.select(range(start, start + rows))
        try:
            drawn += [start + row for row in draw(part, size, task["sample"]["seed"], task)]
        except ValueError as error:
            raise InputError(f"{key}: {size} rows cannot be drawn: {error}") from None
        start += rows
    return Rows(split.rows.select(drawn), dict.fromkeys(split.parts, size), split.origin)
