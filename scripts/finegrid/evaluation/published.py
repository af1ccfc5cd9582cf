"""Published scores by others, read from YAML, each with its source."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from finegrid.config.metrics import METRICS
from finegrid.config.resolve import validated
from finegrid.config.types import BatchSize, LearningRate, Record, expects, number, problem, several, text, whole_number
from finegrid.errors import InputError
from finegrid.evaluation.comparison import TaskComparison
from finegrid.files import read_yaml

# Spreadsheets open the tables' CSV files, and would read a leading =, +, - or @ as a formula.
Line = text("one line of text that does not begin with =, +, - or @", r"^[^\s=+@-][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$")


def _known_metric(name: str) -> str:
    if name.partition(" ")[0] not in METRICS:
        raise problem(f"{name!r} is none of {', '.join(METRICS)}")
    return name


class _Score(Record):
    """A published score, without its source."""

    task: Line  # the task's name in a configuration
    # A metric, followed by the part of the split unless that is the first: 'accuracy (mismatched)'.
    metric: Annotated[Line, AfterValidator(_known_metric)]
    split: Annotated[Literal["validation", "test"], expects("'validation' or 'test'")]
    mode: Line | None = None  # finegrid's mode that trains the same parameters
    value: number("a score as a share, not in percent: -1 to 1", ge=-1, le=1)
    sd: number("the standard deviation over seeds: a number, 0 or more", ge=0) | None = None
    seeds: whole_number("how many seeds: a whole number, 1 or more", ge=1) | None = None
    learning_rate: LearningRate | None = None
    batch_size: BatchSize | None = None
    trainable: whole_number("how many parameters train: a whole number, 1 or more", ge=1) | None = None


class _About(Record):
    """A source, without its scores."""

    title: Line  # its name in tables
    address: Line | None = None  # its URL
    read: Line  # where in it the scores are
    model: Line  # the pretrained model
    layers: whole_number("how many layers the model has: a whole number, 1 or more", ge=1) | None = None
    width: whole_number("the model's hidden size: a whole number, 1 or more", ge=1) | None = None
    protocol: Line | None = None  # data, lengths, epochs, seeds


class _Source(_About):
    """A source with its scores."""

    scores: several(_Score, "a list of scores")


class _File(Record):
    """A file of published scores."""

    sources: several(_Source, "a list of sources")


class PublishedScore(_About, _Score):
    """A published score with its source."""


def read_published(paths) -> list[PublishedScore]:
    """Read the published scores of some files. Raises InputError, naming the file and the key, if one is malformed."""
    scores = []
    for path in paths:
        content = read_yaml(path)
        try:
            content = validated(content, _File)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        for source in content.sources:
            about = {name: getattr(source, name) for name in _About.model_fields}
            scores += [PublishedScore(**about, **dict(score)) for score in source.scores]
    return scores


def rows_for(scores: list[PublishedScore], task: TaskComparison) -> list[PublishedScore]:
    """Return the published scores of a task, in the metrics that it reports, by models of the size of its own.

    Where a source does not say the size of its model, its scores stand beside any.
    """
    return [
        score
        for score in scores
        if score.task == task.name
        and score.metric in task.scores
        and score.layers in (None, task.shape.layers)
        and score.width in (None, task.shape.width)
    ]


def of_known_size(scores: list[PublishedScore]) -> list[PublishedScore]:
    """Return the scores of models whose size is known: of several models, only these belong to one of them."""
    return [score for score in scores if score.layers or score.width]
