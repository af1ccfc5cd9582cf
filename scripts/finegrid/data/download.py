"""Fetching repositories of the hub into a mirror (see `finegrid.hub`), each pinned by the lock file.

The lock file holds, for every repository, its revision, the patterns that were asked for and the sha256 of each
file that matched:

    {"models/owner/name": {"revision": "...", "patterns": ["config.json"], "files": {"config.json": "..."}}}

The first fetch writes it, later fetches must match it and may add files of the same revision. To renew it, delete
it and fetch again. What it pins and the mirror holds is not asked of the hub again.
"""

import email.utils
import os
import re
import shutil
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx2
from filelock import FileLock
from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled
from huggingface_hub.utils import disable_progress_bars, tqdm

from finegrid.errors import InputError
from finegrid.files import read_json, replacing, sha256, write_json
from finegrid.data.mirror import pinned, select

TIMEOUT_SECONDS = 30
WAITS_SECONDS = (1, 2, 4, 8)
TRANSIENT = (408, 429, 500, 502, 503, 504)


def fetch(wanted: dict[str, list[str]], mirror, lock_file) -> dict[str, dict]:
    """Have the mirror hold all files that are wanted; return {key: {"revision", "files": {name: sha256}}}.

    `wanted` holds, by each repository's key, the glob patterns of its files. Raises InputError if the hub cannot
    be reached or does not have them, or if what it sends is not what the lock file or the hub itself says it is.
    """
    lock = _read_lock(lock_file)
    # A mirror that has everything is not even locked: it may be one that cannot be written.
    lacking = [key for key in wanted if not _is_there(key, wanted[key], lock, mirror)]
    if lacking:
        Path(mirror).mkdir(parents=True, exist_ok=True)
        with FileLock(Path(mirror, ".busy")), FileLock(f"{lock_file}.busy"):
            lock = _read_lock(lock_file)
            for key in lacking:
                # Another run may have fetched it while this one waited.
                if not _is_there(key, wanted[key], lock, mirror):
                    lock[key] = _fetch_repository(key, wanted[key], lock.get(key), Path(mirror), lock_file)
                    write_json(lock_file, dict(sorted(lock.items())))
    return {key: pinned(lock, key, wanted[key]) for key in wanted}


