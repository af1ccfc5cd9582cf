"""The types that a configuration's values may have; each says in words what it expects."""

import reprlib
from typing import Annotated, Any

from pydantic import (
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

# repr() of a value, shortened so that it fits into a message of one line.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 20
short_repr = _SHORT.repr


class Record(BaseModel):
    """A typed, frozen object; unknown keys are errors that list the known ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, values: Any) -> Any:
        if isinstance(values, dict) and cls.model_config.get("extra") == "forbid":
            for key in values:
                if key not in cls.model_fields:
                    raise problem(f"unknown key {short_repr(key)}; allowed: {', '.join(cls.model_fields)}")
        return values


def problem(message: str, key: str = "") -> PydanticCustomError:
    """Return an error with a message of its own; `key` is the key it is about, below the object that raises it."""
    return PydanticCustomError("problem", "{message}", {"message": message, "key": key})


def expects(allowed: str, if_not_text: str = "") -> WrapValidator:
    """Word every error of a value as what is allowed; `if_not_text` is added for a number, a date, true or false."""

    def validate(value, handler):
        try:
            return handler(value)
        except ValidationError:
            other = value is not None and not isinstance(value, str | list | dict)
            raise _not_allowed(allowed + if_not_text if other else allowed) from None

    return WrapValidator(validate)


def _not_allowed(allowed: str) -> PydanticCustomError:
    return PydanticCustomError("value", "{allowed}", {"allowed": allowed})


# Snakemake's --config passes what is inside a list or mapping as text: 'seeds=[0, 1]' arrives as ['0', '1'].
def _number_from_text(value):
    for number in (int, float) if isinstance(value, str) else ():
        try:
            return number(value)
        except ValueError:
            continue
    return value


def _truth_from_text(value):
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def whole_number(allowed: str, **bounds) -> Any:
    """Return the type of a whole number within bounds. True and 16.0 are not whole numbers."""
    return Annotated[int, Field(**bounds), Strict(), BeforeValidator(_number_from_text), expects(allowed)]


def number(allowed: str, **bounds) -> Any:
    """Return the type of a finite number within bounds."""
    return Annotated[float, Field(**bounds), Strict(), BeforeValidator(_number_from_text), expects(allowed)]


def truth(meaning: str) -> Any:
    """Return the type of true or false."""
    return Annotated[bool, Strict(), BeforeValidator(_truth_from_text), expects(f"true or false: {meaning}")]


def text(allowed: str, pattern: str | None = None) -> Any:
    """Return the type of a text that is not empty and matches a pattern."""
    quotes = "; put it in quotes, as YAML reads something other than text here"
    return Annotated[str, Field(min_length=1, pattern=pattern), Strict(), expects(allowed, if_not_text=quotes)]


def several(item: Any, allowed: str, max_length: int | None = None) -> Any:
    """Return the type of a list of at least one value, no two equal, kept as a tuple."""

    def validate(given, handler) -> tuple:
        if not isinstance(given, list | tuple) or not given or (max_length and len(given) > max_length):
            raise _not_allowed(allowed)
        values = handler(given)
        for index, value in enumerate(values):
            if value in values[:index]:
                first, second = given[values.index(value)], given[index]
                if repr(first) == repr(second):
                    raise problem(f"{short_repr(second)} is listed twice")
                raise problem(f"{short_repr(first)} and {short_repr(second)} are the same")
        return values

    return Annotated[tuple[item, ...], WrapValidator(validate)]


def _canonical(value) -> str:
    try:
        return canonical_learning_rate(value)
    except InputError as error:
        raise problem(str(error)) from None


Name = text(
    "a name of up to 100 letters, digits, '.', '_' and '-', the first a letter or digit",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
)
Repository = text(
    "the hub's name of the repository: owner/name",
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$",
)
ClassName = Annotated[
    text("the name of a class: one line of text, or a whole number", r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"),
    BeforeValidator(lambda name: str(name) if type(name) is int else name),
]
LearningRate = Annotated[str, BeforeValidator(_canonical)]
LearningRates = several(LearningRate, "learning rates: a list of positive numbers, no two equal")
BatchSize = whole_number("a batch size: a whole number, 1 or more", ge=1)
Seed = whole_number("a seed: a whole number, 0 or more, below 2^32", ge=0, lt=2**32)
FilePath = text(
    "a path without braces, which Snakemake reads as wildcards; one that begins with '-' as './-...'",
    r"^[^-{}][^{}]*$",
)
