"""Files that exist whole or not at all, and that are what they say they are."""

import contextlib
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from pathlib import Path

from finegrid.errors import InputError


@contextlib.contextmanager
def replacing(path):
    """Give a temporary name beside `path`; on success that file is fsynced and renamed to `path`.

    Write to it directly: safetensors' save_file makes a temporary file of its own, which nobody would remove.

    Killed at any moment this leaves the old file or the new one, never a part of one, and perhaps a temporary file,
    which the next write of this file on the same host removes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{platform.node()}.{os.getpid()}.tmp")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # whoever works in the folder can read them
        os.replace(temporary, path)
    except OSError as error:  # that of a full disk names no file
        if error.errno is not None and not error.filename:
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
    for abandoned in _abandoned(path.parent, rf"\.{re.escape(path.name)}\.{re.escape(platform.node())}\.(\d+)\.tmp"):
        abandoned.unlink(missing_ok=True)


def _abandoned(folder: Path, pattern: str) -> list[Path]:
    """List the entries of a folder whose whole name matches a pattern with the number of a process that is gone.

    Process numbers are those of this host, so the pattern has to hold its name.
    """
    matches = ((path, re.fullmatch(pattern, path.name)) for path in folder.iterdir())
    return [path for path, match in matches if match and not _is_alive(int(match[1]))]


def _is_alive(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def write_text(path, text: str) -> None:
    """Write text atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path, data) -> None:
    """Write JSON atomically. Raises ValueError on NaN or infinity, which JSON cannot hold."""
    write_text(path, json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def make_folder(folder, make) -> None:
    """Fill a folder with what `make(temporary folder)` writes, and with provenance.json.

    That holds the data that `make` returns and, as "files", the sha256 of every other file. The files are made
    beside their place and then moved: a folder with a provenance.json is whole. Raises InputError if a file
    cannot be written.
    """
    from safetensors import SafetensorError  # here, as Snakemake's parsing makes no folder

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for abandoned in _abandoned(folder, rf"\.making-{re.escape(platform.node())}-(\d+)-.*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".making-{platform.node()}-{os.getpid()}-") as temporary:
        try:
            provenance = make(Path(temporary))
        except (OSError, SafetensorError) as error:  # a full disk's: the one names no file, the other is no OSError
            if isinstance(error, OSError) and error.filename:
                raise
            raise InputError(f"{folder}: cannot be written: {error}") from None
        names = sorted(os.listdir(temporary))
        for name in names:
            os.chmod(Path(temporary, name), 0o644)  # safetensors makes files that only their owner can read
            os.replace(Path(temporary, name), folder / name)
    files = {name: sha256(folder / name) for name in names}
    write_json(folder / "provenance.json", {**provenance, "files": files})


def read_json(path, *keys: str):
    """Read a JSON file, or what lies in it under these keys. Raises InputError if it is missing or not that."""
    try:
        content = parse_json(Path(path).read_text(encoding="utf-8"), str(path))
        for key in keys:
            content = content[key]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not JSON ({error})") from None
    except (KeyError, TypeError):
        raise InputError(f"{path}: the key {'.'.join(keys)!r} is missing") from None
    return content


def parse_json(text: str, name: str):
    """Parse JSON that comes from `name`, a file or an argument.

    Raises InputError if it is not JSON, or has a key twice, of which one would be lost.
    """

    def refuse(constant: str):
        raise ValueError(f"{constant} is no number of JSON")

    def unique(pairs: list) -> dict:
        content = dict(pairs)
        if len(content) < len(pairs):
            keys = [key for key, _ in pairs]
            raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands there twice")
        return content

    try:
        return json.loads(text, parse_constant=refuse, object_pairs_hook=unique)
    except ValueError as error:
        raise InputError(f"{name}: not JSON ({error})") from None


def read_yaml(path):
    """Read a YAML file. Raises InputError if it is missing or not YAML, or has a key twice."""
    import yaml  # here, as cells read none

    class Loader(yaml.SafeLoader):
        def compose_mapping_node(self, anchor):
            # Before `<<` is resolved, as a key may well stand beside one of the same name that is merged in.
            node, seen = super().compose_mapping_node(anchor), {}
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    first = seen.setdefault((key.tag, key.value), key.start_mark)
                    if first is not key.start_mark:
                        problem = f"the key {key.value!r} stands there twice, first in line {first.line + 1}"
                        raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            return node

    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(filter(None, [error.context, error.problem]))
        reason = f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
    except (yaml.YAMLError, ValueError) as error:  # 2026-13-13 and bytes that are no text, too
        reason = str(error)
    raise InputError(f"{path}: not YAML ({' '.join(reason.split())})")


def canonical_json(data) -> str:
    """Spell data as JSON in one way only: sorted keys, no spaces. Raises ValueError on NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(data) -> str:
    """Return the sha256, hexadecimal, of data as canonical JSON."""
    return hashlib.sha256(canonical_json(data).encode()).hexdigest()


def sha256(path) -> str:
    """Return the sha256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path, expected: str) -> None:
    """Raise InputError unless the file has this sha256: it was damaged or replaced since it was made."""
    found = sha256(path)
    if found != expected:
        raise InputError(f"{path}: sha256 is {found}, expected {expected}: the file was damaged or replaced")


def check_writable(folder) -> None:
    """Raise InputError unless files can be made in a folder, or the folder itself where it is not there yet."""
    nearest = Path(folder)
    while not nearest.exists():
        if nearest.is_symlink():
            raise InputError(
                f"{folder}: cannot be written: {nearest} is a link to {os.readlink(nearest)}, which is missing"
            )
        nearest = nearest.parent
    if not nearest.is_dir():
        raise InputError(f"{folder}: cannot be written: {nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise InputError(f"{folder}: cannot be written: no permission to write in {nearest}")
