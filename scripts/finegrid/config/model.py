"""The encoders that cells start from, as a configuration defines them."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from finegrid.config.types import (
    FilePath,
    LearningRates,
    Name,
    Record,
    Repository,
    expects,
    problem,
    text,
    whole_number,
)

WHERE = {"repo": "owner/name", "folder": "a path", "package": "the name of an installed package"}


class Model(Record):
    """The encoder that every cell starts from."""

    name: Name
    source: Annotated[
        Literal["bundled", "random", "hub", "mirror", "folder", "package"],
        expects(
            "'bundled' (the BERT-tiny in models/), 'random' (the same, untrained), 'hub' (a repository of the model "
            "hub), 'mirror' (the same, from the folder 'mirror'), 'folder' (a transformers folder of yours) or "
            "'package' (an installed Python package that holds one)"
        ),
    ]
    repo: Repository | None = None
    folder: FilePath | None = None
    package: text("the name of an installed package", r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$") | None = None

    @property
    def where(self) -> str | None:
        """The repository, folder or package that the model is read from; None of one that comes with finegrid."""
        return self.repo or self.folder or self.package

    @model_validator(mode="after")
    def _where_it_is(self):
        needed = {"hub": "repo", "mirror": "repo", "folder": "folder", "package": "package"}.get(self.source)
        for key, sources in (("repo", "'hub' or 'mirror'"), ("folder", "'folder'"), ("package", "'package'")):
            if key == needed and getattr(self, key) is None:
                raise problem(f"the key {key!r} is missing, which source {self.source!r} needs: {WHERE[key]}")
            if key != needed and getattr(self, key) is not None:
                raise problem(f"the key {key!r} is for source {sources}, not {self.source!r}")
        return self


class GridModel(Model):
    """A model with what only the grid needs to know of it."""

    learning_rates: dict[Name, LearningRates] = Field(default={})  # of modes that this model is tried at others in
    tokenizer: Name | None = None  # another model, whose tokenised data it reads as it has the same tokenizer
    memory_mb: whole_number("the memory of a cell in MB: a whole number, 1 or more", ge=1) | None = None
    minutes: whole_number("the time limit of a cell in minutes: a whole number, 1 or more", ge=1) | None = None

    @property
    def model(self) -> Model:
        """The model by itself: what a cell of it depends on."""
        return Model(**self.model_dump(include=set(Model.model_fields)))
