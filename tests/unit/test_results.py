"""Results read back: each must belong to the plan that it is read for, and give the scores that it says."""

from contextlib import nullcontext

import numpy as np
import pytest
from comparisons import changed
from conftest import edit_result
from handmade import LABELS, PLAN, SPLITS, logits_of, make_run, metrics_of, write_cell

from finegrid.config.definition import Mode, Peft
from finegrid.errors import InputError
from finegrid.evaluation.predictions import save_predictions
from finegrid.evaluation.results import read_cells, read_metrics, read_mode, read_predictions, read_split
from finegrid.files import read_json
from finegrid.records import DataStats
from finegrid.sealed import read_record

FULL, DIVERGED = "cells/bert_tiny/imdb/full", "cells/bert_tiny/imdb/a_b"


@pytest.fixture
def run_folder(tmp_path):
    return make_run(tmp_path)


def test_cells_are_read_in_the_plans_order(run_folder):
    assert [metrics.cell for metrics in read_cells(PLAN, run_folder)] == PLAN.cells()


def test_a_mode_is_read_whole(run_folder):
    mode = read_mode(run_folder / FULL / "best.json", run_folder)
    assert (mode.plan, len(mode.cells)) == (PLAN, 8)
    assert [metrics.cell for metrics in mode.chosen] == mode.best.cells()
    assert [cell.seed for cell in mode.evaluation.cells] == [0, 1]
    assert mode.ok and mode.tested == mode.chosen


def test_confirming_seeds_are_tested_in_place_of_the_grid_s(tmp_path):
    make_run(tmp_path, confirming={7: 4, 9: 5})
    mode = read_mode(tmp_path / FULL / "best.json", tmp_path)
    assert mode.ok and [metrics.cell.seed for metrics in mode.chosen] == [0, 1]
    assert [(metrics.cell.seed, metrics.cell.setting) for metrics in mode.tested] == [
        (7, (1024, "3e-4")),
        (9, (1024, "3e-4")),
    ]
    data = read_record(DataStats, tmp_path / "data/bert_tiny/imdb/stats.json")
    splits = read_predictions(mode, tmp_path, data).splits
    assert [scores["accuracy"] for scores in splits["validation"].scores] == [4 / 8, 5 / 8]
    assert [scores["accuracy"] for scores in splits["test"].scores] == [3 / 8, 4 / 8]


def test_of_a_confirming_seed_that_diverged_nothing_is_read(tmp_path):
    make_run(tmp_path, confirming={7: 4, 9: None})
    mode = read_mode(tmp_path / FULL / "best.json", tmp_path)
    assert not mode.ok and [metrics.status for metrics in mode.tested] == ["ok", "diverged"]
    assert read_predictions(mode, tmp_path, read_record(DataStats, tmp_path / "data/bert_tiny/imdb/stats.json")) is mode


@pytest.mark.parametrize("change", ["missing", "another setting", "another training"])
def test_a_confirming_seed_of_another_choice_is_refused(tmp_path, change):
    path = make_run(tmp_path, confirming={7: 4, 9: 5}) / FULL / "confirm/seed9/metrics.json"
    if change == "missing":
        path.unlink()
    elif change == "another setting":
        edit_result(path, cell={**read_json(path, "cell"), "batch_size": 8})
    else:
        edit_result(path, fingerprint="f" * 64)
    problem = {
        "missing": r"confirm/seed9/metrics\.json: no such file",
        "another setting": r"seed9/metrics\.json: cell\.batch_size is 8, this run has 1024.*have the cell run again",
        "another training": r"test\.json: does not belong to .*delete it to have it made again",
    }
    with pytest.raises(InputError, match=problem[change]):
        read_mode(tmp_path / FULL / "best.json", tmp_path)


def test_a_diverged_mode_has_no_chosen_cells_and_no_predictions(run_folder):
    mode = read_mode(run_folder / DIVERGED / "best.json", run_folder)
    data = read_record(DataStats, run_folder / "data/bert_tiny/imdb/stats.json")
    mode = read_predictions(mode, run_folder, data)
    assert (mode.chosen, mode.tested, mode.ok, mode.splits, mode.evaluation.status) == ([], [], False, {}, "diverged")


