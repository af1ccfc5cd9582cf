"""A run's configuration: checked against its schema, completed with defaults, turned into plans.

The Snakefile imports this module, so it must stay quick to import.
"""

import glob
import itertools
import math
import re
from copy import deepcopy
from functools import cache
from pathlib import Path

import jsonschema
import yaml

from finegrid.errors import InputError
from finegrid.files import read_json, read_yaml
from finegrid.config.cell import canonical_learning_rate
from finegrid.data.mirror import MODEL_FILES, is_inside
from finegrid.evaluation.metrics import METRICS
from finegrid.config.modes import EVERYTHING, HEAD, MODES
from finegrid.config.tasks import EMBEDDED, HELD_OUT, TASKS, patterns_of

# More than any configuration needs, and little enough to be checked and spelled in a message.
DEEPEST, LARGEST = 32, 100_000
LONGEST_SHOWN = 200  # letters of a value in a message


def read_configfile(path):
    """Read the file of a configuration, JSON or YAML as Snakemake takes both. Raises InputError if it is none."""
    config = read_json(path) if Path(path).suffix == ".json" else read_yaml(path)
    if not isinstance(config, dict):
        raise InputError(f"{path}: is no mapping; expected the keys run, model, tasks, ... at its top")
    return config


def complete(config: dict, schema_path, source: str) -> dict:
    """Return the configuration with its defaults and canonical learning rates filled in.

    `source` names where it was read from, for messages. Raises InputError, in one line, for an
    unknown key, task or mode, a value out of range, or two spellings of one learning rate.
    """
    schema = _read_schema(schema_path)
    try:
        _check_plain(config)
        config = deepcopy(config)
        _check_schema(config, schema)
        _fill_defaults(config, schema)
        _canonical_learning_rates(config, "learning_rates")
        for name, task in config["tasks"].items():
            config["tasks"][name] = _complete_task(name, task)
        _check_mirror(config)
        for path in config["published"]:
            if not Path(path).is_file():
                raise InputError(f"published: there is no file {path!r}")
        if config["published"]:
            from finegrid.evaluation.published import read_published  # which few configurations need

            read_published(config["published"])
        for name, mode in config["modes"].items():
            _complete_mode(name, mode, config["learning_rates"])
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return config


@cache
def _read_schema(path) -> dict:
    with open(path, encoding="utf-8") as file:
        return yaml.safe_load(file)


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
        **({"data_order_seeds": config["data_order_seeds"]} if "data_order_seeds" in config else {}),
        "config": {
            "model": config["model"],
            "task": task_settings(config, task),
            **{key: config["modes"][mode][key] for key in ("train", "random", "peft") if key in config["modes"][mode]},
            **config["training"],
        },
    }


def task_settings(config: dict, task: str) -> dict:
    """Return all that prepares and scores a task, see `finegrid.tasks`."""
    return {"name": task, **config["tasks"][task]}


def local_files(task: dict) -> list[str]:
    """List the files of a task of source 'files'."""
    if task["source"] != "files":
        return []
    return [path for pattern in patterns_of(task) for path in sorted(glob.glob(pattern))]


def wanted(config: dict) -> dict[str, dict[str, list[str]]]:
    """Return what a complete configuration takes from the hub, for the model and each task of that source.

    {"model": {"models/owner/name": [glob patterns]}, "data/<task>": {"datasets/owner/name": [glob patterns]}}
    """
    files = {}
    if config["model"]["source"] == "hub":
        files["model"] = {f"models/{config['model']['repo']}": MODEL_FILES}
    for name, task in config["tasks"].items():
        if task["source"] == "hub":
            files[f"data/{name}"] = {f"datasets/{task['repo']}": sorted(patterns_of(task))}
    return files


