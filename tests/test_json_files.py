"""Results and lock files that are no longer what was written: whoever reads one names it in one line."""

import json

import pytest

from finegrid.data.tokens import load_split
from finegrid.data.download import fetch
from finegrid.errors import InputError
from finegrid.files import read_json
from finegrid.evaluation.results import read_any_metrics, read_test
from finegrid.seal import read_sealed

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
    "nested deep": b"[" * 100_000,
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
def test_what_is_not_json_is_told(tmp_path, name):
    path = tmp_path / "best.json"
    path.write_bytes(NOT_JSON[name])
    assert "not JSON" in refused(lambda path: read_json(path, "chosen"), path)


@pytest.mark.parametrize("name", NOT_THAT)
def test_json_without_the_key_is_told(tmp_path, name):
    path = tmp_path / "best.json"
    path.write_bytes(NOT_THAT[name])
    assert "the key 'chosen' is missing" in refused(lambda path: read_json(path, "chosen"), path)


READERS = {
    "metrics.json": read_any_metrics,
    "best.json": read_sealed,
    "test.json": lambda path: read_test(path.parents[4], CELL),
    "stats.json": lambda path: load_split(path.parent, "train"),
    "lock.json": lambda path: fetch({}, path.parent / "mirror", path),
}
CELL = {"task": "a", "mode": "b", "batch_size": 8, "learning_rate": "1e-3", "seed": 0, "model": "c"}


@pytest.mark.parametrize("file", READERS)
def test_each_reader_names_its_file(tmp_path, file):
    folder = tmp_path / "results" / "cells" / "a" / "b" / "bs8_lr1e-3_seed0"
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text(json.dumps({}))
    (folder / "train.safetensors").write_bytes(b"")
    for content in [*NOT_JSON.values(), *NOT_THAT.values()]:
        if (file, content) == ("lock.json", NOT_THAT["no keys"]):
            continue  # one that pins nothing yet
        (folder / file).write_bytes(content)
        refused(READERS[file], folder / file)
