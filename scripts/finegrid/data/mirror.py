"""Repositories of the hub as they lie in a mirror, the folder from which models and data are read.

A mirror is laid out as models/owner/name/config.json and datasets/owner/name/..., and is what `finegrid.download`
fills for source 'hub'; for source 'mirror' it is the user's. A repository's key is its path in it. Nothing here
uses the network. Standard library only: the Snakefile imports this module.
"""

from fnmatch import fnmatchcase
from pathlib import Path

from finegrid.errors import InputError
from finegrid.files import read_json, sha256

# The second is a pickle, which is neither asked for nor read where there is the first.
WEIGHTS = ["model.safetensors", "pytorch_model.bin"]
MODEL_FILES = ["config.json", "vocab.txt", "vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"]
MODEL_FILES += ["special_tokens_map.json", *WEIGHTS]
CODE = (".py", ".pyc", ".so", ".dll", ".sh", ".ipynb")


def repository(kind: str, name: str, patterns: list[str], mirror, fetched=None) -> tuple[Path, dict]:
    """Return the folder of a repository's files that match the patterns, and what provenance tells of them.

    `kind` is "models" or "datasets". `fetched` is, for source 'hub', the file that fetch.py wrote: just the files
    that it names may be there then. Raises InputError if they are not, or if there are none.
    """
    key = f"{kind}/{name}"
    folder = Path(mirror, key)
    paths = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    there = [path.relative_to(folder).as_posix() for path in paths]
    if not fetched:
        names = select(f"the mirror's {key}", key, there, patterns)
        return folder, {"mirror": True, "files": {name: sha256(folder / name) for name in names}}

    files = {name: sha256(folder / name) for name in _matching(there, patterns)}
    entry = pinned(read_json(fetched), key, patterns)
    for name in sorted(files.keys() | entry["files"].keys()):
        if name not in files:
            raise InputError(f"{folder / name}: is missing; `snakemake fetch --forceall` fetches it")
        if name not in entry["files"]:
            raise InputError(f"{folder / name}: is no file of the revision {entry['revision']}; remove it")
        if files[name] != entry["files"][name]:
            raise InputError(f"{folder / name}: is not the file of {fetched}; `snakemake fetch --forceall` fetches it")
    return folder, entry


def pinned(entries: dict, key: str, patterns: list[str]) -> dict:
    """Return the revision and the files, {name: sha256}, of a repository that match the patterns."""
    try:
        entry = entries[key]
        names = _matching(entry["files"], patterns)
        return {"revision": entry["revision"], "files": {name: entry["files"][name] for name in names}}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{key}: has no revision and files there; fetch again") from None


def select(owner: str, key: str, names, patterns: list[str]) -> list[str]:
    """List, of the names of a repository's files, those to take: all that match a pattern and are needed.

    Raises InputError, which calls the repository `owner`, if a model is not whole or a pattern matches nothing.
    """
    chosen = _matching(names, patterns)
    needed = [["config.json"], WEIGHTS] if key.startswith("models/") else [[pattern] for pattern in patterns]
    for group in needed:
        if not _matching(chosen, group):
            raise InputError(f"{owner} has no file like {' or '.join(group)}")
    return chosen


def is_inside(name: str) -> bool:
    """Whether a name, or a pattern of names, is a plain path below the folder of a repository."""
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))


def _matching(names, patterns: list[str]) -> list[str]:
    chosen = sorted(
        name
        for name in names
        if not name.endswith(CODE) and any(_matches(name.split("/"), pattern.split("/")) for pattern in patterns)
    )
    for name in chosen:
        if not is_inside(name):
            raise InputError(f"{name!r} is no path inside a repository, though a hub or a lock file lists it")
    return [name for name in chosen if name != WEIGHTS[1] or WEIGHTS[0] not in chosen]


def _matches(parts: list[str], patterns: list[str]) -> bool:
    """Tell whether a path matches a pattern, both split at '/', in the sense of Path.glob."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches(parts[start:], patterns[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], patterns[0]) and _matches(parts[1:], patterns[1:])
