"""What is stale goes by the content of the input files, not by their dates."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, copy_pipeline, planned_jobs, snakemake

REPORTING = {"compare": 1, "tables": 1, "figures": 1, "discuss": 1, "report": 1}
TESTED_AGAIN = {"prepare": 1, "inputs": 1, "evaluate": 1, **REPORTING}
EVERYTHING = {**TESTED_AGAIN, "prepare_training": 1, "finetune": 1, "select": 1}
CONFIG = {
    "run": "own",
    "model": {"name": "mirrored", "source": "mirror", "repo": "me/tiny"},
    "mirror": "mirror",
    "tasks": {
        "mine": {
            "source": "files",
            "files": {split: f"latest/{split}.csv" for split in ("train", "validation", "test")},
            "text": "text",
            "label": "label",
            "classes": ["bad", "good"],
            "max_length": 8,
        }
    },
    "modes": {"linear-probe": {}},
    "batch_sizes": [8],
    "learning_rates": ["1e-3"],
    "training": {"epochs": 1},
}


def rows(*labels: str) -> str:
    return "text,label\n" + "".join(f"text {number} {label},{label}\n" for number, label in enumerate(labels))


@pytest.fixture(scope="module")
def own_run(tmp_path_factory) -> Path:
    """A finished run on files of a user's own, behind a link, with a model from a mirror."""
    folder = copy_pipeline(tmp_path_factory.mktemp("stale") / "run")
    for version, order in (("v1", ("bad", "good")), ("v2", ("good", "bad"))):
        (folder / version).mkdir()
        for split, repeats in (("train", 12), ("validation", 6), ("test", 6)):
            (folder / version / f"{split}.csv").write_text(rows(*order * repeats))
    (folder / "latest").symlink_to("v1")
    model = folder / "mirror" / "models" / "me" / "tiny"
    shutil.copytree(REPOSITORY / "models" / "bundled-bert-tiny", model)
    (folder / "own.yaml").write_text(yaml.safe_dump(CONFIG))
    done = snakemake(folder, config="own.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert planned_jobs(folder, config="own.yaml") == {}
    return folder


@pytest.fixture
def run_folder(own_run, tmp_path) -> Path:
    """A copy of that run which a test may change."""
    return shutil.copytree(own_run, tmp_path / "run", symlinks=True)


def test_a_copy_and_new_dates_make_nothing_stale(run_folder):
    for path in (run_folder / "v1").iterdir():
        path.touch()
    for path in (run_folder / "mirror").rglob("*"):
        path.touch()
    assert planned_jobs(run_folder, config="own.yaml") == {}


def test_a_row_more_to_test_prepares_and_tests_again_but_trains_nothing(run_folder):
    with open(run_folder / "v1" / "test.csv", "a") as file:
        file.write("one more,good\n")
    assert planned_jobs(run_folder, config="own.yaml") == TESTED_AGAIN
    metrics = next(run_folder.glob("results/own/cells/*/*/*/metrics.json"))
    before = metrics.read_bytes()
    done = snakemake(run_folder, "task_mine", config="own.yaml")
    assert done.returncode == 0, done.stderr
    assert metrics.read_bytes() == before
    assert '"rows": 13' in (run_folder / "results/own/data/mine/stats.json").read_text()
    assert planned_jobs(run_folder, "task_mine", config="own.yaml") == {}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_older_file_of_the_same_size_trains_again(run_folder, split):
    path = run_folder / "v1" / f"{split}.csv"
    other = (run_folder / "v2" / f"{split}.csv").read_bytes()
    assert len(other) == path.stat().st_size
    path.write_bytes(other)
    os.utime(path, (0, 0))
    assert planned_jobs(run_folder, config="own.yaml") == EVERYTHING


def test_an_edit_that_leaves_the_date_alone_trains_again(run_folder):
    path = run_folder / "v1" / "train.csv"
    status = path.stat()
    edited = path.with_suffix(".new")
    edited.write_text(path.read_text().replace("text 1 ", "text 2 "))
    os.utime(edited, ns=(status.st_atime_ns, status.st_mtime_ns))
    edited.replace(path)
    assert planned_jobs(run_folder, config="own.yaml") == EVERYTHING


def test_a_link_to_other_files_trains_again(run_folder):
    (run_folder / "latest").unlink()
    (run_folder / "latest").symlink_to("v2")
    assert planned_jobs(run_folder, config="own.yaml") == EVERYTHING
    done = snakemake(run_folder, "cells", config="own.yaml")
    assert done.returncode == 0, done.stderr
    assert planned_jobs(run_folder, "cells", config="own.yaml") == {}
    (run_folder / "latest").unlink()
    (run_folder / "latest").symlink_to("v1")
    assert planned_jobs(run_folder, config="own.yaml") == EVERYTHING


def test_a_repository_edited_in_the_mirror_makes_everything_again(run_folder):
    path = run_folder / "mirror/models/me/tiny/config.json"
    path.write_text(path.read_text() + "\n")
    os.utime(path, (0, 0))
    assert planned_jobs(run_folder, config="own.yaml") == {"base_model": 1, **EVERYTHING}


def test_training_rows_that_are_tested_make_cells_depend_on_the_test_file(run_folder):
    task = {**CONFIG["tasks"]["mine"], "drop_training_rows_in_test": True}
    (run_folder / "own.yaml").write_text(yaml.safe_dump({**CONFIG, "tasks": {"mine": task}}))
    assert snakemake(run_folder, "cells", config="own.yaml").returncode == 0
    assert planned_jobs(run_folder, "cells", config="own.yaml") == {}
    with open(run_folder / "v1" / "test.csv", "a") as file:
        file.write("text 0 bad,bad\n")
    assert planned_jobs(run_folder, config="own.yaml") == {"plan": 1, **EVERYTHING}  # plan: of the key, not the file
