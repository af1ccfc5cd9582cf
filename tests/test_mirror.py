"""Data and models from a mirror: a folder laid out as the hub's repositories are."""

import json
import os
from pathlib import Path

import pandas
import pytest
import yaml
from conftest import REPOSITORY, snakemake
from safetensors.numpy import load_file

MIRROR = REPOSITORY.parent / "shared" / "mirror"
SENTENCES = ["The cat sat on the mat .", "A cat was sitting on the mat .", "Rates rose again on Tuesday ."]


def configure(clone: Path, mirror, **changes) -> None:
    config = yaml.safe_load((clone / "config" / "smoke.yaml").read_text())
    config |= {"run": "mirror", "mirror": str(mirror), "tasks": {"mrpc": {"source": "mirror", "max_length": 32}}}
    config |= {"modes": {"bitfit-head": {}}, "learning_rates": ["1e-3"], "batch_sizes": [16], **changes}
    (clone / "config" / "mirror.yaml").write_text(yaml.safe_dump(config))


def make_mirror(folder: Path, model: Path) -> None:
    """A mirror with sixty pairs of sentences and, as a model, a backbone folder."""
    data = folder / "datasets" / "nyu-mll" / "glue" / "mrpc"
    data.mkdir(parents=True)
    for split, rows in (("train", 60), ("validation", 12), ("test", 6)):
        first, second = (pandas.Series(SENTENCES * rows)[part : rows + part] for part in (0, 1))
        pairs = {"sentence1": first.to_numpy(), "sentence2": second.to_numpy(), "label": [1, 0] * (rows // 2)}
        pandas.DataFrame({**pairs, "idx": range(rows)}).to_parquet(data / f"{split}-00000-of-00001.parquet")
    repository = folder / "models" / "someone" / "tiny"
    repository.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        os.link(model / name, repository / name)


def test_a_task_and_a_model_of_a_mirror(clone, smoke_run, tmp_path):
    make_mirror(tmp_path / "mirror", smoke_run / "results/smoke/backbone")
    configure(clone, tmp_path / "mirror", model={"name": "tiny", "source": "mirror", "repo": "someone/tiny"})
    done = snakemake(clone, config="config/mirror.yaml")
    assert done.returncode == 0, done.stdout + done.stderr

    results = clone / "results" / "mirror"
    assert (results / "tables" / "table2.md").exists()
    stats = json.loads((results / "data/mrpc/stats.json").read_text())
    assert {name: split["rows"] for name, split in stats["splits"].items()} == {
        "train": 60,
        "validation": 12,
        "test": 0,
        "hidden": 6,
    }
    assert "mrpc/train-00000-of-00001.parquet" in stats["source"]["files"]
    # A pair of sentences: types 0 and 1.
    assert set(load_file(results / "data/mrpc/train.safetensors")["token_type_ids"].tolist()) == {0, 1}
    assert str(tmp_path) not in (results / "data/mrpc/stats.json").read_text()


@pytest.mark.parametrize(
    ("mirror", "message"),
    [
        ("nowhere", "mirror: 'nowhere' is not a folder"),
        (".", "the mirror's datasets/nyu-mll/glue has no file like mrpc/"),
    ],
)
def test_a_mirror_without_the_files_is_told_in_one_line(clone, mirror, message):
    configure(clone, mirror)
    done = snakemake(clone, config="config/mirror.yaml")
    assert done.returncode != 0
    log = clone / "results/mirror/logs/prepare/mrpc.log"
    (line,) = [line for line in (log.read_text() if log.exists() else done.stderr).splitlines() if "error:" in line]
    assert message in line


@pytest.mark.skipif(not MIRROR.exists(), reason=f"NOT TESTED: there is no mirror in {MIRROR.parent.name}/{MIRROR.name}")
def test_mrpc_of_a_real_mirror(clone):
    configure(clone, MIRROR)
    done = snakemake(clone, "--until", "prepare", config="config/mirror.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    stats = json.loads((clone / "results/mirror/data/mrpc/stats.json").read_text())
    rows = {name: split["rows"] for name, split in stats["splits"].items()}
    assert rows == {"train": 3_667, "validation": 408, "test": 0, "hidden": 1_725}
