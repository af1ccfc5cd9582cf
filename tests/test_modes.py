"""Modes of fine-tuning: what each trains, random subsets, adapters."""

import json
import sys

import numpy as np
import pytest
import torch
from conftest import REPOSITORY, run
from safetensors.torch import load_file
from test_engine import SETTINGS, tiny_model, tiny_split
from transformers import AutoModelForSequenceClassification, BertConfig, BertModel

from finegrid.training import loop as engine
from finegrid.training.fast import unpadded
from finegrid.modeling import classifier as models
from finegrid.data.tokens import collate
from finegrid.errors import InputError
from finegrid.files import sha256
from finegrid.config.modes import BIAS_KINDS, EVERYTHING, HEAD, MODES

HEAD_NAMES = {"classifier.weight", "classifier.bias"}
LAYERS = "bert.encoder.layer"


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbone")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(folder)
    files = {"model.safetensors": sha256(folder / "model.safetensors")}
    (folder / "provenance.json").write_text(json.dumps({"files": files}))
    return folder


def load(backbone, settings: dict, seed: int = 0):
    """Load the model of a cell of a mode."""
    model, _ = models.load_classifier(backbone, outputs=2, seed=seed)
    models.apply_mode(model, {"train": [HEAD], **settings}, seed)
    return model


def trained_names(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def train(model, **settings) -> list[float]:
    return [loss for epoch in engine.train(model, tiny_split(), **{**SETTINGS, **settings}) for loss in epoch.losses]


def predict(model) -> np.ndarray:
    return engine.predict(model, tiny_split(), "cpu", torch.float32)


# Which biases of a layer each kind is.
KINDS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention-output": "attention.output.dense",
    "attention-layernorm": "attention.output.LayerNorm",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
    "output-layernorm": "output.LayerNorm",
}


@pytest.mark.parametrize("kinds", [*([kind] for kind in BIAS_KINDS), ["query", "intermediate"]], ids="-".join)
def test_a_subset_of_the_biases_is_that_kind_the_pooler_s_bias_and_the_head(backbone, kinds):
    model = load(backbone, MODES["bitfit-" + "-".join(kinds)])
    biases = {f"{LAYERS}.{layer}.{KINDS[kind]}.bias" for layer in range(2) for kind in kinds}
    assert trained_names(model) == biases | HEAD_NAMES | {"bert.pooler.dense.bias"}


def test_the_kinds_together_are_the_biases_of_every_layer(backbone):
    biases = {name for kind in BIAS_KINDS for name in trained_names(load(backbone, MODES[f"bitfit-{kind}"]))}
    rest = {"bert.embeddings.LayerNorm.bias", "classifier.weight"}
    assert biases ^ trained_names(load(backbone, MODES["bitfit"])) == rest


