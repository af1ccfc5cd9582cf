"""From YAML to a `Config`: built-in tasks and modes filled in, everything checked, every error one line."""

import re
from pathlib import Path

from pydantic import ValidationError

from finegrid.config.data_files import find_files, split_files
from finegrid.config.definition import SOURCES, SPLITS, Config, GridMode, Task
from finegrid.config.hub_files import is_inside
from finegrid.config.model import GridModel
from finegrid.config.model_folder import model_folder
from finegrid.config.modes import EVERYTHING, HEAD, MODES
from finegrid.config.tasks import BUNDLED, TASKS, VALIDATION_FROM_TRAIN
from finegrid.config.types import short_repr
from finegrid.errors import InputError
from finegrid.files import read_json, read_yaml

# Keys of a task that only the table of built-in tasks sets.
TABLE_ONLY = ("name", "submitted", "label_range")
# Keys that a task of a source does not take: its files are known, or they are not on the hub.
NOT_FOR_SOURCE = {"bundled": ("repo", "files", "csv"), "files": ("repo",)}


def read_configfile(path) -> dict:
    """Read a configuration file, YAML or JSON as Snakemake takes both. Raises InputError if it is neither."""
    config = read_json(path) if Path(path).suffix == ".json" else read_yaml(path)
    if not isinstance(config, dict):
        raise InputError(f"{path}: not a mapping; expected the keys run, model, tasks, ... at its top")
    return config


def resolve_config(raw: dict, source: str) -> Config:
    """Return the configuration with built-in tasks and modes, defaults and canonical learning rates filled in.

    `source` names where it was read from, for messages. Raises InputError, in one line, for an unknown key, task or
    mode, a value out of range, two spellings of one learning rate, or a file that is not there.
    """
    try:
        named = {"models": _models(raw.get("models")), "tasks": _tasks(raw.get("tasks")), "modes": _modes(raw)}
        config = validated({**raw, **named}, Config)
        _check_files(config)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return config


def validated(values, record):
    """Make a typed object of plain data. Raises InputError, in one line, for the first thing that is wrong."""
    try:
        return record.model_validate(values)
    except ValidationError as errors:
        # The outermost one: a mode without learning rates of its own repeats what is wrong with those of the top level.
        first = min(errors.errors(include_url=False), key=lambda error: len(error["loc"]))
        raise InputError(_one_line(first)) from None


def _one_line(error: dict) -> str:
    below = error.get("ctx", {}).get("key")  # of a `problem`
    path = [_short(str(part)) for part in (*error["loc"], *([below] if below else [])) if part != "[key]"]
    key = ".".join(path) or "(top level)"
    if error["type"] == "problem":
        return f"{key}: {error['msg']}"
    if error["type"] == "missing":
        return f"{'.'.join(path[:-1]) or '(top level)'}: the key {path[-1]!r} is missing"
    expected = error["msg"]
    if error["type"] in ("model_type", "dict_type"):
        expected = "a mapping, {} if it is empty" if error["input"] is None else "a mapping"
    elif error["type"] == "too_short":
        expected = "at least one"
    return f"{key}: {short_repr(error['input'])} is not allowed; expected {expected}"


def _short(key: str) -> str:
    return key if key.isprintable() and len(key) <= 100 else short_repr(key)


def _models(given):
    """Return models with their names, which are those under which the configuration lists them."""
    if not isinstance(given, dict):
        return given
    return {name: _model(name, model) if isinstance(model, dict) else model for name, model in given.items()}


def _model(name, given: dict) -> dict:
    allowed = [field for field in GridModel.model_fields if field != "name"]
    for unknown in given:
        if unknown not in allowed:
            key = f"models.{_short(str(name))}"
            raise InputError(f"{key}: unknown key {short_repr(unknown)}; allowed: {', '.join(allowed)}")
    return {**given, "name": name}


def _tasks(given):
    if not isinstance(given, dict):
        return given
    return {name: _task(name, task) if isinstance(task, dict) else task for name, task in given.items()}


def _task(name, given: dict) -> dict:
    """Return a task with its row of the task table, if it has one, as the configuration changes it."""
    key, source = f"tasks.{_short(str(name))}", given.get("source")
    allowed = [field for field in Task.model_fields if field not in TABLE_ONLY]
    for unknown in given:
        if unknown not in allowed:
            raise InputError(f"{key}: unknown key {short_repr(unknown)}; allowed: {', '.join(allowed)}")
    if source not in SOURCES:
        return {**given, "name": name}  # validation says what is allowed
    if source == "bundled" and name not in BUNDLED:
        raise InputError(f"{key}.source: 'bundled' is for {', '.join(BUNDLED)}; expected hub, mirror or files")
    not_taken = NOT_FOR_SOURCE.get(source, ())
    for unused in not_taken:
        if unused in given:
            raise InputError(f"{key}: the key {unused!r} is not for source {source!r}")
    if source == "files" and "files" not in given:
        raise InputError(f"{key}: the key 'files' is missing, which says where its splits are")
    row = {field: value for field, value in _table_row(name, given).items() if field not in not_taken}
    task = {**row, **given, "name": name}
    if "files" in given:
        task["files"] = _split_files(f"{key}.files", name, given["files"])
    needed = [*(["repo"] if source in ("hub", "mirror") else []), *([] if source == "bundled" else ["files"])]
    for missing in (*needed, "text", "label"):
        if missing not in task:
            own = "" if name in TASKS else f"; {name!r} is none of {', '.join(TASKS)}, so all of it has to be given"
            raise InputError(f"{key}: the key {missing!r} is missing{own}")
    if not task.get("regression") and "classes" not in task:
        raise InputError(f"{key}: the key 'classes' (or 'regression: true') is missing")
    if isinstance(task["text"], str):
        task["text"] = [task["text"]]
    task.setdefault("metrics", ["pearson", "spearman"] if task.get("regression") else ["accuracy"])
    return _splits(key, task, given)


