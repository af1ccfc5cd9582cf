"""The cells of a run for trackers of experiments: event files for TensorBoard, a local database for MLflow.

Both are optional packages (the extra `track`), so each is imported by the function that writes for it.
"""

import logging
import os
import re
import time
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from finegrid.evaluation.comparison import CellScore, Comparison, ModeComparison, TaskComparison

# What has to be installed for each tracker.
PACKAGES = {"tensorboard": ("tensorboard",), "mlflow": ("mlflow", "alembic", "sqlalchemy")}
METRICS_AT_ONCE = 1000  # MLflow takes no more in one call


class Tracked(NamedTuple):
    """A cell as trackers know it."""

    name: str  # task/mode/setting
    settings: dict[str, str | int | float]
    tags: dict[str, str]
    curves: dict[str, list[tuple[int, float]]]  # of each scalar: (epoch or, of train/loss, optimiser step, value)


def installed() -> list[str]:
    """Name the trackers whose packages are installed, without importing them."""
    return [tracker for tracker, packages in PACKAGES.items() if all(map(find_spec, packages))]


def tracked_cells(comparison: Comparison) -> list[Tracked]:
    """Return every cell of a run with its settings and curves."""
    return [
        tracked(task, mode, cell) for task, mode in comparison.rows() for cell in (*mode.cells, *mode.confirmations)
    ]


def tracked(task: TaskComparison, mode: ModeComparison, cell: CellScore) -> Tracked:
    """Return one cell."""
    curves = {"train/loss": [(step, loss) for step, loss in cell.train_loss if loss is not None]}
    for epoch in cell.history:
        for name, value in {**epoch.scores, "loss": epoch.loss}.items():
            curves.setdefault(f"validation/{name}", []).append((epoch.epoch, value))
    if cell.test is not None:
        curves[f"test/{task.metric}"] = [(mode.plan.training.epochs, cell.test)]
    identity = mode.plan.cell(cell.batch_size, cell.learning_rate, cell.seed)
    return Tracked(
        name=identity.folder("").relative_to("cells").as_posix(),
        settings={
            **identity.wildcards,
            "learning_rate": float(cell.learning_rate),
            **dict(identity.training),
        },
        tags={"fingerprint": cell.fingerprint, "status": cell.status, "chosen": str(cell.chosen).lower()},
        curves={name: points for name, points in curves.items() if points},
    )


def write_tensorboard(cells: list[Tracked], folder: Path) -> None:
    """Write a folder of event files for each cell: its scalars, its hyper-parameters and, as texts, its tags."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    now = time.time()
    for cell in cells:
        writer = EventFileWriter(str(folder / cell.name))
        texts = [text_pb(name, text) for name, text in cell.tags.items()]
        for summary in (hparams_pb(cell.settings, trial_id=cell.name, start_time_secs=now), *texts):
            writer.add_event(Event(wall_time=now, summary=summary))
        for name, points in cell.curves.items():
            for step, value in points:
                scalar = Summary(value=[Summary.Value(tag=name, simple_value=value)])
                writer.add_event(Event(wall_time=now, step=step, summary=scalar))
        writer.close()


def write_mlflow(cells: list[Tracked], database: Path, experiment: str, artifacts: Path) -> None:
    """Write an experiment with a run for each cell: parameters, metrics by epoch or step, and tags.

    `artifacts` is where MLflow would keep files of the runs; none are written.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read at import: finegrid contacts nobody
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Param, RunTag

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # how it makes its tables is of no interest
    client, now = MlflowClient(f"sqlite:///{database}"), int(1000 * time.time())
    number = client.create_experiment(experiment, artifact_location=artifacts.resolve().as_uri())
    for cell in cells:
        run = client.create_run(number, start_time=now, run_name=cell.name).info.run_id
        metrics = [
            Metric(mlflow_name(name), value, now, step)
            for name, points in cell.curves.items()
            for step, value in points
        ]
        params = [Param(name, str(value)) for name, value in cell.settings.items()]
        client.log_batch(run, params=params, tags=[RunTag(name, text) for name, text in cell.tags.items()])
        for start in range(0, len(metrics), METRICS_AT_ONCE):
            client.log_batch(run, metrics=metrics[start : start + METRICS_AT_ONCE])
        client.set_terminated(run, "FINISHED" if cell.tags["status"] == "ok" else "FAILED", end_time=now)


def mlflow_name(name: str) -> str:
    """Return a metric's name without characters that MLflow refuses: `accuracy (mismatched)` has parentheses."""
    return re.sub(r"[^\w.:/ -]", "", name)
