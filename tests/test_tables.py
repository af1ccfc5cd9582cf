"""Tables against golden files, from results written by hand."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import tables
from conftest import run

from finegrid import grid
from finegrid.errors import InputError
from finegrid.files import write_json

GOLDEN = Path(__file__).parent / "golden"
TASK = {"classes": ["neg", "pos"], "metrics": ["accuracy"]}


def make_run(folder: Path) -> Path:
    """Write the JSON files of a run with two modes, of which one diverged everywhere."""
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
            write_json(grid.cell_folder(folder, cell) / "metrics.json", metrics(cell, plan, trainable, ok, epoch))
            write_json(
                grid.cell_folder(folder, cell) / "test.json",
                {
                    **{"cell": cell, "fingerprint": "0" * 64},
                    **{"score": score - 0.1, "scores": {"accuracy": score - 0.1}},
                },
            )
        chosen = {
            "batch_size": 1024,
            "learning_rate": "3e-4",
            "validation": 0.925,
            "cells": [cell for cell in cells if (cell["batch_size"], cell["learning_rate"]) == (1024, "3e-4")],
            "edges": [
                {"message": "learning rate 3e-4 is the largest tried"},
                {"message": "batch size 1024 is the largest tried"},
            ],
        }
        best = {"plan": plan, "tried": len(cells) // 2, "diverged": 0 if ok else 2, "chosen": chosen if ok else None}
        write_json(folder / "cells" / "imdb" / mode / "best.json", best)
    splits = {
        "train": {"rows": 20_000, "origin": "official training split", "truncated_rows": 500, "empty_texts": 0},
        "validation": {"rows": 5_000, "origin": "20% held out of it", "truncated_rows": 0, "empty_texts": 2},
        "test": {"rows": 25_000, "origin": "official test split", "truncated_rows": 0, "empty_texts": 0},
        "hidden": {"rows": 0, "origin": "none", "truncated_rows": 0, "empty_texts": 0},
    }
    for name, split in splits.items():
        split |= {"parts": {name: split["rows"]}, "truncated_share": split["truncated_rows"] / (split["rows"] or 1)}
    duplicates = {"train": 7, "validation": 0, "train and test": 123, "train and validation": 0}
    stats = {"task": {"max_length": 128}, "source": {}, "splits": splits, "duplicates": duplicates}
    write_json(folder / "data" / "imdb" / "stats.json", stats)
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


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = make_run(tmp_path_factory.mktemp("golden"))
    script = Path(tables.__file__)
    done = run(
        "python", script, folder, "--tasks", "imdb", "--modes", "full", "a_b", "--output", folder / "tables", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return folder / "tables"


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.iterdir()))
def test_tables_are_the_golden_files(written, name):
    assert (written / name).read_text() == (GOLDEN / name).read_text()


def test_there_is_a_golden_file_for_each_table(written):
    assert sorted(path.name for path in written.iterdir()) == sorted(path.name for path in GOLDEN.iterdir())


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LOUD: pdflatex is not installed, no .tex is compiled")
@pytest.mark.parametrize("name", ["table1.tex", "table2.tex", "table3.tex"])
def test_latex_compiles(written, name, tmp_path):
    document = "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n%s\\end{document}\n"
    (tmp_path / "document.tex").write_text(document % (written / name).read_text())
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


def test_a_test_result_of_an_earlier_training_is_refused(tmp_path):
    folder = make_run(tmp_path)
    cell = json.loads((folder / "cells/imdb/full/best.json").read_text())["chosen"]["cells"][0]
    path = grid.cell_folder(folder, cell) / "test.json"
    write_json(path, {**json.loads(path.read_text()), "fingerprint": "f" * 64})
    with pytest.raises(InputError, match="does not belong to the metrics"):
        tables.read_row(folder, "imdb", "full")


SPLIT = {"rows": 10, "parts": {"test": 10}, "origin": "10% carved out of the training split, seed 0"}
NO_SPLIT = {"rows": 0, "parts": {}, "origin": "none"}


def row_of(tests: list[dict], test: dict, hidden: dict) -> dict:
    return {
        "plan": {"config": {"task": {"metrics": ["accuracy", "f1"]}}},
        "cells": [{"trainable": {"total": 2, "head": 2}}],
        "tests": tests,
        "data": {"splits": {"test": test, "hidden": hidden}},
    }


@pytest.mark.parametrize(
    ("tests", "test", "hidden", "shown"),
    [
        ([{"scores": {"accuracy": 0.5, "f1": 0.25}}, {"scores": {"accuracy": 0.75, "f1": 0.5}}], SPLIT, SPLIT, 0.625),
        ([{"scores": None}], NO_SPLIT, SPLIT, "hidden"),
        ([{"scores": None}], NO_SPLIT, NO_SPLIT, "no test split"),
        ([], SPLIT, SPLIT, "diverged"),
    ],
)
def test_where_there_is_no_test_score_the_table_says_why(tests, test, hidden, shown):
    row = row_of(tests, test, hidden)
    shared = tables.test_columns(tables.shared_columns, row)
    assert shared["test accuracy"] == shown
    assert shared["test F1"] == (0.375 if shown == 0.625 else shown)
    single = tables.test_columns(tables.row_columns, row)
    assert (single["metric"], single["test"]) == ("accuracy", shown)
    assert single["also"] == ("F1 0.375" if shown == 0.625 else "")