def _read_lock(lock_file) -> dict:
    lock = read_json(lock_file) if Path(lock_file).exists() else {}
    try:
        return {
            key: {"revision": entry["revision"], "patterns": entry.get("patterns", []), "files": dict(entry["files"])}
            for key, entry in lock.items()
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InputError(f"{lock_file}: is no lock file; delete it to pin anew what the hub has now") from None


def _is_there(key: str, patterns: list[str], lock: dict, mirror) -> bool:
    if key not in lock or not set(patterns) <= set(lock[key]["patterns"]):
        return False
    return all(_is_file(Path(mirror, key, name), sha) for name, sha in pinned(lock, key, patterns)["files"].items())


def _is_file(path: Path, expected: str | None) -> bool:
    return expected is not None and path.is_file() and sha256(path) == expected


def _fetch_repository(key: str, patterns: list[str], locked: dict | None, mirror: Path, lock_file) -> dict:
    """Fetch what the mirror lacks of one repository; return its lock entry, new or with files added."""
    disable_progress_bars()
    kind, name = key.split("/", 1)
    repo_type = kind.removesuffix("s")
    description = _ask(
        key,
        lambda: HfApi().repo_info(
            name,
            repo_type=repo_type,
            revision=locked and locked["revision"],
            files_metadata=True,
            timeout=TIMEOUT_SECONDS,
        ),
        _is_transient,
    )
    revision = locked["revision"] if locked else description.sha
    pins = locked["files"] if locked else {}
    if not re.fullmatch("[0-9a-f]{40}", str(revision)):
        raise InputError(f"{key}: {revision!r} is no revision; expected 40 digits of 0-9 and a-f")
    listed = {str(file.rfilename): file for file in description.siblings or []}
    hashes = {file: entry.lfs and entry.lfs.sha256 for file, entry in listed.items()} | pins
    sizes = {file: entry.size for file, entry in listed.items()}

    owner = f"{key}: revision {revision}"
    chosen = select(owner, key, hashes, patterns)
    lacking = [file for file in chosen if not _is_file(mirror / key / file, hashes[file])]
    _check_space(owner, {file: sizes.get(file) for file in lacking}, mirror)
    files = {}
    for file in chosen:
        path = mirror / key / file
        if file in lacking:
            print(f"{owner}: {file}", flush=True)
            limited = _limit(f"{owner}: {file}", sizes[file])
            with _scratch_folder(mirror) as folder, replacing(path) as temporary:
                got = _ask(
                    key,
                    lambda file=file, folder=folder, limited=limited: hf_hub_download(
                        name, file, repo_type=repo_type, revision=revision, local_dir=folder, tqdm_class=limited
                    ),
                    _is_transient_download,
                )
                os.replace(got, temporary)
                if temporary.stat().st_size != sizes[file]:
                    found = f"{temporary.stat().st_size:,} bytes came, the hub itself told of {sizes[file]:,}"
                    raise InputError(f"{owner}: {file}: {found}")
                if hashes[file] not in (None, sha256(temporary)):
                    said_by = f"{lock_file}: {key}" if file in pins else f"{key}: the hub itself"
                    raise InputError(f"{said_by}: {file} of revision {revision}: sha256 is not {hashes[file]}")
        files[file] = hashes[file] or sha256(path)
    return {
        "revision": revision,
        "patterns": sorted({*patterns, *(locked["patterns"] if locked else [])}),
        "files": dict(sorted({**pins, **files}.items())),
    }


def _check_space(owner: str, sizes: dict[str, int | None], mirror: Path) -> None:
    """Raise InputError unless there is room for files of these sizes, as the hub tells them, before any is fetched."""
    for file, size in sizes.items():
        if type(size) is not int or size < 0:
            raise InputError(f"{owner}: {file}: the hub does not tell its size, but {size!r}")
    needed, free = sum(sizes.values()), shutil.disk_usage(mirror).free
    if needed > free:
        raise InputError(f"{owner}: {needed:,} bytes are to be fetched, {mirror} has room for {free:,}")


def _limit(name: str, size: int) -> type:
    """Return what huggingface_hub tells its progress to, made to end a download that is longer than the hub said.

    It raises InputError as soon as that is so: what is checked only at its end may have no end.
    """

    class Limit(tqdm):
        def __init__(self, *arguments, **settings):
            self.received = settings.get("initial") or 0
            super().__init__(*arguments, **settings)

        def update(self, count=1):
            self.received += count
            if self.received > size:
                raise InputError(f"{name}: more came than the {size:,} bytes that the hub itself told of")
            return super().update(count)

        def update_transfer(self, count):
            """Take note of bytes on the way, which are others than the file's: of Xet pieces may come for nothing."""

        def set_transfer_postfix_str(self, *_, **__):
            pass

    return Limit


@contextmanager
def _scratch_folder(mirror: Path):
    """Give a folder in which huggingface_hub may download; what a killed run left in it goes as well."""
    folder = mirror / ".fetching"
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ask(key: str, request, is_transient):
    """Return `request()`, a question to the hub, asked a few times more while its errors are transient.

    Raises InputError, in one line, where that does not help.
    """
    for wait in (*WAITS_SECONDS, None):
        try:
            return request()
        # Of huggingface_hub, httpx2 and hf_xet; what is wrong with the disk is among them.
        # Of the last three kinds: what an answer of another form than the hub's makes the library stumble over.
        except (OSError, ValueError, RuntimeError, httpx2.HTTPError, LookupError, TypeError, AttributeError) as error:
            if wait is None or not is_transient(error):
                raise InputError(f"{key}: cannot be fetched from the hub: {_reason(error)}") from None
            seconds = _retry_after(error, wait)
            print(f"{key}: {_reason(error)}; trying again in {seconds:g} s", flush=True)
        time.sleep(seconds)


def _is_transient(error) -> bool:
    return _status(error) in TRANSIENT or isinstance(
        error, httpx2.TimeoutException | httpx2.NetworkError | httpx2.RemoteProtocolError
    )


def _is_transient_download(error) -> bool:
    """Tell whether to try a download again.

    huggingface_hub itself tries five times more when it is told 408 or 429, cannot connect or is cut off, and also
    when the file's head is answered 5xx. What it leaves over: the body answered 5xx, lost by a reset of the
    connection, or shorter than announced (an OSError without a number).
    """
    return (
        (_status(error) or 0) >= 500
        or isinstance(error, httpx2.ReadError)
        or (type(error) is OSError and not error.errno)
    )


def _status(error) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _retry_after(error, otherwise: float) -> float:
    """Return the seconds to wait that Retry-After asks for, as a number or as a date (RFC 9110, 10.2.3)."""
    response = getattr(error, "response", None)
    value = response.headers.get("Retry-After", "") if response is not None else ""
    if value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return otherwise


def _reason(error) -> str:
    """Say in a few words why the hub gave nothing.

    Not in the words of the libraries where these can hold an address with a signature, or a token.
    """
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    status = _status(error)
    if status in (401, 403):
        return (
            f"it answers {status}: no such repository, or no access to it; for a private or gated one the environment"
            " has to hold, as HF_TOKEN, a token with access"
        )
    if status == 404:
        return "it answers 404: no such repository, revision or file"
    if status is not None:
        return f"it answers {status}"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, httpx2.LocalProtocolError | UnicodeError):
        return "the request cannot be sent; is HF_TOKEN a token?"
    return " ".join(f"{type(error).__name__}: {error}".split())
