"""A run that grows by modes, learning rates and a model, some of which diverge, and by seeds that confirm.

Only the new is made, to the exported models.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import CELLS, EXPORT, GROWN, GROWN_TARGETS, MODEL, counted_jobs, edit_config, planned_jobs, snakemake

from finegrid.records import Evaluation, Metrics, NothingToConfirm

UNTRAINED = CELLS.replace(MODEL, "untrained")
# A model that joins: two rates of full, three of bitfit, one of bitfit-head.
JOINED = {"base_model": 1, "plan": 3, "finetune": 6, "select": 3, "confirm": 6, "evaluate": 3}
COMPARED = {"compare": 1, "tables": 1}


def table(folder: Path, name: str) -> str:
    return (folder / "results/smoke/tables" / name).read_text()


def files(folder: Path, pattern: str) -> dict[Path, bytes]:
    """Return the files of a run that match, by their path in it."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob(pattern))}


def test_nothing_is_left_to_do(grown_run):
    assert planned_jobs(grown_run, *GROWN_TARGETS) == {}


def test_cells_that_were_there_stay_and_the_new_ones_are_compared(grown_run, smoke_run):
    before = files(smoke_run, f"{CELLS}/*/bs*/*")
    assert len(before) >= 3 * 4
    assert before.items() <= files(grown_run, f"{CELLS}/*/bs*/*").items()
    rows = list(csv.DictReader(table(grown_run, "grid.csv").splitlines()))
    assert len([row for row in rows if row["confirming"] == "False"]) == (2 + 3 + 1) + (1 + 1 + 1)
    assert len([row for row in rows if row["confirming"] == "True"]) == 2 * 2 + 2
    assert "| bitfit-head " in table(grown_run, "table2.md")
    assert "| untrained " in table(grown_run, "ladder.md")


@pytest.mark.parametrize("mode", [f"{CELLS}/full", f"{CELLS}/bitfit", f"{UNTRAINED}/full"])
def test_what_is_tested_are_the_confirming_seeds_of_the_chosen_setting(grown_run, mode):
    best, test = (json.loads((grown_run / mode / name).read_text()) for name in ("best.json", "chosen/test.json"))
    evaluation = Evaluation.read(grown_run / mode / "chosen/test.json")
    assert (evaluation.status, test["chosen"]) == ("ok", best["chosen"])
    found = [Metrics.read(grown_run / mode / f"confirm/seed{seed}/metrics.json") for seed in (1, 2)]
    assert [(cell.seed, cell.fingerprint) for cell in evaluation.cells] == [(m.cell.seed, m.fingerprint) for m in found]
    setting = best["chosen"]["batch_size"], best["chosen"]["learning_rate"]
    assert [(*metrics.cell.setting, metrics.cell.seed) for metrics in found] == [(*setting, 1), (*setting, 2)]


def test_a_diverged_cell_is_a_result_and_is_never_chosen(grown_run):
    metrics = json.loads((grown_run / CELLS / "bitfit/bs16_lr1e30_seed0/metrics.json").read_text())
    assert metrics["status"] == "diverged"
    assert "last" not in metrics["validation"]
    best = json.loads((grown_run / CELLS / "bitfit" / "best.json").read_text())
    assert best["chosen"]["learning_rate"] in ("3e-4", "1e-3")
    assert best["diverged"] == 1
    assert f"Diverged: imdb, {MODEL}, bitfit: 1 of 3 cells." in table(grown_run, "table1.md")


@pytest.mark.parametrize("mode", [f"{CELLS}/bitfit-head", f"{UNTRAINED}/bitfit"])
def test_a_mode_whose_cells_all_diverged_is_shown_as_such_and_nothing_confirms_it(grown_run, mode):
    model, _, name = mode.split("/")[-3:]
    assert f"Diverged: imdb, {model}, {name}: 1 of 1 cell." in table(grown_run, "table1.md")
    for number in (1, 2, 3):
        shown = table(grown_run, f"table{number}.md").splitlines()
        [row] = [line for line in shown if f"| {model} " in line and f"| {name} " in line]
        assert "diverged" in row
    test = json.loads((grown_run / mode / "chosen" / "test.json").read_text())
    assert test["status"] == "diverged"
    assert "chosen" not in test
    for seed in (1, 2):
        nothing = NothingToConfirm.read(grown_run / mode / f"confirm/seed{seed}/metrics.json")
        assert (nothing.status, nothing.seed, nothing.plan.mode.name) == ("nothing chosen", seed, name)


def test_a_diverged_mode_is_exported_as_a_folder_that_says_so(grown_run):
    exported = grown_run / EXPORT
    assert {path.name for path in (exported / "bitfit-head").iterdir()} == {
        *("README.md", "provenance.json", ".snakemake_timestamp")
    }
    for mode in ("full", "bitfit"):
        assert "model.safetensors" in {path.name for path in (exported / mode).iterdir()}
    log = (grown_run / f"results/smoke/logs/export/{MODEL}/imdb/bitfit-head.log").read_text()
    assert log == f"nothing to export of {MODEL}, imdb, bitfit-head: every setting diverged\n"


def test_confirmations_are_kept_while_the_choice_is_and_made_anew_where_it_changes(grown_run, tmp_path):
    folder = shutil.copytree(grown_run, tmp_path / "run")
    chosen = json.loads((folder / CELLS / "full/best.json").read_text())["chosen"]["learning_rate"]
    others = [rate for rate in ("3e-4", "1e-3") if rate != chosen]
    before = files(folder, "results/smoke/cells/**/*.*")
    seed1 = Path(CELLS, "full/confirm/seed1")
    log = folder / f"results/smoke/logs/cells/{MODEL}/imdb/full/confirm/seed1/confirm.log"
    for rates, trained, said in (
        ([chosen, *others, "1e30"], {"finetune": 1}, "the result is there\n"),
        (others, {}, "epoch 1 of 1: validation accuracy "),
    ):
        edit_config(folder, lambda config, rates=rates: config["modes"].update(full={"learning_rates": rates}))
        done = snakemake(folder, seed1 / "metrics.json")
        assert counted_jobs(done) == {"plan": 1, **trained, "select": 1, "confirm": 1}
        assert log.read_text().startswith(said)
        now = files(folder, "results/smoke/cells/**/*.*")
        changed = {path.parent for path in before if now[path] != before[path]}
        assert changed == {Path(CELLS, "full")} | (set() if trained else {seed1})
    assert [Metrics.read(folder / seed1 / "metrics.json").cell.learning_rate] == others
    assert planned_jobs(folder, "tables") == {"confirm": 1, "evaluate": 1, **COMPARED}


@pytest.mark.parametrize(
    ("third", "targets", "more"),
    [
        ({}, ["tables"], {"prepare_training": 1, "prepare": 1, **COMPARED}),
        ({"tokenizer": MODEL}, ["tables"], COMPARED),
        ({"tokenizer": MODEL}, ["model_third", "mode_full"], {}),
    ],
)
def test_a_model_that_joins_runs_just_its_jobs(grown_run, tmp_path, third, targets, more):
    models = {**GROWN["models"], "third": {"source": "random", **third}}
    config = yaml.safe_load((grown_run / "config/smoke.yaml").read_text())
    (tmp_path / "third.yaml").write_text(yaml.safe_dump({**config, "models": models}))
    assert planned_jobs(grown_run, *targets, config=tmp_path / "third.yaml") == {**JOINED, **more}