def test_layernorm_trains_weights_and_biases_of_all_layer_norms(backbone):
    model = load(backbone, MODES["layernorm"])
    modules = {name for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    assert len(modules) == 5
    assert trained_names(model) == HEAD_NAMES | {f"{name}.{kind}" for name in modules for kind in ("weight", "bias")}


def test_a_pattern_that_may_be_empty_may_match_nothing(backbone):
    assert trained_names(load(backbone, {"train": [HEAD, r"(.*\.projector\..*)?"]})) == HEAD_NAMES
    with pytest.raises(InputError, match="select no parameter of BertForSequenceClassification"):
        load(backbone, {"train": [r"(.*\.projector\..*)?"]})


def test_a_pattern_that_matches_nothing_is_told_with_the_nearest_names(backbone):
    with pytest.raises(InputError) as error:
        load(backbone, {"train": [r".*\.attention\.self\.querry\.bias"]})
    message = str(error.value)
    assert r"'.*\\.attention\\.self\\.querry\\.bias' matches no parameter of BertForSequenceClassification" in message
    assert f"{LAYERS}.0.attention.self.query" in message
    assert "\n" not in message


# A random subset


@pytest.mark.parametrize("count", [35, 500, 5000])
def test_a_random_subset_trains_so_many_numbers_and_the_head_among_them(backbone, count):
    model = load(backbone, {"train": EVERYTHING, "random": {"parameters": count, "seed": 0}})
    trainable, total = models.count_parameters(model)
    assert trainable == {"encoder": count - 34, "head": 34, "total": count}
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    train(model, weight_decay=0.1, epochs=1, learning_rate=0.1)
    changed = {
        name: (parameter != before[name]).flatten().nonzero().flatten() for name, parameter in model.named_parameters()
    }
    for name, parameter in model.named_parameters():
        allowed = parameter.entries if parameter.entries is not None else torch.arange(parameter.numel())
        assert set(changed[name].tolist()) <= set(allowed.tolist() if parameter.requires_grad else []), name
    # Weight decay moves what has no gradient, too, unless it is 0 to begin with.
    assert sum(map(len, changed.values())) > 0.6 * count
    assert count < total


def test_the_draw_is_even_and_that_of_its_seed(backbone):
    def places(seed: int) -> set[tuple[str, int]]:
        model = load(backbone, {"train": EVERYTHING, "random": {"parameters": 1034, "seed": seed}})
        partial = (
            (name, p.entries) for name, p in model.named_parameters() if p.requires_grad and p.entries is not None
        )
        return {(name, entry) for name, entries in partial for entry in entries.tolist()}

    first = places(0)
    assert len(first) == 1000
    assert first == places(0)
    assert len(first & places(1)) < 300
    sizes = {name: p.numel() for name, p in load(backbone, MODES["full"]).named_parameters() if name not in HEAD_NAMES}
    for name in ("bert.embeddings.position_embeddings.weight", "bert.embeddings.word_embeddings.weight"):
        expected = 1000 * sizes[name] / sum(sizes.values())
        assert abs(sum(where == name for where, _ in first) - expected) < 5 * expected**0.5


def test_all_numbers_of_the_encoder_may_be_drawn(backbone):
    whole = load(backbone, MODES["full"])
    total = models.count_parameters(whole)[1]
    random = load(backbone, {"train": EVERYTHING, "random": {"parameters": total, "seed": 0}})
    assert train(random) == pytest.approx(train(whole), abs=1e-6)  # weight decay, clipping and AdamW over the same
    np.testing.assert_allclose(predict(random), predict(whole), atol=1e-5)


@pytest.mark.parametrize("count", [1, 34, 10**9])
def test_too_few_or_too_many_numbers_are_refused(backbone, count):
    with pytest.raises(InputError, match=rf"random.parameters is {count:,}, .* expected more than 34, [\d,]+ at most"):
        load(backbone, {"train": EVERYTHING, "random": {"parameters": count, "seed": 0}})


def test_a_random_subset_follows_a_loop_over_a_masked_model(backbone):
    """Gradients that are masked before clipping, through torch's AdamW without weight decay."""
    settings = {"train": EVERYTHING, "random": {"parameters": 2000, "seed": 3}}
    model, plain = load(backbone, settings), load(backbone, settings)
    for each in (model, plain):
        each.config.hidden_dropout_prob = 0
        for module in each.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0
    losses = train(model, weight_decay=0, warmup=0, epochs=1)

    split = tiny_split()
    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=0)
    order = torch.Generator().manual_seed(7)
    expected = []
    plain.train()
    for step, batch in enumerate(torch.randperm(24, generator=order).split(5)):
        loss = plain(**collate(split, batch, "cpu"), labels=split.labels[batch]).loss
        loss.backward()
        for parameter in plain.parameters():
            if parameter.requires_grad and parameter.entries is not None:
                mask = torch.zeros(parameter.numel())
                mask[parameter.entries] = 1
                parameter.grad *= mask.view_as(parameter)
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
        optimiser.param_groups[0]["lr"] = 1e-3 * (5 - step) / 5
        optimiser.step()
        optimiser.zero_grad()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-5)
    for (name, parameter), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=0, atol=1e-4, msg=name)


