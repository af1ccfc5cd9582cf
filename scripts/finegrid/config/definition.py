"""What a configuration defines, as typed, frozen objects: Model, Task, Mode, Training, Config.

`resolve.py` makes them from YAML, with the built-in tasks and modes and all defaults filled in; after that they are
passed on, and written into every result. Snakemake imports this module while it parses, so it stays quick to import.
"""

import json
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, Strict, WrapValidator, model_serializer, model_validator

from finegrid.config.metrics import METRICS, metric_names
from finegrid.config.model import GridModel
from finegrid.config.types import (
    BatchSize,
    ClassName,
    FilePath,
    LearningRates,
    Name,
    Record,
    Repository,
    Seed,
    expects,
    number,
    problem,
    several,
    short_repr,
    text,
    truth,
    whole_number,
)
from finegrid.files import canonical_json

SPLITS = ("train", "validation", "test", "hidden")
Split = Literal[SPLITS]
SOURCES = ("bundled", "hub", "mirror", "files")
Column = text("the name of a column")
Rows = whole_number("a number of rows to draw: a whole number, 2 or more", ge=2)
UNLABELLED = (
    "true or false: whether rows without a label are left out, where it is missing or, for classes, -1 or '-'; or a "
    "list of the labels that stand for none beside a missing one"
)
Patterns = dict[str, tuple[str, ...]]  # glob patterns by the part of the split that they belong to


class Draw(Record):
    """Rows drawn from the training split for another split."""

    share: number("a share of the rows: a number above 0, below 1", gt=0, lt=1)
    seed: Seed = 0


class Sample(Record):
    """A smaller data set, drawn with the classes in proportion."""

    train: Rows | None = None
    validation: Rows | None = None
    test: Rows | None = None
    seed: Seed = 0

    @property
    def sizes(self) -> dict[str, int]:
        """The number of rows to draw of each split that is drawn from."""
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: size for name, size in sizes.items() if size is not None}


Character = text("one character of ASCII", r"^[\t\x20-\x7e]$")
CharacterOrNone = Annotated[
    str, Field(pattern=r"^[\t\x20-\x7e]?$"), Strict(), expects("one character of ASCII, or '' for none")
]


class CsvFormat(Record):
    """How .csv and .tsv files are written, if not with commas and quotes, or with tabs and without quotes."""

    separator: Character | None = None  # a comma; in .tsv files a tab
    quote: CharacterOrNone | None = None  # "; in .tsv files none
    escape: CharacterOrNone = ""  # stands before a quote, a separator or itself that is part of a text
    skip_spaces: truth("whether spaces that follow a separator are left out") = False

    @model_validator(mode="after")
    def _different(self):
        given = [character for character in (self.separator, self.quote, self.escape) if character]
        if len(set(given)) < len(given):
            raise problem(f"{given} is not allowed; expected different characters")
        return self


def _true_or_labels(given, handler):
    given = {"true": True, "false": False}.get(given.lower(), given) if isinstance(given, str) else given
    return (given or None) if isinstance(given, bool) or given is None else handler(given)


class Task(Record):
    """Where a task's data come from, which columns hold texts and labels, and what scores it."""

    name: Name
    source: Annotated[
        Literal[SOURCES],
        expects(
            "'bundled' (texts of an installed package), 'hub' (a data set of the hub), 'mirror' (the same, from the "
            "folder 'mirror') or 'files' (files of yours)"
        ),
    ]
    repo: Repository | None = None
    files: dict[Split, Patterns] = Field(default_factory=dict)  # none of a bundled task
    text: several(Column, "the column of the text, or a list of the two columns of a pair of texts", max_length=2)
    label: Column
    classes: several(ClassName, "names of the classes, in the order of their numbers: two or more") | None = None
    regression: truth("whether labels are numbers to predict") = False
    metrics: several(
        Annotated[Literal[tuple(METRICS)], expects(f"one of {', '.join(METRICS)}")],
        "metrics: a list, of which the first one selects",
    )
    max_length: whole_number("how many tokens of a text are read, [CLS] and [SEP] included: 2 to 512", ge=2, le=512)
    validation_from_train: Draw | None = None
    test_from_train: Draw | None = None
    drop_training_rows_in_test: truth("whether training rows whose text is in a test split are left out") = False
    drop_unlabelled: Annotated[
        Literal[True] | several(ClassName, UNLABELLED) | None, WrapValidator(_true_or_labels), expects(UNLABELLED)
    ] = None
    csv: CsvFormat | None = None
    sample: Sample | None = None
    submitted: tuple[str, ...] | None = None  # how the benchmark's server spells the classes
    label_range: tuple[float, float] | None = None  # of a regression's labels

    @property
    def num_labels(self) -> int:
        """The number of logits of a text: one for each class, or the one number of a regression."""
        return 1 if self.classes is None else len(self.classes)

    @property
    def pair(self) -> bool:
        """Whether a row has two texts."""
        return len(self.text) == 2

    @property
    def unlabelled(self) -> tuple[str, ...] | None:
        """The labels that stand for none, beside a missing one; None if rows without a label are errors."""
        if self.drop_unlabelled is True:  # SNLI's for rows without a gold label: on the hub, and in its own files
            return () if self.regression else ("-1", "-")
        return self.drop_unlabelled

    @property
    def training_splits(self) -> tuple[str, ...]:
        """The splits whose files decide which rows train and validate."""
        return SPLITS if self.drop_training_rows_in_test else ("train", "validation")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of all files; none of a bundled task."""
        return tuple(pattern for parts in self.files.values() for part in parts.values() for pattern in part)

    @model_validator(mode="after")
    def _csv_where_read(self):
        if self.csv and self.patterns and all(pattern.endswith((".parquet", ".jsonl")) for pattern in self.patterns):
            raise problem("the key is for .csv and .tsv files, of which the task has none", "csv")
        return self

    @model_validator(mode="after")
    def _labels_and_metrics(self):
        if self.regression == (self.classes is not None):
            raise problem("expected either 'classes' or 'regression: true'")
        if self.classes is not None and len(self.classes) < 2:
            raise problem(f"{short_repr(list(self.classes))} is not allowed; expected two classes or more", "classes")
        allowed = metric_names(self.regression, self.num_labels)
        for metric in self.metrics:
            if metric not in allowed:
                kind = "a regression" if self.regression else f"{self.num_labels} classes"
                raise problem(f"{metric!r} is not for {kind}; expected {', '.join(allowed)}", "metrics")
        return self


class RandomSubset(Record):
    """A random subset of single parameters: all of the head's, and others drawn from the encoder."""

    parameters: whole_number("how many parameters train, the head's included: a whole number, 1 or more", ge=1)
    seed: Seed = 0


