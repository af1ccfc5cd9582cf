"""Encoders other than BERT: each runs through the same loading, modes, batches and training."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from test_data import split_of
from test_engine import SETTINGS
from transformers import AutoConfig, AutoModel

from finegrid.training import loop as engine
from finegrid.training.fast import features
from finegrid.modeling import classifier as models
from finegrid.training.fast.dropout import Dropout
from finegrid.training.fast.embedding import UsedRows
from finegrid.files import sha256
from finegrid.config.modes import BIAS_KINDS, HEAD, MODES

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SHAPES = {
    "bert": SMALL,
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "roberta": {**SMALL, "type_vocab_size": 1, "max_position_embeddings": 40},
    "electra": {**SMALL, "embedding_size": 8},
}
HEADS = {
    "bert": {"classifier"},
    "distilbert": {"pre_classifier", "classifier"},
    "roberta": {"classifier.dense", "classifier.out_proj"},
    "electra": {"classifier.dense", "classifier.out_proj"},
}
POOLERS = {"bert": {"bert.pooler.dense.bias"}}
QUERIES = {"distilbert": "distilbert.transformer.layer.{}.attention.q_lin.bias"}
INTERMEDIATES = {"distilbert": "distilbert.transformer.layer.{}.ffn.lin1.bias"}


@pytest.fixture(scope="module", params=SHAPES)
def backbone(request, tmp_path_factory):
    """A model folder as `backbone.py` makes it, with a small encoder of random weights."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    config = AutoConfig.for_model(request.param, vocab_size=50, **SHAPES[request.param])
    encoder = AutoModel.from_config(config)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    encoder.save_pretrained(folder)
    files = {"model.safetensors": sha256(folder / "model.safetensors")}
    (folder / "provenance.json").write_text(json.dumps({"files": files}))
    return folder


def load(backbone, mode: str, outputs: int = 2, **settings):
    model, _ = models.load_classifier(backbone, outputs, seed=0)
    models.apply_mode(model, {**MODES[mode], **settings}, seed=0)
    return model


def texts(rows: int = 24):
    random = np.random.default_rng(0)
    lengths = random.integers(2, 12, rows)
    split = split_of([random.integers(5, 50, length).tolist() for length in lengths])
    return split._replace(labels=torch.arange(rows) % 2)


def inputs_of(split, row: int) -> torch.Tensor:
    return split.input_ids[split.offsets[row] : split.offsets[row + 1]].long()


def test_the_encoder_is_that_of_the_folder_under_a_head_of_the_seed(backbone):
    (model, start), (_, other) = (models.load_classifier(backbone, 2, seed) for seed in (0, 1))
    for name, tensor in AutoModel.from_pretrained(backbone).state_dict().items():
        if name in model.base_model.state_dict():  # RoBERTa's classifier needs no pooler
            assert torch.equal(tensor, model.base_model.state_dict()[name]), name
    assert start["encoder"] == other["encoder"]
    assert start["head"] != other["head"]


