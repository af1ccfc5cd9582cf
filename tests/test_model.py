"""Which parameters train, and how many: counted on a real BERT-tiny."""

import json

import pytest
import torch
from test_data import split_of
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, BertModel

from finegrid.training import loop as engine
from finegrid.modeling import classifier as models
from finegrid.errors import InputError
from finegrid.files import sha256
from finegrid.config.modes import MODES


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A model folder with a BERT-tiny of random weights."""
    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(0)
    BertModel(
        BertConfig(hidden_size=128, num_hidden_layers=2, num_attention_heads=2, intermediate_size=512)
    ).save_pretrained(folder)
    files = {"model.safetensors": sha256(folder / "model.safetensors")}
    (folder / "provenance.json").write_text(json.dumps({"files": files}))
    return folder


@pytest.mark.parametrize(
    ("mode", "encoder", "head"),
    [("full", 4_385_920, 258), ("bitfit", 3_072, 2), ("bitfit-head", 3_072, 258), ("frozen", 0, 258)],
)
def test_trainable_parameters_are_counted_from_the_model(backbone, mode, encoder, head):
    model, _ = models.load_classifier(backbone, outputs=2, seed=0)
    models.set_trainable(model, MODES[mode]["train"])
    trainable, total = models.count_parameters(model)
    assert trainable == {"encoder": encoder, "head": head, "total": encoder + head}
    assert total == 4_386_178


def test_a_pattern_matches_whole_names_only(backbone):
    model, _ = models.load_classifier(backbone, outputs=2, seed=0)
    models.set_trainable(model, [r"bert\.encoder\.layer\.\d+\.output\.dense\.bias"])
    assert sorted(models.trained_tensors(model)) == [
        "bert.encoder.layer.0.output.dense.bias",
        "bert.encoder.layer.1.output.dense.bias",
    ]


def test_a_pattern_that_matches_nothing_is_an_error(backbone):
    model, _ = models.load_classifier(backbone, outputs=2, seed=0)
    with pytest.raises(InputError, match="'bias' matches no parameter of BertForSequenceClassification"):
        models.set_trainable(model, [".*", "bias"])


def test_the_seed_draws_the_head_and_nothing_else(backbone):
    (first, start), (same, same_start), (other, other_start) = (
        models.load_classifier(backbone, outputs=2, seed=seed) for seed in (0, 0, 1)
    )
    assert start == same_start
    assert start["encoder"] == other_start["encoder"]
    assert start["head"] != other_start["head"]
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, same.state_dict()[name])
        assert torch.equal(tensor, other.state_dict()[name]) == (name != "classifier.weight")


def test_trained_parameters_come_back_and_only_they_are_stored(backbone, tmp_path):
    model, _ = models.load_classifier(backbone, outputs=2, seed=0)
    models.set_trainable(model, MODES["bitfit"]["train"])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(1)
    models.save_trained(tmp_path / "trained.safetensors", model)
    assert (tmp_path / "trained.safetensors").stat().st_size < 4 * 3_074 + 4_096

    fresh, _ = models.load_classifier(backbone, outputs=2, seed=0)
    models.set_trainable(fresh, MODES["bitfit"]["train"])
    models.load_trained(tmp_path / "trained.safetensors", fresh)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))

    models.set_trainable(fresh, MODES["full"]["train"])
    with pytest.raises(InputError, match="does not hold the parameters that this mode trains"):
        models.load_trained(tmp_path / "trained.safetensors", fresh)


def test_a_head_of_one_output_is_for_regression(backbone):
    model, _ = models.load_classifier(backbone, outputs=1, seed=0)
    models.apply_mode(model, MODES["bitfit-head"], seed=0)
    assert models.count_parameters(model)[0]["head"] == 129


def test_the_hash_of_the_head_is_that_of_all_outside_the_encoder(backbone):
    model, start = models.load_classifier(backbone, outputs=2, seed=0)
    assert {name for name, _ in model.named_parameters() if models.in_head(model, name)} == {
        "classifier.weight",
        "classifier.bias",
    }
    _, other = models.load_classifier(backbone, outputs=3, seed=0)
    assert start["encoder"] == other["encoder"]
    assert start["head"] != other["head"]


def test_damaged_weights_are_refused(backbone, tmp_path):
    (tmp_path / "provenance.json").write_text((backbone / "provenance.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((backbone / "model.safetensors").read_bytes()[:-1])
    with pytest.raises(InputError, match="damaged or replaced"):
        models.load_classifier(tmp_path, outputs=2, seed=0)


SMALL = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
}


def small_model(architecture: str):
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, vocab_size=50, **SMALL[architecture])
    return AutoModelForSequenceClassification.from_config(config)


@pytest.mark.parametrize(("architecture", "batches"), [("bert", "unpadded"), ("distilbert", "padded")])
def test_the_form_of_the_batches_follows_the_architecture(architecture, batches):
    model = small_model(architecture)
    assert models.place(model, "cpu") == batches
    split = split_of([[1, 2, 3], [4, 5]])._replace(labels=torch.tensor([0, 1]))
    settings = {"batch_size": 2, "learning_rate": 1e-4, "epochs": 1, "weight_decay": 0, "warmup": 0}
    (epoch,) = engine.train(model, split, **settings, max_grad_norm=1.0, seed=0, device="cpu", dtype=torch.float32)
    assert not epoch.diverged
    assert engine.predict(model, split, "cpu", torch.float32).shape == (2, 2)


@pytest.mark.parametrize("architecture", SMALL)
def test_logits_are_float32_where_products_are_bfloat16(architecture):
    model = small_model(architecture)
    models.place(model, "cpu")
    split = split_of([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    logits, exact = (torch.from_numpy(engine.predict(model, split, "cpu", d)) for d in (torch.bfloat16, torch.float32))
    assert not torch.equal(logits, logits.bfloat16().float())
    torch.testing.assert_close(logits, exact, rtol=0.05, atol=0.02)
