"""Where nodes share no file system, results travel through Snakemake's storage plugins."""

import shutil

import pytest
from conftest import CELLS, copy_pipeline, planned_jobs, snakemake, without_cost


@pytest.mark.skipif(not shutil.which("rsync"), reason="rsync, by which the plugin copies, is not installed")
def test_a_run_whose_files_travel_is_the_same_run(smoke_run, tmp_path):
    clone = copy_pipeline(tmp_path / "clone")
    storage = tmp_path / "storage"
    storage.mkdir()
    arguments = ("--default-storage-provider", "fs", "--default-storage-prefix", storage)
    arguments += ("--config", "confirm={seeds: [1]}")
    done = snakemake(clone, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = [path.relative_to(smoke_run) for path in smoke_run.glob(f"{CELLS}/*/*/metrics.json")]
    assert len(cells) == 4
    for cell in cells:
        assert without_cost(storage / cell) == without_cost(smoke_run / cell)
    assert len(list(storage.glob(f"{CELLS}/*/confirm/seed1/metrics.json"))) == 2
    assert (storage / "results/smoke/report.html").exists()
    assert planned_jobs(clone, *arguments) == {}
