"""finetune.py and evaluate.py, run by hand on a small model and a few rows."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
import warm
from conftest import REPOSITORY, damage, without_cost
from safetensors.torch import load_file, save_file
from tiny_models import save_base_model, tiny_split
from transformers import AutoModelForSequenceClassification

from finegrid.config.cell import Plan
from finegrid.data.tokens import Split, collate
from finegrid.evaluation.predictions import load_predictions
from finegrid.files import canonical_json, sha256, write_json
from finegrid.records import Best, Chosen, Evaluation, Metrics, SplitStats
from finegrid.sealed import as_json

PLAN = Plan.model_validate(
    {
        "run": "tiny",
        "model": {"name": "tiny", "source": "bundled"},
        "task": {
            "name": "imdb",
            "source": "bundled",
            "text": ["text"],
            "label": "label",
            "classes": ["neg", "pos"],
            "metrics": ["accuracy", "f1"],
            "max_length": 16,
        },
        "mode": {"name": "full", "train": [".*"]},
        "training": {"epochs": 2},
        "batch_sizes": [5],
        "learning_rates": ["1e-2"],
        "learning_rates_key": "modes.full.learning_rates",
        "seeds": [0, 1],
    }
)
CHOSEN = Chosen(batch_size=5, learning_rate="1e-2", validation=0.5, edges=())
ROWS = {"train": 24, "validation": 13, "test": 11, "hidden": 7}


def save_data(folder, rows: dict[str, int]):
    """Write a prepared task."""
    folder.mkdir()
    for name in ROWS:
        split = tiny_split(rows[name]) if rows[name] else empty_split()
        if name == "hidden":
            split = split._replace(labels=torch.full_like(split.labels, -1))
        path = folder / f"{name}.safetensors"
        save_file(split._asdict(), path)
        stats = SplitStats(
            rows=rows[name],
            parts={name: rows[name]},
            origin="made up",
            sha256=sha256(path),
            tokens=split.tokens,
            truncated_rows=0,
            truncated_share=0,
            empty_texts=0,
        )
        write_json(folder / f"{name}.json", as_json(stats))
    return folder


def empty_split() -> Split:
    tokens, labels = torch.empty(0, dtype=torch.int32), torch.empty(0, dtype=torch.int64)
    return Split(tokens, tokens.to(torch.uint8), torch.zeros(1, dtype=torch.int64), labels)


def script(name, *arguments, folder):
    path = REPOSITORY / "scripts" / name
    return warm.run(warm.SCRIPTS, path, *arguments, cwd=folder, environment=dict(os.environ))


def finetune(folder, cell, output):
    folders = ["--base-model", folder / "base_model", "--data", folder / "data", "--output", output]
    return script("finetune.py", cell, *folders, folder=folder)


def evaluate(folder, best, output, data="data"):
    more = ["--results", folder, "--base-model", folder / "base_model", "--data", folder / data, "--output", output]
    return script("evaluate.py", best, *more, folder=folder)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A folder with a base model, data, two trained cells and best.json."""
    folder = tmp_path_factory.mktemp("results")
    save_base_model(folder / "base_model")
    save_data(folder / "data", ROWS)
    save_data(folder / "untested", {**ROWS, "test": 0, "hidden": 0})
    for cell in PLAN.cells():
        done = finetune(folder, canonical_json(as_json(cell)), cell.folder(folder))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("epoch 1 of 2: validation accuracy ")
    Best(plan=PLAN, tried=1, diverged=0, chosen=CHOSEN).write(folder / "best.json")
    Best(plan=PLAN, tried=1, diverged=1).write(folder / "none.json")
    return folder


def test_a_cell_leaves_its_result_and_nothing_else(results):
    for cell in PLAN.cells():
        folder = cell.folder(results)
        assert sorted(path.name for path in folder.iterdir()) == [
            "metrics.json",
            "trained.safetensors",
            "validation.safetensors",
        ]
        metrics = Metrics.read(folder / "metrics.json")
        assert metrics.cell == cell
        assert metrics.status == "ok"
        assert metrics.trained_bytes == (folder / "trained.safetensors").stat().st_size
        assert [epoch.epoch for epoch in metrics.validation.history] == [1, 2]
        assert metrics.validation.last == metrics.validation.history[-1]
        assert metrics.train_loss[-1][0] == 2 * 5
        assert metrics.cost.tokens == 2 * metrics.data.train.tokens
        logits, labels = load_predictions(folder / "validation.safetensors")
        assert (logits.argmax(1) == labels).mean() == metrics.validation.last.score


def test_a_metrics_json_trains_the_same_cell_again(results, tmp_path):
    path = PLAN.cells()[0].folder(results) / "metrics.json"
    done = finetune(results, path, tmp_path)
    assert done.returncode == 0, done.stderr
    assert without_cost(tmp_path / "metrics.json") == without_cost(path)
    for name in ("validation.safetensors", "trained.safetensors"):
        assert (tmp_path / name).read_bytes() == path.with_name(name).read_bytes()