def test_a_random_subset_is_stored_as_its_numbers_and_comes_back(backbone, tmp_path):
    settings = {"train": EVERYTHING, "random": {"parameters": 500, "seed": 0}}
    model = load(backbone, settings)
    train(model)
    models.save_trained(tmp_path / "trained.safetensors", model)
    tensors = load_file(tmp_path / "trained.safetensors")
    assert sum(t.numel() for name, t in tensors.items() if not name.endswith(models.ENTRIES)) == 500
    fresh = load(backbone, settings)
    models.load_trained(tmp_path / "trained.safetensors", fresh)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))
    other = load(backbone, {**settings, "random": {"parameters": 500, "seed": 1}})
    with pytest.raises(InputError, match="does not hold the parameters that this mode trains"):
        models.load_trained(tmp_path / "trained.safetensors", other)


# Adapters

ADAPTERS = {
    "LORA": {"peft_type": "LORA", "r": 4, "lora_dropout": 0.1},
    "LORA-all": {"peft_type": "LORA", "r": 2, "target_modules": ["query", "value", "dense", "word_embeddings"]},
    "IA3": {"peft_type": "IA3"},
    "LN_TUNING": {"peft_type": "LN_TUNING", "target_modules": ["LayerNorm"]},
}
# In what the names of a method's parameters differ.
PREFIXES = {"LORA": "lora_", "IA3": "ia3_", "LN_TUNING": "ln_tuning_"}


@pytest.fixture(params=ADAPTERS)
def adapters(request) -> dict:
    return {"peft": ADAPTERS[request.param]}


def test_adapters_and_the_head_train_and_nothing_else(backbone, adapters):
    model = load(backbone, adapters)
    prefix = PREFIXES[adapters["peft"]["peft_type"]]
    names = trained_names(model)
    assert names >= HEAD_NAMES
    assert len(names) > 2
    assert all(prefix in name for name in names - HEAD_NAMES)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    models.place(model, "cpu")
    train(model)
    for name, parameter in model.named_parameters():
        if name not in names:
            assert torch.equal(parameter, before[name]), name
    assert any(
        not torch.equal(parameter, before[name]) for name, parameter in model.named_parameters() if prefix in name
    )


def test_a_trained_cell_with_adapters_comes_back_and_merges(backbone, adapters, tmp_path):
    model = load(backbone, adapters)
    models.place(model, "cpu")
    train(model, learning_rate=0.05)
    models.save_trained(tmp_path / "trained.safetensors", model)
    stored = load_file(tmp_path / "trained.safetensors")
    assert stored.keys() == trained_names(model)
    assert sum(tensor.numel() for tensor in stored.values()) == models.count_parameters(model)[0]["total"]

    fresh = load(backbone, adapters)
    untrained = predict(fresh)
    models.load_trained(tmp_path / "trained.safetensors", fresh)
    logits = predict(fresh)
    assert np.abs(logits - untrained).max() > 0.01
    np.testing.assert_allclose(logits, predict(model), atol=1e-5)  # padded against unpadded

    plain = models.merge_adapters(fresh)
    np.testing.assert_allclose(predict(plain), logits, atol=1e-5)
    plain.save_pretrained(tmp_path / "merged")
    exported, told = AutoModelForSequenceClassification.from_pretrained(tmp_path / "merged", output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    np.testing.assert_allclose(predict(exported), logits, atol=1e-5)


def test_unpadded_batches_pass_through_adapters(backbone, adapters):
    padded, model = load(backbone, adapters), load(backbone, adapters)
    for each in (padded, model):
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in each.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.3 * torch.randn_like(parameter))
    assert models.place(model, "cpu") == "unpadded"
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


