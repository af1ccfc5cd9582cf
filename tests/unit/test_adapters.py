"""Adapters of peft: what trains, how they are stored and merged, and what is refused."""

import json
import sys

import numpy as np
import pytest
import torch
from conftest import REPOSITORY, run
from every_architecture import tiny_classifier
from safetensors.torch import load_file
from tiny_models import load, mode_of, predict, save_base_model, tiny_model, tiny_split, train_losses
from transformers import AutoModelForSequenceClassification
from transformers.pytorch_utils import Conv1D

from finegrid.config.modes import HEAD
from finegrid.data.tokens import collate
from finegrid.errors import InputError
from finegrid.modeling.adapters import merge_adapters
from finegrid.modeling.classifier import load_trained, save_trained, trained_tensors
from finegrid.modeling.trainable import apply_mode, count_parameters, in_head
from finegrid.sealed import as_json
from finegrid.training import fast
from finegrid.training.fast import unpadded

HEAD_NAMES = {"classifier.weight", "classifier.bias"}
LAYERS = "bert.encoder.layer"
ADAPTERS = {
    "LORA": {"peft_type": "LORA", "r": 4, "lora_dropout": 0.1},
    "LORA-all": {"peft_type": "LORA", "r": 2, "target_modules": ["query", "value", "dense", "word_embeddings"]},
    "IA3": {"peft_type": "IA3"},
    "LN_TUNING": {"peft_type": "LN_TUNING", "target_modules": ["LayerNorm"]},
}
# What the names of a method's parameters contain.
PREFIXES = {"LORA": "lora_", "IA3": "ia3_", "LN_TUNING": "ln_tuning_"}


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"))


@pytest.fixture(params=ADAPTERS)
def mode(request):
    return mode_of("adapters", peft=ADAPTERS[request.param])


def trained_names(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_adapters_and_the_head_train_and_nothing_else(base_model, mode):
    model = load(base_model, mode)
    prefix, names = PREFIXES[mode.peft.peft_type], trained_names(model)
    assert names >= HEAD_NAMES
    assert len(names) > 2
    assert all(prefix in name for name in names - HEAD_NAMES)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    train_losses("fast", model, tiny_split())
    for name, parameter in model.named_parameters():
        if name not in names:
            assert torch.equal(parameter, before[name]), name
    assert any(
        not torch.equal(parameter, before[name]) for name, parameter in model.named_parameters() if prefix in name
    )


def test_a_trained_cell_with_adapters_comes_back_and_merges(base_model, mode, tmp_path):
    model, split = load(base_model, mode), tiny_split()
    train_losses("fast", model, split, learning_rate=0.05)
    save_trained(tmp_path / "trained.safetensors", model)
    stored = load_file(tmp_path / "trained.safetensors")
    assert stored.keys() == trained_names(model)
    assert sum(tensor.numel() for tensor in stored.values()) == count_parameters(model)[0].total

    fresh = load(base_model, mode)
    untrained = predict(fresh, split)
    load_trained(tmp_path / "trained.safetensors", fresh)
    logits = predict(fresh, split)
    assert np.abs(logits - untrained).max() > 0.01
    np.testing.assert_allclose(logits, predict(model, split), atol=1e-5)  # padded against unpadded

    merged = merge_adapters(fresh)
    np.testing.assert_allclose(predict(merged, split), logits, atol=1e-5)
    merged.save_pretrained(tmp_path / "merged")
    exported, info = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    np.testing.assert_allclose(predict(exported, split), logits, atol=1e-5)


def test_unpadded_batches_pass_through_adapters(base_model, mode):
    padded, model = load(base_model, mode), load(base_model, mode)
    for each in (padded, model):
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in each.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.3 * torch.randn_like(parameter))
    assert fast.prepare_for_device(model, "cpu") == "unpadded"
    split = tiny_split()
    rows, inputs = unpadded.concatenate(split, torch.arange(24), heads=2)
    padded.eval()
    model.eval()
    logits, expected = model(**inputs).logits, padded(**collate(split, rows, "cpu")).logits
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    logits.square().sum().backward()
    expected.square().sum().backward()
    for (name, parameter), other in zip(model.named_parameters(), padded.parameters(), strict=True):
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-4, msg=name)


def test_adapters_are_drawn_from_the_seed(base_model):
    lora = mode_of("lora", peft=ADAPTERS["LORA"])
    name = f"{LAYERS}.0.attention.self.query.lora_A.default.weight"
    torch.manual_seed(5)
    first = trained_tensors(load(base_model, lora, seed=0))[name]
    torch.manual_seed(6)
    assert torch.equal(first, trained_tensors(load(base_model, lora, seed=0))[name])
    assert not torch.equal(first, trained_tensors(load(base_model, lora, seed=1))[name])


