"""Results written by hand: typed objects, and the files of a whole run."""

from pathlib import Path

import numpy as np
from comparisons import plan, split

from finegrid.config.cell import Cell, Plan
from finegrid.config.definition import Mode
from finegrid.evaluation.metrics import score_all
from finegrid.evaluation.predictions import save_predictions
from finegrid.evaluation.results import chosen_cells
from finegrid.evaluation.selection import all_ok, select
from finegrid.files import write_json
from finegrid.records import (
    Cost,
    DataSource,
    DataStats,
    Environment,
    EpochScore,
    EvaluatedCell,
    Evaluation,
    EvaluationData,
    Metrics,
    ParameterCounts,
    Splits,
    Start,
    TrainingData,
    Validation,
)
from finegrid.sealed import as_json

PLAN = plan("full", batch_sizes=(8, 1024), learning_rates=("3e-4", "1e-4"), seeds=(0, 1))
LABELS = np.arange(8) % 2
NO_ROWS = split(0, "none").model_copy(update={"parts": {}})
SPLITS = Splits(
    train=split(20_000, "official training split"),
    validation=split(len(LABELS), "20% held out of it"),
    test=split(len(LABELS), "official test split"),
    hidden=NO_ROWS,
)


def metrics_of(
    cell: Cell,
    score: float | None,
    loss: float = 0.5,
    scores: dict[str, float] | None = None,
    seconds: float = 12.5,
    **fields,
) -> Metrics:
    """Return the result of a cell with the validation score after its last epoch; a score of None: it diverged."""
    metric = cell.task.metrics[0]
    last = score if score is None else EpochScore(epoch=4, score=score, scores=scores or {metric: score}, loss=loss)
    made = {
        "cell": cell,
        "fingerprint": f"{cell.seed:064}",
        "status": "diverged" if last is None else "ok",
        "trainable": ParameterCounts(encoder=4_385_920, head=258, total=4_386_178),
        "total": 4_386_178,
        "trained_bytes": 17_544_712,
        "validation": Validation(metric=metric, last=last, best=last, history=(last,) if last else ()),
        "train_loss": ((10, 0.7), (20, 0.5 if last else None)),
        "start": Start(encoder="1" * 64, head="2" * 64),
        "data": TrainingData(train=SPLITS.train, validation=SPLITS.validation),
        "environment": Environment(
            python="3.11", machine="m", device="cpu", threads=1, dtype="bfloat16", batches="unpadded", torch="2.13.0"
        ),
        "cost": Cost(
            startup_seconds=2.5,
            training_seconds=seconds - 2.5,
            total_seconds=seconds,
            tokens=1000,
            tokens_per_second=100.0,
            peak_memory_bytes=2**29,
        ),
    }
    return Metrics(**{**made, **fields})


def any_cell(metric: str = "accuracy", seed: int = 0) -> Cell:
    """Return a cell of a task that this metric scores."""
    regression = metric == "mean_squared_error"
    task = plan("full").task.model_dump() | {"metrics": [metric], "regression": regression}
    made = plan("full").model_dump() | {"task": task | {"classes": None if regression else ["neg", "pos"]}}
    return Plan.model_validate(made).cell(16, "3e-4", seed)


def logits_of(wrong: int, labels=LABELS) -> np.ndarray:
    """Return logits [rows, 2] whose first predictions are wrong: as many as given."""
    right = np.eye(2, dtype=np.float32)[labels]
    return np.where(np.arange(len(labels))[:, None] < wrong, 1 - right, right)


def write_cell(run_folder: Path, metrics: Metrics, folder: Path | None = None) -> Path:
    """Write the files of a cell, with predictions that have its score; return the path of its metrics.json."""
    folder = folder or metrics.cell.folder(run_folder)
    folder.mkdir(parents=True)
    save_predictions(folder / "validation.safetensors", logits_of(wrong_rows(metrics)), LABELS)
    (folder / "trained.safetensors").write_text("none")
    metrics.write(folder / "metrics.json", "trained.safetensors", "validation.safetensors")
    return folder / "metrics.json"


