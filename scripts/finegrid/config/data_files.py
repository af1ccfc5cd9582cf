"""Which files the patterns of a task mean, each listed once."""

import glob
import os
from typing import NamedTuple

from finegrid.config.definition import Task
from finegrid.errors import InputError


class Files(NamedTuple):
    """The files of one part of a split."""

    paths: list[str]  # in the order in which they are read
    repeated: list[str]  # those that a pattern or a link names again, as it names them


def find_files(pattern: str, folder="") -> list[str]:
    """List the files that a pattern means, sorted; their paths begin with `folder`.

    `*` stands for any letters, `**` for any folders, `[12]` for one of the letters. Names that have such characters in
    them are found, too. Raises InputError if a pattern is the name of one file and matches others.
    """
    matched, parts = _glob(pattern, folder), pattern.split("/")
    exact = len(parts)  # as many folders of the pattern as are there under exactly that name
    while exact and not os.path.lexists(os.path.join(folder, "/".join(parts[:exact]))):
        exact -= 1
    escaped = "/".join([*map(glob.escape, parts[:exact]), *parts[exact:]])
    named = _glob(escaped, folder) if escaped != pattern else matched
    if matched and not set(named) <= set(matched):
        raise InputError(
            f"{pattern!r} is the name of one file and a pattern that matches another, {matched[0]!r}; write "
            f"{escaped!r} for the one of that name"
        )
    return [os.path.join(folder, path) for path in matched or named]


def _glob(pattern: str, folder) -> list[str]:
    return sorted(glob.glob(pattern, root_dir=folder or None, recursive=True))


def split_files(task: Task, folder="") -> dict[str, dict[str, Files]]:
    """List the files of each part of each split, {split: {part: files}}, each once.

    A file that two patterns match, or that a link names again, is one file. Raises InputError if a file trains and also
    validates or tests.
    """
    key = f"tasks.{task.name}.files"
    try:
        splits = {
            split: {part: _once(patterns, folder) for part, patterns in parts.items()}
            for split, parts in task.files.items()
        }
    except InputError as error:
        raise InputError(f"{key}: {error}") from None
    training = {_identity(path): path for files in splits.get("train", {}).values() for path in files.paths}
    for split in ("validation", "test"):
        for path in (path for files in splits.get(split, {}).values() for path in files.paths):
            first = training.get(_identity(path))
            if first is not None:
                same = "" if first == path else f", the same file as {first!r},"
                raise InputError(f"{key}: {path!r}{same} is in train and in {split}; expected it in one of them")
    return splits


def _once(patterns, folder) -> Files:
    files, seen = Files([], []), set()
    for path in (path for pattern in patterns for path in find_files(pattern, folder)):
        (files.repeated if _identity(path) in seen else files.paths).append(path)
        seen.add(_identity(path))
    return files


def _identity(path: str):
    """Return what two names of one file share, links included."""
    try:
        status = os.stat(path)
    except OSError:  # a link that leads nowhere: whoever reads it says so
        return os.path.abspath(path)
    return status.st_dev, status.st_ino
