"""What a run's input files contain, by sha256: a result is stale when their content changed, whatever their dates say.

Snakemake asks whenever it parses. So the job that reads the files records their hashes, and a recorded hash holds as
long as the file's size, inode and modification time in nanoseconds are the recorded ones.
"""

import glob
import os
from functools import cache
from pathlib import Path

from finegrid.config.data_files import split_files
from finegrid.config.definition import Task
from finegrid.config.hub_files import MODEL_FILES
from finegrid.config.model import Model
from finegrid.config.model_folder import model_folder
from finegrid.errors import InputError
from finegrid.files import fingerprint, read_json, sha256, write_json
from finegrid.sealed import Result, read_as

# What the jobs record: of base models, of training splits, and of all splits of a task.
MODEL_SOURCES, TRAINING_SOURCES, TASK_SOURCES = "sources.json", "training_sources.json", "sources.json"


class Source(Result):
    """A file as it was when a job read it."""

    path: str
    size: int
    inode: int
    mtime_ns: int
    sha256: str


def task_files(task: Task, mirror: str) -> dict[str, list[str]]:
    """List the files of each split in the order in which they are read; none of a bundled task.

    Of source 'hub' there are none either: the list that fetch.py wrote is an input of the jobs.
    """
    if task.source not in ("files", "mirror"):
        return {}
    folder = "" if task.source == "files" else Path(mirror, "datasets", task.repo)
    return {
        split: [path for files in parts.values() for path in files.paths if os.path.isfile(path)]
        for split, parts in split_files(task, folder).items()
    }


def model_files(model: Model, mirror: str) -> list[str]:
    """List the files of a model that is read from a mirror, a folder or a package of the user's own."""
    if model.source not in ("mirror", "folder", "package"):
        return []
    folder = glob.escape(str(model_folder(model, mirror)))
    return sorted({path for pattern in MODEL_FILES for path in _found(f"{folder}/{pattern}")})


def _found(pattern: str) -> list[str]:
    return sorted(filter(os.path.isfile, glob.glob(pattern)))


def content_hash(paths: list[str], *recorded: Path) -> str | None:
    """Return one sha256 for the content of some files, in their order; None if there are none.

    `recorded` are files that `record` wrote, where its job has run.
    """
    if not paths:
        return None
    known = {state: digest for path in recorded for state, digest in _recorded(path).items()}
    return fingerprint([known.get(_state(path)) or sha256(path) for path in paths])


def record(paths: list[str], path: Path) -> None:
    """Write the hashes of the files that a job reads."""
    sources = [
        Source(path=name, size=size, inode=inode, mtime_ns=mtime, sha256=sha256(name))
        for name, size, inode, mtime in map(_state, dict.fromkeys(paths))
    ]
    write_json(path, [source.model_dump() for source in sources])


def _state(path: str) -> tuple[str, int, int, int]:
    status = os.stat(path)
    return path, status.st_size, status.st_ino, status.st_mtime_ns


@cache
def _recorded(path: Path) -> dict[tuple[str, int, int, int], str]:
    try:
        sources = [read_as(Source, source, path) for source in read_json(path)]
    except (InputError, TypeError):  # not there yet, or damaged: everything is hashed
        return {}
    return {(each.path, each.size, each.inode, each.mtime_ns): each.sha256 for each in sources}
