"""Data and models from a mirror: a folder laid out as the hub's repositories are."""

import json
import os
import sys

import base_model
import pandas
import prepare
import pytest
from conftest import REPOSITORY
from safetensors.numpy import load_file

from finegrid.config.definition import Task
from finegrid.config.hub_files import MODEL_FILES, hub_files
from finegrid.config.resolve import resolve_config
from finegrid.data import download, mirror
from finegrid.errors import InputError
from finegrid.files import sha256, write_json
from finegrid.modeling.bundled import FOLDER
from finegrid.records import DataStats
from finegrid.sealed import as_json, read_record

MIRROR = REPOSITORY.parent / "shared" / "mirror"
SENTENCES = ["The cat sat on the mat .", "A cat was sitting on the mat .", "Rates rose again on Tuesday ."]
MODEL = "models/someone/tiny"


@pytest.fixture
def folder(tmp_path):
    """A mirror with sixty pairs of sentences, and the bundled model as someone's."""
    folder = tmp_path / "mirror"
    data = folder / "datasets" / "nyu-mll" / "glue" / "mrpc"
    data.mkdir(parents=True)
    for split, rows in (("train", 60), ("validation", 12), ("test", 6)):
        first, second = (pandas.Series(SENTENCES * rows)[part : rows + part] for part in (0, 1))
        pairs = {"sentence1": first.to_numpy(), "sentence2": second.to_numpy(), "label": [1, 0] * (rows // 2)}
        pandas.DataFrame({**pairs, "idx": range(rows)}).to_parquet(data / f"{split}-00000-of-00001.parquet")
    repository = folder / MODEL
    repository.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        os.link(FOLDER / name, repository / name)
    return folder


def task(folder, name="mrpc", source="mirror") -> Task:
    raw = {
        **{"run": "a", "models": {"tiny": {"source": "bundled"}}, "mirror": str(folder)},
        **{"tasks": {name: {"source": source, "max_length": 32}}},
        **{"modes": {"full": {}}, "batch_sizes": [8], "learning_rates": ["1e-3"]},
    }
    return resolve_config(raw, "mine.yaml").tasks[name]


def call(monkeypatch, script, *arguments):
    monkeypatch.setattr(sys, "argv", [script.__name__, *map(str, arguments)])
    script.main()


def test_a_task_and_a_model_of_a_mirror(folder, tmp_path, monkeypatch):
    model = {"name": "tiny", "source": "mirror", "repo": "someone/tiny"}
    call(
        monkeypatch,
        *(base_model, json.dumps(model), f"--mirror={folder}", "--fetched", "--output", tmp_path / "base_model"),
    )
    provenance = json.loads((tmp_path / "base_model" / "provenance.json").read_text())
    assert provenance["model"] == model
    assert provenance["source"]["files"]["model.safetensors"] == sha256(FOLDER / "model.safetensors")

    call(
        *(monkeypatch, prepare, json.dumps(as_json(task(folder))), "--base-model", tmp_path / "base_model"),
        *(f"--mirror={folder}", "--fetched", "--output", tmp_path / "data"),
    )
    stats = read_record(DataStats, tmp_path / "data" / "stats.json")
    assert stats.task == task(folder)
    assert {name: split.rows for name, split in stats.splits.items()} == {
        "train": 60,
        "validation": 12,
        "test": 0,
        "hidden": 6,
    }
    assert "mrpc/train-00000-of-00001.parquet" in stats.source.files
    # A pair of sentences has token types 0 and 1.
    assert set(load_file(tmp_path / "data" / "train.safetensors")["token_type_ids"].tolist()) == {0, 1}
    assert str(tmp_path) not in (tmp_path / "data" / "stats.json").read_text()


def test_a_mirror_without_the_files_is_told(tmp_path):
    with pytest.raises(InputError, match="mirror: 'nowhere' is not a folder"):
        task("nowhere")
    mrpc = task(tmp_path)
    with pytest.raises(InputError, match="the mirror's datasets/nyu-mll/glue has no file like mrpc/"):
        mirror.repository("datasets", mrpc.repo, mrpc.patterns, tmp_path)
    with pytest.raises(InputError, match=r"the mirror's models/a/b has no file like config\.json"):
        mirror.repository("models", "a/b", MODEL_FILES, tmp_path)
    (tmp_path / "models" / "a" / "b").mkdir(parents=True)
    (tmp_path / "models" / "a" / "b" / "config.json").write_text("{}")
    with pytest.raises(InputError, match=r"no file like model\.safetensors or pytorch_model\.bin"):
        mirror.repository("models", "a/b", MODEL_FILES, tmp_path)


@pytest.mark.skipif(not MIRROR.exists(), reason=f"NOT TESTED: there is no mirror in {MIRROR.parent.name}/{MIRROR.name}")
def test_mrpc_of_a_real_mirror(tmp_path, monkeypatch):
    call(
        *(monkeypatch, prepare, json.dumps(as_json(task(MIRROR))), "--base-model", FOLDER),
        *(f"--mirror={MIRROR}", "--fetched", "--output", tmp_path),
    )
    stats = read_record(DataStats, tmp_path / "stats.json")
    rows = {name: split.rows for name, split in stats.splits.items()}
    assert rows == {"train": 3_667, "validation": 408, "test": 0, "hidden": 1_725}


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("data/*.csv", {"data/a.csv"}),
        ("*.csv", {"c.csv"}),
        ("**/*.csv", {"c.csv", "data/a.csv", "data/deep/b.csv"}),
        ("data/**/?.csv", {"data/a.csv", "data/deep/b.csv"}),
        ("**/*", {"c.csv", "data/a.csv", "data/deep/b.csv"}),
    ],
)
def test_patterns_match_a_listing_as_they_match_a_folder(tmp_path, pattern, matching):
    names = ["c.csv", "data/a.csv", "data/deep/b.csv", "data/load.py"]
    for name in names:
        (tmp_path / "datasets" / "a" / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "datasets" / "a" / "b" / name).touch()
    assert set(mirror.select("here", "datasets/a/b", names, [pattern])) == matching
    assert mirror.repository("datasets", "a/b", [pattern], tmp_path)[1].files.keys() == matching


