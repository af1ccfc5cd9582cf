"""Typed objects as JSON files, and sealed ones, which tell whoever reads them whether they were damaged.

A sealed file holds a sha256 of itself and those of the files beside it.
"""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ValidationError

from finegrid.config.types import Record
from finegrid.errors import InputError
from finegrid.files import fingerprint, read_json, sha256, write_json


class Result(BaseModel):
    """A typed, frozen object of a result.

    Unknown keys are pydantic's errors: finding them in Python, as `Record` does for messages that list the known ones,
    would double the time to read the results of a large grid.
    """

    model_config = Record.model_config


class Sealed(Result):
    """The content of a sealed file: `files` are the sha256 of files beside it, `sha256` that of all the rest."""

    files: dict[str, str] = {}
    sha256: str = ""

    def write(self, path, *names: str) -> None:
        """Write it as JSON, sealed, with the sha256 of these files of its folder."""
        folder = Path(path).parent
        content = as_json(self.model_copy(update={"files": {name: sha256(folder / name) for name in names}}))
        del content["sha256"]
        write_json(path, {**content, "sha256": fingerprint(content)})

    @classmethod
    def read(cls, path, **expected: BaseModel) -> Self:
        """Read it back. Raises InputError, in one line, if the file is missing, another kind, damaged or edited.

        `expected` are objects that the file should repeat, by key. If it does, they are reused, which saves validating
        and holding thousands of copies; the caller checks whether it did.
        """
        content = read_json(path)
        if not isinstance(content, dict):
            raise InputError(f"{path}: not {cls.kind()}")
        found = fingerprint({key: value for key, value in content.items() if key != "sha256"})
        if found != content.get("sha256"):
            raise InputError(
                f"{path}: sha256 is {found}, expected {content.get('sha256')}: the file was damaged or edited; "
                "delete it to have it made again"
            )
        for key, record in expected.items():
            if content.get(key) == as_json(record):
                content[key] = record
        return read_as(cls, content, path)

    @classmethod
    def kind(cls) -> str:
        """Say what the file is, for messages."""
        return f"the JSON of {cls.__name__}"

    def check_file(self, path) -> None:
        """Raise InputError unless a file beside this one is as it was when this one was written."""
        found, expected = sha256(path), self.files.get(Path(path).name)
        if found != expected:
            raise InputError(f"{path}: sha256 is {found}, expected {expected}: the file was damaged or replaced")


def as_json(record: BaseModel) -> dict:
    """Return a typed object as plain data, without the keys that hold nothing."""
    return record.model_dump(mode="json", exclude_none=True)


def read_as(record, content, path):
    """Make a typed object of what was read from `path`. Raises InputError in one line."""
    try:
        return record.model_validate(content)
    except ValidationError as errors:
        first = errors.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "top level"
        raise InputError(f"{path}: not a file of this version's {record.__name__}: {where}: {first['msg']}") from None


def read_record(record, path):
    """Read a JSON file that is not sealed as a typed object. Raises InputError in one line."""
    return read_as(record, read_json(path), path)