def test_adapters_are_drawn_from_the_seed(backbone):
    settings = {"peft": ADAPTERS["LORA"]}
    name = f"{LAYERS}.0.attention.self.query.lora_A.default.weight"
    torch.manual_seed(5)
    first = models.trained_tensors(load(backbone, settings, seed=0))[name]
    torch.manual_seed(6)
    assert torch.equal(first, models.trained_tensors(load(backbone, settings, seed=0))[name])
    assert not torch.equal(first, models.trained_tensors(load(backbone, settings, seed=1))[name])


def test_more_than_the_head_may_train_beside_adapters(backbone):
    model = load(backbone, {"train": [HEAD, r".*LayerNorm\..*"], "peft": ADAPTERS["LORA"]})
    names = trained_names(model)
    assert "bert.embeddings.LayerNorm.weight" in names
    assert f"{LAYERS}.1.attention.self.value.lora_B.default.weight" in names


BAD_ADAPTERS = [
    ({"peft_type": "LORRA"}, ["peft.peft_type", "'LORRA'", "LORA"]),
    ({"peft_type": "LORA", "rank": 8}, ["unknown key 'rank'", "lora_alpha"]),
    ({"peft_type": "LORA", "r": 0}, ["r"]),
    ({"peft_type": "LORA", "r": "eight"}, ["TypeError"]),
    ({"peft_type": "LORA", "target_modules": ["nowhere"]}, ["nowhere"]),
    ({"peft_type": "LORA", "modules_to_save": ["classifier"]}, ["modules_to_save", "'train'"]),
    ({"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}, ["PROMPT_TUNING", "virtual tokens"]),
    ({"peft_type": "PREFIX_TUNING", "num_virtual_tokens": 4}, ["PREFIX_TUNING", "virtual tokens"]),
    ({"peft_type": "VERA"}, ["VERA"]),
    ({"peft_type": "XLORA", "hidden_size": 8, "adapters": {"a": "someone/x"}}, ["XLORA", "from elsewhere"]),
    ({"peft_type": "ADALORA", "total_step": 10}, ["ADALORA", "loop"]),
]


@pytest.mark.parametrize(("settings", "expected"), BAD_ADAPTERS, ids=str)
def test_adapters_that_cannot_be_are_told_in_one_line(backbone, settings, expected):
    with pytest.raises(InputError) as error:
        load(backbone, {"peft": settings})
    message = str(error.value)
    assert message.startswith("mode: peft")
    assert "\n" not in message
    assert all(part in message for part in expected), message


def test_what_cannot_be_merged_is_told(backbone):
    model = load(backbone, {"peft": {"peft_type": "LILY", "r": 2, "target_modules": ["query", "value"]}})
    with pytest.raises(InputError, match="cannot be merged"):
        models.merge_adapters(model)
    assert models.merge_adapters(tiny_model()).config.model_type == "bert"


PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
from finegrid.modeling import classifier as models
settings = json.loads(sys.argv[3])
model, _ = models.load_classifier(sys.argv[2], 2, 0)
models.apply_mode(model, settings, 0)
heavy = ["peft", "accelerate", "scipy", "sympy", "torch._dynamo", "torch.distributed.tensor", "torch.distributed.fsdp"]
print(json.dumps([name for name in heavy if name in sys.modules]))
"""


@pytest.mark.parametrize(("settings", "imported"), [({}, []), ({"peft": ADAPTERS["LORA"]}, ["peft", "accelerate"])])
def test_only_cells_with_adapters_import_peft_and_nothing_heavier(backbone, settings, imported):
    arguments = [REPOSITORY / "scripts", backbone, json.dumps({"train": [HEAD], **settings})]
    done = run(sys.executable, "-c", PROGRAM, *arguments, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == imported


def test_the_word_for_the_head_is_the_same_where_modes_are_listed_and_where_they_are_applied():
    assert models.HEAD == HEAD