def _check_plain(config) -> None:
    """Raise InputError unless the configuration is plain data, as JSON has it, of a sensible size.

    YAML has more: dates, keys that are no text, infinite numbers, and by its anchors, in a few lines, a list that
    holds itself or billions of values.
    """
    level, size = [((), config)], 0
    for _ in range(DEEPEST):
        for path, value in level:
            _check_value(path, value)
            size += len(value) if isinstance(value, str) else 1
        if size > LARGEST:
            raise InputError(f"more than {LARGEST:,} values and letters, those that YAML's anchors repeat counted")
        inner = (((*path, key), part) for path, value in level for key, part in _parts(value))
        level = list(itertools.islice(inner, LARGEST + 1))
    if level:
        raise InputError(f"{_dotted(level[0][0][:3])}: nested deeper than {DEEPEST} levels")


def _check_value(path: tuple, value) -> None:
    if isinstance(value, int) and value.bit_length() > 63:
        raise InputError(f"{_dotted(path)}: a whole number of {value.bit_length()} bits; expected at most 63")
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{_dotted(path)}: {value} is not allowed; expected a finite number")
    if value is not None and not isinstance(value, (str, int, float, dict, list)):
        kind = type(value).__name__
        raise InputError(f"{_dotted(path)}: a {kind} is not allowed; expected text (in quotes) or a number")
    for key in value if isinstance(value, dict) else ():
        if not isinstance(key, str):
            kind = type(key).__name__
            raise InputError(f"{_dotted(path)}: a key is not text, but of the type {kind}; put it in quotes")


def _parts(value):
    """Return the keys and values of a mapping, or the numbers and entries of a list, or nothing."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _dotted(path) -> str:
    """Spell where a value stands: tasks.imdb.max_length."""
    return _cut(".".join(str(key) if str(key).isprintable() else repr(key) for key in path)) or "(top level)"


def _shown(value) -> str:
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."


# JSON counts 16.0 as an integer and Python counts True as one and as a number; here neither is.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine_many(
        {
            "integer": lambda _, value: type(value) is int,
            "number": lambda _, value: type(value) in (int, float),
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
    key = _dotted(error.absolute_path)
    if error.validator == "additionalProperties":
        allowed = "allowed: " + ", ".join(error.schema["properties"])
        unknown = sorted(set(error.instance) - set(error.schema["properties"]), key=str)[0]
        raise InputError(f"{key}: unknown key {_shown(unknown)}; {allowed}")
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        raise InputError(f"{key}: the key {missing!r} is missing")
    if error.validator == "not":
        raise InputError(f"{key}: the key 'repo' is for source 'hub' or 'mirror', not {error.instance['source']!r}")
    allowed = error.schema.get("description") or error.message
    raise InputError(f"{key}: {_shown(error.instance)} is not allowed; expected {allowed}")


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


def _complete_task(name: str, given: dict) -> dict:
    """Return a task's row of the task table, if it has one, as the configuration changes it, whole and checked."""
    key = f"tasks.{name}"
    source, known = given["source"], name in TASKS
    if source == "embedded" and name not in EMBEDDED:
        expected = "hub, mirror or files" if known else "hub, mirror or files, as it is not a task of finegrid's"
        raise InputError(f"{key}.source: 'embedded' is for {', '.join(EMBEDDED)}; expected {expected}")
    for unused in {"embedded": ("repo", "files"), "files": ("repo",)}.get(source, ()):
        if unused in given:
            raise InputError(f"{key}: the key {unused!r} is not for source {source!r}")
    task = {**TASKS.get(name, {}), **given}
    if source == "embedded":
        del task["repo"], task["files"]
    if source == "files":
        task.pop("repo", None)
        if "files" not in given:
            raise InputError(f"{key}: the key 'files' is missing, which says where its splits lie")
    if "files" in given:
        task["files"] = {
            split: {name if split == "hidden" else split: [patterns] if isinstance(patterns, str) else patterns}
            for split, patterns in given["files"].items()
        }
    if task.pop("regression", False):
        task["classes"] = None
    needed = ["text", "label", "classes"] if source == "embedded" else ["files", "text", "label", "classes"]
    for missing in [*(["repo"] if source in ("hub", "mirror") else []), *needed]:
        if missing not in task:
            of_own = "" if known else f"; {name!r} is none of {', '.join(TASKS)}, so it has to say where its data are"
            also = " (or 'regression: true')" if missing == "classes" else ""
            raise InputError(f"{key}: the key {missing!r}{also} is missing{of_own}")
    if isinstance(task["text"], str):
        task["text"] = [task["text"]]
    _check_classes(key, task, given)
    _complete_splits(key, task, given)
    for pattern in patterns_of(task):
        if source == "files" and not glob.glob(pattern):
            raise InputError(f"{key}.files: there is no file {pattern!r}")
        for path in glob.glob(pattern) if source == "files" else []:
            if "{" in path or "}" in path:
                raise InputError(
                    f"{key}.files: {path!r}: a name may not hold braces, which Snakemake takes for its own"
                )
        if source != "files" and not is_inside(pattern):
            raise InputError(f"{key}.files: {pattern!r} is not a path inside the repository")
    return task


