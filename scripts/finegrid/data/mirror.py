"""The mirror: a folder of the hub's repositories, from which models and data are read without the network.

It is laid out as models/owner/name/config.json and datasets/owner/name/...; a repository's key is its path in it. For
source 'hub' `finegrid.data.download` fills it, for source 'mirror' it is the user's.
"""

from fnmatch import fnmatchcase
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from finegrid.config.data_files import find_files
from finegrid.config.hub_files import WEIGHTS, is_inside
from finegrid.config.types import Record
from finegrid.errors import InputError
from finegrid.files import read_json, sha256

CODE = (".py", ".pyc", ".so", ".dll", ".sh", ".ipynb")


class Repository(Record):
    """Files of a repository, with their sha256; without a revision in a mirror of the user's own."""

    revision: str | None = None
    files: dict[str, str]

    def only(self, patterns) -> "Repository":
        """Return the files that match some patterns."""
        return Repository(
            revision=self.revision, files={name: self.files[name] for name in matching(self.files, patterns)}
        )


def repository(kind: str, name: str, patterns, mirror, fetched=None) -> tuple[Path, Repository]:
    """Return the folder of a repository and its files that match the patterns.

    `kind` is "models" or "datasets". `fetched` is, for source 'hub', the file that fetch.py wrote; the files then have
    to be exactly those that it lists. Raises InputError if they are not, or if none matches a pattern.
    """
    key = f"{kind}/{name}"
    folder = Path(mirror, key)
    if not fetched:
        return folder, files_of(folder, f"the mirror's {key}", key, patterns)
    there = _there(folder, patterns)
    found = {name: sha256(folder / name) for name in matching(there, patterns)}
    entry = _read_fetched(fetched, key).only(patterns)
    for name in sorted(found.keys() | entry.files.keys()):
        if name not in found:
            raise InputError(f"{folder / name}: missing; `snakemake fetch --forceall` fetches it")
        if name not in entry.files:
            raise InputError(f"{folder / name}: not a file of revision {entry.revision}; remove it")
        if found[name] != entry.files[name]:
            raise InputError(
                f"{folder / name}: not the file that {fetched} lists; `snakemake fetch --forceall` fetches it"
            )
    return folder, entry


def files_of(folder: Path, owner: str, key: str, patterns) -> Repository:
    """Return the files of a folder that match the patterns. Raises InputError as `select` does."""
    names = select(owner, key, _there(folder, patterns), patterns)
    return Repository(files={name: sha256(folder / name) for name in names})


def _there(folder: Path, patterns) -> list[str]:
    named = (Path(path) for pattern in patterns for path in find_files(pattern, folder))  # [1].csv is a name, too
    globbed = (path for pattern in patterns for path in folder.glob(pattern))
    paths = {path for path in (*named, *globbed) if path.is_file()}
    return [path.relative_to(folder).as_posix() for path in paths]


def _read_fetched(path, key: str) -> Repository:
    try:
        return TypeAdapter(dict[str, Repository]).validate_python(read_json(path))[key]
    except (ValidationError, KeyError):
        raise InputError(f"{path}: does not list the files of {key}; `snakemake fetch --forceall` lists them") from None


def select(owner: str, key: str, names, patterns) -> list[str]:
    """List which of a repository's files to take: all that match a pattern, but no code.

    Raises InputError, which calls the repository `owner`, if a model lacks its configuration or its weights, or if a
    data set has no file for a pattern.
    """
    chosen = matching(names, patterns)
    if key.startswith("models/"):
        needed = [["config.json"], [form[0] for form in sorted(WEIGHTS, key=len)]]
    else:
        needed = [[pattern] for pattern in patterns]
    for group in needed:
        if not matching(chosen, group):
            raise InputError(f"{owner} has no file like {' or '.join(group)}")
    return chosen


def matching(names, patterns) -> list[str]:
    """List the names that match a pattern: no code, and weights in one form only.

    Raises InputError if one of them leads outside the repository's folder.
    """
    chosen = sorted(
        name
        for name in names
        if not name.endswith(CODE) and any(_matches(name.split("/"), pattern.split("/")) for pattern in patterns)
    )
    for name in chosen:
        if not is_inside(name):
            raise InputError(f"{name!r} is not a path inside a repository, though the hub or the lock file lists it")
    forms = [form for form in WEIGHTS if form[0] in chosen]
    left = [pattern for form in forms[1:] for pattern in form]
    return [name for name in chosen if not any(fnmatchcase(name, pattern) for pattern in left)]


def _matches(parts: list[str], patterns: list[str]) -> bool:
    """Whether a path matches a pattern, both split at '/', as Path.glob would find it."""
    if not patterns:
        return not parts
    if patterns[0] == "**":
        return any(_matches(parts[start:], patterns[1:]) for start in range(len(parts) + 1))
    same = bool(parts) and (parts[0] == patterns[0] or fnmatchcase(parts[0], patterns[0]))
    return same and _matches(parts[1:], patterns[1:])
