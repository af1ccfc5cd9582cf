"""What the JSON files of a run hold, as typed objects. Nothing here imports torch or numpy."""

from typing import Literal

from pydantic import ConfigDict, Field

from finegrid.config.cell import Cell, Plan
from finegrid.config.definition import Task
from finegrid.sealed import Result, Sealed


class Lengths(Result):
    """Tokens of the rows of a split."""

    median: float
    longest: int


class SplitStats(Result):
    """What is known of a prepared split."""

    rows: int
    parts: dict[str, int]  # rows of each part, in the order in which they lie
    origin: str  # where the rows come from, in words
    sha256: str
    labels: dict[str, int | float] | None = None  # rows of each class; of a regression lowest, mean, highest
    tokens: int
    length: Lengths | None = None
    truncated_rows: int
    truncated_share: float
    empty_texts: int


class Splits(Result):
    """The four splits of a task; one that it lacks has no rows."""

    train: SplitStats
    validation: SplitStats
    test: SplitStats
    hidden: SplitStats

    def items(self) -> list[tuple[str, SplitStats]]:
        """List the splits with their names."""
        return [(name, getattr(self, name)) for name in type(self).model_fields]


LabelReading = Literal["by name", "as numbers", "as positions"]


class DataSource(Result):
    """Where the rows of a task come from, and how they were read."""

    package: str | None = None
    repo: str | None = None
    revision: str | None = None
    files: dict[str, str] = Field(default={})  # sha256 of the repository's files
    read: dict[str, tuple[str, ...]] = Field(default={})  # the files of each split, in the order of their rows
    repeated: tuple[str, ...] = ()  # files that a pattern or a link names again, read once
    labels: LabelReading | None = None  # how they were matched with the classes
    unlabelled_rows: dict[str, int] | None = None  # of each split, left out
    dropped_training_rows: int | None = None


class DataStats(Result):
    """stats.json of a prepared task."""

    task: Task
    source: DataSource
    splits: Splits
    duplicates: dict[str, int]  # texts that are more than once in a split, or in two: "train", "train and test"


class EpochScore(Result):
    """What validation says after an epoch."""

    epoch: int
    score: float  # of the metric that selects
    scores: dict[str, float]  # of every metric, on every part of the split
    loss: float  # mean over the rows: nats, or squared error


class ParameterCounts(Result):
    """How many numbers train."""

    encoder: int
    head: int
    total: int


class Validation(Result):
    """The validation scores of a cell; `last` and `best` are None if it diverged."""

    metric: str
    last: EpochScore | None = None
    best: EpochScore | None = None
    history: tuple[EpochScore, ...]


class Start(Result):
    """sha256 of the weights that training began from."""

    encoder: str
    head: str


class TrainingData(Result):
    """The splits that a cell read."""

    train: SplitStats
    validation: SplitStats


# How the texts of a batch lie: end to end; padded to the longest; or so, and drawn to be of like length.
Form = Literal["unpadded", "padded", "padded, of like length"]


class Environment(Result):
    """What a result was computed with: versions of packages, and the machine."""

    model_config = ConfigDict(extra="allow")

    python: str
    machine: str
    device: str
    threads: int
    dtype: str
    batches: Form


class Cost(Result):
    """What differs between two runs of one cell on one machine."""

    startup_seconds: float  # from the start of finetune.py to its first step
    training_seconds: float
    total_seconds: float
    tokens: int
    tokens_per_second: float
    peak_memory_bytes: int


class Metrics(Sealed):
    """metrics.json: the result of a cell."""

    cell: Cell
    fingerprint: str  # sha256 of everything that can change the result
    status: Literal["ok", "diverged"]
    trainable: ParameterCounts
    total: int
    trained_bytes: int  # of trained.safetensors
    validation: Validation
    train_loss: tuple[tuple[int, float | None], ...]  # (last step, mean loss since the point before; None: not finite)
    start: Start
    data: TrainingData
    environment: Environment
    cost: Cost


class Edge(Result):
    """The chosen setting lies at the edge of the grid, so a better one may lie beyond."""

    axis: Literal["learning rate", "batch size"]
    side: Literal["smallest", "largest", "only"]
    message: str
    change: str  # the line of the configuration that extends the grid


class Chosen(Result):
    """The setting that validation chose."""

    batch_size: int
    learning_rate: str
    validation: float  # mean over the seeds
    edges: tuple[Edge, ...]


class Best(Sealed):
    """best.json: what validation chose of a plan; `chosen` is None if every setting diverged."""

    plan: Plan
    tried: int
    diverged: int
    chosen: Chosen | None = None

    def cells(self) -> list[Cell]:
        """List the cells of the chosen setting that are tested, one for each seed; none if every setting diverged."""
        return [self.cell(seed) for seed in self.plan.tested_seeds if self.chosen]

    def cell(self, seed: int) -> Cell:
        """Return the chosen setting with a seed."""
        return self.plan.cell(self.chosen.batch_size, self.chosen.learning_rate, seed)


class NothingToConfirm(Sealed):
    """metrics.json of a confirming seed where every setting diverged, so that none was chosen."""

    plan: Plan
    seed: int
    status: Literal["nothing chosen"] = "nothing chosen"


class EvaluatedCell(Result):
    """What one seed of the chosen setting reaches on the test split; None where labels are hidden."""

    seed: int
    fingerprint: str  # of the cell's metrics.json
    scores: dict[str, float] | None = None
    loss: float | None = None


class EvaluationData(Result):
    """The splits that testing read."""

    test: SplitStats
    hidden: SplitStats


class Evaluation(Sealed):
    """test.json of a (task, mode).

    `status` is 'diverged' where nothing was chosen, or where a confirming seed diverged: then nothing was tested, as a
    mean over the other seeds would flatter the mode. Beside it lie validation, test and hidden.safetensors: the
    predictions of the seeds that are tested.
    """

    plan: Plan
    status: Literal["ok", "diverged"]
    chosen: Chosen | None = None
    cells: tuple[EvaluatedCell, ...] = ()
    data: EvaluationData | None = None
    environment: Environment | None = None


class Progress(Result):
    """progress.json: how far a cell is that has not ended; times are in seconds since 1970."""

    cell: Cell
    epoch: int
    loss: float | None = None  # training loss at the end of the last epoch
    score: float | None = None  # validation score after it
    started: float
    updated: float
