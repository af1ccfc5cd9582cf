"""The benchmarks run, on a grid that is too small to say anything."""

import json
import sys

import pytest
from conftest import REPOSITORY, run


def test_the_harness_trains_the_same_cells_in_all_ways(tmp_path):
    arguments = ("config/smoke.yaml", "--repeats", "1", "--output", tmp_path)
    done = run(sys.executable, "benchmarks/against_trainer.py", *arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    (workload,) = json.loads((tmp_path / "against_trainer.json").read_text())["workloads"]
    assert workload["cells"] == 4
    accuracies = [measured["runs"][0]["accuracy"] for measured in workload["contenders"].values()]
    assert len(accuracies) == 3
    assert all(accuracy.keys() == accuracies[0].keys() for accuracy in accuracies)
    # Two epochs over 64 reviews of at most 16 tokens in each of the four cells.
    assert 0 < workload["tokens"] <= 4 * 2 * 64 * 16
    table = (tmp_path / "against_trainer.md").read_text()
    assert table.count("config/smoke.yaml (4 cells)") == 3


def test_the_scale_is_measured_over_every_cell():
    done = run(sys.executable, "benchmarks/scale.py", "--seeds", "1", cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["cells"] == 100


@pytest.mark.parametrize(("way", "submissions"), [("jobs", 100), ("groups", 7)])
def test_a_grid_goes_through_the_slurm_profile_in_so_many_submissions(way, submissions, record_trials):
    done = run(sys.executable, "benchmarks/slurm_scale.py", "--seeds", "1", "--way", way, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    assert (counts["cells"], counts["submissions"]) == (100, submissions)
    assert counts["largest_submission_bytes"] < 128 * 1024  # what the kernel takes as one argument
    record_trials(f"100 cells by profiles/slurm, {way}: {submissions} submissions")
