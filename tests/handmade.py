"""The JSON files of a run, written by hand."""

from pathlib import Path

from finegrid.config import cell as grid
from finegrid.files import write_json
from finegrid.seal import seal

TASK = {"classes": ["neg", "pos"], "metrics": ["accuracy"]}


def make_run(folder: Path) -> Path:
    """Write the JSON files of a run with two modes, full and a_b, of which the second diverged everywhere."""
    for mode, trainable, ok in (
        ("full", {"encoder": 4_385_920, "head": 258}, True),
        ("a_b", {"encoder": 0, "head": 2}, False),
    ):
        plan = {
            "run": "golden",
            "task": "imdb",
            "mode": mode,
            "model": "bert_tiny",
            "batch_sizes": [8, 1024],
            "learning_rates": ["3e-4", "1e-4"] if ok else ["3e-4"],
            "seeds": [0, 1],
            "config": {
                "model": {"name": "bert_tiny", "source": "embedded"},
                "task": {"name": "imdb", "source": "embedded", "max_length": 128, **TASK},
                "train": [".*"],
                "epochs": 2,
            },
        }
        cells = grid.cells(plan)
        for cell in cells:
            score = 0.8 + cell["seed"] / 8 + (cell["batch_size"] == 1024) / 16 - (cell["learning_rate"] == "1e-4") / 32
            epoch = {"epoch": 2, "score": score, "scores": {"accuracy": score}, "loss": 0.5}
            place = grid.cell_folder(folder, cell)
            place.mkdir(parents=True)
            for name in ("trained", "validation"):
                (place / f"{name}.safetensors").write_text("none")
            result = metrics(cell, plan, trainable, ok, epoch)
            write_json(place / "metrics.json", seal(result, place, "trained.safetensors", "validation.safetensors"))
            test = {"cell": cell, "fingerprint": "0" * 64, "score": score - 0.1, "scores": {"accuracy": score - 0.1}}
            write_json(place / "test.json", seal(test, place))
        chosen = {
            "batch_size": 1024,
            "learning_rate": "3e-4",
            "validation": 0.925,
            "cells": [cell for cell in cells if (cell["batch_size"], cell["learning_rate"]) == (1024, "3e-4")],
            "edges": [],
        }
        best = {"plan": plan, "tried": len(cells) // 2, "diverged": 0 if ok else 2, "chosen": chosen if ok else None}
        write_json(folder / "cells" / "imdb" / mode / "best.json", seal(best, folder))
    return folder


def metrics(cell, plan, trainable, ok, epoch) -> dict:
    return {
        "cell": cell,
        "config": plan["config"],
        "fingerprint": "0" * 64,
        "status": "ok" if ok else "diverged",
        "trainable": {**trainable, "total": sum(trainable.values())},
        "total": 4_386_178,
        "validation": {
            "metric": "accuracy",
            "last": epoch if ok else None,
            "best": epoch if ok else None,
            "history": [epoch] if ok else [],
        },
        "train": {"loss": [[10, 0.7], [20, 0.5 if ok else None]]},
        "start": {"encoder": "1" * 64, "head": "2" * 64},
        "data": {"train": {"rows": 20_000, "sha256": "3" * 64}, "validation": {"rows": 5_000, "sha256": "4" * 64}},
        "environment": {"torch": "2.13.0"},
        "cost": {
            "startup_seconds": 2.5,
            "training_seconds": 10.0,
            "total_seconds": 12.5,
            "tokens": 1000,
            "tokens_per_second": 100.0,
            "peak_memory_bytes": 2**29,
        },
    }
