"""The classifier of a cell: its head, which parameters train, and their way to a file and back; on a BERT-tiny."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import load, mode_of, save_base_model, tiny_split, train_losses

from finegrid.config.cell import Cell
from finegrid.errors import InputError
from finegrid.files import sha256
from finegrid.modeling.classifier import load_cell, load_classifier, load_trained, save_trained, trained_tensors
from finegrid.modeling.trainable import count_parameters, in_head, set_trainable
from finegrid.records import Metrics, ParameterCounts


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    """A folder with a BERT-tiny of random weights."""
    folder = tmp_path_factory.mktemp("base_model")
    return save_base_model(
        folder, vocab_size=30_522, hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512
    )


@pytest.mark.parametrize(
    ("mode", "encoder", "head"),
    [("full", 4_385_920, 258), ("bitfit", 3_072, 2), ("bitfit-head", 3_072, 258), ("linear-probe", 0, 258)],
)
def test_trainable_parameters_are_counted_from_the_model(base_model, mode, encoder, head):
    trainable, total = count_parameters(load(base_model, mode_of(mode)))
    assert trainable == ParameterCounts(encoder=encoder, head=head, total=encoder + head)
    assert total == 4_386_178


def test_a_pattern_matches_whole_names_only(base_model):
    model = load(base_model, mode_of("layer", train=[r"bert\.encoder\.layer\.\d+\.output\.dense\.bias"]))
    assert sorted(trained_tensors(model)) == [
        "bert.encoder.layer.0.output.dense.bias",
        "bert.encoder.layer.1.output.dense.bias",
    ]


def test_a_pattern_that_matches_nothing_is_an_error(base_model):
    with pytest.raises(InputError, match="'bias' matches no parameter of BertForSequenceClassification"):
        load(base_model, mode_of("typo", train=[".*", "bias"]))


def test_the_seed_draws_the_head_and_nothing_else(base_model):
    (first, start), (same, same_start), (other, other_start) = (
        load_classifier(base_model, 2, seed) for seed in (0, 0, 1)
    )
    assert start == same_start
    assert start.encoder == other_start.encoder == sha256(base_model / "model.safetensors")
    assert start.head != other_start.head
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
        assert torch.equal(tensor, other.state_dict()[name]) == (name != "classifier.weight")


def test_trained_parameters_come_back_and_only_they_are_stored(base_model, tmp_path):
    path = tmp_path / "trained.safetensors"
    model = load(base_model, mode_of("bitfit"))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    save_trained(path, model)
    assert path.stat().st_size < 4 * 3_074 + 4_096

    fresh = load(base_model, mode_of("bitfit"))
    load_trained(path, fresh)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))

    set_trainable(fresh, mode_of("full").train)
    with pytest.raises(InputError, match="does not hold the parameters that this mode trains"):
        load_trained(path, fresh)


def test_a_head_of_one_output_is_for_regression(base_model):
    model = load(base_model, mode_of("bitfit-head"), num_labels=1)
    assert count_parameters(model)[0].head == 129


def test_the_hash_of_the_head_is_that_of_all_outside_the_encoder(base_model):
    model, start = load_classifier(base_model, 2, seed=0)
    assert {name for name, _ in model.named_parameters() if in_head(model, name)} == {
        "classifier.weight",
        "classifier.bias",
    }
    _, other = load_classifier(base_model, 3, seed=0)
    assert start.encoder == other.encoder
    assert start.head != other.head


def test_damaged_weights_are_refused(base_model, tmp_path):
    (tmp_path / "provenance.json").write_text((base_model / "provenance.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((base_model / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged or replaced"):
        load_classifier(tmp_path, 2, seed=0)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"model_type": "bert", "hidden_act": "swoosh"}', '{"model_type": "berta"}']
)
def test_a_configuration_that_makes_no_classifier_is_told_in_one_line(base_model, tmp_path, content):
    shutil.copytree(base_model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=r"config\.json: makes no classifier: ") as error:
        load_classifier(tmp_path, 2, seed=0)
    assert "\n" not in str(error.value)


def test_weights_that_do_not_fit_the_configuration_are_told_in_one_line(base_model, tmp_path):
    shutil.copytree(base_model, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden_size": 64}))
    with pytest.raises(InputError, match=r"model\.safetensors: cannot be loaded: .*size mismatch") as error:
        load_classifier(tmp_path, 2, seed=0)
    assert "\n" not in str(error.value)


# A trained cell

CELL = Cell.model_validate(
    {
        "model": {"name": "tiny", "source": "bundled"},
        "task": {
            "name": "imdb",
            "source": "bundled",
            "text": ["text"],
            "label": "label",
            "classes": ["neg", "pos"],
            "metrics": ["accuracy"],
            "max_length": 16,
        },
        "mode": {"name": "bitfit", "train": [r".*\.bias"]},
        "training": {"epochs": 1},
        "batch_size": 5,
        "learning_rate": "1e-3",
        "seed": 3,
    }
)


@pytest.fixture
def trained(base_model, tmp_path):
    """A cell's folder with its trained parameters; its metrics.json as far as `load_cell` reads it; its model."""
    model, start = load_classifier(base_model, 2, CELL.seed)
    set_trainable(model, CELL.mode.train)
    train_losses("plain", model, tiny_split(), epochs=1)
    save_trained(tmp_path / "trained.safetensors", model)
    files = {"trained.safetensors": sha256(tmp_path / "trained.safetensors")}
    return tmp_path, Metrics.model_construct(cell=CELL, start=start, files=files), model


def test_a_trained_cell_comes_back(trained, base_model):
    folder, metrics, model = trained
    loaded = load_cell(folder, metrics, base_model)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))


def test_a_cell_of_another_base_model_is_refused(trained, tmp_path_factory):
    folder, metrics, _ = trained
    other = save_base_model(tmp_path_factory.mktemp("other"))
    with pytest.raises(InputError, match=r"metrics\.json: the cell did not start from the model in "):
        load_cell(folder, metrics, other)


def test_damaged_trained_parameters_are_refused(trained, base_model):
    folder, metrics, _ = trained
    path = folder / "trained.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert load_file(path)
    with pytest.raises(InputError, match=r"trained\.safetensors: sha256 is .* damaged or replaced"):
        load_cell(folder, metrics, base_model)