@pytest.mark.parametrize("damaged", ["data/train.safetensors", "base_model/model.safetensors"])
def test_a_damaged_input_is_told_in_one_line(results, tmp_path, damaged):
    for name in ("data", "base_model"):
        shutil.copytree(results / name, tmp_path / name)
    damage(tmp_path / damaged, "flip")
    done = finetune(tmp_path, PLAN.cells()[0].folder(results) / "metrics.json", tmp_path / "cell")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path / damaged}: sha256 is ") and done.stderr.count("\n") == 1
    assert not (tmp_path / "cell" / "metrics.json").exists()


def test_the_chosen_setting_is_tested_with_every_seed(results, tmp_path):
    done = evaluate(results, results / "best.json", tmp_path / "test.json")
    assert done.returncode == 0, done.stderr
    evaluation = Evaluation.read(tmp_path / "test.json")
    assert (evaluation.status, evaluation.plan, evaluation.chosen) == ("ok", PLAN, CHOSEN)
    predictions = {}
    for name in ("validation", "test", "hidden"):
        evaluation.check_file(tmp_path / f"{name}.safetensors")
        predictions[name], labels = load_predictions(tmp_path / f"{name}.safetensors")
        assert predictions[name].shape == (2, ROWS[name], 2)
        assert labels.tolist() == load_file(results / "data" / f"{name}.safetensors")["labels"].tolist()

    test = tiny_split(ROWS["test"])
    for index, cell in enumerate(PLAN.cells()):
        folder, told = cell.folder(results), evaluation.cells[index]
        metrics = Metrics.read(folder / "metrics.json")
        assert (told.seed, told.fingerprint) == (cell.seed, metrics.fingerprint)
        np.testing.assert_array_equal(
            predictions["validation"][index], load_predictions(folder / "validation.safetensors")[0]
        )
        model = AutoModelForSequenceClassification.from_pretrained(results / "base_model", num_labels=2).eval()
        model.load_state_dict(load_file(folder / "trained.safetensors"))
        expected = model(**collate(test, torch.arange(ROWS["test"]), "cpu")).logits.detach().numpy()
        np.testing.assert_allclose(predictions["test"][index], expected, atol=0.05)  # products may be bfloat16
        correct = predictions["test"][index].argmax(1) == test.labels.numpy()
        assert told.scores["accuracy"] == correct.mean()
        assert told.scores.keys() == {"accuracy", "f1"}
    assert not np.array_equal(*predictions["test"])


def test_a_task_without_a_test_split_has_predictions_without_rows(results, tmp_path):
    done = evaluate(results, results / "best.json", tmp_path / "test.json", data="untested")
    assert done.returncode == 0, done.stderr
    evaluation = Evaluation.read(tmp_path / "test.json")
    assert evaluation.status == "ok"
    assert [(cell.scores, cell.loss) for cell in evaluation.cells] == [(None, None)] * 2
    assert load_predictions(tmp_path / "test.safetensors")[0].shape == (2, 0, 2)


def test_where_every_setting_diverged_nothing_is_tested(results, tmp_path):
    done = evaluate(results, results / "none.json", tmp_path / "test.json")
    assert done.returncode == 0, done.stderr
    evaluation = Evaluation.read(tmp_path / "test.json")
    assert (evaluation.status, evaluation.chosen, evaluation.cells) == ("diverged", None, ())
    for name in ("validation", "test", "hidden"):
        evaluation.check_file(tmp_path / f"{name}.safetensors")
        logits, labels = load_predictions(tmp_path / f"{name}.safetensors")
        assert logits.shape == (0, 0, 2)
        assert len(labels) == 0


def test_the_result_of_another_cell_is_refused(results, tmp_path):
    plan = PLAN.model_copy(update={"training": PLAN.training.model_copy(update={"epochs": 3})})
    Best(plan=plan, tried=1, diverged=0, chosen=CHOSEN).write(tmp_path / "best.json")
    done = evaluate(results, tmp_path / "best.json", tmp_path / "test.json")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "metrics.json: cell.training.epochs is 2, this run has 3" in done.stderr
    assert not (tmp_path / "test.json").exists()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("nowhere.json", "error: nowhere.json: no such file"),
        ("{", "error: cell: not JSON"),
        ('{"seed": 0}', "error: cell: "),
        (json.dumps({**as_json(PLAN.cells()[0]), "seed": -1}), "error: cell: "),
        (json.dumps({**as_json(PLAN.cells()[0]), "dropout": 0}), "unknown key 'dropout'"),
    ],
)
def test_what_is_no_cell_is_told_in_one_line(results, tmp_path, cell, expected):
    done = finetune(results, cell, tmp_path / "cell")
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "cell").exists()
