"""What is stale goes by the content of the input files, not by their dates."""

import os
import shutil
from pathlib import Path

import pytest
from own_run import USER, planned

REPORTING = {"compare": 1, "tables": 1}
TESTED_AGAIN = {"prepare": 1, "inputs": 1, "evaluate": 1, **REPORTING}
EVERYTHING = {**TESTED_AGAIN, "prepare_training": 1, "finetune": 1, "select": 1}


@pytest.fixture
def folder(own_run, tmp_path) -> Path:
    """The user's folder in a copy of that run, which a test may change."""
    return shutil.copytree(own_run, tmp_path / "run", symlinks=True) / USER


def add_row(path: Path, row: str) -> None:
    with open(path, "a") as file:
        file.write(row + "\n")


def test_a_copy_and_new_dates_make_nothing_stale(folder):
    for path in [*(folder / "v1").iterdir(), *(folder / "data").iterdir(), *(folder / "mirror").rglob("*")]:
        path.touch()
    assert planned(folder) == {}


def test_a_row_more_to_test_prepares_and_tests_again_but_trains_nothing(folder):
    add_row(folder / "v1" / "test.csv", "one more,1")
    assert planned(folder) == TESTED_AGAIN


@pytest.mark.parametrize("split", ["train", "validation"])
def test_an_older_file_of_the_same_size_trains_again(folder, split):
    path = folder / "v1" / f"{split}.csv"
    other = (folder / "v2" / f"{split}.csv").read_bytes()
    assert len(other) == path.stat().st_size
    path.write_bytes(other)
    os.utime(path, (0, 0))
    assert planned(folder) == EVERYTHING


def test_an_edit_that_leaves_the_date_alone_trains_again(folder):
    path = folder / "v1" / "train.csv"
    status = path.stat()
    edited = path.with_suffix(".new")
    edited.write_text(path.read_text().replace("a walk 1,", "a walk 2,"))
    os.utime(edited, ns=(status.st_atime_ns, status.st_mtime_ns))
    edited.replace(path)
    assert planned(folder) == EVERYTHING


def test_a_link_to_other_files_trains_again_and_back_again_nothing(folder):
    for version, expected in (("v2", EVERYTHING), ("v1", {})):
        (folder / "latest").unlink()
        (folder / "latest").symlink_to(version)
        assert planned(folder) == expected


def test_a_repository_edited_in_the_mirror_makes_everything_again(folder):
    path = folder / "mirror/models/me/tiny/config.json"
    path.write_text(path.read_text() + "\n")
    os.utime(path, (0, 0))
    twice = {rule: 2 for rule in EVERYTHING if rule not in ("inputs", *REPORTING)}
    assert planned(folder) == {"base_model": 1, **twice, "inputs": 1, **REPORTING, "submit": 1}


def test_training_rows_that_are_tested_make_cells_depend_on_the_test_file(folder):
    add_row(folder / "data" / "test.csv", "a film 10,0")
    of_stars = {rule: 1 for rule in EVERYTHING if rule != "inputs"}
    assert planned(folder) == {**of_stars, "submit": 1}
