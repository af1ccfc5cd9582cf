"""Confirming seeds where there is nothing to train: every setting diverged, or the result is there already."""

import os

import confirm
import evaluate
import pytest
from conftest import damage
from handmade import PLAN, make_run, metrics_of, write_cell

from finegrid.errors import InputError
from finegrid.evaluation.compare import compare
from finegrid.evaluation.predictions import load_predictions
from finegrid.records import Best, Evaluation, Metrics, NothingToConfirm
from finegrid.training.resume import is_done

FULL, DIVERGED = "cells/bert_tiny/imdb/full", "cells/bert_tiny/imdb/a_b"
UNUSED = ("--base-model", "none", "--data", "none")


@pytest.fixture
def run_folder(tmp_path):
    """A run with two confirming seeds, of which the second diverged in the mode full; all of a_b diverged."""
    return make_run(tmp_path / "run", confirming={7: 4, 8: None})


def run_script(script, monkeypatch, *arguments) -> None:
    monkeypatch.setattr("sys.argv", [script.__file__, *map(str, arguments), *UNUSED])
    script.main()


def test_where_every_setting_diverged_the_files_say_that_nothing_was_chosen(run_folder, monkeypatch):
    best = Best.read(run_folder / DIVERGED / "best.json")
    output = run_folder / DIVERGED / "confirm/seed7"
    run_script(confirm, monkeypatch, run_folder / DIVERGED / "best.json", "--seed", 7, "--output", output)
    made = NothingToConfirm.read(output / "metrics.json")
    assert (made.plan, made.seed, made.status) == (best.plan, 7, "nothing chosen")
    names = "trained.safetensors", "validation.safetensors"
    assert {path.name: path.stat().st_size for path in output.iterdir() if path.name in names} == dict.fromkeys(
        names, 0
    )
    for name in names:
        made.check_file(output / name)
    with pytest.raises(InputError):
        Metrics.read(output / "metrics.json")
    assert not is_done(output, "0" * 64)  # so once a setting is chosen, the seed is trained


@pytest.mark.parametrize(("mode", "seeds"), [(FULL, [7, 8]), (DIVERGED, [])])
def test_what_diverged_is_not_tested(run_folder, mode, seeds, monkeypatch):
    before = Evaluation.read(run_folder / mode / "chosen/test.json")
    output = run_folder / mode / "chosen/test.json"
    output.unlink()
    arguments = run_folder / mode / "best.json", "--results", run_folder, "--output", output
    run_script(evaluate, monkeypatch, *arguments)
    made = Evaluation.read(output)
    assert (made.status, made.chosen, [cell.seed for cell in made.cells]) == ("diverged", before.chosen, seeds)
    assert {cell.scores for cell in made.cells} <= {None}
    for name in ("validation", "test", "hidden"):
        logits, labels = load_predictions(output.with_name(f"{name}.safetensors"))
        assert (logits.shape, labels.shape) == ((0, 0, 2), (0,))
    [task] = compare(run_folder, {"bert_tiny": "bert_tiny"}, ["imdb"], ["full", "a_b"]).tasks
    assert not any(map(task.score, task.modes)) and task.pairs == ()


def test_a_result_that_is_there_is_kept_and_dated_anew(tmp_path):
    path = write_cell(tmp_path, metrics_of(PLAN.cells()[0], 0.5))
    files, fingerprint = sorted(path.parent.iterdir()), Metrics.read(path).fingerprint
    for file in files:
        os.utime(file, (0, 0))
    assert not is_done(path.parent, "f" * 64) and not is_done(tmp_path, fingerprint)
    assert {file.stat().st_mtime for file in files} == {0}
    assert is_done(path.parent, fingerprint)
    assert all(file.stat().st_mtime > 0 for file in files)


@pytest.mark.parametrize("name", ["metrics.json", "trained.safetensors", "validation.safetensors"])
def test_a_damaged_or_missing_file_is_made_again(tmp_path, name):
    path = write_cell(tmp_path, metrics_of(PLAN.cells()[0], 0.5))
    fingerprint = Metrics.read(path).fingerprint
    damage(path.with_name(name), "flip")
    assert not is_done(path.parent, fingerprint)
    path.with_name(name).unlink()
    assert not is_done(path.parent, fingerprint)
