"""The types that a configuration's values may have; each says in words what it expects."""

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WrapValidator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from finegrid.config.learning_rate import canonical_learning_rate
from finegrid.errors import InputError


class Record(BaseModel):
    """A typed, frozen object; unknown keys are errors that list the known ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict) and cls.model_config.get("extra") == "forbid":
            for key in values:
                if key not in cls.model_fields:
                    raise problem(f"unknown key {key!r}; allowed: {', '.join(cls.model_fields)}")
        return values


def problem(message: str, key: str = "") -> PydanticCustomError:
    """Return an error that says what is wrong in words of its own, of a key below the object that raises it."""
    return PydanticCustomError("problem", "{message}", {"message": message, "key": key})


def expects(allowed: str) -> WrapValidator:
    """Word every error of a value as what is allowed."""

    def validate(value, handler):
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("value", "{allowed}", {"allowed": allowed}) from None

    return WrapValidator(validate)


def _number_from_text(value):
    # Snakemake's --config hands the numbers in a list or mapping over as text.
    for number in (int, float) if isinstance(value, str) else ():
        try:
            return number(value)
        except ValueError:
            continue
    return value


def whole_number(allowed: str, **bounds) -> Any:
    """Return the type of a whole number within bounds; True and 16.0 are none."""
    return Annotated[int, Field(**bounds), Strict(), BeforeValidator(_number_from_text), expects(allowed)]


def number(allowed: str, **bounds) -> Any:
    """Return the type of a finite number within bounds."""
    return Annotated[float, Field(**bounds), Strict(), BeforeValidator(_number_from_text), expects(allowed)]


def text(allowed: str, pattern: str | None = None) -> Any:
    """Return the type of a text that is not empty and matches a pattern."""
    return Annotated[str, Field(min_length=1, pattern=pattern), Strict(), expects(allowed)]


def _canonical(value) -> str:
    try:
        return canonical_learning_rate(value)
    except InputError as error:
        raise problem(str(error)) from None


def _unique(values: tuple) -> tuple:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise problem(f"{value!r} is given twice")
    return values


def several(item: Any, allowed: str, max_length: int | None = None) -> Any:
    """Return the type of a list of at least one value, no two equal, kept as a tuple."""

    def a_list(values):
        if not isinstance(values, list | tuple) or not values or (max_length and len(values) > max_length):
            raise PydanticCustomError("value", "{allowed}", {"allowed": allowed})
        return values

    return Annotated[tuple[item, ...], AfterValidator(_unique), BeforeValidator(a_list)]


Name = text(
    "a name of up to 100 letters, digits, '.', '_' and '-', the first a letter or digit",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
)
Repository = text(
    "the hub's name of the repository: owner/name", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"
)
ClassName = Annotated[
    text("the name of a class: one line of text, or a whole number; in quotes where YAML reads something else, as in no and yes", r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"),
    BeforeValidator(lambda name: str(name) if type(name) is int else name),
]
LearningRate = Annotated[str, BeforeValidator(_canonical)]
LearningRates = several(LearningRate, "learning rates: a list of positive numbers, no two equal")
BatchSize = whole_number("a batch size: a whole number, 1 or more", ge=1)
Seed = whole_number("a seed: a whole number, 0 or more, below 2^32", ge=0, lt=2**32)
