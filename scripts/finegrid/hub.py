"""Files of the hub, each revision pinned by a lock file; or of a mirror, a folder laid out as the hub is.

The lock file holds, for every repository, the revision and the sha256 of each file that was fetched:

    {"models/owner/name": {"revision": "...", "files": {"config.json": "..."}}}

The first fetch writes it, later fetches must match it. To renew it, delete it and fetch again.

A mirror holds the same files as models/owner/name/config.json, for machines without internet.
"""

from pathlib import Path

from filelock import FileLock

from finegrid.errors import InputError
from finegrid.files import read_json, sha256, write_json


def obtain(source: str, repo: str, kind: str, patterns: list[str], lock_file, mirror) -> tuple[Path, dict]:
    """Return the folder of a repository's files that match the patterns, and what provenance tells of them.

    `source` is "hub" or "mirror", `kind` "model" or "dataset". Raises InputError if they are not there.
    """
    if source == "hub":
        return fetch(repo, kind, patterns, lock_file)
    folder = Path(mirror, f"{kind}s", repo)
    return folder, {"mirror": True, "files": _files(folder, patterns, f"the mirror's {kind}s/{repo}")}


def fetch(repo: str, kind: str, patterns: list[str], lock_file) -> tuple[Path, dict]:
    """Download a repository's files that match the patterns; return their folder and their lock entry.

    `kind` is "model" or "dataset". Raises InputError if the hub cannot be reached, has no such
    repository or file, or if what it sends is not what the lock file says.
    """
    import httpx2
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    key = f"{kind}s/{repo}"
    locked = _entries(lock_file).get(key)
    try:
        revision = locked["revision"] if locked else HfApi().repo_info(repo, repo_type=kind).sha
        folder = Path(snapshot_download(repo, repo_type=kind, revision=revision, allow_patterns=patterns))
    except LocalEntryNotFoundError:
        raise InputError(f"{key}: the hub cannot be reached and its files are not in the cache") from None
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{key}: cannot be fetched from the hub: {reason}") from None

    entry = {"revision": revision, "files": _files(folder, patterns, f"{key}: revision {revision}")}
    if locked is None:
        _add_entry(lock_file, key, entry)
    elif entry != locked:
        changed = sorted(set(entry["files"].items()) ^ set(locked["files"].items()))[0][0]
        raise InputError(f"{lock_file}: {key}: {changed} of revision {revision} is not the file that was locked")
    return folder, entry


def _files(folder: Path, patterns: list[str], owner: str) -> dict[str, str]:
    """Return the sha256 of each file that matches one of the patterns. Raises InputError if none does."""
    paths = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    if not paths:
        raise InputError(f"{owner} has no file like {', '.join(patterns)}")
    return {path.relative_to(folder).as_posix(): sha256(path) for path in paths}


def _entries(lock_file) -> dict:
    return read_json(lock_file) if Path(lock_file).exists() else {}


def _add_entry(lock_file, key: str, entry: dict) -> None:
    # The model and the data sets are fetched side by side and share the file.
    with FileLock(f"{lock_file}.busy"):
        entries = _entries(lock_file)
        entries[key] = entry
        write_json(lock_file, dict(sorted(entries.items())))
