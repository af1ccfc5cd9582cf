"""Models and data of the hub: fetched once, pinned by the lock file, checked ever after."""

import json

import pandas
import pytest
import torch
from conftest import REPOSITORY, run, snakemake
from datasets import Dataset
from hub_server import REVISION, serve
from safetensors.numpy import load_file
from transformers import BertConfig, BertForPreTraining

MODEL = "google/bert_uncased_L-2_H-128_A-2"
CELL_FILE = "results/hub-smoke/cells/imdb/bitfit-head/bs16_lr1e-3_seed0/metrics.json"
ROWS = 60


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory, smoke_run):
    """The hub's repositories: a model stored as a pickle with a bare vocabulary, and IMDb in Parquet files."""
    folder = tmp_path_factory.mktemp("hub")
    model = folder / "models" / MODEL
    model.mkdir(parents=True)
    torch.manual_seed(0)
    config = BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
    config.architectures = ["BertForPreTraining"]
    torch.save(BertForPreTraining(config).state_dict(), model / "pytorch_model.bin")
    config.to_json_file(model / "config.json")
    tokenizer = json.loads((smoke_run / "results/smoke/backbone/tokenizer.json").read_text())
    vocabulary = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    (model / "vocab.txt").write_text("\n".join(vocabulary) + "\n")

    data = folder / "datasets" / "stanfordnlp" / "imdb" / "plain_text"
    data.mkdir(parents=True)
    for split in ("train", "test"):
        rows = {"text": [f"{split} review {i} is {['bad', 'good'][i % 2]}" for i in range(ROWS)]}
        frame = pandas.DataFrame({**rows, "label": [i % 2 for i in range(ROWS)]})
        frame.to_parquet(data / f"{split}-00000-of-00001.parquet")
    return folder


@pytest.fixture
def hub_clone(clone):
    """A clone with a small configuration on the hub's weights and data."""
    text = (REPOSITORY / "config" / "imdb.yaml").read_text()
    for old, new in {
        "run: imdb": "run: hub-smoke",
        "max_length: 512": "max_length: 16",
        "[8, 16, 32, 64, 128]": "[16]",
        "[3e-4, 1e-4, 5e-5, 3e-5]": "[1e-3]",
        "epochs: 4": "epochs: 1",
    }.items():
        assert old in text
        text = text.replace(old, new)
    (clone / "config" / "hub.yaml").write_text(text)
    return clone


def fetch(clone, server, tmp_path, *targets):
    """Run the pipeline against the server, with a hub cache of its own."""
    targets = targets or ("--until", "prepare")
    return run(
        *("snakemake", *targets, "--cores", "2", "--configfile", "config/hub.yaml"),
        cwd=clone,
        HF_ENDPOINT=server.url,
        HF_HOME=str(tmp_path / "hub-cache"),
        HF_HUB_OFFLINE="0",
        HF_HUB_DISABLE_TELEMETRY="1",
        HF_HUB_DISABLE_XET="1",
    )


def test_the_study_runs_on_a_hub_and_cells_run_without_it(hub_folder, hub_clone, tmp_path):
    with serve(hub_folder) as server:
        done = fetch(hub_clone, server, tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr

    provenance = json.loads((hub_clone / "results/hub-smoke/backbone/provenance.json").read_text())
    assert (provenance["source"]["repo"], provenance["source"]["revision"]) == (MODEL, REVISION)
    lock = json.loads((hub_clone / "config" / "hub.lock.json").read_text())
    assert set(lock) == {f"models/{MODEL}", "datasets/stanfordnlp/imdb"}
    assert {entry["revision"] for entry in lock.values()} == {REVISION}
    assert set(lock[f"models/{MODEL}"]["files"]) == {"config.json", "pytorch_model.bin", "vocab.txt"}

    # The split is that of datasets' train_test_split(0.2, seed=3463); the test set is the official one.
    data = hub_clone / "results/hub-smoke/data/imdb"
    official = Dataset.from_dict({"label": [i % 2 for i in range(ROWS)]}).train_test_split(0.2, seed=3463)
    assert load_file(data / "train.safetensors")["labels"].tolist() == official["train"]["label"]
    assert load_file(data / "validation.safetensors")["labels"].tolist() == official["test"]["label"]
    assert len(load_file(data / "test.safetensors")["labels"]) == ROWS

    # The server is gone: no later job may need it.
    done = snakemake(hub_clone, CELL_FILE, config="config/hub.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((hub_clone / CELL_FILE).read_text())["trainable"]["total"] == 3_330


def test_what_was_locked_must_come_again(hub_folder, hub_clone, tmp_path):
    lock_file = hub_clone / "config" / "hub.lock.json"
    with serve(hub_folder) as server:
        assert fetch(hub_clone, server, tmp_path, "results/hub-smoke/backbone/model.safetensors").returncode == 0
        lock = json.loads(lock_file.read_text())

        # A newer revision on the hub changes nothing, as the locked one is asked for.
        lock[f"models/{MODEL}"]["files"]["config.json"] = "0" * 64
        lock_file.write_text(json.dumps(lock))
        done = fetch(hub_clone, server, tmp_path, "--forcerun", "backbone", "--until", "backbone")
        assert done.returncode != 0
        log = (hub_clone / "results/hub-smoke/logs/backbone.log").read_text()
        (line,) = [line for line in log.splitlines() if line.startswith("error:")]
        assert "config/hub.lock.json" in line and "config.json" in line and REVISION in line

        # Renewed as the README says.
        lock_file.unlink()
        done = fetch(hub_clone, server, tmp_path, "--forcerun", "backbone", "--until", "backbone")
        assert done.returncode == 0, done.stderr
        assert json.loads(lock_file.read_text())[f"models/{MODEL}"]["files"]["config.json"] != "0" * 64


@pytest.mark.parametrize("reachable", [True, False], ids=["no such repository", "no server"])
def test_a_hub_that_does_not_answer_is_told_in_one_line(reachable, hub_clone, tmp_path):
    with serve(tmp_path / "empty") as server:
        if not reachable:
            server.shutdown()
            server.server_close()
        done = fetch(hub_clone, server, tmp_path, "results/hub-smoke/backbone/model.safetensors")
    assert done.returncode != 0
    log = (hub_clone / "results/hub-smoke/logs/backbone.log").read_text()
    assert log.splitlines()[-1].startswith(f"error: models/{MODEL}: cannot be fetched from the hub")
    assert "Traceback" not in log
    assert not (hub_clone / "config" / "hub.lock.json").exists()
