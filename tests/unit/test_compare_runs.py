"""The comparison of the files of a run, written by hand: what belongs together, what is missing, what is refused."""

import json

import pytest
from compare import main
from comparisons import MODEL
from handmade import LABELS, PLAN, make_run, metrics_of, write_mode
from test_compare import ONE, few_resamples  # noqa: F401

from finegrid.config.definition import Mode
from finegrid.errors import InputError
from finegrid.evaluation.compare import compare
from finegrid.evaluation.comparison import Comparison
from finegrid.records import Evaluation
from finegrid.sealed import read_record


def test_every_setting_and_cell_of_a_run_is_described(tmp_path):
    told = compare(make_run(tmp_path), ONE, ["imdb"], ["full", "a_b"])
    [task] = told.tasks
    [full, gone] = task.modes
    assert (told.run, told.models, len(told.environments), told.missing) == ("golden", [MODEL], 1, ())
    assert (task.name, task.metric, task.scores, task.test_status) == ("imdb", "accuracy", ("accuracy",), "read")
    assert full.plan == PLAN
    assert [(cell.batch_size, cell.learning_rate, cell.seed) for cell in full.cells] == [
        (*cell.setting, cell.seed) for cell in PLAN.cells()
    ]
    assert [setting.chosen for setting in full.settings] == [False, False, True, False]
    assert [setting.validation.mean for setting in full.settings] == [5.5 / 8, 4.5 / 8, 6.5 / 8, 5.5 / 8]
    assert full.chosen.validation["accuracy"].mean == 6.5 / 8
    assert full.chosen.test["accuracy"].mean == 5.5 / 8
    assert [cell.test for cell in full.cells if cell.chosen] == [5 / 8, 6 / 8]
    assert all((cell.test is not None) == cell.chosen for cell in full.cells)
    assert {cell.trained_bytes for cell in full.cells} == {17_544_712}
    assert gone.chosen is None and {cell.status for cell in gone.cells} == {"diverged"}
    assert full.confirmations == () and full.computed_on == ("cpu, bfloat16",)


def test_confirming_seeds_are_tested_and_compared_and_the_grid_s_seeds_choose(tmp_path):
    make_run(tmp_path, confirming={7: 4, 8: 6, 9: 5})
    plan = PLAN.model_copy(update={"mode": Mode(name="lora", train=["head"]), "confirming_seeds": (7, 8, 9)})
    cells = [metrics_of(cell, 6 / 8) for cell in plan.cells()]
    confirmations = [metrics_of(plan.cell(8, "3e-4", seed), rows / 8) for seed, rows in ((7, 3), (8, 3), (9, 3))]
    write_mode(tmp_path, plan, cells, confirmations=confirmations)
    [task] = compare(tmp_path, ONE, ["imdb"], ["full", "lora"]).tasks
    full = task.mode("full")
    assert full.chosen.validation["accuracy"].mean == 6.5 / 8
    score = task.score(full)
    assert score == full.chosen.test["accuracy"]
    assert (score.n, score.mean, score.min, score.max) == (3, 4 / 8, 3 / 8, 5 / 8)
    assert [(cell.seed, cell.validation, cell.test, cell.chosen) for cell in full.confirmations] == [
        (7, 4 / 8, 3 / 8, True),
        (8, 6 / 8, 5 / 8, True),
        (9, 5 / 8, 4 / 8, True),
    ]
    assert {cell.test for cell in full.cells} == {None}  # the grid's seeds are not tested
    [pair] = task.pairs
    assert (pair.mode, pair.against, pair.seeds) == ("lora", "full", (7, 8, 9))
    assert pair.delta == pytest.approx(2 / 8 - 4 / 8)
    assert [test.seed for test in pair.mcnemar] == [7, 8, 9]


def test_a_confirming_seed_that_diverged_leaves_its_mode_uncompared(tmp_path):
    make_run(tmp_path, confirming={7: 4, 8: None})
    plan = PLAN.model_copy(update={"mode": Mode(name="lora", train=["head"]), "confirming_seeds": (7, 8)})
    confirmations = [metrics_of(plan.cell(8, "3e-4", seed), 3 / 8) for seed in (7, 8)]
    write_mode(tmp_path, plan, [metrics_of(cell, 6 / 8) for cell in plan.cells()], confirmations=confirmations)
    [task] = compare(tmp_path, ONE, ["imdb"], ["full", "lora", "a_b"]).tasks
    full, lora, gone = task.modes
    assert task.pairs == ()
    assert task.score(full) is full.chosen.test is full.chosen.compared_validation is None
    assert full.chosen.validation["accuracy"].mean == 6.5 / 8
    assert [(cell.seed, cell.status, cell.test) for cell in full.confirmations] == [
        (7, "ok", None),
        (8, "diverged", None),
    ]
    assert task.score(lora).mean == 2 / 8
    assert (gone.chosen, gone.confirmations) == (None, ())


