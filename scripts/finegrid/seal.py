"""Results that tell whether they were damaged: each JSON holds its own sha256 and those of the files beside it."""

from pathlib import Path

from finegrid.errors import InputError
from finegrid.files import read_json, sha256
from finegrid.config.cell import fingerprint


def seal(result: dict, folder, *names: str) -> dict:
    """Return a result with the sha256 of these files of its folder, as "files", and of itself, as "sha256"."""
    result = {**result, "files": {name: sha256(Path(folder, name)) for name in names}}
    return {**result, "sha256": fingerprint(**result)}


def check_seal(result: dict, path) -> None:
    """Raise InputError unless what was read from `path` is a result as it was sealed."""
    if not isinstance(result, dict):
        raise InputError(f"{path}: not a result")
    found = fingerprint(**{key: value for key, value in result.items() if key != "sha256"})
    if found != result.get("sha256"):
        raise InputError(
            f"{path}: sha256 is {found}, expected {result.get('sha256')}: the file was damaged or edited; "
            "delete it to have it made again"
        )


def read_sealed(path) -> dict:
    """Read a result. Raises InputError in one line if the file is missing, is none, or is not as it was written."""
    result = read_json(path)
    check_seal(result, path)
    return result