class Peft(Record):
    """Adapters of the package peft, by its own configuration: `peft_type` and the keys of that method."""

    model_config = ConfigDict(extra="allow")

    peft_type: text("the name of a method of peft: LORA, IA3, LN_TUNING, ...")

    @model_serializer
    def settings(self) -> dict[str, Any]:
        """Return peft's keys and values. None is kept, as it need not be what peft does without the key."""
        return {"peft_type": self.peft_type, **(self.model_extra or {})}

    @model_validator(mode="after")
    def _plain_values(self):
        for key, value in (self.model_extra or {}).items():
            try:
                plain = json.loads(canonical_json(value)) == value
            except (TypeError, ValueError, RecursionError):
                plain = False
            if not plain:
                allowed = "text, finite numbers, true, false, null, and lists and mappings of them"
                raise problem(f"{short_repr(value)} is not allowed; expected what JSON has: {allowed}", str(key))
        return self


Budget = whole_number("how many parameters may train, the head's included: a whole number, 1 or more", ge=1)


class Mode(Record):
    """A way of fine-tuning: which parameters train."""

    name: Name
    train: several(text("a regular expression over whole parameter names, or 'head'"), "a list of regular expressions")
    random: RandomSubset | None = None
    peft: Peft | None = None
    parameters: Budget | None = None  # in place of the size of the adapters

    @model_validator(mode="after")
    def _one_kind(self):
        if self.random and self.peft:
            raise problem("'random' and 'peft' are two modes; expected one of them")
        if self.parameters is not None and not self.peft:
            raise problem("it is for adapters; expected 'peft' beside it, or 'random: {parameters: ...}'", "parameters")
        return self


class GridMode(Mode):
    """A mode with the learning rates that it is tried at."""

    learning_rates: LearningRates

    @property
    def mode(self) -> Mode:
        """The mode by itself: what a cell of it depends on."""
        return Mode(name=self.name, train=self.train, random=self.random, peft=self.peft, parameters=self.parameters)


class Training(Record):
    """Settings that all cells share."""

    epochs: whole_number("how many passes over the training rows: a whole number, 1 or more", ge=1) = 4
    weight_decay: number("AdamW's decoupled weight decay: a number, 0 or more", ge=0) = 0.0
    warmup: number("the share of the steps in which the learning rate rises: 0 or more, below 1", ge=0, lt=1) = 0.0
    max_grad_norm: number("what the gradient's norm is clipped to: a number above 0", gt=0) = 1.0


class Confirm(Record):
    """More seeds for the setting that validation chose; they had no say in the choice."""

    seeds: several(Seed, "seeds: a list of whole numbers, 0 or more, no two equal")


class Config(Record):
    """A run."""

    run: Name
    models: Annotated[dict[Name, GridModel], Field(min_length=1)]
    mirror: text("a folder laid out as the hub's repositories, for sources hub and mirror", r"^[^\x00]+$") = "mirror"
    tasks: Annotated[dict[Name, Task], Field(min_length=1)]
    modes: Annotated[dict[Name, GridMode], Field(min_length=1)]
    batch_sizes: several(BatchSize, "batch sizes: a list of whole numbers, 1 or more, no two equal")
    learning_rates: LearningRates
    seeds: several(Seed, "seeds: a list of whole numbers, 0 or more, no two equal") = (0,)
    confirm: Confirm | None = None
    training: Training = Training()
    published: tuple[FilePath, ...] = ()

    def tokenizer_of(self, model: str) -> str:
        """Return the model whose tokenised data a model reads."""
        return self.models[model].tokenizer or model

    @model_validator(mode="after")
    def _names_of_models(self):
        for name, model in self.models.items():
            for mode in model.learning_rates:
                if mode not in self.modes:
                    modes = ", ".join(self.modes)
                    raise problem(f"{mode!r} is no mode of this run: {modes}", f"models.{name}.learning_rates")
            shared = self.models.get(model.tokenizer) if model.tokenizer else None
            if model.tokenizer and (shared is None or shared is model or shared.tokenizer):
                others = [other for other, each in self.models.items() if other != name and not each.tokenizer]
                expected = f"expected one of: {', '.join(others)}" if others else "this run has none"
                raise problem(
                    f"{model.tokenizer!r} is not another model with a tokenizer of its own; {expected}",
                    f"models.{name}.tokenizer",
                )
        return self

    @model_validator(mode="after")
    def _seeds_without_a_say(self):
        both = sorted(set(self.seeds) & set(self.confirm.seeds)) if self.confirm else []
        if both:
            raise problem(f"{both} is in 'seeds', too; expected seeds that had no say in the choice", "confirm.seeds")
        return self