@pytest.mark.parametrize(
    ("key", "value", "difference"),
    [
        ("task.max_length", 64, "cell.task.max_length is 128, this run has 64"),
        ("task.classes", ("no", "yes"), r"cell.task.classes is \['neg', 'pos'\], this run has \['no', 'yes'\]"),
        ("seed", 5, "cell.seed is 0, this run has 5"),
        ("model.repo", "a/b", "cell.model.repo is None, this run has 'a/b'"),
        ("training.epochs", 3, "cell.training.epochs is 4, this run has 3"),
        ("mode", Mode(name="full", train=[".*"], peft=Peft(peft_type="LORA")), "cell.mode.peft is None, this run has"),
    ],
)
def test_a_result_of_other_settings_is_refused_with_the_first_key_that_differs(tmp_path, key, value, difference):
    cell = PLAN.cells()[0]
    path = write_cell(tmp_path, metrics_of(cell, 0.5))
    assert read_metrics(path, cell).cell == cell
    with pytest.raises(InputError, match=f"{path}: {difference}.* another config.*have the cell run again"):
        read_metrics(path, changed(cell, key, value))


def test_no_default_of_today_is_taken_for_what_an_older_result_had(tmp_path):
    path = write_cell(tmp_path, metrics_of(PLAN.cells()[0], 0.5))
    cell = read_json(path, "cell")
    del cell["task"]["max_length"]
    edit_result(path, cell=cell)
    with pytest.raises(InputError, match=r"cell\.task\.max_length: Field required"):
        read_metrics(path, PLAN.cells()[0])


def test_a_choice_from_another_plan_is_refused(run_folder):
    best = read_json(run_folder / FULL / "best.json")
    plan = {**best["plan"], "learning_rates": ["3e-4"]}
    edit_result(run_folder / FULL / "best.json", plan=plan)
    with pytest.raises(InputError, match=r"test\.json: plan\.learning_rates is .*have it made again"):
        read_mode(run_folder / FULL / "best.json", run_folder)


@pytest.mark.parametrize("change", ["another setting", "another training"])
def test_test_scores_that_do_not_belong_to_the_choice_are_refused(run_folder, change):
    path = run_folder / FULL / "chosen/test.json"
    if change == "another setting":
        edit_result(path, chosen={**read_json(path, "chosen"), "batch_size": 8})
    else:
        edit_result(run_folder / FULL / "bs1024_lr3e-4_seed1/metrics.json", fingerprint="f" * 64)
    with pytest.raises(InputError, match=r"test\.json: does not belong to .*delete it to have it made again"):
        read_mode(run_folder / FULL / "best.json", run_folder)


def test_predictions_that_do_not_give_the_scores_are_refused(run_folder):
    best, data = run_folder / FULL / "best.json", read_record(DataStats, run_folder / "data/bert_tiny/imdb/stats.json")
    found = read_predictions(read_mode(best, run_folder), run_folder, data).splits
    assert found.keys() == {"validation", "test"}
    assert found["test"].predictions.shape == (2, len(LABELS))
    path = run_folder / FULL / "chosen/test.safetensors"
    save_predictions(path, np.stack([logits_of(0)] * 2), LABELS)
    with pytest.raises(InputError, match=r"test\.safetensors: sha256 is .* was damaged or replaced"):
        read_predictions(read_mode(best, run_folder), run_folder, data)
    for predictions in ([logits_of(0)] * 2, [logits_of(4)]):
        with pytest.raises(InputError, match="its predictions do not give the scores of the JSON"):
            save_predictions(path, np.stack(predictions), LABELS)
            read_split(path, PLAN.task, SPLITS.test.parts, found["test"].scores)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="not the predictions of a split"):
        read_split(path, PLAN.task, SPLITS.test.parts, found["test"].scores)


@pytest.mark.parametrize(("difference", "refused"), [(1e-12, False), (0.01, True)])
def test_another_processor_may_round_otherwise(run_folder, difference, refused):
    path = run_folder / FULL / "chosen/test.json"
    scores = [{"accuracy": cell["scores"]["accuracy"] + difference} for cell in read_json(path, "cells")]
    with pytest.raises(InputError, match="do not give the scores") if refused else nullcontext():
        read_split(path.with_name("test.safetensors"), PLAN.task, SPLITS.test.parts, scores)