@pytest.mark.parametrize(
    "name", ["../../evil.csv", "../../../evil.csv", "/evil.csv", "a/../../../../evil.csv", "a\\..\\evil.csv", "a\n.csv"]
)
def test_a_name_that_leads_out_of_a_repository_is_refused(name):
    with pytest.raises(InputError, match="is not a path inside a repository") as refused:
        mirror.matching(["rows.csv", name], ["**/*.csv"])
    assert str(refused.value).isprintable()


@pytest.fixture
def fetched(folder, tmp_path):
    """What fetch.py would have written of the model in the mirror."""
    files = {name: sha256(folder / MODEL / name) for name in sorted(os.listdir(folder / MODEL))}
    write_json(tmp_path / "fetched.json", {MODEL: {"revision": "0" * 40, "files": files}})
    return tmp_path / "fetched.json"


def test_a_mirror_holds_exactly_what_was_fetched(folder, fetched):
    place, files = mirror.repository("models", "someone/tiny", MODEL_FILES, folder, fetched)
    assert place == folder / MODEL
    assert {MODEL: as_json(files)} == json.loads(fetched.read_text())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("tokenizer.json", None, "missing"),
        ("tokenizer.json", "other", "not the file that"),
        ("vocab.txt", "foreign", "not a file of revision 0000"),
    ],
)
def test_a_mirror_with_other_files_than_fetched_is_refused(folder, fetched, file, content, message):
    (folder / MODEL / file).unlink(missing_ok=True)  # a link to the bundled model's
    if content is not None:
        (folder / MODEL / file).write_text(content)
    with pytest.raises(InputError, match=f"{file}: {message}"):
        mirror.repository("models", "someone/tiny", MODEL_FILES, folder, fetched)


@pytest.mark.parametrize("content", [{}, [], {MODEL: {"revision": "0" * 40}}])
def test_what_was_fetched_has_to_list_the_repository(folder, tmp_path, content):
    write_json(tmp_path / "fetched.json", content)
    with pytest.raises(InputError, match=rf"fetched\.json: does not list the files of {MODEL}"):
        mirror.repository("models", "someone/tiny", MODEL_FILES, folder, tmp_path / "fetched.json")


def test_a_mirror_that_holds_what_is_pinned_needs_no_network(folder, tmp_path, monkeypatch):
    monkeypatch.delattr(download, "HfApi")
    files = {name: sha256(folder / MODEL / name) for name in sorted(os.listdir(folder / MODEL))}
    lock = {MODEL: {"revision": "0" * 40, "patterns": list(MODEL_FILES), "files": files}}
    write_json(tmp_path / "lock.json", lock)
    got = download.fetch({MODEL: list(MODEL_FILES)}, folder, tmp_path / "lock.json")
    assert got == {MODEL: mirror.Repository(revision="0" * 40, files=files)}
    assert not (folder / ".busy").exists()


def test_an_error_of_the_hub_is_told_without_its_address():
    error = RuntimeError("cannot get https://hub/file?X-Amz-Signature=secret\nnor HTTP://other")
    assert download._reason(error) == "RuntimeError: cannot get (address) nor (address)"


def test_each_part_of_a_configuration_is_fetched_apart(folder):
    raw = {
        **{"run": "a", "models": {"tiny": {"source": "hub", "repo": "someone/tiny"}}},
        **{"tasks": {name: {"source": "hub", "max_length": 32} for name in ("mrpc", "rte")}},
        **{"modes": {"full": {}}, "batch_sizes": [8], "learning_rates": ["1e-3"]},
    }
    files = hub_files(resolve_config(raw, "mine.yaml"))
    assert {source: list(repositories) for source, repositories in files.items()} == {
        "model/tiny": [MODEL],
        "data/mrpc": ["datasets/nyu-mll/glue"],
        "data/rte": ["datasets/nyu-mll/glue"],
    }
    assert "mrpc/train-*.parquet" in files["data/mrpc"]["datasets/nyu-mll/glue"]
