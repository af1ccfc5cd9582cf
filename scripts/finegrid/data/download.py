"""Fetching repositories of the hub into the mirror (see `finegrid.data.mirror`), pinned by the lock file.

The lock file holds, for every repository, its revision, the patterns asked for and the sha256 of each matching file:

    {"models/owner/name": {"revision": "...", "patterns": ["config.json"], "files": {"config.json": "..."}}}

The first fetch writes it; later ones must match it, and may add files of the same revision. To renew it, delete it and
fetch again. What it pins and the mirror holds is not asked for again.
"""

import contextlib
import glob
import os
import re
import shutil
from pathlib import Path

import httpx2
from filelock import FileLock
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.hf_api import RepoFile
from pydantic import TypeAdapter, ValidationError

from finegrid.config.types import Record
from finegrid.data.mirror import Repository, select
from finegrid.errors import InputError
from finegrid.files import read_json, replacing, sha256, write_json
from finegrid.sealed import as_json


class Locked(Record):
    """The entry of a repository in the lock file."""

    revision: str
    patterns: tuple[str, ...] = ()
    files: dict[str, str]

    def only(self, patterns) -> Repository:
        """Return the files that match some patterns."""
        return Repository(revision=self.revision, files=self.files).only(patterns)


def fetch(wanted: dict[str, list[str]], mirror, lock_file) -> dict[str, Repository]:
    """Have the mirror hold all files that match the patterns in `wanted`, {key: patterns}; return what they are.

    Raises InputError if the hub cannot be reached or lacks them, or if a file's sha256 is not the one that the lock
    file, or the hub itself, gives.
    """
    lock = _read_lock(lock_file)
    lacking = [key for key in wanted if not _is_there(key, wanted[key], lock, mirror)]
    if lacking:  # a mirror that has everything need not be writable
        Path(mirror).mkdir(parents=True, exist_ok=True)
        with FileLock(Path(mirror, ".busy")), FileLock(f"{lock_file}.busy"):
            lock = _read_lock(lock_file)
            for key in lacking:
                if not _is_there(key, wanted[key], lock, mirror):  # another run may have fetched it meanwhile
                    lock[key] = _fetch_repository(key, wanted[key], lock.get(key), Path(mirror), lock_file)
                    write_json(lock_file, {key: as_json(entry) for key, entry in sorted(lock.items())})
    return {key: lock[key].only(wanted[key]) for key in wanted}


def _read_lock(lock_file) -> dict[str, Locked]:
    try:
        return TypeAdapter(dict[str, Locked]).validate_python(read_json(lock_file) if Path(lock_file).exists() else {})
    except ValidationError:
        raise InputError(f"{lock_file}: not a lock file; delete it to pin what the hub has now") from None


def _is_there(key: str, patterns: list[str], lock: dict[str, Locked], mirror) -> bool:
    if key not in lock or not set(patterns) <= set(lock[key].patterns):
        return False
    return all(_has_sha256(Path(mirror, key, name), pin) for name, pin in lock[key].only(patterns).files.items())


def _has_sha256(path: Path, expected: str | None) -> bool:
    return expected is not None and path.is_file() and sha256(path) == expected


def _fetch_repository(key: str, patterns: list[str], locked: Locked | None, mirror: Path, lock_file) -> Locked:
    """Fetch what the mirror lacks of one repository; return its lock entry, new or with files added."""
    kind, repo = key.split("/", 1)
    repo_type = kind.removesuffix("s")
    with _errors_in_one_line(key, mirror):
        revision = locked.revision if locked else HfApi().repo_info(repo, repo_type=repo_type, timeout=30).sha
    if not re.fullmatch("[0-9a-f]{40}", str(revision)):
        raise InputError(f"{key}: {revision!r} is not a revision; expected 40 digits of 0-9 and a-f")
    with _errors_in_one_line(key, mirror):
        tree = HfApi().list_repo_tree(repo, repo_type=repo_type, revision=revision, recursive=True)
        said = {entry.path: entry.lfs and entry.lfs.sha256 for entry in tree if isinstance(entry, RepoFile)}
    pins = locked.files if locked else {}
    said |= pins
    names = select(f"{key}: revision {revision}", key, said, patterns)
    lacking = [name for name in names if not _has_sha256(mirror / key / name, said[name])]

    if lacking:
        print(f"{key}: revision {revision}: fetching {', '.join(lacking)}", flush=True)
        with _scratch_folder(mirror, key) as scratch:
            exactly = [glob.escape(name) for name in lacking]
            with _errors_in_one_line(key, mirror):
                snapshot_download(
                    repo, repo_type=repo_type, revision=revision, allow_patterns=exactly, local_dir=scratch
                )
            for name in lacking:
                if said[name] and not _has_sha256(scratch / name, said[name]):
                    source = f"{lock_file}: {key}" if name in pins else f"{key}: the hub itself"
                    raise InputError(f"{source}: {name} of revision {revision}: sha256 is not {said[name]}")
                with replacing(mirror / key / name) as temporary:
                    os.replace(scratch / name, temporary)
    return Locked(
        revision=revision,
        patterns=sorted({*patterns, *(locked.patterns if locked else ())}),
        files=dict(sorted({**pins, **{name: said[name] or sha256(mirror / key / name) for name in names}}.items())),
    )


@contextlib.contextmanager
def _scratch_folder(mirror: Path, key: str):
    """Give an empty folder in the mirror, so files move out of it atomically; also clears what a killed fetch left."""
    folder = mirror / ".fetching"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder / key
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _errors_in_one_line(key: str, mirror: Path):
    try:
        yield
    except Exception as error:  # huggingface_hub, httpx2 and hf_xet raise anything when an answer is malformed
        of_disk = isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError)
        if of_disk:
            raise InputError(f"{mirror}: cannot be written: {error.strerror}") from None
        raise InputError(f"{key}: cannot be fetched from the hub: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """Say in a few words why the hub gave nothing, without the libraries' words where those may hold a token."""
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return (
            f"it answers {status}: no such repository, or no access to it; for a private or gated one, set HF_TOKEN to"
            " a token with access"
        )
    if status is not None:
        return f"it answers {status}" + (": no such repository, revision or file" if status == 404 else "")
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, httpx2.LocalProtocolError | UnicodeError):
        return "the request cannot be sent; is HF_TOKEN a token?"
    words = re.sub(r"\w+://\S+", "(address)", f"{type(error).__name__}: {error}")  # it may be signed
    return " ".join(words.split())
