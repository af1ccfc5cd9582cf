"""Figures that others published of a task: rows of workflow/published.yaml and of files that a configuration names.

Each has its source, the split and the protocol, so that a figure of a validation split never stands for one of a
test split. The Snakefile imports this module by way of the configuration's check.
"""

from pathlib import Path

import yaml

from finegrid import schema
from finegrid.errors import InputError
from finegrid.grid import canonical_learning_rate

WORKFLOW = Path(__file__).resolve().parents[2] / "workflow"
SHIPPED = WORKFLOW / "published.yaml"

PROTOCOL = ("model", "learning_rate", "batch_size", "epochs", "seeds", "max_length", "splits", "other")
OPTIONAL = (*PROTOCOL, "address", "corresponds", "parameters", "sd")


def rows_for(task: str, files=()) -> list[dict]:
    """List the published figures of a task, finegrid's own file first, then `files` in their order.

    A row: {"task", "metric" (as score_names of finegrid.metrics), "split": "validation" | "test", "value" (a share),
    "sd", "mode" (as the source calls it), "corresponds" (finegrid's mode), "parameters" (that train), "source" (its
    key), "title", "address", "read" (where), "model", "learning_rate" (as "3e-4"), "batch_size", "epochs", "seeds"
    (how many), "max_length", "splits", "other" (both in words)}; what is not known is None.
    Raises InputError, see `read`.
    """
    return [row for path in (SHIPPED, *files) for row in read(path) if row["task"] == task]


def read(path) -> list[dict]:
    """Read all rows of one file. Raises InputError in one line: the file, the row from 0, the key and the value."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"published: there is no file {str(path)!r}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({' '.join(str(error).split())})") from None
    with open(WORKFLOW / "schemas" / "published.schema.yaml", encoding="utf-8") as file:
        form = yaml.safe_load(file)
    try:
        schema.check(content, form)
        return [_whole(f"rows.{number}", row, content["sources"]) for number, row in enumerate(content["rows"])]
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _whole(key: str, row: dict, sources: dict) -> dict:
    """Return a row with what its source says of all of them."""
    if row["source"] not in sources:
        raise InputError(f"{key}.source: {row['source']!r} is not allowed; expected one of {', '.join(sources)}")
    source = sources[row["source"]]
    facts = {key: value for key, value in source.items() if key != "protocol"}
    whole = {**dict.fromkeys(OPTIONAL), **facts, **source.get("protocol", {}), **row}
    if whole["learning_rate"] is not None:
        try:
            whole["learning_rate"] = canonical_learning_rate(whole["learning_rate"])
        except InputError as error:
            raise InputError(f"{key}.learning_rate: {error}") from None
    return whole
