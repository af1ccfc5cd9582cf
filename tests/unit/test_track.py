"""What TensorBoard and MLflow are given, read back with their own libraries."""

import sys

import pytest
import track
from comparisons import changed, comparison, confirmed, mode, task
from conftest import run

from finegrid.evaluation.comparison import Comparison
from finegrid.files import write_json
from finegrid.records import EpochScore
from finegrid.reporting import tracking
from finegrid.sealed import as_json

NOT_TESTED = "NOT TESTED: {} is not installed; pip install '.[track]'"
# Runs track.py twice, and writes down every address that it connects to.
WATCHED = """\
import socket, sys, runpy
connect = socket.socket.connect
def told(self, address):
    print("CONNECTED", address, flush=True)
    return connect(self, address)
socket.socket.connect = told
script = sys.argv.pop(1)
for _ in range(2):
    runpy.run_path(script, run_name="__main__")
"""


def made() -> Comparison:
    """Return one task with two metrics; of its modes one diverged."""
    scores = {"accuracy": 0.8, "accuracy (mismatched)": 0.7}
    history = tuple(EpochScore(epoch=epoch, score=0.8, scores=scores, loss=0.5) for epoch in (1, 2))
    one = task(modes=[mode("full", seeds=(0, 1)), mode("a_b", None, seeds=(0, 1))])
    return comparison([changed(one, "modes.0.cells.0.history", history)])


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """The folder that track.py wrote, run twice."""
    folder = tmp_path_factory.mktemp("what? 50%#")
    write_json(folder / "comparison.json", as_json(made()))
    done = run(sys.executable, "-c", WATCHED, track.__file__, "comparison.json", "--output", "tracking", cwd=folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert "CONNECTED" not in done.stdout
    assert {path.name for path in folder.iterdir()} == {"comparison.json", "tracking"}
    return folder / "tracking"


CELLS = [
    f"bert_tiny/imdb/{name}/bs16_lr{rate}_seed{seed}"
    for name in ("full", "a_b")
    for rate in ("3e-4", "1e-3")
    for seed in (0, 1)
]


def test_tensorboard_reads_the_curves_and_the_settings(tracked):
    pytest.importorskip("tensorboard", reason=NOT_TESTED.format("tensorboard"))
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.util.tensor_util import make_ndarray

    events = sorted((tracked / "tensorboard").rglob("events.out.tfevents.*"))
    assert {path.parent.relative_to(tracked / "tensorboard").as_posix() for path in events} == set(CELLS)
    assert len(events) == len(CELLS)

    cell = EventAccumulator(str(tracked / "tensorboard" / CELLS[0])).Reload()
    read = {name: [(event.step, event.value) for event in cell.Scalars(name)] for name in cell.Tags()["scalars"]}
    assert read.pop("validation/accuracy (mismatched)") == [(1, pytest.approx(0.7)), (2, pytest.approx(0.7))]
    assert read == {
        "train/loss": [(10, pytest.approx(0.7)), (20, 0.5)],
        "validation/accuracy": [(1, pytest.approx(0.8)), (2, pytest.approx(0.8))],
        "validation/loss": [(1, 0.5), (2, 0.5)],
        "test/accuracy": [(4, pytest.approx(0.88))],
    }
    content = cell.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    settings = HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["learning_rate"].number_value == 3e-4 and settings["batch_size"].number_value == 16
    assert settings["mode"].string_value == "full" and settings["model"].string_value == "bert_tiny"
    assert make_ndarray(cell.Tensors("fingerprint")[0].tensor_proto).item().decode() == "0" * 64
    assert make_ndarray(cell.Tensors("chosen")[0].tensor_proto).item() == b"true"

    diverged = EventAccumulator(str(tracked / "tensorboard" / CELLS[-1])).Reload()
    assert diverged.Tags()["scalars"] == ["train/loss"]  # up to where it is a number
    assert [event.step for event in diverged.Scalars("train/loss")] == [10]


def test_mlflow_reads_the_runs(tracked, monkeypatch):
    pytest.importorskip("mlflow", reason=NOT_TESTED.format("mlflow"))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tracked)  # a relative address, as the folder's name would need escaping
    from mlflow import MlflowClient

    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("golden")
    runs = {each.info.run_name: each for each in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(CELLS)
    first, last = runs[CELLS[0]], runs[CELLS[-1]]
    assert first.data.params == {
        **{"model": "bert_tiny", "task": "imdb", "mode": "full", "batch_size": "16", "learning_rate": "0.0003"},
        **{"seed": "0", "epochs": "4", "weight_decay": "0.0", "warmup": "0.0", "max_grad_norm": "1.0"},
    }
    assert first.data.tags.items() >= {"fingerprint": "0" * 64, "status": "ok", "chosen": "true"}.items()
    assert (first.info.status, last.info.status) == ("FINISHED", "FAILED")
    assert last.data.tags["status"] == "diverged" and set(last.data.metrics) == {"train/loss"}
    curves = {
        name: [(each.step, each.value) for each in client.get_metric_history(first.info.run_id, name)]
        for name in first.data.metrics
    }
    assert curves == {
        "train/loss": [(10, 0.7), (20, 0.5)],
        "validation/accuracy": [(1, 0.8), (2, 0.8)],
        "validation/accuracy mismatched": [(1, 0.7), (2, 0.7)],
        "validation/loss": [(1, 0.5), (2, 0.5)],
        "test/accuracy": [(4, 0.88)],
    }


def test_confirming_seeds_are_tracked_with_their_test_scores():
    made = task(modes=[confirmed(mode("full", seeds=(0,), rates=("3e-4",)), {10: 0.7, 11: 0.72})])
    cells = tracking.tracked_cells(comparison([made]))
    assert [cell.name for cell in cells] == [f"bert_tiny/imdb/full/bs16_lr3e-4_seed{seed}" for seed in (0, 10, 11)]
    assert [cell.curves.get("test/accuracy") for cell in cells] == [None, [(4, 0.7)], [(4, 0.72)]]


def test_a_long_curve_is_written_whole(tmp_path):
    pytest.importorskip("mlflow", reason=NOT_TESTED.format("mlflow"))
    points = [(step, 0.5) for step in range(2 * tracking.METRICS_AT_ONCE + 1)]
    cell = tracking.Tracked("a", {"seed": 0}, {"status": "ok"}, {"train/loss": points})
    tracking.write_mlflow([cell], tmp_path / "mlflow.db", "long", tmp_path / "artifacts")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    [found] = client.search_runs([client.get_experiment_by_name("long").experiment_id])
    assert len(client.get_metric_history(found.info.run_id, "train/loss")) == len(points)


def without(monkeypatch, *packages):
    """Act as if packages were not installed."""
    found = tracking.find_spec
    monkeypatch.setattr(tracking, "find_spec", lambda name: None if name in packages else found(name))


def test_what_is_not_installed_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard", reason=NOT_TESTED.format("tensorboard"))
    write_json(tmp_path / "comparison.json", as_json(made()))
    monkeypatch.setattr(sys, "argv", ["track.py", str(tmp_path / "comparison.json"), "--output", str(tmp_path / "out")])
    without(monkeypatch, "alembic")
    track.main()
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("mlflow is not installed, so nothing is written for it; pip install ")
    assert second.startswith("tensorboard --logdir ")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["tensorboard"]


def test_without_either_nothing_is_written(tmp_path, monkeypatch):
    write_json(tmp_path / "comparison.json", as_json(made()))
    monkeypatch.setattr(sys, "argv", ["track.py", str(tmp_path / "comparison.json"), "--output", str(tmp_path / "out")])
    without(monkeypatch, "tensorboard", "mlflow")
    with pytest.raises(track.InputError, match=r"^neither tensorboard nor mlflow is installed; pip install .*track"):
        track.main()
    assert not (tmp_path / "out").exists()
