"""A run that grows by learning rates and modes, some of which diverge: only the new is made, to the exported models."""

import json
from pathlib import Path

from conftest import planned_jobs

CELLS = "results/smoke/cells/imdb"


def table(folder: Path, name: str) -> str:
    return (folder / "results/smoke/tables" / name).read_text()


def test_nothing_is_left_to_do(grown_run):
    assert planned_jobs(grown_run, "tables", "export") == {}


def test_cells_that_were_there_stay_and_the_new_ones_are_compared(grown_run, smoke_run):
    for path in smoke_run.glob(f"{CELLS}/*/*/metrics.json"):
        assert (grown_run / path.relative_to(smoke_run)).read_bytes() == path.read_bytes()
    assert len(table(grown_run, "grid.csv").splitlines()) == 1 + 2 + 3 + 1
    assert "| bitfit-head " in table(grown_run, "table2.md")


def test_a_diverged_cell_is_a_result_and_is_never_chosen(grown_run):
    metrics = json.loads((grown_run / CELLS / "bitfit/bs16_lr1e30_seed0/metrics.json").read_text())
    assert metrics["status"] == "diverged"
    assert "last" not in metrics["validation"]
    best = json.loads((grown_run / CELLS / "bitfit" / "best.json").read_text())
    assert best["chosen"]["learning_rate"] in ("3e-4", "1e-3")
    assert best["diverged"] == 1
    assert "Diverged: bitfit: 1 of 3 cells." in table(grown_run, "table1.md")


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
