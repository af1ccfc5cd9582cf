"""A run that grows by learning rates and modes, some of which diverge: only the new is made, to the exported models."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import edit_config, planned_jobs, snakemake

CELLS = "results/smoke/cells/imdb"
MODES = {
    "full": {"learning_rates": ["3e-4", "1e30"]},
    "bitfit": {"learning_rates": ["3e-4", "1e-3", "1e-2"]},
    "linear-probe": {},
    "bitfit-head": {"learning_rates": ["1e30"]},
}


@pytest.fixture(scope="module")
def grown(smoke_run, tmp_path_factory) -> Path:
    """A copy of the smoke run, grown by these modes and exported. Not to be changed."""
    folder = shutil.copytree(smoke_run, tmp_path_factory.mktemp("grown") / "run")
    edit_config(folder, lambda config: config.update(modes=MODES))
    done = snakemake(folder, "all", "export")
    assert done.returncode == 0, done.stderr
    assert planned_jobs(folder, "all", "export") == {}
    return folder


def result(folder: Path, cell: str) -> dict:
    return json.loads((folder / CELLS / cell / "metrics.json").read_text())


def table(folder: Path, name: str) -> str:
    return (folder / "results/smoke/tables" / name).read_text()


def test_cells_that_were_there_stay_and_the_new_ones_are_compared(grown, smoke_run):
    for cell in ("full/bs16_lr3e-4_seed0", "bitfit/bs16_lr3e-4_seed0", "bitfit/bs16_lr1e-3_seed0"):
        path = Path(CELLS, cell, "metrics.json")
        assert (grown / path).read_bytes() == (smoke_run / path).read_bytes()
    assert result(grown, "bitfit/bs16_lr1e-2_seed0")["status"] == "ok"
    assert len(table(grown, "grid.csv").splitlines()) == 1 + 2 + 3 + 2 + 1
    assert "| linear-probe" in table(grown, "table2.md")


def test_a_diverged_cell_is_a_result_and_is_never_chosen(grown):
    metrics = result(grown, "full/bs16_lr1e30_seed0")
    assert metrics["status"] == "diverged"
    assert "last" not in metrics["validation"]
    best = json.loads((grown / CELLS / "full" / "best.json").read_text())
    assert best["chosen"]["learning_rate"] == "3e-4"
    assert best["diverged"] == 1
    assert "Diverged: full: 1 of 2 cells." in table(grown, "table1.md")


def test_a_mode_whose_cells_all_diverged_is_shown_as_such(grown):
    assert "Diverged: bitfit-head: 1 of 1 cell." in table(grown, "table1.md")
    for number in (1, 2, 3):
        [row] = [line for line in table(grown, f"table{number}.md").splitlines() if line.startswith("| bitfit-head ")]
        assert "diverged" in row
    test = json.loads((grown / CELLS / "bitfit-head" / "chosen" / "test.json").read_text())
    assert test["status"] == "diverged"
    assert "chosen" not in test


def test_a_diverged_mode_is_exported_as_a_folder_that_says_so(grown):
    exported = grown / "results/smoke/export/imdb"
    files = {path.name for path in (exported / "bitfit-head").iterdir()}
    assert files == {"README.md", "provenance.json", ".snakemake_timestamp"}
    for mode in ("full", "bitfit", "linear-probe"):
        assert "model.safetensors" in {path.name for path in (exported / mode).iterdir()}
    log = (grown / "results/smoke/logs/export/imdb/bitfit-head.log").read_text()
    assert log == "nothing to export of imdb, bitfit-head: every setting diverged\n"
