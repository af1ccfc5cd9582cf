"""The grid on a cluster: profiles/slurm on a real SLURM of one node."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import CELLS, active, copy_pipeline, run, without_cost
from slurm_cluster import cluster, records, why_none

pytestmark = pytest.mark.skipif(why_none() is not None, reason=str(why_none()))

COMMAND = [
    *("snakemake", "--profile", "profiles/slurm", "--configfile", "config/smoke.yaml"),
    # Impatient, as the file system is local and the queue is empty.
    *("--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1"),
    # Without its data base SLURM has no sacct.
    *("--slurm-status-command", "squeue"),
]


@pytest.fixture(scope="module", autouse=True)
def slurm(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("slurm")):
        yield


def test_the_grid_runs_on_slurm_and_a_killed_job_is_tried_again(smoke_run, tmp_path):
    clone = copy_pipeline(tmp_path / "clone")
    before = len(records())
    with (clone / "out").open("w+") as out:
        process = subprocess.Popen(COMMAND, cwd=clone, env=active(), stdout=out, stderr=out, text=True)
        killed = None
        while killed is None and process.poll() is None:
            running = [job for job in records()[before:] if job["JobState"] == "RUNNING"]
            killed = running[0] if running else None
        assert killed, Path(out.name).read_text()
        assert run("scancel", killed["JobId"], cwd=clone).returncode == 0
        process.wait(timeout=300)
        told = Path(out.name).read_text()
    assert process.returncode == 0, told
    assert "Trying to restart job" in told

    jobs = records()[before:]
    states = [job["JobState"] for job in jobs]
    assert states.count("COMPLETED") == 4 + 2, states  # the cells, and the test of each mode's chosen one
    assert states.count("CANCELLED") == 1, states
    assert {job["Partition"] for job in jobs} == {"short"}
    # What was asked for, and more of it for the one that was tried again.
    asked = [(job["MinMemoryNode"].replace("3.91G", "4000M"), job["TimeLimit"]) for job in jobs]
    assert sorted(asked) == [("2000M", "01:00:00")] * (4 + 2) + [("4000M", "02:00:00")]

    cells = sorted(path.relative_to(smoke_run) for path in smoke_run.glob(f"{CELLS}/*/*/metrics.json"))
    assert len(cells) == 4
    for cell in cells:
        assert without_cost(clone / cell) == without_cost(smoke_run / cell)
    for table in (smoke_run / "results/smoke/tables").glob("table[12].md"):
        assert (clone / table.relative_to(smoke_run)).read_text() == table.read_text()


def test_cells_share_a_job_and_its_gpu(tmp_path):
    clone = copy_pipeline(tmp_path / "clone")
    before = len(records())
    grouped = [
        *("--groups", "finetune=cells", "--group-components", "cells=3"),
        *("--set-resource-scopes", "cells_at_once=local", "--resources", "cells_at_once=2"),
        *("--set-resources", "finetune:slurm_partition=gpu", "finetune:gres=gpu:1"),
        *("--config", "confirm={seeds: [1]}"),
    ]
    done = run(*COMMAND, *grouped, cwd=clone)  # the default target
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = records()[before:]
    of_cells = [job for job in jobs if job["Partition"] == "gpu"]
    assert sorted(job["NumCPUs"] for job in of_cells) == ["1", "2"]  # 1 cell, and 3 of which 2 run at once
    assert all(re.search(r"gpu[:=]1", job["TresPerNode"]) for job in of_cells)
    assert len(jobs) - len(of_cells) == 2 + 2  # the confirming seed and the test of each mode's chosen setting
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert len(list(clone.glob(f"{CELLS}/*/*/metrics.json"))) == 4
    assert len(list(clone.glob(f"{CELLS}/*/confirm/seed1/metrics.json"))) == 2
    assert (clone / "results/smoke/report.html").exists()


@pytest.mark.parametrize("arrays", ["evaluate,finetune", "confirm", "all"])
def test_arrays_of_cells_are_refused(tmp_path, arrays):
    clone = copy_pipeline(tmp_path / "clone")
    before = len(records())
    done = run(*COMMAND, "--slurm-array-jobs", arrays, cwd=clone)
    assert done.returncode != 0
    assert f"slurm-array-jobs: {arrays!r} includes cells" in done.stdout + done.stderr
    assert len(records()) == before
