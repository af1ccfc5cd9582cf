"""The benchmarks run, on a grid that is too small to say anything."""

import json
import sys

from conftest import REPOSITORY, run


def test_finegrid_and_trainer_train_the_same_cells(tmp_path):
    arguments = ("config/smoke.yaml", "--repeats", "1", "--output", tmp_path)
    done = run(sys.executable, "benchmarks/against_trainer.py", *arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    (workload,) = json.loads((tmp_path / "against_trainer.json").read_text())["workloads"]
    assert workload["cells"] == 4
    accuracies = [measured["runs"][0]["accuracy"] for measured in workload["contenders"].values()]
    assert len(accuracies) == 3
    assert all(accuracy.keys() == accuracies[0].keys() for accuracy in accuracies)
    # One epoch over 64 reviews of at most 16 tokens in each of the four cells.
    assert 0 < workload["tokens"] <= 4 * 64 * 16
    table = (tmp_path / "against_trainer.md").read_text()
    assert table.count("config/smoke.yaml (4 cells)") == 3


def test_the_graph_is_measured_over_every_cell():
    arguments = ("--cells", "200", "--run-cells", "100", "--repeats", "1")
    done = run(sys.executable, "benchmarks/graph.py", *arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(done.stdout)
    assert (measured["dry_run"]["cells"], measured["run"]["cells"]) == (200, 100)
    assert len(measured["second_run"]["all"]) == 1


def test_both_precisions_are_compared():
    arguments = ("--config", "config/smoke.yaml", "--seeds", "2")
    done = run(sys.executable, "benchmarks/precision.py", *arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout + done.stderr
    measured = json.loads(done.stdout)
    assert [len(measured[name]["accuracy"]) for name in ("float32", "bfloat16")] == [2, 2]
