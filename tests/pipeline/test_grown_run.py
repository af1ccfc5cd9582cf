"""A run that grows by modes, learning rates and a model, some of which diverge, and by seeds that confirm.

Only the new is made, to the exported models.
"""

import csv
import json
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import CELLS, EXPORT, GROWN, MODEL, edit_config, planned_jobs, snakemake

from finegrid.records import Evaluation, Metrics, NothingToConfirm

UNTRAINED = CELLS.replace(MODEL, "untrained")
# A model that joins: two rates of full, three of bitfit, one of bitfit-head.
JOINED = {"base_model": 1, "plan": 3, "finetune": 6, "select": 3, "confirm": 6, "evaluate": 3}
OWN_TOKENIZER = {"prepare_training": 1, "prepare": 1}
COMPARED = {"compare": 1, "tables": 1}


def table(folder: Path, name: str) -> str:
    return (folder / "results/smoke/tables" / name).read_text()


def files(folder: Path, pattern: str) -> dict[Path, bytes]:
    """Return the files of a run that match, by their path in it."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob(pattern))}


def test_nothing_is_left_to_do(grown_run):
    assert planned_jobs(grown_run, "tables", "export") == {}


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
    target, again = f"{CELLS}/full/confirm/seed1/metrics.json", {"plan": 1, "select": 1, "confirm": 2, "evaluate": 1}
    kept = files(folder, f"{CELLS}/*/confirm/*/*") | files(folder, f"{CELLS}/*/bs*/*")
    for rates, trained, log in (
        (["3e-4", "1e-3", "1e30"], {"finetune": 1}, "the result is there\n"),
        ([rate for rate in ("3e-4", "1e-3") if rate != chosen], {}, "epoch 1 of 1: validation accuracy "),
    ):
        edit_config(folder, lambda config, rates=rates: config["modes"].update(full={"learning_rates": rates}))
        assert planned_jobs(folder, f"{CELLS}/full/chosen/test.json") == {**again, **trained}
        done = snakemake(folder, target)
        assert done.returncode == 0, done.stderr
        told = (folder / f"results/smoke/logs/cells/{MODEL}/imdb/full/confirm/seed1/confirm.log").read_text()
        assert told.startswith(log)
        now = files(folder, f"{CELLS}/*/confirm/*/*") | files(folder, f"{CELLS}/*/bs*/*")
        changed = {path.parent for path in kept if now[path] != kept[path]}
        assert changed == (set() if trained else {Path(target).parent})
    assert Metrics.read(folder / target).cell.learning_rate == rates[0] != chosen


@pytest.mark.parametrize(
    ("targets", "planned"),
    [
        (["tables"], {**JOINED, **COMPARED}),
        (["model_third"], JOINED),
        (["model_third", "mode_full"], JOINED),
        (
            [f"{CELLS.replace(MODEL, 'third')}/bitfit/chosen/test.json"],
            {**dict.fromkeys(JOINED, 1), "finetune": 3, "confirm": 2},
        ),
        ([f"model_{MODEL}", "model_untrained"], {}),
    ],
)
@pytest.mark.parametrize("own_tokenizer", [True, False])
def test_a_model_that_joins_runs_just_its_jobs(grown_run, tmp_path, targets, planned, own_tokenizer):
    config = yaml.safe_load((grown_run / "config/smoke.yaml").read_text())
    third = {"source": "random", **({} if own_tokenizer else {"tokenizer": MODEL})}
    path = tmp_path / "third.yaml"
    path.write_text(yaml.safe_dump({**config, "models": {**GROWN["models"], "third": third}}))
    of_its_data = OWN_TOKENIZER if own_tokenizer and planned else {}
    assert planned_jobs(grown_run, *targets, config=path) == {**planned, **of_its_data}
