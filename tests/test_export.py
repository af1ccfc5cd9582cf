"""The chosen model as a transformers folder: it predicts what its cell predicted, and its card says what it is."""

import itertools
import re
import shutil
from pathlib import Path

import export
import numpy as np
import pytest
import torch
import yaml
from conftest import edit_config, edit_result, planned_jobs, snakemake
from huggingface_hub import ModelCard
from safetensors.numpy import load_file
from transformers import AutoTokenizer, pipeline

from finegrid.modeling import classifier as models
from finegrid.data import reviews
from finegrid.reporting.model_card import chosen_card
from finegrid.files import check_sha256, read_json
from finegrid.config.cell import cell_folder
from finegrid.seal import seal
from finegrid.config.tasks import TASKS

CELLS = "results/smoke/cells/imdb"
EXPORT = "results/smoke/export/imdb"
# bfloat16 keeps 8 bits: stored logits come from its products, an exported model computes in float32.
TOLERANCE = 0.02


@pytest.fixture(scope="module")
def exported(smoke_run, tmp_path_factory) -> Path:
    """A copy of the finished smoke run with its exported models. Not to be changed."""
    folder = tmp_path_factory.mktemp("export") / "run"
    shutil.copytree(smoke_run, folder)
    done = snakemake(folder, "export")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def chosen_folder(run_folder: Path, mode: str) -> Path:
    provenance = read_json(run_folder / EXPORT / mode / "provenance.json")
    return cell_folder(run_folder / "results/smoke", provenance["cell"])


def validation_texts(run_folder: Path) -> list[str]:
    """Return the text of each row of the prepared validation split, found by its tokens."""
    tokenizer = AutoTokenizer.from_pretrained(run_folder / "results/smoke/backbone")
    texts = reviews.load_splits(TASKS["imdb"]["held_out"])["validation"]["text"][:]
    ids = tokenizer(texts, truncation=True, max_length=16)["input_ids"]
    by_tokens = {tuple(row): text for row, text in zip(ids, texts, strict=True)}
    split = load_file(run_folder / "results/smoke/data/imdb/validation.safetensors")
    rows = itertools.pairwise(split["offsets"].tolist())
    return [by_tokens[tuple(split["input_ids"][start:end].tolist())] for start, end in rows]


@pytest.mark.parametrize("mode", ["full", "bitfit"])
def test_it_predicts_what_its_cell_predicted(exported, mode):
    texts = validation_texts(exported)
    stored = load_file(chosen_folder(exported, mode) / "validation.safetensors")["logits"]
    predict = pipeline("text-classification", model=str(exported / EXPORT / mode), truncation=True, device="cpu")
    answers = predict(texts, top_k=None, function_to_apply="none")
    logits = [[{a["label"]: a["score"] for a in answer}[name] for name in ("neg", "pos")] for answer in answers]
    assert len(logits) == len(stored) == 32
    for row, expected in zip(logits, stored, strict=True):
        assert row == pytest.approx(expected, abs=TOLERANCE)
    assert abs(np.roll(logits, 1, axis=0) - stored).max() > TOLERANCE  # another row's logits would not pass


