"""Results read back from the folder of a run; each must belong to the plan that it is read for."""

from dataclasses import dataclass

from finegrid.config.cell import Cell, Plan
from finegrid.errors import InputError
from finegrid.records import Best, Evaluation, Metrics, as_json


@dataclass(frozen=True)
class ModeResults:
    """Everything that one (task, mode) left behind, except predictions."""

    best: Best
    cells: list[Metrics]  # of the whole plan, in its order
    chosen: list[Metrics]  # the seeds of the chosen setting; none if every setting diverged
    evaluation: Evaluation

    @property
    def plan(self) -> Plan:
        """The plan that all of it belongs to."""
        return self.best.plan

    @property
    def folder(self) -> str:
        """Where below the folder of the run its predictions are."""
        return self.plan.chosen_folder("")


def read_mode(best_path, run_folder) -> ModeResults:
    """Read best.json and, of its plan, metrics.json of all cells and test.json.

    Raises InputError if a file is missing, damaged, or does not belong to the others.
    """
    best = Best.read(best_path)
    cells = read_cells(best.plan, run_folder)
    chosen = chosen_cells(best, cells)
    path = best.plan.chosen_folder(run_folder) / "test.json"
    evaluation = Evaluation.read(path)
    check_same(evaluation.plan, best.plan, path, "plan")
    tested = [(cell.seed, cell.fingerprint) for cell in evaluation.cells]
    if evaluation.chosen != best.chosen or tested != [(cell.cell.seed, cell.fingerprint) for cell in chosen]:
        raise InputError(
            f"{path}: it does not belong to {best_path} and the metrics.json of the chosen cells; "
            "delete it to have it made again"
        )
    return ModeResults(best, cells, chosen, evaluation)


def read_cells(plan: Plan, run_folder) -> list[Metrics]:
    """Read metrics.json of every cell of a plan, in the plan's order. Raises InputError as `read_metrics` does."""
    return [read_metrics(cell.folder(run_folder) / "metrics.json", cell) for cell in plan.cells()]


def read_metrics(path, cell: Cell) -> Metrics:
    """Read the metrics.json of a cell.

    Raises InputError if it is missing, damaged, or of another cell or configuration.
    """
    metrics = Metrics.read(path)
    check_same(metrics.cell, cell, path, "cell")
    return metrics


def check_same(found, expected, path, key: str) -> None:
    """Raise InputError, naming the first key that differs, unless a cell or plan read from a file is the expected one."""
    if found != expected:
        key, found, expected = _first_difference(as_json(found), as_json(expected), key)
        again = "the cell run" if key.startswith("cell.") else "it made"
        raise InputError(
            f"{path}: {key} is {found!r}, this run has {expected!r}: it comes from another configuration; "
            f"delete it to have {again} again"
        )


def _first_difference(found, expected, key: str):
    """Return the key, in order of the names, at which two different pieces of JSON differ, with both values."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted(found.keys() | expected.keys()):
            if found.get(name) != expected.get(name):
                return _first_difference(found.get(name), expected.get(name), f"{key}.{name}")
    return key, found, expected


def by_setting(cells: list[Metrics]) -> dict[tuple[int, str], list[Metrics]]:
    """Group cells of one (task, mode) by batch size and learning rate: the seeds of each setting."""
    settings: dict[tuple[int, str], list[Metrics]] = {}
    for metrics in cells:
        settings.setdefault(metrics.cell.setting, []).append(metrics)
    return settings


def chosen_cells(best: Best, cells: list[Metrics]) -> list[Metrics]:
    """Return the seeds of the chosen setting; none if every setting diverged."""
    chosen = best.chosen and (best.chosen.batch_size, best.chosen.learning_rate)
    return [metrics for metrics in cells if metrics.cell.setting == chosen]
