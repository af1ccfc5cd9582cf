"""Models and data of the hub: fetched once, pinned by the lock file, checked ever after."""

import json
import shutil
import sys

import pandas
import pytest
import torch
from conftest import REPOSITORY, copy_pipeline, edit_config, planned_jobs, run
from datasets import Dataset
from hub_server import REVISION, hub_environment, serve
from safetensors.numpy import load_file
from transformers import BertConfig, BertForPreTraining

MODEL = "google/bert_uncased_L-2_H-128_A-2"
NAME = "bert-tiny"  # what the configuration calls it
BASE_MODEL, DATA = f"results/hub-smoke/base_model/{NAME}", f"results/hub-smoke/data/{NAME}"
CELL_FILE = f"results/hub-smoke/cells/{NAME}/imdb/bitfit-head/bs16_lr1e-3_seed0/metrics.json"
ROWS = 60


@pytest.fixture(scope="module")
def hub_folder(tmp_path_factory):
    """The hub's repositories: a model stored as a pickle with a bare vocabulary, and IMDb in Parquet files."""
    folder = tmp_path_factory.mktemp("hub")
    model = folder / "models" / MODEL
    model.mkdir(parents=True)
    torch.manual_seed(0)
    config = BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
    config.architectures = ["BertForPreTraining"]
    torch.save(BertForPreTraining(config).state_dict(), model / "pytorch_model.bin")
    config.to_json_file(model / "config.json")
    tokenizer = json.loads((REPOSITORY / "models/bundled-bert-tiny/tokenizer.json").read_text())
    vocabulary = sorted(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    (model / "vocab.txt").write_text("\n".join(vocabulary) + "\n")

    data = folder / "datasets" / "stanfordnlp" / "imdb" / "plain_text"
    data.mkdir(parents=True)
    for split in ("train", "test"):
        rows = {"text": [f"{split} review {i} is {['bad', 'good'][i % 2]}" for i in range(ROWS)]}
        frame = pandas.DataFrame({**rows, "label": [i % 2 for i in range(ROWS)]})
        frame.to_parquet(data / f"{split}-00000-of-00001.parquet")

    pairs = folder / "datasets" / "nyu-mll" / "glue" / "mrpc"
    pairs.mkdir(parents=True)
    for split in ("train", "validation", "test"):
        rows = {name: [f"{name} {i}" for i in range(ROWS)] for name in ("sentence1", "sentence2")}
        frame = pandas.DataFrame({**rows, "label": [i % 2 for i in range(ROWS)]})
        frame.to_parquet(pairs / f"{split}-00000-of-00001.parquet")
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


@pytest.fixture
def no_network(tmp_path) -> dict[str, str]:
    """The environment of processes that may not connect to anything; attempts are written down and refused."""
    folder = tmp_path / "no-network"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import socket, sys\n"
        "def refuse(self, address):\n"
        f"    open({str(folder / 'tried')!r}, 'a').write(f'{{address}} {{sys.argv}}\\n')\n"
        "    raise OSError('no network')\n"
        "socket.socket.connect = socket.socket.connect_ex = refuse\n"
    )
    return {"PYTHONPATH": str(folder), "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}


def hub_run(clone, *targets, config="config/hub.yaml", **environment):
    return run("snakemake", *targets, "--cores", "2", "--configfile", config, cwd=clone, **environment)


def assert_done(done):
    assert done.returncode == 0, done.stdout + done.stderr


def error_line(clone, job: str) -> str:
    log = (clone / f"results/hub-smoke/logs/{job}.log").read_text()
    assert "Traceback" not in log
    (line,) = [line for line in log.splitlines() if line.startswith("error:")]
    return line


def test_the_study_runs_on_a_hub_that_only_fetch_uses(hub_folder, hub_clone, tmp_path, no_network):
    with serve(hub_folder) as server:
        assert_done(hub_run(hub_clone, "fetch", **hub_environment(server, tmp_path / "cache")))
    # The server is gone; no later job may need it.
    assert_done(hub_run(hub_clone, **no_network))
    assert not (tmp_path / "no-network" / "tried").exists()

    provenance = json.loads((hub_clone / BASE_MODEL / "provenance.json").read_text())
    assert (provenance["source"]["repo"], provenance["source"]["revision"]) == (MODEL, REVISION)
    assert provenance["drawn"] == []
    lock = json.loads((hub_clone / "config" / "hub.lock.json").read_text())
    assert set(lock) == {f"models/{MODEL}", "datasets/stanfordnlp/imdb"}
    assert {entry["revision"] for entry in lock.values()} == {REVISION}
    assert set(lock[f"models/{MODEL}"]["files"]) == {"config.json", "pytorch_model.bin", "vocab.txt"}
    assert provenance["source"]["files"] == lock[f"models/{MODEL}"]["files"]

    # The split is that of datasets' train_test_split(0.2, seed=3463); the test set is the official one.
    data = hub_clone / DATA / "imdb"
    official = Dataset.from_dict({"label": [i % 2 for i in range(ROWS)]}).train_test_split(0.2, seed=3463)
    assert load_file(data / "train.safetensors")["labels"].tolist() == official["train"]["label"]
    assert load_file(data / "validation.safetensors")["labels"].tolist() == official["test"]["label"]
    assert len(load_file(data / "test.safetensors")["labels"]) == ROWS
    assert json.loads((hub_clone / CELL_FILE).read_text())["trainable"]["total"] == 3_330

    # Nothing is left to do, and fetching the same files again remakes nothing.
    assert planned_jobs(hub_clone, config="config/hub.yaml") == {}
    assert_done(hub_run(hub_clone, "fetch", "--forceall", **no_network))
    assert planned_jobs(hub_clone, config="config/hub.yaml") == {}

    # Copied along with its lock file, the mirror is all that another machine needs.
    elsewhere = copy_pipeline(tmp_path / "elsewhere")
    shutil.copytree(hub_clone / "mirror", elsewhere / "mirror")
    for name in ("hub.yaml", "hub.lock.json"):
        shutil.copy(hub_clone / "config" / name, elsewhere / "config" / name)
    assert_done(hub_run(elsewhere, "--until", "prepare", **no_network))
    stats = f"{DATA}/imdb/stats.json"
    assert (elsewhere / stats).read_text() == (hub_clone / stats).read_text()
    assert not (tmp_path / "no-network" / "tried").exists()


def test_the_guard_of_these_tests_works(tmp_path, no_network):
    asking = "import httpx2; httpx2.get('http://127.0.0.1:9')"
    assert run(sys.executable, "-c", asking, cwd=tmp_path, **no_network).returncode != 0
    assert "127.0.0.1" in (tmp_path / "no-network" / "tried").read_text()


def test_a_task_that_joins_fetches_its_files_and_remakes_nothing(hub_folder, hub_clone, tmp_path):
    stats = [f"{DATA}/{task}/stats.json" for task in ("imdb", "mrpc")]
    with serve(hub_folder) as server:
        environment = hub_environment(server, tmp_path / "cache")
        assert_done(hub_run(hub_clone, stats[0], **environment))
        mrpc = {"source": "hub", "max_length": 16}
        edit_config(hub_clone, lambda config: config["tasks"].update(mrpc=mrpc), "config/hub.yaml")
        assert planned_jobs(hub_clone, *stats, config="config/hub.yaml") == {
            "fetch_source": 1,
            "prepare_training": 1,
            "prepare": 1,
        }
        assert_done(hub_run(hub_clone, *stats, **environment))
    assert planned_jobs(hub_clone, *stats, config="config/hub.yaml") == {}


def test_renewed_files_remake_what_was_made_of_them(hub_folder, hub_clone, tmp_path):
    hub = tmp_path / "hub"
    shutil.copytree(hub_folder, hub)
    with serve(hub) as server:
        environment = hub_environment(server, tmp_path / "cache")
        assert_done(hub_run(hub_clone, "--until", "prepare", **environment))

        # A file that replaces a locked one is refused, on the hub and in the mirror.
        lock_file = hub_clone / "config" / "hub.lock.json"
        vocabulary = hub / "models" / MODEL / "vocab.txt"
        vocabulary.write_text("\n".join([*vocabulary.read_text().splitlines()[:-1], "renewed"]) + "\n")
        (hub_clone / "mirror" / "models" / MODEL / "vocab.txt").open("a").write("tampered\n")
        assert hub_run(hub_clone, "--forcerun", "base_model", "--until", "base_model", **environment).returncode != 0
        assert "vocab.txt: not the file" in error_line(hub_clone, f"base_model/{NAME}")
        assert hub_run(hub_clone, "fetch", "--forceall", **environment).returncode != 0
        line = error_line(hub_clone, f"fetch/model/{NAME}")
        assert "config/hub.lock.json" in line and "vocab.txt" in line and REVISION in line

        # Renewed as the README says.
        server.revision = "f" * 40
        lock_file.unlink()
        assert_done(hub_run(hub_clone, "fetch", "--forceall", **environment))
        assert "base_model" in planned_jobs(hub_clone, "--until", "prepare", config="config/hub.yaml")
        assert_done(hub_run(hub_clone, "--until", "prepare", **environment))
    provenance = json.loads((hub_clone / BASE_MODEL / "provenance.json").read_text())
    assert provenance["source"]["revision"] == "f" * 40


@pytest.mark.parametrize("reachable", [True, False], ids=["no such repository", "offline"])
def test_a_hub_that_does_not_answer_is_told_in_one_line(reachable, hub_clone, tmp_path):
    with serve(tmp_path / "empty") as server:
        environment = hub_environment(server, tmp_path / "cache")
        done = hub_run(hub_clone, **environment | ({} if reachable else {"HF_HUB_OFFLINE": "1"}))
    assert done.returncode != 0
    line = error_line(hub_clone, f"fetch/model/{NAME}")
    assert line.startswith(f"error: models/{MODEL}: cannot be fetched from the hub")
    assert not (hub_clone / "config" / "hub.lock.json").exists()
    assert not (hub_clone / BASE_MODEL).exists()
