"""Results read back from the folder of a run; each must belong to the plan that it is read for."""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from finegrid.config.cell import Cell, Plan
from finegrid.errors import InputError
from finegrid.evaluation.metrics import predictions_of, score_all
from finegrid.evaluation.predictions import load_predictions
from finegrid.records import Best, DataStats, Evaluation, Metrics
from finegrid.sealed import as_json

# Scores recomputed on another processor may differ in their last digits, as it may sum in another order.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class SplitPredictions:
    """What the chosen setting's seeds predict for a split."""

    predictions: np.ndarray  # [seeds, rows]: class numbers, or numbers of a regression
    labels: np.ndarray  # [rows]
    scores: list[dict[str, float]]  # of each seed, by the names of `score_names`


@dataclass(frozen=True)
class ModeResults:
    """Everything that one (task, mode) left behind."""

    best: Best
    cells: list[Metrics]  # of the whole plan, in its order
    chosen: list[Metrics]  # the grid's seeds of the chosen setting; none if every setting diverged
    tested: list[Metrics]  # the seeds that are tested and compared: the confirming ones, or the same as `chosen`
    evaluation: Evaluation
    splits: dict[str, SplitPredictions] = field(default_factory=dict)  # see `read_predictions`

    @property
    def plan(self) -> Plan:
        """The plan that all of it belongs to."""
        return self.best.plan

    @property
    def ok(self) -> bool:
        """Whether a setting was chosen and every seed that is compared came through."""
        return self.evaluation.status == "ok"


def read_mode(best_path, run_folder) -> ModeResults:
    """Read best.json and, of its plan, metrics.json of all cells and chosen/test.json, but no predictions.

    Raises InputError if a file is missing, damaged, or does not belong to the others.
    """
    best = Best.read(best_path)
    cells = read_cells(best.plan, run_folder)
    chosen = chosen_cells(best, cells)
    tested = read_tested(best, run_folder) if best.plan.confirming_seeds else chosen
    path = best.plan.chosen_folder(run_folder) / "test.json"
    evaluation = Evaluation.read(path, plan=best.plan)
    check_same(evaluation.plan, best.plan, path, "plan")
    found = [(cell.seed, cell.fingerprint) for cell in evaluation.cells]
    if evaluation.chosen != best.chosen or found != [(metrics.cell.seed, metrics.fingerprint) for metrics in tested]:
        raise InputError(
            f"{path}: does not belong to {best_path} and the metrics.json of the chosen cells; "
            "delete it to have it made again"
        )
    return ModeResults(best, cells, chosen, tested, evaluation)


def read_tested(best: Best, run_folder) -> list[Metrics]:
    """Read metrics.json of the cells of the chosen setting that are tested; none if every setting diverged.

    Raises InputError as `read_metrics` does.
    """
    return [read_metrics(best.plan.tested_folder(cell, run_folder) / "metrics.json", cell) for cell in best.cells()]


def read_predictions(mode: ModeResults, run_folder, data: DataStats) -> ModeResults:
    """Return a mode with the predictions of its chosen setting for validation and, if it has labels, test.

    Raises InputError if they are damaged, or do not give the scores that the JSON files have.
    """
    if not mode.ok:
        return mode
    scores = {
        "validation": [metrics.validation.last.scores for metrics in mode.tested],
        "test": [cell.scores for cell in mode.evaluation.cells],
    }
    splits = {}
    for split, stats in data.splits.items():
        if split in scores and stats.rows:
            path = mode.plan.chosen_folder(run_folder) / f"{split}.safetensors"
            mode.evaluation.check_file(path)
            splits[split] = read_split(path, mode.plan.task, stats.parts, scores[split])
    return replace(mode, splits=splits)


def read_split(path, task, parts: dict[str, int], scores: list[dict[str, float]]) -> SplitPredictions:
    """Read the predictions behind each seed's scores of a split; raise InputError if they do not give these scores."""
    logits, labels = load_predictions(path)
    whole = logits.ndim == 3 and len(logits) == len(scores) and logits.shape[1] == len(labels) == sum(parts.values())
    found = [score_all(task, of_seed, labels, parts) for of_seed in logits] if whole else []
    if len(found) != len(scores) or not all(map(_same_scores, found, scores)):
        raise InputError(f"{path}: its predictions do not give the scores of the JSON: {found}, not {scores}")
    return SplitPredictions(predictions_of(logits, task), labels, scores)


def _same_scores(found: dict[str, float], expected: dict[str, float]) -> bool:
    return found.keys() == expected.keys() and all(
        math.isclose(found[name], expected[name], abs_tol=TOLERANCE) for name in found
    )


def read_cells(plan: Plan, run_folder) -> list[Metrics]:
    """Read metrics.json of every cell of a plan, in the plan's order. Raises InputError as `read_metrics` does."""
    return [read_metrics(cell.folder(run_folder) / "metrics.json", cell) for cell in plan.cells()]


def read_metrics(path, cell: Cell) -> Metrics:
    """Read the metrics.json of a cell. Raises InputError if it is missing, damaged, or of another configuration."""
    metrics = Metrics.read(path, cell=cell)
    check_same(metrics.cell, cell, path, "cell")
    return metrics


def check_same(found, expected, path, key: str) -> None:
    """Raise InputError, naming the first key that differs, unless what was read from `path` is the expected object."""
    if found != expected:
        again = "the cell run" if key == "cell" else "it made"
        key, found, expected = _first_difference(as_json(found), as_json(expected), key)
        raise InputError(
            f"{path}: {key} is {found!r}, this run has {expected!r}: it comes from another configuration; "
            f"delete it to have {again} again"
        )


def _first_difference(found, expected, key: str):
    """Return the first key, in alphabetical order, at which two pieces of JSON differ, with both values."""
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
