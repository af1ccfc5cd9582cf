"""Scores that others published, as data, each with its source."""

from finegrid.errors import InputError
from finegrid.files import read_yaml
from finegrid.config.cell import canonical_learning_rate
from finegrid.evaluation.metrics import METRICS
from finegrid.evaluation.results import check


def read_published(paths: list) -> list[dict]:
    """Return all published scores of some files, each with the keys of its source: see published.schema.yaml.

    Raises InputError if a file is not of that form.
    """
    rows = []
    for path in paths:
        content = read_yaml(path)
        check(content, "published", path)
        for source in content["sources"]:
            for row in source["scores"]:
                if row["metric"].partition(" ")[0] not in METRICS:
                    raise InputError(f"{path}: metric {row['metric']!r} is none of {', '.join(METRICS)}")
                if "learning_rate" in row:
                    try:
                        row["learning_rate"] = canonical_learning_rate(row["learning_rate"])
                    except InputError as error:
                        raise InputError(f"{path}: {error}") from None
                rows.append({**{key: value for key, value in source.items() if key != "scores"}, **row})
    return rows


def rows_for(rows: list[dict], task: dict) -> list[dict]:
    """Return the published scores of a task of the comparison, by metrics that it has."""
    return [row for row in rows if row["task"] == task["task"] and row["metric"] in task["scores"]]