def test_more_than_the_head_may_train_beside_adapters(base_model):
    names = trained_names(load(base_model, mode_of("more", train=[HEAD, r".*LayerNorm\..*"], peft=ADAPTERS["LORA"])))
    assert "bert.embeddings.LayerNorm.weight" in names
    assert f"{LAYERS}.1.attention.self.value.lora_B.default.weight" in names


@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "deberta-v2", "modernbert", "gpt2", "xlnet"])
@pytest.mark.parametrize("spelling", ["all-linear", "All-Linear"])
def test_all_linear_layers_are_those_of_the_encoder(kind, spelling):
    """The head is for the mode's `train`; peft would adapt it, too."""
    model = tiny_classifier(kind)
    linear = {
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and not in_head(model, f"{name}.weight")
    }
    head = {name for name, _ in model.named_parameters() if in_head(model, name)}
    apply_mode(model, mode_of("lora", peft={"peft_type": "LORA", "r": 2, "target_modules": spelling}), seed=0)
    names = trained_names(model)
    assert {name.split(".lora_")[0] for name in names - head} == linear
    assert head <= names
    assert {name for name, _ in model.named_parameters() if in_head(model, name)} == head


BAD_ADAPTERS = [
    ({"peft_type": "LORRA"}, ["peft.peft_type", "'LORRA'", "LORA"]),
    ({"peft_type": "LORA", "rank": 8}, ["unknown key 'rank'", "lora_alpha"]),
    ({"peft_type": "LORA", "r": 0}, ["r"]),
    ({"peft_type": "LORA", "r": "eight"}, ["TypeError"]),
    ({"peft_type": "LORA", "target_modules": ["nowhere"]}, ["nowhere"]),
    ({"peft_type": "LORA", "modules_to_save": ["classifier"]}, ["modules_to_save", "'train'"]),
    ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}, ["PROMPT_TUNING", "virtual tokens"]),
    ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4}, ["PREFIX_TUNING", "virtual tokens"]),
    ({"peft_type": "XLORA", "hidden_size": 8, "adapters": {"a": "someone/x"}}, ["XLORA", "not supported"]),
    ({"peft_type": "LORA", "eva_config": {"rho": 2.0}}, ["peft.eva_config", "starts from data"]),
    ({"peft_type": "ADAMSS", "use_asa": True}, ["peft.use_asa", "resumed"]),
]


@pytest.mark.parametrize(("settings", "expected"), BAD_ADAPTERS, ids=str)
def test_adapters_that_cannot_be_are_told_in_one_line(base_model, settings, expected):
    with pytest.raises(InputError) as error:
        load(base_model, mode_of("bad", peft=settings))
    message = str(error.value)
    assert message.startswith("mode: peft")
    assert "\n" not in message
    assert all(part in message for part in expected), message


def test_what_cannot_be_merged_is_told(base_model, monkeypatch):
    def cannot(*_, **__):
        raise NotImplementedError("not for these")

    model = load(base_model, mode_of("lora", peft=ADAPTERS["LORA"]))
    monkeypatch.setattr(type(model.bert.encoder.layer[0].attention.self.query), "merge", cannot)
    with pytest.raises(InputError, match="LORA: its adapters cannot be merged: NotImplementedError: not for these"):
        merge_adapters(model)
    assert merge_adapters(tiny_model()).config.model_type == "bert"


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from finegrid.config.definition import Mode
from finegrid.modeling.classifier import load_classifier
from finegrid.modeling.trainable import apply_mode
heavy = ["peft", "accelerate", "scipy", "sympy", "torch._dynamo", "torch.distributed.tensor", "torch.distributed.fsdp"]
for mode in sys.argv[3:]:
    model, _ = load_classifier(sys.argv[2], 2, 0)
    apply_mode(model, Mode.model_validate_json(mode), 0)
    print(json.dumps([name for name in heavy if name in sys.modules]))
"""


def test_only_cells_with_adapters_import_peft_and_nothing_heavier(base_model):
    modes = [json.dumps(as_json(mode_of("own", peft=peft))) for peft in (None, ADAPTERS["LORA"])]
    done = run(sys.executable, "-c", PROGRAM, REPOSITORY / "scripts", base_model, *modes, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert list(map(json.loads, done.stdout.splitlines())) == [[], ["peft", "accelerate"]]
