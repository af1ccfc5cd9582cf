"""From YAML to a `Config`: built-in tasks and modes filled in, everything checked, every error one line."""

import glob
import re
from pathlib import Path

from pydantic import ValidationError

from finegrid.config.definition import SPLITS, Config, GridMode, Task
from finegrid.config.modes import EVERYTHING, HEAD, MODES
from finegrid.config.tasks import BUNDLED, TASKS, VALIDATION_FROM_TRAIN
from finegrid.errors import InputError
from finegrid.files import read_json, read_yaml

LONGEST_SHOWN = 200  # characters of a value in a message
# Keys of a task that only the task table sets.
TABLE_ONLY = ("name", "submitted", "label_range")


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
        config = validated({**raw, "tasks": _tasks(raw.get("tasks")), "modes": _modes(raw)}, Config)
        _check_files(config)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    return config


def validated(values, record):
    """Make a typed object of plain data. Raises InputError, in one line, with the first thing that is wrong."""
    try:
        return record.model_validate(values)
    except ValidationError as errors:
        raise InputError(_one_line(errors.errors(include_url=False)[0])) from None


def _one_line(error: dict) -> str:
    context = error.get("ctx", {})
    path = [str(part) for part in error["loc"] if part not in ("[key]",)]
    path += [context["key"]] if context.get("key") else []
    key = _cut(".".join(part if part.isprintable() else repr(part) for part in path)) or "(top level)"
    if error["type"] == "problem":
        return f"{key}: {error['msg']}"
    if error["type"] == "missing":
        return f"{_cut('.'.join(path[:-1])) or '(top level)'}: the key {path[-1]!r} is missing"
    expected = error["msg"]
    if error["type"] in ("model_type", "dict_type"):
        expected = "a mapping"
    elif error["type"] == "too_short":
        expected = "at least one"
    return f"{key}: {_cut(repr(error['input']))} is not allowed; expected {expected}"


def _cut(shown: str) -> str:
    return shown if len(shown) <= LONGEST_SHOWN else shown[:LONGEST_SHOWN] + "..."


def _tasks(given):
    if not isinstance(given, dict):
        return given
    return {name: _task(name, task) if isinstance(task, dict) else task for name, task in given.items()}


def _task(name, given: dict) -> dict:
    """Return a task with its row of the task table, if it has one, as the configuration changes it."""
    key, built_in, source = f"tasks.{name}", name in TASKS, given.get("source")
    allowed = [field for field in Task.model_fields if field not in TABLE_ONLY]
    for unknown in given:
        if unknown not in allowed:
            raise InputError(f"{key}: unknown key {_cut(repr(unknown))}; allowed: {', '.join(allowed)}")
    if source == "bundled" and name not in BUNDLED:
        expected = "hub, mirror or files" if built_in else "hub, mirror or files, as it is not a built-in task"
        raise InputError(f"{key}.source: 'bundled' is for {', '.join(BUNDLED)}; expected {expected}")
    for unused in {"bundled": ("repo", "files"), "files": ("repo",)}.get(source, ()):
        if unused in given:
            raise InputError(f"{key}: the key {unused!r} is not for source {source!r}")
    task = {**TASKS.get(name, {}), **given, "name": name}
    if "classes" in given or "regression" in given:
        of_labels = ("classes", "regression", "metrics", "submitted", "label_range")
        task = {field: value for field, value in task.items() if field in given or field not in of_labels}
    for unused in {"bundled": ("repo", "files"), "files": ("repo",)}.get(source, ()):
        task.pop(unused, None)
    if source == "files" and "files" not in given:
        raise InputError(f"{key}: the key 'files' is missing, which says where its splits are")
    if "files" in given:
        task["files"] = _split_files(f"{key}.files", name, given["files"])
    needed = ["text", "label", *(["repo"] if source in ("hub", "mirror") else []), *(["files"] if source != "bundled" else [])]
    for missing in needed:
        if missing not in task:
            own = "" if built_in else f"; {name!r} is none of {', '.join(TASKS)}, so it has to say where its data are"
            raise InputError(f"{key}: the key {missing!r} is missing{own}")
    if not task.get("regression") and "classes" not in task:
        raise InputError(f"{key}: the key 'classes' (or 'regression: true') is missing")
    if isinstance(task["text"], str):
        task["text"] = [task["text"]]
    task.setdefault("metrics", ["pearson", "spearman"] if task.get("regression") else ["accuracy"])
    return _splits(key, task, given)


def _split_files(key: str, name: str, given) -> dict:
    if not isinstance(given, dict):
        raise InputError(f"{key}: {_cut(repr(given))} is not allowed; expected the files of each split")
    for split, patterns in given.items():
        if split not in SPLITS:
            raise InputError(f"{key}: unknown key {_cut(repr(split))}; allowed: {', '.join(SPLITS)}")
        patterns = [patterns] if isinstance(patterns, str) else patterns
        if not isinstance(patterns, list) or not patterns or not all(p and isinstance(p, str) for p in patterns):
            allowed = "a file or a list of files, .parquet, .csv, .tsv or .jsonl; * stands for any letters"
            raise InputError(f"{key}.{split}: {_cut(repr(patterns))} is not allowed; expected {allowed}")
    return {
        split: {name if split == "hidden" else split: [patterns] if isinstance(patterns, str) else patterns}
        for split, patterns in given.items()
    }


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
    allowed = [field for field in GridMode.model_fields if field != "name"]
    for unknown in given:
        if unknown not in allowed:
            raise InputError(f"modes.{name}: unknown key {_cut(repr(unknown))}; allowed: {', '.join(allowed)}")
    mode = {"learning_rates": raw.get("learning_rates"), **MODES.get(name, {}), **given, "name": name}
    if "train" not in mode:
        if "random" in mode:
            mode["train"] = EVERYTHING
        elif "peft" in mode:
            mode["train"] = [HEAD]
        else:
            expected = f"one of {', '.join(MODES)}, or one with 'train', 'random' or 'peft'"
            raise InputError(f"modes: unknown mode {_cut(repr(name))}; expected {expected}")
    for pattern in mode["train"] if isinstance(mode["train"], list) else ():
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError, TypeError) as error:  # a{99999999999}, brackets by the hundred
            reason = " ".join(str(error).split())
            raise InputError(f"modes.{name}.train: {_cut(repr(pattern))} is not a regular expression: {reason}") from None
    return mode


def _check_files(config: Config) -> None:
    for task in config.tasks.values():
        key = f"tasks.{task.name}.files"
        for pattern in task.patterns:
            if task.source == "files":
                _check_local(key, pattern)
            elif not is_inside(pattern):
                raise InputError(f"{key}: {pattern!r} is not a path inside the repository")
    sources = [config.model.source, *(task.source for task in config.tasks.values())]
    if "mirror" in sources and not Path(config.mirror).is_dir():
        raise InputError(f"mirror: {config.mirror!r} is not a folder; expected one laid out as the hub's repositories")
    for path in config.published:
        if not Path(path).is_file():
            raise InputError(f"published: there is no file {path!r}")


def _check_local(key: str, pattern: str) -> None:
    paths = glob.glob(pattern)
    if not paths:
        raise InputError(f"{key}: there is no file {pattern!r}")
    for path in paths:
        if "{" in path or "}" in path:
            raise InputError(f"{key}: {path!r}: a name may not hold braces, which Snakemake reads as wildcards")


def is_inside(name: str) -> bool:
    """Whether a name, or a pattern of names, is a plain path below the folder of a repository."""
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(name.split("/"))
