"""Exported folders of models that the smoke run has not: a regression, adapters, and none at all."""

import shutil

import export
import pytest
import torch
from comparisons import plan, settings_of
from conftest import REPOSITORY
from handmade import make_run, metrics_of
from safetensors.numpy import load_file
from tiny_models import save_base_model
from transformers import AutoTokenizer, pipeline

from finegrid.config.definition import Mode, Peft
from finegrid.errors import InputError
from finegrid.files import read_json, sha256
from finegrid.modeling.classifier import load_classifier, save_trained
from finegrid.modeling.trainable import apply_mode
from finegrid.records import Metrics


@pytest.fixture
def base_model(tmp_path):
    """A small encoder with the bundled model's tokenizer."""
    folder = save_base_model(tmp_path / "base_model", vocab_size=30522)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(REPOSITORY / "models/bundled-bert-tiny" / name, folder)
    return folder


def trained(folder, base_model, task, mode: Mode) -> tuple[torch.nn.Module, Metrics]:
    """Write a cell whose training moved every parameter that trains; return its model and its result."""
    cell = plan("full").model_copy(update={"task": task, "mode": mode}).cell(16, "3e-4", 3)
    model, start = load_classifier(base_model, task.num_labels, cell.seed)
    apply_mode(model, mode, cell.seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.5)
    save_trained(folder / "trained.safetensors", model)
    files = {"trained.safetensors": sha256(folder / "trained.safetensors")}
    return model.eval(), metrics_of(cell, 0.5, start=start, files=files)


@pytest.mark.parametrize(
    "mode",
    [
        Mode(name="linear-probe", train=["head"]),
        Mode(name="lora", train=["head"], peft=Peft(peft_type="LORA", r=2, target_modules=["query", "value"])),
    ],
    ids=lambda mode: mode.name,
)
def test_a_regression_is_exported_as_one(base_model, tmp_path, mode):
    task = settings_of("t", ["pearson"], max_length=16)
    model, metrics = trained(tmp_path, base_model, task, mode)
    export.save_model(tmp_path / "exported", metrics, tmp_path, base_model)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "exported")
    with torch.no_grad():
        expected = model(**tokenizer("A text.", return_tensors="pt")).logits.item()
    (answer,) = pipeline("text-classification", model=str(tmp_path / "exported"), device="cpu")("A text.")
    assert answer["score"] == pytest.approx(expected, abs=1e-5)
    config = read_json(tmp_path / "exported/config.json")
    assert (config["problem_type"], config["architectures"]) == ("regression", ["BertForSequenceClassification"])
    assert not any("lora" in name for name in load_file(tmp_path / "exported/model.safetensors"))


def test_a_cell_of_another_base_model_is_refused(base_model, tmp_path):
    _, metrics = trained(tmp_path, base_model, settings_of("t", ["pearson"]), Mode(name="m", train=["head"]))
    other = metrics.model_copy(update={"start": metrics.start.model_copy(update={"encoder": "0" * 64})})
    with pytest.raises(InputError, match="did not start from the model"):
        export.save_model(tmp_path / "exported", other, tmp_path, base_model)


def exported(tmp_path, folder, mode: str, monkeypatch) -> tuple[str, dict]:
    """Export a mode of a run; return its card and its provenance."""
    path = folder / "cells/bert_tiny/imdb" / mode / "best.json"
    arguments = [path, "--results", folder, "--base-model", tmp_path, "--output", tmp_path / "out"]
    monkeypatch.setattr("sys.argv", ["export.py", *map(str, arguments)])
    export.main()
    return (tmp_path / "out/README.md").read_text(), read_json(tmp_path / "out/provenance.json")


def test_where_all_diverged_the_folder_says_so_and_has_no_model(tmp_path, monkeypatch, capsys):
    card, provenance = exported(tmp_path, make_run(tmp_path / "run"), "a_b", monkeypatch)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "provenance.json"]
    assert card.startswith("# No model: a\\_b on imdb diverged\n\nTraining diverged at every setting of the grid: ")
    assert "batch sizes 8, 1024; learning rates 3e-4, 1e-4." in card
    assert provenance["status"] == "diverged"
    assert capsys.readouterr().out == "nothing to export of bert_tiny, imdb, a_b: every setting diverged\n"


def test_where_a_confirming_seed_diverged_there_is_no_model_either(tmp_path, monkeypatch, capsys):
    folder = make_run(tmp_path / "run", confirming={7: 4, 8: None, 9: None})
    card, provenance = exported(tmp_path, folder, "full", monkeypatch)
    assert card == (
        "# No model: full on imdb diverged\n\nBatch size 1024 with learning rate 3e-4 was best on validation, and "
        "diverged with confirming seeds 8 and 9. A smaller learning rate may train.\n"
    )
    assert provenance["status"] == "diverged"
    assert capsys.readouterr().out == "nothing to export of bert_tiny, imdb, full: a confirming seed diverged\n"


def test_the_best_confirming_seed_is_exported_from_its_folder(tmp_path, monkeypatch):
    folder, saved = make_run(tmp_path / "run", confirming={7: 4, 8: 6, 9: 5}), []
    (tmp_path / "provenance.json").write_text("{}")
    monkeypatch.setattr(export, "save_model", lambda output, metrics, *paths: saved.append((metrics.cell.seed, *paths)))
    card, provenance = exported(tmp_path, folder, "full", monkeypatch)
    assert saved == [(8, folder / "cells/bert_tiny/imdb/full/confirm/seed8", str(tmp_path))]
    assert provenance["cell"]["seed"] == 8
    assert "seed 8 (the best of 3 confirming seeds on validation)" in card
    assert "- **Validation**: accuracy 0.750 on" in card and "- **Test**: accuracy 0.625 on" in card