def test_modes_select_their_part_of_every_architecture(backbone):
    kind = AutoConfig.from_pretrained(backbone).model_type
    heads = {f"{module}.{name}" for module in HEADS[kind] for name in ("weight", "bias")}
    trained, model = {}, None
    for mode in MODES:
        model = load(backbone, mode)
        trained[mode] = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = {name for name, _ in model.named_parameters()}
    norms = {name for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    queries, intermediates = (
        {which.get(kind, f"{kind}.encoder.layer.{{}}.{bert}.bias").format(layer) for layer in range(2)}
        for which, bert in ((QUERIES, "attention.self.query"), (INTERMEDIATES, "intermediate.dense"))
    )
    assert trained["full"] == names
    assert trained["frozen"] == heads
    assert trained["bitfit"] == {name for name in names if name.endswith(".bias")}
    assert trained["bitfit-head"] == trained["bitfit"] | heads
    assert trained["layernorm"] == heads | {f"{norm}.{name}" for norm in norms for name in ("weight", "bias")}
    assert trained["bitfit-query"] == heads | queries | POOLERS.get(kind, set())
    assert trained["bitfit-query-intermediate"] == trained["bitfit-query"] | intermediates
    # Each kind is one bias of each layer; together they are all of the layers' biases.
    biases = {name for name in trained["bitfit"] if ".layer." in name}
    kinds = [trained[f"bitfit-{bias}"] & biases for bias in BIAS_KINDS]
    assert [len(kind) for kind in kinds] == [2] * len(BIAS_KINDS)
    assert set.union(*kinds) == biases
    assert models.count_parameters(load(backbone, "frozen"))[0]["encoder"] == 0


def test_padded_batches_give_the_logits_of_each_text_alone(backbone):
    model, split = load(backbone, "full").eval(), texts()
    plain = deepcopy(model)
    models.place(model, "cpu")
    logits = engine.predict(model, split, "cpu", torch.float32)
    for row in range(len(split.labels)):
        np.testing.assert_allclose(
            logits[row], plain(input_ids=inputs_of(split, row)[None]).logits[0].detach(), atol=1e-5
        )


def test_a_padded_batch_is_that_of_transformers(backbone):
    """Whole, with the pad token that the model names, as DataCollatorWithPadding makes it."""
    model, split = load(backbone, "full").eval(), texts()
    rows, inputs = engine.inputs_of(model, split, torch.arange(24), "cpu")
    padding = model.config.pad_token_id
    ids = torch.nn.utils.rnn.pad_sequence([inputs_of(split, row) for row in rows], True, padding)
    assert torch.equal(inputs["input_ids"], ids)
    assert torch.equal(inputs["attention_mask"], (ids != padding).long())
    assert ("token_type_ids" in inputs) == (model.config.model_type != "distilbert")
    expected = model(input_ids=ids, attention_mask=(ids != padding).long()).logits
    assert torch.equal(model(**inputs).logits, expected)


@pytest.mark.parametrize("mode", ["full", "bitfit", "frozen"])
@pytest.mark.parametrize("weight_decay", [0, 0.01])
def test_steps_are_those_of_a_plain_loop(backbone, mode, weight_decay):
    model, split = load(backbone, mode), texts()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    plain = deepcopy(model)
    models.place(model, "cpu")
    settings = {**SETTINGS, "weight_decay": weight_decay, "warmup": 0, "epochs": 1}
    (epoch,) = engine.train(model, split, **settings)

    trained = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, weight_decay=weight_decay)
    order, padding, expected = torch.Generator().manual_seed(7), plain.config.pad_token_id, []
    plain.train()
    for step, batch in enumerate(torch.randperm(24, generator=order).split(5)):
        ids = torch.nn.utils.rnn.pad_sequence([inputs_of(split, row) for row in batch], True, padding)
        loss = plain(input_ids=ids, attention_mask=(ids != padding).long(), labels=split.labels[batch]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 0.5)
        optimiser.param_groups[0]["lr"] = 1e-3 * (5 - step) / 5
        optimiser.step()
        optimiser.zero_grad()
        expected.append(loss.item())
    assert epoch.losses == pytest.approx(expected, abs=1e-5)
    for (name, parameter), other in zip(model.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter, other, rtol=0, atol=1e-4, msg=name)


def test_used_rows_keep_the_padding_token_where_the_model_looks_for_it(backbone):
    model, split = load(backbone, "full").eval(), texts()
    padding = model.config.pad_token_id
    rows, inputs = engine.inputs_of(model, split, torch.arange(24), "cpu")
    expected = model(**inputs).logits
    used = UsedRows(model, split)
    with used:
        assert model.get_input_embeddings().weight.shape[0] < 50
        same_rows, inputs = engine.inputs_of(model, used.split, torch.arange(24), "cpu")
        assert (inputs["input_ids"] == padding).any()
        torch.testing.assert_close(model(**inputs).logits, expected)
    assert torch.equal(rows, same_rows)


