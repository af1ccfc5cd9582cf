"""Reading results back: each file is checked against its schema and against the plan it should belong to."""

from functools import cache
from pathlib import Path
from statistics import mean

import fastjsonschema
import yaml

from finegrid.errors import InputError
from finegrid.files import read_json
from finegrid.config.cell import cell_folder, cells
from finegrid.evaluation.metrics import to_maximise
from finegrid.seal import check_seal, read_sealed

SCHEMAS = Path(__file__).resolve().parents[2] / "workflow" / "schemas"


def read_cells(plan: dict, run_folder) -> list[dict]:
    """Read metrics.json of every cell of a plan, in the plan's order.

    Raises InputError if one is missing, is not a metrics.json, or belongs to another cell or configuration.
    """
    return [read_metrics(cell_folder(run_folder, cell) / "metrics.json", cell, plan["config"]) for cell in cells(plan)]


def by_setting(cells: list[dict]) -> dict[tuple[int, str], list[dict]]:
    """Group the cells of one (task, mode) by batch size and learning rate: the seeds of each setting."""
    settings: dict[tuple[int, str], list[dict]] = {}
    for metrics in cells:
        setting = metrics["cell"]["batch_size"], metrics["cell"]["learning_rate"]
        settings.setdefault(setting, []).append(metrics)
    return settings


def all_ok(cells: list[dict]) -> bool:
    """Whether none of these cells diverged."""
    return all(metrics["status"] == "ok" for metrics in cells)


def score(cells: list[dict]) -> tuple[float, float]:
    """Return the mean validation score after the last epoch and the mean loss, of seeds none of which diverged."""
    last = [metrics["validation"]["last"] for metrics in cells]
    return mean(epoch["score"] for epoch in last), mean(epoch["loss"] for epoch in last)


def merit(cells: list[dict]) -> tuple[float, float]:
    """Return what to maximise over settings, from the seeds of one that did not diverge: score, then negative loss."""
    value, loss = score(cells)
    return to_maximise(cells[0]["validation"]["metric"], value), -loss


def best_seed(cells: list[dict]) -> dict:
    """Return the one of several metrics that validation finds best; of equal ones the first."""
    return max(cells, key=lambda metrics: merit([metrics]))


def read_metrics(path, cell: dict, config: dict) -> dict:
    """Read one metrics.json that must belong to this cell and these settings, or raise InputError."""
    metrics = read_any_metrics(path)
    for block, expected in (("cell", cell), ("config", config)):
        for key in sorted(expected.keys() | metrics[block].keys()):
            if metrics[block].get(key) != expected.get(key):
                raise InputError(
                    f"{path}: {block}.{key} is {metrics[block].get(key)!r}, this run has {expected.get(key)!r}: "
                    "it comes from another configuration; delete it to have the cell run again"
                )
    return metrics


def read_test(run_folder, cell: dict) -> dict:
    """Read the test.json of a chosen cell; raise InputError if it is another cell's or of an earlier training."""
    folder = cell_folder(run_folder, cell)
    test = read_sealed(folder / "test.json")
    metrics = read_any_metrics(folder / "metrics.json")
    if (test["cell"], test["fingerprint"]) != (cell, metrics["fingerprint"]):
        raise InputError(f"{folder}/test.json: does not belong to the metrics.json beside it")
    return test


def read_any_metrics(path) -> dict:
    """Read a metrics.json, whichever cell's. Raises InputError if it is none, or is not as its cell wrote it."""
    metrics = read_json(path)
    check(metrics, "metrics", path)
    check_seal(metrics, path)
    return metrics


def check(content, schema: str, path) -> None:
    """Check what was read from `path` against a schema of workflow/schemas. Raises InputError in one line."""
    try:
        _validator(schema)(content)
    except fastjsonschema.JsonSchemaValueException as error:
        raise InputError(f"{path}: not a {schema} file: {error.message.removeprefix('data.')}") from None


@cache
def _validator(schema: str):
    # Compiled, as a grid may have thousands of files and jsonschema takes 2 ms for each.
    with open(SCHEMAS / f"{schema}.schema.yaml", encoding="utf-8") as file:
        return fastjsonschema.compile(yaml.safe_load(file))