def wrong_rows(metrics: Metrics) -> int:
    """Return how many of the rows a cell has wrong, by its validation score."""
    return 0 if metrics.validation.last is None else round((1 - metrics.validation.last.score) * len(LABELS))


def write_mode(run_folder: Path, made: Plan, cells: list[Metrics], hidden=NO_ROWS, confirmations=()) -> None:
    """Write the files of a mode; its seeds have one more row of the test split wrong than of validation."""
    for metrics in cells:
        write_cell(run_folder, metrics)
    for metrics in confirmations:
        write_cell(run_folder, metrics, made.tested_folder(metrics.cell, run_folder))
    write_json(made.folder(run_folder) / "plan.json", as_json(made))
    best = select(made, cells)
    best.write(made.folder(run_folder) / "best.json")
    tested = list(confirmations) or chosen_cells(best, cells)
    scored = tested if all_ok(tested) else []
    validation = [logits_of(wrong_rows(metrics)) for metrics in scored]
    test = [logits_of(wrong_rows(metrics) + 1) for metrics in scored]
    # Every prediction for hidden labels is the class of the seed's number.
    by_seed = [logits_of(0, np.full(hidden.rows, metrics.cell.seed % 2)) for metrics in scored]
    folder = made.chosen_folder(run_folder)
    folder.mkdir()
    names = []
    for name, logits in (("validation", validation), ("test", test), ("hidden", by_seed)):
        rows = hidden.rows if name == "hidden" else len(LABELS)
        stacked = np.stack(logits) if logits else np.empty((0, 0, 2), np.float32)
        save_predictions(folder / f"{name}.safetensors", stacked, LABELS[:rows] if logits else LABELS[:0])
        names.append(f"{name}.safetensors")
    cells_of_test = [
        EvaluatedCell(
            seed=metrics.cell.seed,
            fingerprint=metrics.fingerprint,
            scores=score_all(made.task, test[index], LABELS, SPLITS.test.parts) if scored else None,
            loss=0.5 if scored else None,
        )
        for index, metrics in enumerate(tested)
    ]
    evaluation = Evaluation(
        plan=made,
        status="ok" if scored else "diverged",
        chosen=best.chosen,
        cells=cells_of_test,
        data=EvaluationData(test=SPLITS.test, hidden=hidden) if scored else None,
    )
    evaluation.write(folder / "test.json", *names)


def make_run(folder: Path, hidden=NO_ROWS, confirming: dict[int, int | None] | None = None, plan: Plan = PLAN) -> Path:
    """Write a run with two modes of a model on a task, full and a_b, of which the second diverged at every setting.

    Of the first, batch size 1024 with learning rate 3e-4 is the best setting, and its seed 1 the best. `confirming` are
    how many rows each confirming seed of it has right, or None if it diverged.
    """
    made = plan.model_copy(update={"confirming_seeds": tuple(confirming or ())})
    diverged = made.model_copy(update={"mode": Mode(name="a_b", train=["head"])})
    right = {(8, "3e-4"): 5, (8, "1e-4"): 4, (1024, "3e-4"): 6, (1024, "1e-4"): 5}
    cells = [metrics_of(cell, (right[cell.setting] + cell.seed) / 8) for cell in made.cells()]
    confirmations = [
        metrics_of(made.cell(1024, "3e-4", seed), None if rows is None else rows / 8)
        for seed, rows in (confirming or {}).items()
    ]
    write_mode(folder, made, cells, hidden, confirmations)
    write_mode(folder, diverged, [metrics_of(cell, None) for cell in diverged.cells()], hidden)
    data = DataStats(
        task=plan.task,
        source=DataSource(),
        splits=SPLITS.model_copy(update={"hidden": hidden}),
        duplicates={"train": 0},
    )
    write_json(folder / "data" / plan.model.name / plan.task.name / "stats.json", as_json(data))
    shape = {"num_hidden_layers": 2, "hidden_size": 128}
    write_json(folder / "base_model" / plan.model.name / "config.json", shape)
    return folder