def _table_row(name, given: dict) -> dict:
    """Return the row of a built-in task, less what it says of labels if the configuration has its own."""
    row = dict(TASKS.get(name, {}))
    replaced = ["submitted"] if "classes" in given or "regression" in given else []
    if "classes" in given if row.get("regression") else given.get("regression"):
        replaced += ["classes", "regression", "metrics", "label_range"]
    return {field: value for field, value in row.items() if field not in replaced}


def _split_files(key: str, name: str, given) -> dict:
    """Return the patterns of each split as lists. Its one part has the name of the split; of hidden, of the task."""
    if not isinstance(given, dict):
        raise InputError(f"{key}: {short_repr(given)} is not allowed; expected the files of each split")
    splits = {}
    for split, patterns in given.items():
        if split not in SPLITS:
            raise InputError(f"{key}: unknown key {short_repr(split)}; allowed: {', '.join(SPLITS)}")
        listed = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(listed, list) or not listed or not all(p and isinstance(p, str) for p in listed):
            allowed = "a file or a list of files, .parquet, .csv, .tsv or .jsonl; * stands for any letters"
            raise InputError(f"{key}.{split}: {short_repr(patterns)} is not allowed; expected {allowed}")
        splits[split] = {name if split == "hidden" else split: listed}
    return splits


def _splits(key: str, task: dict, given: dict) -> dict:
    """Settle which rows validate and test."""
    splits = task.get("files", {"train": {}, "test": {}})  # of a bundled task
    if "train" not in splits:
        raise InputError(f"{key}.files: the key 'train' is missing")
    if "validation" in splits:
        if "validation_from_train" in given:
            raise InputError(f"{key}.validation_from_train: the task has a validation split")
        task.pop("validation_from_train", None)
    else:
        task.setdefault("validation_from_train", VALIDATION_FROM_TRAIN)
    if "test" in splits and "test_from_train" in task:
        raise InputError(f"{key}.test_from_train: the task has a test split with labels")
    sample = task.get("sample")
    if isinstance(sample, dict) and "test" in sample and "test" not in splits and "test_from_train" not in task:
        raise InputError(f"{key}.sample.test: the task has no test split with labels; 'test_from_train' makes one")
    if isinstance(sample, dict) and not sample.keys() - {"seed"}:
        raise InputError(f"{key}.sample: {sample} is not allowed; expected rows to draw of train, validation or test")
    return task


def _modes(raw: dict):
    given = raw.get("modes")
    if not isinstance(given, dict):
        return given
    return {name: _mode(name, mode, raw) if isinstance(mode, dict) else mode for name, mode in given.items()}


def _mode(name, given: dict, raw: dict) -> dict:
    """Return a mode with its row of the mode table, if it has one, and learning rates."""
    key = f"modes.{_short(str(name))}"
    allowed = [field for field in GridMode.model_fields if field != "name"]
    for unknown in given:
        if unknown not in allowed:
            raise InputError(f"{key}: unknown key {short_repr(unknown)}; allowed: {', '.join(allowed)}")
    mode = {"learning_rates": raw.get("learning_rates"), **MODES.get(name, {}), **given, "name": name}
    if "train" not in mode:
        if "random" in mode:
            mode["train"] = EVERYTHING
        elif "peft" in mode:
            mode["train"] = [HEAD]
        else:
            expected = f"one of {', '.join(MODES)}, or one with 'train', 'random' or 'peft'"
            raise InputError(f"modes: unknown mode {short_repr(name)}; expected {expected}")
    for pattern in mode["train"] if isinstance(mode["train"], list) else ():
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError, TypeError) as error:  # a{99999999999}, brackets by the hundred
            reason = " ".join(str(error).split())
            raise InputError(f"{key}.train: {short_repr(pattern)} is not a regular expression: {reason}") from None
    return mode


def _check_files(config: Config) -> None:
    for task in config.tasks.values():
        key = f"tasks.{task.name}.files"
        if task.source != "files":
            for pattern in task.patterns:
                if not is_inside(pattern):
                    raise InputError(f"{key}: {pattern!r} is not a path inside the repository")
        split_files(task, "" if task.source == "files" else Path(config.mirror, "datasets", str(task.repo)))
        for pattern in task.patterns if task.source == "files" else ():
            _check_local(key, pattern)
    for model in config.models.values():
        model_folder(model, config.mirror)
    sources = [*(model.source for model in config.models.values()), *(task.source for task in config.tasks.values())]
    if "mirror" in sources and not Path(config.mirror).is_dir():
        raise InputError(f"mirror: {config.mirror!r} is not a folder; expected one laid out as the hub's repositories")
    for path in config.published:
        if not Path(path).is_file():
            raise InputError(f"published: there is no file {path!r}")


def _check_local(key: str, pattern: str) -> None:
    paths = find_files(pattern)
    if not paths:
        raise InputError(f"{key}: there is no file {pattern!r}")
    for path in paths:
        if "{" in path or "}" in path:
            raise InputError(f"{key}: {path!r}: a name may not hold braces, which Snakemake reads as wildcards")