def test_the_readme_s_lines_run(exported, monkeypatch, capsys):
    (lines,) = re.findall(r"^```python\n(.*?)^```", (exported / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert "results/default/export/" in lines
    monkeypatch.chdir(exported)
    exec(lines.replace("results/default/", "results/smoke/"), {})
    assert re.match(r"\[\{'label': '(neg|pos)', 'score': 0\.\d+\}\]\n", capsys.readouterr().out)


def test_the_folder_is_standard_whole_and_readable(exported):
    folder = exported / EXPORT / "full"
    for name, sha256 in read_json(folder / "provenance.json", "files").items():
        check_sha256(folder / name, sha256)
        assert (folder / name).stat().st_mode & 0o044 == 0o044
    config = read_json(folder / "config.json")
    assert config["id2label"] == {"0": "neg", "1": "pos"}
    assert config["label2id"] == {"neg": 0, "pos": 1}
    assert config["architectures"] == ["BertForSequenceClassification"]
    tensors = load_file(folder / "model.safetensors")
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float32"}
    trained = load_file(chosen_folder(exported, "full") / "trained.safetensors")
    assert trained.keys() == tensors.keys()
    assert all((tensors[name] == trained[name]).all() for name in trained)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert len(tokenizer("word " * 600, truncation=True)["input_ids"]) == 16


def test_the_card_s_front_matter_is_what_the_hub_reads(exported):
    for mode in ("full", "bitfit"):
        metrics = read_json(chosen_folder(exported, mode) / "metrics.json")
        test = read_json(chosen_folder(exported, mode) / "test.json")
        card = ModelCard.load(exported / EXPORT / mode / "README.md")
        assert card.data.base_model == "embedded-bert-tiny"
        scores = {result.dataset_split: result.metric_value for result in card.data.eval_results}
        assert scores == {"validation": metrics["validation"]["last"]["score"], "test": test["score"]}
        for cell in (exported / CELLS / mode).glob("*/metrics.json"):
            each = read_json(cell)
            (line,) = [line for line in card.text.splitlines() if f" {each['cell']['learning_rate']} |" in line]
            assert f"{each['validation']['last']['score']:.3f}" in line


def settings(exported) -> tuple[dict, list[dict], dict, dict]:
    folder = exported / CELLS / "full"
    cells = [read_json(path) for path in sorted(folder.glob("*/metrics.json"))]
    chosen = chosen_folder(exported, "full")
    return read_json(folder / "best.json"), cells, read_json(chosen / "metrics.json"), read_json(chosen / "test.json")


def test_names_with_special_characters_are_shown_as_they_are(exported):
    odd = 'a|b *c* <i>d</i> `e` [f](g) _h_ "i": #j'
    best, cells, metrics, test = settings(exported)
    metrics["config"]["task"]["classes"] = [odd, "other"]
    metrics["cell"]["task"] = odd
    text = chosen_card(best, cells, metrics, test)
    _, front, body = text.split("---\n", 2)
    (entry,) = yaml.safe_load(front)["model-index"]
    assert {result["dataset"]["name"] for result in entry["results"]} == {f"{odd}, as finegrid splits it"}
    special = re.compile(r"(?<!\\)[|*<>`\[\]_]")
    for before, after in (("# embedded-bert-tiny, fine-tuned on ", " (full)"), ("16 tokens; classes ", ", other.")):
        (shown,) = re.findall(f"{re.escape(before)}(.*){re.escape(after)}$", body, re.MULTILINE)
        assert not special.search(shown)
        assert re.sub(r"\\(.)", r"\1", shown) == odd


def test_the_card_tells_seed_and_data_order(exported):
    best, cells, metrics, test = settings(exported)
    for seeds, orders, drawn, mean in (
        ([0], None, "seed 0;", "epoch, seed 0;"),
        ([0, 1], None, "seed 0, the best on validation of 0, 1;", "means over the seeds 0, 1;"),
        ([0], [5], "seed 0 with data order 5;", "epoch, seed 0 with data order 5;"),
        ([0], [4, 5], "of 0, each with the data orders 4, 5;", "over the seeds 0, each with the data orders 4, 5;"),
    ):
        own = {} if orders is None else {"data_order_seeds": orders}
        cell = metrics["cell"] | ({} if orders is None else {"data_order_seed": 5})
        changed = best | {"plan": best["plan"] | {"seeds": seeds} | own}
        text = chosen_card(changed, cells, metrics | {"cell": cell}, test)
        assert drawn in text
        assert mean in text


def test_a_hidden_test_score_and_a_regression_are_told(exported):
    best, cells, metrics, test = settings(exported)
    metrics["config"]["task"]["classes"] = None
    text = chosen_card(best, cells, metrics, {**test, "score": None})
    (entry,) = yaml.safe_load(text.split("---\n")[1])["model-index"]
    assert [result["dataset"]["split"] for result in entry["results"]] == ["validation"]
    assert "**Test**: the labels are hidden" in text
    assert "the answer is a number" in text


def test_a_regression_is_exported_as_one(exported, tmp_path):
    backbone = exported / "results/smoke/backbone"
    model, start = models.load_classifier(backbone, 1, seed=3)
    models.set_trainable(model, ["classifier.*"])
    with torch.no_grad():
        model.classifier.bias.fill_(2.5)
    models.save_trained(tmp_path / "trained.safetensors", model)
    config = {"task": {"classes": None, "max_length": 16}, "train": ["classifier.*"]}
    metrics = seal({"cell": {"seed": 3}, "config": config, "start": start}, tmp_path, "trained.safetensors")
    export.save_model(tmp_path, metrics, tmp_path, backbone)
    model.eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path)("A text.", return_tensors="pt")
    with torch.no_grad():
        expected = model(**inputs).logits.item()
    (answer,) = pipeline("text-classification", model=str(tmp_path), device="cpu")("A text.")
    assert answer["score"] == pytest.approx(expected, abs=1e-5)
    assert read_json(tmp_path / "config.json", "problem_type") == "regression"


def test_it_follows_the_choice(exported, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(exported, folder)
    assert planned_jobs(folder, "export") == {}
    chosen = read_json(folder / EXPORT / "full" / "provenance.json", "cell")
    (other,) = [path for path in (folder / CELLS / "full").glob("*/metrics.json") if read_json(path, "cell") != chosen]
    validation = read_json(other, "validation")
    validation["last"]["score"] = 1.0
    metrics = edit_result(other, validation=validation)
    done = snakemake(folder, f"{EXPORT}/full/model.safetensors")
    assert done.returncode == 0, done.stderr
    assert read_json(folder / EXPORT / "full" / "provenance.json", "cell") == metrics["cell"]
    tensors, trained = (
        load_file(path)
        for path in (folder / EXPORT / "full" / "model.safetensors", other.with_name("trained.safetensors"))
    )
    assert all((tensors[name] == trained[name]).all() for name in trained)


def test_where_all_diverged_there_is_nothing_to_export(finished):
    edit_config(finished, lambda config: config["modes"].update(full={"learning_rates": ["1e30"]}))
    done = snakemake(finished, "export")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (finished / EXPORT).iterdir()) == ["bitfit"]
    assert "nothing to export of imdb, full: every setting diverged" in done.stdout + done.stderr
    assert snakemake(finished, f"{EXPORT}/full/provenance.json").returncode != 0
    log = (finished / "results/smoke/logs/export/imdb/full.log").read_text()
    assert log == f"error: {CELLS}/full/best.json: nothing to export of imdb, full: every setting diverged\n"
    assert not list(finished.glob(f"{EXPORT}/full/*"))