def test_modes_are_in_the_order_given_and_full_is_what_others_are_compared_with(tmp_path):
    make_run(tmp_path)
    for name, shift in (("bitfit", 1), ("layernorm", 2)):
        plan = PLAN.model_copy(update={"mode": Mode(name=name, train=["head"])})
        write_mode(tmp_path, plan, [metrics_of(cell, (6 - shift - cell.seed) / 8) for cell in plan.cells()])
    [task] = compare(tmp_path, ONE, ["imdb"], ["bitfit", "a_b", "full", "layernorm"]).tasks
    assert [mode.name for mode in task.modes] == ["bitfit", "a_b", "full", "layernorm"]
    pairs = [(pair.mode, pair.against) for pair in task.pairs]
    assert pairs == [("bitfit", "full"), ("layernorm", "full"), ("layernorm", "bitfit")]
    assert all(pair.p_holm >= pair.p for pair in task.pairs)
    assert len(LABELS) == task.data.splits.test.rows


def run_compare(folder, monkeypatch, *options) -> Comparison:
    output = folder / "out.json"
    arguments = [
        *("compare.py", folder, "--models", "bert_tiny=bert_tiny", "--tasks", "imdb", "--modes", "full", "a_b"),
        *options,
    ]
    monkeypatch.setattr("sys.argv", list(map(str, [*arguments, "--output", output])))
    main()
    return read_record(Comparison, output)


def test_what_the_script_writes_is_read_back_equal(tmp_path, monkeypatch):
    make_run(tmp_path)
    told = run_compare(tmp_path, monkeypatch)
    assert told == compare(tmp_path, ONE, ["imdb"], ["full", "a_b"])
    assert json.loads((tmp_path / "out.json").read_text())["tasks"][0]["modes"][1]["settings"][0]["diverged"] == 2


def test_a_missing_cell_is_an_error_unless_partial(tmp_path, monkeypatch):
    make_run(tmp_path)
    folder = tmp_path / "cells/bert_tiny/imdb/a_b"
    gone = folder / "bs8_lr3e-4_seed1/metrics.json"
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone}: no such file"):
        run_compare(tmp_path, monkeypatch)
    (folder / "best.json").unlink()  # nothing is selected of a mode that lacks a cell
    told = run_compare(tmp_path, monkeypatch, "--partial")
    assert [mode.name for mode in told.tasks[0].modes] == ["full"]
    [missing] = told.missing
    assert (missing.model, missing.task, missing.mode, missing.planned) == ("bert_tiny", "imdb", "a_b", 8)
    assert [(cell.setting, cell.seed) for cell in missing.cells] == [((8, "3e-4"), 1)]


def test_where_every_mode_lacks_a_cell_there_is_nothing_to_compare(tmp_path, monkeypatch):
    for path in make_run(tmp_path).glob("cells/bert_tiny/imdb/*/bs8_lr3e-4_seed1/metrics.json"):
        path.unlink()
    with pytest.raises(InputError, match="nothing to compare: every mode lacks a cell on every task"):
        run_compare(tmp_path, monkeypatch, "--partial")


def test_a_choice_of_an_older_plan_is_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/bert_tiny/imdb/full/plan.json"
    plan = json.loads(path.read_text())
    path.write_text(json.dumps({**plan, "seeds": [0, 1, 2]}))
    with pytest.raises(InputError, match=r"best\.json: plan\.seeds is \[0, 1\], this run has \[0, 1, 2\]"):
        run_compare(tmp_path, monkeypatch)
    path.write_text(json.dumps({**plan, "task": {**plan["task"], "name": "other"}}))
    with pytest.raises(InputError, match=r"plan\.json: belongs to bert_tiny, other, full"):
        run_compare(tmp_path, monkeypatch)


def test_predictions_of_other_scores_are_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/bert_tiny/imdb/full/chosen/test.json"
    evaluation = Evaluation.read(path)
    cells = [cell.model_copy(update={"scores": {"accuracy": 0.5}}) for cell in evaluation.cells]
    names = evaluation.files
    evaluation.model_copy(update={"cells": tuple(cells)}).write(path, *names)
    with pytest.raises(InputError, match=r"test\.safetensors: its predictions do not give the scores of the JSON"):
        run_compare(tmp_path, monkeypatch)
