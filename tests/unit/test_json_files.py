"""Results and lock files that are no longer what was written: whoever reads one names it in one line."""

import json

import pytest
from conftest import edit_result
from handmade import PLAN, make_run, metrics_of, write_cell

from finegrid.data.download import fetch
from finegrid.data.tokens import load_split
from finegrid.errors import InputError
from finegrid.evaluation.results import read_metrics
from finegrid.files import read_json, write_json
from finegrid.records import Best, Evaluation, Metrics
from finegrid.sealed import as_json, read_record

NOT_JSON = {
    "empty": b"",
    "zeros": bytes(100),
    "cut": b'{"chosen": {"cells": [',
    "binary": bytes(range(128, 256)),
    "UTF-16": '{"chosen": null}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"chosen": null}',
    "two": b'{"chosen": null}{"chosen": null}',
    "YAML": b"chosen: null\n",
    "NaN": b'{"chosen": NaN}',
    "a key twice": b'{"chosen": null, "chosen": 1}',
    "number of 5,000 digits": b'{"chosen": ' + b"9" * 5000 + b"}",
}
NOT_THAT = {
    "null": b"null",
    "number": b"1",
    "text": b'"chosen"',
    "list": b'["chosen", "splits"]',
    "no keys": b"{}",
    "other keys": b'{"splits": [], "cell": 1, "models/a/b": {"revision": 1}}',
}


def refused(read, path) -> str:
    with pytest.raises(InputError) as error:
        read(path)
    message = str(error.value)
    assert str(path) in message and message.isprintable(), message
    return message


@pytest.mark.parametrize("name", NOT_JSON)
def test_a_file_that_is_not_json_is_named(tmp_path, name):
    path = tmp_path / "best.json"
    path.write_bytes(NOT_JSON[name])
    assert "not JSON" in refused(lambda path: read_json(path, "chosen"), path)


@pytest.mark.parametrize("name", NOT_THAT)
def test_json_without_the_key_is_named(tmp_path, name):
    path = tmp_path / "best.json"
    path.write_bytes(NOT_THAT[name])
    assert "the key 'chosen' is missing" in refused(lambda path: read_json(path, "chosen"), path)


READERS = {
    "metrics.json": lambda path: read_metrics(path, PLAN.cells()[0]),
    "best.json": Best.read,
    "test.json": lambda path: Evaluation.read(path, plan=PLAN),
    "plan.json": lambda path: read_record(type(PLAN), path),
    "train.json": lambda path: load_split(path.parent, "train"),
    "lock.json": lambda path: fetch({}, path.parent / "mirror", path),
}


@pytest.mark.parametrize("file", READERS)
def test_each_reader_names_its_file(tmp_path, file):
    (tmp_path / "train.safetensors").write_bytes(b"")
    for content in [*NOT_JSON.values(), *NOT_THAT.values()]:
        if (file, content) == ("lock.json", NOT_THAT["no keys"]):
            continue  # one that pins nothing yet
        (tmp_path / file).write_bytes(content)
        refused(READERS[file], tmp_path / file)


def test_what_is_written_is_read_back_equal(tmp_path):
    for score in (0.75, None):
        metrics = metrics_of(PLAN.cells()[0], score)
        path = write_cell(tmp_path / str(score), metrics)
        read = Metrics.read(path)
        assert read.model_copy(update={"files": {}, "sha256": ""}) == metrics
        assert read.files.keys() == {"trained.safetensors", "validation.safetensors"}
        read.check_file(path.with_name("trained.safetensors"))


def test_what_a_file_repeats_is_not_made_twice(tmp_path):
    cell, other = PLAN.cells()[:2]
    path = write_cell(tmp_path, metrics_of(cell, 0.75))
    assert Metrics.read(path, cell=cell).cell is cell
    assert Metrics.read(path, cell=other).cell == cell


def test_an_edited_result_is_refused(tmp_path):
    path = write_cell(tmp_path, metrics_of(PLAN.cells()[0], 0.75))
    content = json.loads(path.read_text())
    content["total"] += 1
    write_json(path, content)
    assert "the file was damaged or edited; delete it to have it made again" in refused(Metrics.read, path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "fine"}, "status: Input should be 'ok' or 'diverged'"),
        ({"total": None}, "total: Input should be a valid integer"),
        ({"mood": "good"}, "mood: Extra inputs are not permitted"),
        ({"cost": {}}, "cost.startup_seconds: Field required"),
    ],
)
def test_another_versions_result_is_refused_with_the_key(tmp_path, changes, problem):
    path = write_cell(tmp_path, metrics_of(PLAN.cells()[0], 0.75))
    edit_result(path, **changes)
    assert f"not a file of this version's Metrics: {problem}" in refused(Metrics.read, path)


def test_a_file_beside_a_result_that_was_replaced_is_named(tmp_path):
    path = make_run(tmp_path) / "cells/bert_tiny/imdb/full/chosen/test.safetensors"
    evaluation = Evaluation.read(path.with_name("test.json"))
    evaluation.check_file(path)
    path.write_bytes(b"other")
    assert "the file was damaged or replaced" in refused(evaluation.check_file, path)


def test_keys_that_hold_nothing_are_not_written():
    content = as_json(metrics_of(PLAN.cells()[0], None))
    assert content["validation"] == {"metric": "accuracy", "history": []}
    assert content["train_loss"] == [[10, 0.7], [20, None]]
