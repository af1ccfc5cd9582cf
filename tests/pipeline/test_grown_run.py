"""A run that grows by learning rates and modes, some of which diverge: only the new is made, to the exported models."""

import json
from pathlib import Path

from conftest import planned_jobs

CELLS = "results/smoke/cells/imdb"


def result(folder: Path, cell: str) -> dict:
    return json.loads((folder / CELLS / cell / "metrics.json").read_text())


def table(folder: Path, name: str) -> str:
    return (folder / "results/smoke/tables" / name).read_text()


def test_nothing_is_left_to_do(grown_run):
    assert planned_jobs(grown_run, "tables", "export") == {}


def test_cells_that_were_there_stay_and_the_new_ones_are_compared(grown_run, smoke_run):
    for cell in ("full/bs16_lr3e-4_seed0", "bitfit/bs16_lr3e-4_seed0", "bitfit/bs16_lr1e-3_seed0"):
        path = Path(CELLS, cell, "metrics.json")
        assert (grown_run / path).read_bytes() == (smoke_run / path).read_bytes()
    assert result(grown_run, "bitfit/bs16_lr1e-2_seed0")["status"] == "ok"
    assert len(table(grown_run, "grid.csv").splitlines()) == 1 + 2 + 3 + 1
    assert "| bitfit-head " in table(grown_run, "table2.md")


def test_a_diverged_cell_is_a_result_and_is_never_chosen(grown_run):
    metrics = result(grown_run, "full/bs16_lr1e30_seed0")
    assert metrics["status"] == "diverged"
    assert "last" not in metrics["validation"]
    best = json.loads((grown_run / CELLS / "full" / "best.json").read_text())
    assert best["chosen"]["learning_rate"] == "3e-4"
    assert best["diverged"] == 1
    assert "Diverged: full: 1 of 2 cells." in table(grown_run, "table1.md")


def test_a_mode_whose_cells_all_diverged_is_shown_as_such(grown_run):
    assert "Diverged: bitfit-head: 1 of 1 cell." in table(grown_run, "table1.md")
    for number in (1, 2, 3):
        [row] = [
            line for line in table(grown_run, f"table{number}.md").splitlines() if line.startswith("| bitfit-head ")
        ]
        assert "diverged" in row
    test = json.loads((grown_run / CELLS / "bitfit-head" / "chosen" / "test.json").read_text())
    assert test["status"] == "diverged"
    assert "chosen" not in test


def test_a_diverged_mode_is_exported_as_a_folder_that_says_so(grown_run):
    exported = grown_run / "results/smoke/export/imdb"
    files = {path.name for path in (exported / "bitfit-head").iterdir()}
    assert files == {"README.md", "provenance.json", ".snakemake_timestamp"}
    for mode in ("full", "bitfit"):
        assert "model.safetensors" in {path.name for path in (exported / mode).iterdir()}
    log = (grown_run / "results/smoke/logs/export/imdb/bitfit-head.log").read_text()
    assert log == "nothing to export of imdb, bitfit-head: every setting diverged\n"