def test_a_frozen_encoder_has_no_dropout_and_the_head_keeps_its_own(backbone):
    """Whether the encoder is read once or at every step: what frozen means does not hang on the architecture."""
    model, split = load(backbone, "frozen"), texts()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    models.place(model, "cpu")
    seen = []
    model.base_model.register_forward_hook(lambda module, *_: seen.append(module.training))
    list(engine.train(model, split, **{**SETTINGS, "epochs": 2}))
    assert seen
    assert not any(seen)
    dropouts = {name: module.training for name, module in model.named_modules() if isinstance(module, Dropout)}
    head = {name for name in dropouts if models.in_head(model, name)}
    assert head
    assert {name for name, training in dropouts.items() if training} == head


def test_dropout_comes_back_with_a_parameter_of_the_encoder(backbone):
    model = load(backbone, "bitfit")
    models.place(model, "cpu")
    list(engine.train(model, texts(), **{**SETTINGS, "epochs": 1}))
    assert model.base_model.training


def test_only_a_single_linear_layer_is_trained_on_features(backbone):
    kind = AutoConfig.from_pretrained(backbone).model_type
    assert features.suffice(load(backbone, "frozen")) == (kind == "bert")


def test_logits_are_float32_where_products_are_bfloat16(backbone):
    model, split = load(backbone, "full"), texts()
    models.place(model, "cpu")
    logits = torch.from_numpy(engine.predict(model, split, "cpu", torch.bfloat16))
    assert not torch.equal(logits, logits.bfloat16().float())


def test_adapters_fit_every_architecture(backbone, tmp_path):
    kind = AutoConfig.from_pretrained(backbone).model_type
    target = ["q_lin", "v_lin"] if kind == "distilbert" else ["query", "value"]
    settings = {"train": [HEAD], "peft": {"peft_type": "LORA", "r": 2, "target_modules": target}}
    model = load(backbone, "full", **settings)
    models.place(model, "cpu")
    (epoch,) = engine.train(model, texts(), **{**SETTINGS, "epochs": 1})
    assert not epoch.diverged
    assert models.count_parameters(model)[0]["encoder"] == 2 * 2 * 2 * 2 * 16
    logits = engine.predict(model, texts(), "cpu", torch.float32)
    models.save_trained(tmp_path / "trained.safetensors", model)
    fresh = load(backbone, "full", **settings)
    models.load_trained(tmp_path / "trained.safetensors", fresh)
    merged = models.merge_adapters(fresh)
    np.testing.assert_allclose(engine.predict(merged, texts(), "cpu", torch.float32), logits, atol=1e-5)


# Regression


def scores(rows: int = 24) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(2.5, 1.5, rows).astype(np.float32))


def test_the_loss_of_one_output_is_transformers_regression_loss(backbone):
    model, split = load(backbone, "full", outputs=1).eval(), texts()._replace(labels=scores())
    assert model.config.num_labels == 1
    rows, inputs = engine.inputs_of(model, split, torch.arange(24), "cpu")
    expected = model(**inputs, labels=split.labels[rows])
    assert model.config.problem_type == "regression"
    expected.loss.backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    loss = engine.accumulate_gradients(model, split, torch.arange(24), "cpu", torch.float32)
    torch.testing.assert_close(loss, expected.loss.detach())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6)
    logits = engine.predict(model, split, "cpu", torch.float32)
    assert logits.shape == (24, 1)
    assert engine.mean_loss(logits, split.labels.numpy()) == pytest.approx(expected.loss.item(), rel=1e-5)


def test_regression_learns(backbone):
    model, split = load(backbone, "full", outputs=1), texts()._replace(labels=scores())
    models.place(model, "cpu")
    losses = [
        loss
        for epoch in engine.train(model, split, **{**SETTINGS, "epochs": 20, "learning_rate": 1e-2})
        for loss in epoch.losses
    ]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_the_pieces_of_a_batch_add_up_to_its_regression_loss(backbone, monkeypatch):
    split = texts()._replace(labels=scores())
    losses = {}
    for tokens in (5, 10_000):
        monkeypatch.setitem(engine.TOKENS_AT_ONCE, "cpu", tokens)
        model = load(backbone, "full", outputs=1).eval()
        losses[tokens] = engine.accumulate_gradients(model, split, torch.arange(24), "cpu", torch.float32)
    torch.testing.assert_close(losses[5], losses[10_000])
