"""The chosen model as a transformers folder: it predicts what its cell predicted, and follows the choice."""

import itertools
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import BASE_MODEL, CELLS, DATA, EXPORT, MODEL, REPOSITORY, choose_another, planned_jobs
from huggingface_hub import ModelCard
from safetensors.numpy import load_file
from transformers import AutoTokenizer, pipeline

from finegrid.config.cell import Cell
from finegrid.config.definition import Draw
from finegrid.config.tasks import TASKS
from finegrid.data import reviews
from finegrid.files import check_sha256, read_json
from finegrid.records import Evaluation, Metrics

RESULTS = "results/smoke"
# bfloat16 keeps 8 bits: the stored logits come from its products, an exported model computes in float32.
TOLERANCE = 0.02


def exported_cell(run_folder: Path, mode: str) -> Cell:
    return Cell.model_validate(read_json(run_folder / EXPORT / mode / "provenance.json", "cell"))


def cell_folder(run_folder: Path, mode: str) -> Path:
    return run_folder / CELLS / mode / f"confirm/seed{exported_cell(run_folder, mode).seed}"


def validation_texts(run_folder: Path) -> list[str]:
    """Return the text of each row of the prepared validation split, found by its tokens."""
    tokenizer = AutoTokenizer.from_pretrained(run_folder / BASE_MODEL)
    drawn = Draw(**TASKS["imdb"]["validation_from_train"])
    texts = [text[:150] for text in reviews.load_reviews(drawn)["validation"]["text"][:]]  # more than 16 tokens
    ids = tokenizer(texts, truncation=True, max_length=16)["input_ids"]
    by_tokens = {tuple(row): text for row, text in zip(ids, texts, strict=True)}
    split = load_file(run_folder / DATA / "validation.safetensors")
    rows = itertools.pairwise(split["offsets"].tolist())
    return [by_tokens[tuple(split["input_ids"][start:end].tolist())] for start, end in rows]


@pytest.mark.parametrize("mode", ["full", "bitfit"])
def test_it_predicts_what_its_cell_predicted(grown_run, mode):
    texts = validation_texts(grown_run)
    stored = load_file(cell_folder(grown_run, mode) / "validation.safetensors")["logits"]
    predict = pipeline("text-classification", model=str(grown_run / EXPORT / mode), truncation=True, device="cpu")
    answers = predict(texts, top_k=None, function_to_apply="none")
    logits = [[{a["label"]: a["score"] for a in answer}[name] for name in ("neg", "pos")] for answer in answers]
    assert len(logits) == len(stored) == 32
    for row, expected in zip(logits, stored, strict=True):
        assert row == pytest.approx(expected, abs=TOLERANCE)
    assert abs(np.roll(logits, 1, axis=0) - stored).max() > TOLERANCE  # another row's logits would not pass


def test_the_readmes_lines_run(grown_run, monkeypatch, capsys):
    blocks = re.findall(
        r"^```python\n(.*?)^```", (REPOSITORY / "docs" / "running.md").read_text(), re.MULTILINE | re.DOTALL
    )
    (lines,) = [block for block in blocks if "results/default/export/" in block]
    monkeypatch.chdir(grown_run)
    exec(lines.replace("results/default/", f"{RESULTS}/"), {})
    assert re.match(r"\[\{'label': '(neg|pos)', 'score': 0\.\d+\}\]\n", capsys.readouterr().out)


def test_the_folder_is_standard_whole_and_readable(grown_run):
    folder = grown_run / EXPORT / "full"
    for name, sha256 in read_json(folder / "provenance.json", "files").items():
        check_sha256(folder / name, sha256)
        assert (folder / name).stat().st_mode & 0o044 == 0o044
    config = read_json(folder / "config.json")
    assert config["id2label"] == {"0": "neg", "1": "pos"}
    assert config["label2id"] == {"neg": 0, "pos": 1}
    assert config["architectures"] == ["BertForSequenceClassification"]
    tensors = load_file(folder / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float32"}
    trained = load_file(cell_folder(grown_run, "full") / "trained.safetensors")
    assert trained.keys() == tensors.keys()
    assert all((tensors[name] == trained[name]).all() for name in trained)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer("word " * 600, truncation=True)["input_ids"]) == 16


@pytest.mark.parametrize("mode", ["full", "bitfit"])
def test_the_card_has_the_scores_of_the_run(grown_run, mode):
    cell = exported_cell(grown_run, mode)
    metrics = Metrics.read(cell_folder(grown_run, mode) / "metrics.json")
    evaluation = Evaluation.read(grown_run / CELLS / mode / "chosen/test.json")
    [test] = [each.scores["accuracy"] for each in evaluation.cells if each.seed == cell.seed]
    card = ModelCard.load(grown_run / EXPORT / mode / "README.md")
    assert card.data.base_model == MODEL
    scores = {result.dataset_split: result.metric_value for result in card.data.eval_results}
    assert scores == {"validation": metrics.validation.last.score, "test": test}
    for path in (grown_run / CELLS / mode).glob("*/metrics.json"):
        each = Metrics.read(path)
        if each.status == "diverged":
            continue
        (line,) = [line for line in card.text.splitlines() if f" {each.cell.learning_rate} |" in line]
        assert f"{each.validation.last.score:.3f}" in line


def test_it_is_exported_again_where_the_choice_may_change(grown_run, tmp_path):
    folder = shutil.copytree(grown_run, tmp_path / "run")
    choose_another(folder / CELLS / "bitfit")
    assert planned_jobs(folder, f"{EXPORT}/bitfit") == {"select": 1, "confirm": 2, "evaluate": 1, "export_model": 1}
