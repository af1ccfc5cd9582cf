"""A run's configuration: checked against its schema, completed with defaults, turned into plans.

The Snakefile imports this module, so it must stay quick to import.
"""

import math
import re
from copy import deepcopy
from pathlib import Path

import jsonschema
import yaml

from finegrid.errors import InputError
from finegrid.grid import canonical_learning_rate
from finegrid.hub import MODEL_FILES
from finegrid.modes import MODES
from finegrid.tasks import EMBEDDED, TASKS


def complete(config: dict, schema_path, source: str) -> dict:
    """Return the configuration with its defaults and canonical learning rates filled in.

    `source` names where it was read from, for messages. Raises InputError, in one line, for an
    unknown key, task or mode, a value out of range, or two spellings of one learning rate.
    """
    with open(schema_path, encoding="utf-8") as file:
        schema = yaml.safe_load(file)
    config = deepcopy(config)
    try:
        _check_schema(config, schema)
        _fill_defaults(config, schema)
        _canonical_learning_rates(config, "learning_rates")
        for name, task in config["tasks"].items():
            _check_task(name, task)
        _check_mirror(config)
        for name, mode in config["modes"].items():
            _complete_mode(name, mode, config["learning_rates"])
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return config


def plans(config: dict) -> list[dict]:
    """List the plans (see `finegrid.grid`) of a complete configuration, in its order."""
    return [plan(config, task, mode) for task in config["tasks"] for mode in config["modes"]]


def plan(config: dict, task: str, mode: str) -> dict:
    """Return the plan of one (task, mode)."""
    return {
        "run": config["run"],
        "task": task,
        "mode": mode,
        "model": config["model"]["name"],
        "batch_sizes": config["batch_sizes"],
        "learning_rates": config["modes"][mode]["learning_rates"],
        "seeds": config["seeds"],
        "config": {
            "model": config["model"],
            "task": task_settings(config, task),
            "train": config["modes"][mode]["train"],
            **config["training"],
        },
    }


def task_settings(config: dict, task: str) -> dict:
    """Return all that prepares a task: its row of the task table and what the configuration says of it."""
    settings = {"name": task, **TASKS[task], **config["tasks"][task]}
    if settings["source"] == "embedded":
        del settings["hub"]
    return settings


def wanted(config: dict) -> dict[str, dict[str, list[str]]]:
    """Return what a complete configuration takes from the hub, for the model and each task of that source.

    {"model": {"models/owner/name": [glob patterns]}, "data/<task>": {"datasets/owner/name": [glob patterns]}}
    """
    files = {}
    if config["model"]["source"] == "hub":
        files["model"] = {f"models/{config['model']['repo']}": MODEL_FILES}
    for name, task in config["tasks"].items():
        if task["source"] == "hub":
            its_hub = task_settings(config, name)["hub"]
            files[f"data/{name}"] = {f"datasets/{its_hub['repo']}": sorted(its_hub["files"].values())}
    return files


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


def _check_schema(config, schema) -> None:
    # By key; what hangs together (if, not) after what is wrong by itself.
    errors = sorted(
        _Validator(schema).iter_errors(config),
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


def _fill_defaults(instance, schema) -> None:
    """Set the defaults that a schema states, in place, as deep as the instance goes."""
    if not isinstance(instance, dict):
        return
    for name, subschema in schema.get("properties", {}).items():
        if "default" in subschema:
            instance.setdefault(name, deepcopy(subschema["default"]))
        if name in instance:
            _fill_defaults(instance[name], subschema)
    if isinstance(schema.get("additionalProperties"), dict):
        for name in set(instance) - set(schema.get("properties", {})):
            _fill_defaults(instance[name], schema["additionalProperties"])


def _canonical_learning_rates(owner: dict, key: str) -> None:
    spellings: dict[str, object] = {}
    for value in owner["learning_rates"]:
        try:
            canonical = canonical_learning_rate(value)
        except InputError as error:
            raise InputError(f"{key}: {error}") from None
        if canonical in spellings:
            raise InputError(f"{key}: {spellings[canonical]!r} and {value!r} are the same learning rate")
        spellings[canonical] = value
    owner["learning_rates"] = list(spellings)


def _check_task(name: str, task: dict) -> None:
    if name not in TASKS:
        raise InputError(f"tasks: unknown task {name!r}; expected one of {', '.join(TASKS)}")
    if task["source"] == "embedded" and name not in EMBEDDED:
        raise InputError(f"tasks.{name}.source: 'embedded' is for {', '.join(EMBEDDED)}; expected hub or mirror")


def _check_mirror(config: dict) -> None:
    sources = [config["model"]["source"], *(task["source"] for task in config["tasks"].values())]
    if "mirror" in sources and not Path(config["mirror"]).is_dir():
        raise InputError(
            f"mirror: {config['mirror']!r} is not a folder; expected one laid out as the hub's repositories"
        )


def _complete_mode(name: str, mode: dict, learning_rates: list[str]) -> None:
    if "train" not in mode:
        if name not in MODES:
            known = ", ".join(MODES)
            raise InputError(f"modes: unknown mode {name!r}; expected one of {known}, or a 'train' list of its own")
        mode["train"] = MODES[name]["train"]
    for pattern in mode["train"]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise InputError(f"modes.{name}.train: {pattern!r} is not a regular expression: {error}") from None
    if "learning_rates" in mode:
        _canonical_learning_rates(mode, f"modes.{name}.learning_rates")
    else:
        mode["learning_rates"] = learning_rates
