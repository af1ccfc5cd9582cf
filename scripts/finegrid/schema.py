"""What a user wrote, held against a schema of workflow/schemas: the first thing wrong is told in one line.

The Snakefile imports this module, so it must stay quick to import.
"""

import math

import jsonschema

from finegrid.errors import InputError

# JSON counts 16.0 as an integer and Python counts True as one and NaN as a number; here none of them is.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) in (int, float) and math.isfinite(value),
        }
    ),
)


def check(content, schema: dict) -> None:
    """Raise InputError for the first thing that a schema forbids: the key, the value and what is allowed."""
    # By key; what hangs together (if, not) after what is wrong by itself.
    errors = sorted(
        _Validator(schema).iter_errors(content),
        key=lambda error: (error.validator == "not", list(map(str, error.absolute_path))),
    )
    if not errors:
        return
    error = errors[0]
    key = ".".join(map(str, error.absolute_path)) or "(top level)"
    if error.validator == "additionalProperties":
        allowed = "allowed: " + ", ".join(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(error.schema["properties"]), key=str)[0]
        raise InputError(f"{key}: unknown key {unknown!r}; {allowed}")
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        raise InputError(f"{key}: the key {missing!r} is missing")
    if error.validator == "not":
        raise InputError(f"{key}: the key 'repo' is for source 'hub' or 'mirror', not {error.instance['source']!r}")
    allowed = error.schema.get("description") or error.message
    raise InputError(f"{key}: {error.instance!r} is not allowed; expected {allowed}")