def _check_classes(key: str, task: dict, given: dict) -> None:
    """Check classes and metrics, and choose the metrics where none are given."""
    classes = task["classes"]
    if classes is not None:
        task["classes"] = classes = [str(name) for name in classes]
        if len(set(classes)) < len(classes):
            twice = next(name for name in classes if classes.count(name) > 1)
            raise InputError(f"{key}.classes: {_shown(twice)}: two classes of one name")
    if "classes" in given or "regression" in given:
        task.pop("submitted", None)  # which spells the classes of the task table
    task.setdefault("metrics", ["accuracy"] if classes else ["pearson", "spearman"])
    allowed = [
        name
        for name, metric in METRICS.items()
        if metric.regression == (classes is None) and (not metric.binary or len(classes) == 2)
    ]
    for metric in task["metrics"]:
        if metric not in allowed:
            kind = "a regression" if classes is None else f"{len(classes)} classes"
            raise InputError(f"{key}.metrics: {metric!r} is not for {kind}; expected {', '.join(allowed)}")


def _complete_splits(key: str, task: dict, given: dict) -> None:
    """Settle which rows validate and test."""
    splits = task.get("files", {"train": {}, "test": {}})  # of an embedded task
    if "train" not in splits:
        raise InputError(f"{key}.files: the key 'train' is missing")
    if "validation" in splits:
        if "held_out" in given:
            raise InputError(f"{key}.held_out: the task has a validation split")
        task.pop("held_out", None)
    else:
        task.setdefault("held_out", dict(HELD_OUT))
    if "test" in splits and "carve_out" in task:
        raise InputError(f"{key}.carve_out: the task has a test split with labels")
    if "test" in task.get("sample", {}) and "test" not in splits and "carve_out" not in task:
        raise InputError(f"{key}.sample.test: the task has no test split with labels; 'carve_out' makes one")


def _check_mirror(config: dict) -> None:
    sources = [config["model"]["source"], *(task["source"] for task in config["tasks"].values())]
    if "mirror" in sources and not Path(config["mirror"]).is_dir():
        raise InputError(
            f"mirror: {config['mirror']!r} is not a folder; expected one laid out as the hub's repositories"
        )


def _complete_mode(name: str, mode: dict, learning_rates: list[str]) -> None:
    if {"random", "peft"} <= mode.keys():
        raise InputError(f"modes.{name}: 'random' and 'peft' are two modes; expected one of them")
    if "train" not in mode:
        if name in MODES:
            mode["train"] = MODES[name]["train"]
        elif "random" in mode:
            mode["train"] = EVERYTHING
        elif "peft" in mode:
            mode["train"] = [HEAD]
        else:
            known = ", ".join(MODES)
            raise InputError(
                f"modes: unknown mode {name!r}; expected one of {known}, or one with 'train', 'random' or 'peft'"
            )
    for pattern in mode["train"]:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:  # a{99999999999}, and brackets by the hundred
            reason = " ".join(str(error).split())
            raise InputError(f"modes.{name}.train: {_shown(pattern)} is not a regular expression: {reason}") from None
    if "learning_rates" in mode:
        _canonical_learning_rates(mode, f"modes.{name}.learning_rates")
    else:
        mode["learning_rates"] = learning_rates
