"""The comparison of a run, comparison.json, as typed objects: tables, figures, discussion and report read nothing else.

`compare.py` of this folder makes it.
"""

from typing import Literal

from finegrid.config.cell import Cell, Plan
from finegrid.config.definition import Model, Task, Training
from finegrid.records import Cost, DataStats, Edge, Environment, EpochScore, ParameterCounts
from finegrid.sealed import Result


class Spread(Result):
    """A score over seeds; of one seed there is no standard deviation."""

    n: int
    mean: float
    sd: float | None = None
    median: float
    min: float
    max: float


class IntervalSpread(Spread):
    """A test score over seeds, with its 95 % interval."""

    interval: tuple[float, float]
    interval_method: str


class SettingScore(Result):
    """What validation says of a batch size with a learning rate; None if a seed diverged."""

    batch_size: int
    learning_rate: str
    chosen: bool
    diverged: int  # seeds
    validation: Spread | None = None


class CellScore(Result):
    """What is told of one cell."""

    batch_size: int
    learning_rate: str
    seed: int
    status: Literal["ok", "diverged"]
    chosen: bool
    validation: float | None = None
    test: float | None = None
    validation_loss: float | None = None
    best_epoch: EpochScore | None = None
    history: tuple[EpochScore, ...]
    train_loss: tuple[tuple[int, float | None], ...]
    cost: Cost
    trained_bytes: int
    fingerprint: str


class ChosenScore(Result):
    """What the setting that validation chose reaches, by metric and part of the split."""

    batch_size: int
    learning_rate: str
    edges: tuple[Edge, ...]
    validation: dict[str, Spread]
    test: dict[str, IntervalSpread] | None = None  # None where labels are hidden or there is no test split


class ModeComparison(Result):
    """All that is told of one mode on a task."""

    plan: Plan
    trainable: ParameterCounts
    parameters: int
    settings: tuple[SettingScore, ...]
    cells: tuple[CellScore, ...]
    chosen: ChosenScore | None = None  # None if every setting diverged

    @property
    def name(self) -> str:
        """The name of the mode."""
        return self.plan.mode.name

    @property
    def chosen_cells(self) -> list[CellScore]:
        """The seeds of the chosen setting."""
        return [cell for cell in self.cells if cell.chosen]


class McNemar(Result):
    """McNemar's exact test of the two models of one seed: how often either alone was right."""

    seed: int
    only_mode: int
    only_against: int
    p: float


class RowsTest(Result):
    """A test over the rows of the split, by these trained models."""

    method: str
    p: float
    p_holm: float  # corrected over all pairs of the run
    per_seed: tuple[McNemar, ...] = ()


class SeedsTest(Result):
    """A permutation test over the seeds."""

    p: float
    n: int


class Pair(Result):
    """Two modes on a task, by the metric that selects, at the setting chosen for each."""

    mode: str
    against: str
    metric: str
    split: Literal["test", "validation"]
    seeds: tuple[int, ...]
    delta: float  # mean of `mode` less mean of `against`
    interval: tuple[float, float]
    interval_method: str
    rows: RowsTest
    over_seeds: SeedsTest | None = None
    within_noise: bool


class TaskComparison(Result):
    """All that is told of one task."""

    task: Task
    data: DataStats
    training: Training
    scores: tuple[str, ...]  # names of the scores of a split: 'accuracy', 'accuracy (mismatched)'; the first selects
    test_status: Literal["read", "hidden", "no test split"]
    modes: tuple[ModeComparison, ...]
    pairs: tuple[Pair, ...]

    @property
    def name(self) -> str:
        """The name of the task."""
        return self.task.name

    @property
    def metric(self) -> str:
        """The metric that selects."""
        return self.task.metrics[0]

    @property
    def tested(self) -> bool:
        """Whether modes are compared on the test split, not on validation."""
        return self.test_status == "read"

    def mode(self, name: str) -> ModeComparison | None:
        """Return the mode of this name, if it is compared."""
        return next((mode for mode in self.modes if mode.name == name), None)


class MissingCells(Result):
    """A plan of which cells have no result, so that nothing is chosen of it."""

    task: str
    mode: str
    planned: int
    cells: tuple[Cell, ...]


class Comparison(Result):
    """comparison.json of a run."""

    run: str
    model: Model
    environments: tuple[Environment, ...]  # every one that cells were trained in, once
    tasks: tuple[TaskComparison, ...]
    missing: tuple[MissingCells, ...] = ()

    def rows(self):
        """Yield each task with each of its modes: the rows of most tables."""
        for task in self.tasks:
            for mode in task.modes:
                yield task, mode
