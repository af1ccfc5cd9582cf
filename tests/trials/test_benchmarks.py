"""The benchmarks run, on a grid that is too small to say anything."""

import json
import subprocess
import sys

import yaml
from conftest import REPOSITORY, run
from measurements import Machine, Measurements
from trainer_accuracies import AllTrained, table

from finegrid.evaluation.comparison import Comparison
from finegrid.files import write_json
from finegrid.sealed import as_json, read_record


def against_trainer(*arguments) -> subprocess.CompletedProcess:
    return run(sys.executable, "benchmarks/against_trainer.py", *arguments, cwd=REPOSITORY)


def test_finegrid_and_trainer_train_the_same_cells_and_continue(tmp_path):
    arguments = ("config/smoke.yaml", "--output", tmp_path, "--repeats")
    results = tmp_path / "against_trainer.json"
    for repeats in (1, 2, 2):
        before = results.read_bytes() if results.exists() else b""
        done = against_trainer(*arguments, repeats)
        assert done.returncode == 0, done.stdout + done.stderr
    assert results.read_bytes() == before  # there was nothing left to measure
    (workload,) = read_record(Measurements, results).workloads
    assert (workload.work.cells, len(workload.turns)) == (4, 2)
    # One epoch over 64 reviews of at most 16 tokens in each of the four cells.
    assert 0 < workload.work.tokens <= 4 * 64 * 16
    # finegrid computes the same each time.
    first, second = workload.runs("finegrid")
    assert first.accuracy == second.accuracy
    assert "config/smoke.yaml (4 cells)" in (tmp_path / "against_trainer.md").read_text()


def test_measurements_of_another_machine_are_not_continued(tmp_path):
    results = tmp_path / "against_trainer.json"
    machine = Machine(processor="another", cores=1, dtype="float32", torch="1", transformers="1")
    write_json(results, as_json(Measurements(machine=machine)))
    done = against_trainer("config/smoke.yaml", "--output", tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {results}: measured with ")
    assert done.stderr.count("\n") == 1


def test_a_contender_that_fails_fails_the_benchmark(tmp_path):
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    config["modes"] = {"full": {"train": ["no such parameter"]}}
    (tmp_path / "failing.yaml").write_text(yaml.safe_dump(config))
    done = against_trainer(tmp_path / "failing.yaml", "--output", tmp_path)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == f"error: {tmp_path}/failing.yaml: finegrid failed with exit status 1"


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


def test_a_chosen_setting_is_trained_by_trainer_and_once(smoke_run, tmp_path):
    results, output = smoke_run / "results" / "smoke", tmp_path / "by_trainer.json"
    arguments = ("--comparison", results / "comparison.json", "--run", results, "--output", output)
    for _ in range(2):
        before = output.read_bytes() if output.exists() else b""
        done = run(sys.executable, "benchmarks/reference_by_trainer.py", *arguments, cwd=REPOSITORY)
        assert done.returncode == 0, done.stdout + done.stderr
    assert output.read_bytes() == before  # there was nothing left to train
    by_trainer = read_record(AllTrained, output)
    assert table(by_trainer) in done.stdout
    (trained,) = by_trainer.settings
    (task,) = read_record(Comparison, results / "comparison.json").tasks
    chosen = next(mode.chosen for mode in task.modes if mode.name == "full")
    assert (trained.cell.batch_size, trained.cell.learning_rate) == (chosen.batch_size, chosen.learning_rate)
    # The one seed's accuracy is their mean.
    assert trained.finegrid == trained.seeds.mean == chosen.test["accuracy"].mean
    assert 0 <= trained.trainer <= 1
