"""The comparison of a run, comparison.json, as typed objects: tables, figures, discussion and report read nothing else.

`compare.py` of this folder makes it.
"""

from typing import Literal

from finegrid.config.cell import Cell, Plan
from finegrid.config.definition import Task, Training
from finegrid.config.model import Model
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


class Uncertainty(Result):
    """The standard errors of a mean over seeds, one for each source of chance."""

    seeds: int
    over_seeds: float | None = None  # None for one seed
    over_rows: float


class IntervalSpread(Spread):
    """A score over seeds, with its 95 % interval: over rows and seeds or, of one seed, over rows only."""

    interval: tuple[float, float]
    interval_method: Literal["Wilson", "bootstrap"]  # of the part over rows


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
    validation: dict[str, Spread]  # of the grid's seeds
    # Of the seeds that are compared: the confirming ones, if there are any, otherwise the grid's. None if one of them
    # diverged; `test` also where labels are hidden or there is no test split, `compared_validation` where there is one.
    test: dict[str, IntervalSpread] | None = None
    compared_validation: dict[str, IntervalSpread] | None = None


class ModeComparison(Result):
    """All that is told of one mode on a task."""

    plan: Plan
    trainable: ParameterCounts
    parameters: int
    settings: tuple[SettingScore, ...]
    cells: tuple[CellScore, ...]
    confirmations: tuple[CellScore, ...] = ()  # the chosen setting with the confirming seeds
    chosen: ChosenScore | None = None  # None if every setting diverged
    computed_on: tuple[str, ...]  # device and precision of its cells: "cpu, bfloat16"

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


Verdict = Literal["beyond noise", "within noise", "one seed: not assessable"]


class Pair(Result):
    """Two modes on a task, by the metric that selects, at the setting chosen for each."""

    mode: str
    against: str
    metric: str
    split: Literal["test", "validation"]
    seeds: tuple[int, ...]
    delta: float  # mean of `mode` less mean of `against`
    share: float | None = None  # mean of `mode` divided by that of `against`, where both are above 0 and more is better
    share_interval: tuple[float, float] | None = None  # over the same sources of chance as `interval`
    uncertainty: Uncertainty
    interval: tuple[float, float]  # over rows and seeds; of one seed, over rows only
    p: float | None = None  # at which the interval just reaches 0; None for one seed, as the next two are
    p_holm: float | None = None  # corrected over all pairs of the run
    # The true difference that the run finds with 80 % power; None if that is more than two scores can differ.
    detectable: float | None = None
    mcnemar: tuple[McNemar, ...] = ()  # of accuracy; a statement about these rows and these trained models only
    mcnemar_p: float | None = None  # of all seeds
    verdict: Verdict


class Shape(Result):
    """The size of an encoder; None where its configuration names neither."""

    layers: int | None = None
    width: int | None = None


class TaskComparison(Result):
    """All that is told of one model on one task."""

    model: Model
    task: Task
    shape: Shape
    title: str  # names it among the others of the run: 'imdb', or 'imdb, minilm-l6' of several models
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
    def key(self) -> str:
        """What its figures' files are called after: 'imdb', or 'imdb+minilm-l6', as no name has a plus sign."""
        return self.title.replace(", ", "+")

    @property
    def metric(self) -> str:
        """The metric that selects."""
        return self.task.metrics[0]

    @property
    def tested(self) -> bool:
        """Whether modes are compared on the test split, not on validation."""
        return self.test_status == "read"

    def score(self, mode: ModeComparison) -> IntervalSpread | None:
        """Return the score by which modes are compared: on the test split, or on validation where it has no labels.

        None if every setting diverged, or a seed of the chosen one did.
        """
        scores = mode.chosen and (mode.chosen.test if self.tested else mode.chosen.compared_validation)
        return scores[self.metric] if scores else None

    def to_full(self, mode: ModeComparison) -> Pair | None:
        """Return the comparison of a mode with full fine-tuning, if there is one."""
        return next((pair for pair in self.pairs if (pair.mode, pair.against) == (mode.name, "full")), None)

    def mode(self, name: str) -> ModeComparison | None:
        """Return the mode of this name, if it is compared."""
        return next((mode for mode in self.modes if mode.name == name), None)


class MissingCells(Result):
    """A plan of which cells have no result, so that nothing is chosen of it."""

    model: str
    task: str
    mode: str
    planned: int
    cells: tuple[Cell, ...]


class Comparison(Result):
    """comparison.json of a run."""

    run: str
    environments: tuple[Environment, ...]  # every one that cells were trained in, once
    tasks: tuple[TaskComparison, ...]
    missing: tuple[MissingCells, ...] = ()

    @property
    def models(self) -> list[Model]:
        """The models, each once."""
        return list(dict.fromkeys(task.model for task in self.tasks))

    @property
    def several_models(self) -> bool:
        """Whether there is more than one model."""
        return len(self.models) > 1

    @property
    def several_tasks(self) -> bool:
        """Whether there is more than one task."""
        return len({task.name for task in self.tasks}) > 1

    def rows(self):
        """Yield each task with each of its modes: the rows of most tables."""
        for task in self.tasks:
            for mode in task.modes:
                yield task, mode
