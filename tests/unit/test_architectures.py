"""Encoders other than BERT: each goes through the same loading, modes, batches and training."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from tiny_models import (
    ENGINES,
    enable,
    load,
    mode_of,
    predict,
    run_epochs,
    save_base_model,
    tiny_split,
    tokens_of,
    without_dropout,
)
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel

from finegrid.config.modes import BIAS_KINDS, MODES
from finegrid.modeling.adapters import merge_adapters
from finegrid.modeling.classifier import load_classifier, load_trained, save_trained
from finegrid.modeling.trainable import count_parameters, in_head
from finegrid.training import fast
from finegrid.training.fast.bert import BertEngine
from finegrid.training.fast.dropout import Dropout
from finegrid.training.fast.embedding import UsedRows
from finegrid.training.fast.features import only_head_trains
from finegrid.training.fast.micro_batches import TOKENS_AT_ONCE
from finegrid.training.inputs import padded_inputs
from finegrid.training.loss import mean_loss

HEADS = {
    "bert": {"classifier"},
    "distilbert": {"pre_classifier", "classifier"},
    "roberta": {"classifier.dense", "classifier.out_proj"},
    "electra": {"classifier.dense", "classifier.out_proj"},
}
POOLERS = {"bert": {"bert.pooler.dense.bias"}}
QUERIES = {"distilbert": "distilbert.transformer.layer.{}.attention.q_lin.bias"}
INTERMEDIATES = {"distilbert": "distilbert.transformer.layer.{}.ffn.lin1.bias"}


@pytest.fixture(scope="module", params=HEADS)
def base_model(request, tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp(request.param), request.param, vocab_size=50)


def texts(**changes):
    return tiny_split(words=range(5, 50))._replace(**changes)


def architecture(base_model) -> str:
    return AutoConfig.from_pretrained(base_model).model_type


def test_the_encoder_is_that_of_the_folder_under_a_head_of_the_seed(base_model):
    (model, start), (_, other) = (load_classifier(base_model, 2, seed) for seed in (0, 1))
    for name, tensor in AutoModel.from_pretrained(base_model).state_dict().items():
        if name in model.base_model.state_dict():  # RoBERTa's classifier needs no pooler
            assert torch.equal(tensor, model.base_model.state_dict()[name]), name
    assert start.encoder == other.encoder
    assert start.head != other.head


def test_modes_select_their_part_of_every_architecture(base_model):
    kind = architecture(base_model)
    heads = {f"{module}.{name}" for module in HEADS[kind] for name in ("weight", "bias")}
    trained, model = {}, None
    for mode in MODES:
        model = load(base_model, mode_of(mode))
        trained[mode] = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = {name for name, _ in model.named_parameters()}
    norms = {name for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    queries, intermediates = (
        {which.get(kind, f"{kind}.encoder.layer.{{}}.{bert}.bias").format(layer) for layer in range(2)}
        for which, bert in ((QUERIES, "attention.self.query"), (INTERMEDIATES, "intermediate.dense"))
    )
    assert trained["full"] == names
    assert trained["linear-probe"] == heads
    assert trained["bitfit"] == {name for name in names if name.endswith(".bias")}
    assert trained["bitfit-head"] == trained["bitfit"] | heads
    assert trained["layernorm"] == heads | {f"{norm}.{name}" for norm in norms for name in ("weight", "bias")}
    assert trained["bitfit-query"] == heads | queries | POOLERS.get(kind, set())
    assert trained["bitfit-query-intermediate"] == trained["bitfit-query"] | intermediates
    # Each kind is one bias of each layer; together they are all biases of the layers.
    biases = {name for name in trained["bitfit"] if ".layer." in name}
    kinds = [trained[f"bitfit-{bias}"] & biases for bias in BIAS_KINDS]
    assert [len(kind) for kind in kinds] == [2] * len(BIAS_KINDS)
    assert set.union(*kinds) == biases
    assert count_parameters(load(base_model, mode_of("linear-probe")))[0].encoder == 0


def test_batches_give_the_logits_of_each_text_alone(base_model):
    model, split = load(base_model, mode_of("full")).eval(), texts()
    alone = deepcopy(model)
    fast.prepare_for_device(model, "cpu")
    logits = predict(model, split)
    for row in range(len(split.labels)):
        expected = alone(input_ids=tokens_of(split, row)[None]).logits[0].detach()
        np.testing.assert_allclose(logits[row], expected, atol=1e-5)


def test_a_padded_batch_is_that_of_transformers(base_model):
    """Padded with the token that the model names, as DataCollatorWithPadding does it."""
    model, split = load(base_model, mode_of("full")).eval(), texts()
    inputs = padded_inputs(model, split, torch.arange(24), "cpu")
    padding = model.config.pad_token_id
    ids = pad_sequence([tokens_of(split, row) for row in range(24)], True, padding)
    assert torch.equal(inputs["input_ids"], ids)
    assert torch.equal(inputs["attention_mask"], (ids != padding).long())
    assert ("token_type_ids" in inputs) == (model.config.model_type != "distilbert")
    expected = model(input_ids=ids, attention_mask=(ids != padding).long()).logits
    assert torch.equal(model(**inputs).logits, expected)


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize("mode", ["full", "bitfit", "linear-probe"])
@pytest.mark.parametrize("weight_decay", [0, 0.01])
def test_steps_are_those_of_a_loop_written_out(base_model, mode, weight_decay, kind):
    model, split = without_dropout(load(base_model, mode_of(mode))), texts()
    other = deepcopy(model)
    engine = enable(kind, model, split, weight_decay=weight_decay)
    (epoch,) = run_epochs(engine, weight_decay=weight_decay, warmup=0, epochs=1)

    trained = [parameter for parameter in other.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, weight_decay=weight_decay)
    order, padding, expected = torch.Generator().manual_seed(7), other.config.pad_token_id, []
    other.train()
    for step, batch in enumerate(torch.randperm(24, generator=order).split(5)):
        ids = pad_sequence([tokens_of(split, row) for row in batch], True, padding)
        loss = other(input_ids=ids, attention_mask=(ids != padding).long(), labels=split.labels[batch]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 0.5)
        optimiser.param_groups[0]["lr"] = 1e-3 * (5 - step) / 5
        optimiser.step()
        optimiser.zero_grad()
        expected.append(loss.item())
    assert epoch.losses == pytest.approx(expected, abs=1e-5)
    for (name, parameter), expected in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, rtol=0, atol=1e-4, msg=name)


def test_used_rows_keep_the_padding_token_where_the_model_looks_for_it(base_model):
    model, split = load(base_model, mode_of("full")).eval(), texts()
    expected = model(**padded_inputs(model, split, torch.arange(24), "cpu")).logits
    used = UsedRows(model, split)
    with used:
        assert model.get_input_embeddings().weight.shape[0] < 50
        inputs = padded_inputs(model, used.split, torch.arange(24), "cpu")
        assert (inputs["input_ids"] == model.config.pad_token_id).any()
        torch.testing.assert_close(model(**inputs).logits, expected)


@pytest.mark.parametrize("kind", ENGINES)
def test_a_frozen_encoder_has_no_dropout_and_the_head_keeps_its_own(base_model, kind):
    """Whatever the architecture: with or without extracted features."""
    model, split = load(base_model, mode_of("linear-probe")), texts()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.5
    seen = []
    model.base_model.register_forward_hook(lambda module, *_: seen.append(module.training))
    engine = enable(kind, model, split)
    run_epochs(engine, epochs=2)
    assert seen or engine.encoder is model  # of which features were extracted
    assert not any(seen)
    dropout = (Dropout, torch.nn.Dropout)
    dropouts = {name for name, module in engine.model.named_modules() if isinstance(module, dropout)}
    training = {name for name in dropouts if engine.model.get_submodule(name).training}
    assert training
    assert training == {name for name in dropouts if in_head(model, name)}


@pytest.mark.parametrize("kind", ENGINES)
def test_dropout_comes_back_with_a_parameter_of_the_encoder(base_model, kind):
    model = load(base_model, mode_of("bitfit"))
    run_epochs(enable(kind, model, texts()), epochs=1)
    assert model.base_model.training


def test_only_a_single_linear_layer_trains_on_features(base_model):
    assert only_head_trains(load(base_model, mode_of("linear-probe"))) == (architecture(base_model) == "bert")


def test_logits_are_float32_where_products_are_bfloat16(base_model):
    model, split = load(base_model, mode_of("full")), texts()
    fast.prepare_for_device(model, "cpu")
    logits = torch.from_numpy(fast.predict(model, split, "cpu", torch.bfloat16))
    assert not torch.equal(logits, logits.bfloat16().float())
    torch.testing.assert_close(logits, torch.from_numpy(predict(model, split)), rtol=0.05, atol=0.02)


def test_adapters_fit_every_architecture(base_model, tmp_path):
    target = ["q_lin", "v_lin"] if architecture(base_model) == "distilbert" else ["query", "value"]
    mode = mode_of("lora", peft={"peft_type": "LORA", "r": 2, "target_modules": target})
    model, split = load(base_model, mode), texts()
    engine = enable("fast", model, split)
    (epoch,) = run_epochs(engine, epochs=1)
    assert not epoch.diverged
    assert count_parameters(model)[0].encoder == 2 * 2 * 2 * 2 * 16
    logits = engine.predict(split)
    save_trained(tmp_path / "trained.safetensors", model)
    fresh = load(base_model, mode)
    load_trained(tmp_path / "trained.safetensors", fresh)
    np.testing.assert_allclose(predict(merge_adapters(fresh), split), logits, atol=1e-5)


# Regression


def scores() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(1).normal(2.5, 1.5, 24).astype(np.float32))


@pytest.mark.parametrize(("kind", "tokens_at_once"), [("plain", 8192), ("fast", 8192), ("fast", 5)])
def test_the_loss_of_one_output_is_transformers_regression_loss(base_model, kind, tokens_at_once, monkeypatch):
    monkeypatch.setitem(TOKENS_AT_ONCE, "cpu", tokens_at_once)
    model, split = without_dropout(load(base_model, mode_of("full"), num_labels=1)), texts(labels=scores())
    other = deepcopy(model)
    expected = other(**padded_inputs(other, split, torch.arange(24), "cpu"), labels=split.labels)
    assert other.config.problem_type == "regression"
    expected.loss.backward()
    # With weight decay the fast engine trains the whole embeddings, so their gradients can be compared.
    engine = enable(kind, model, split, weight_decay=0.01)
    torch.testing.assert_close(engine.backward(torch.arange(24)), expected.loss.detach())
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    if isinstance(engine, BertEngine):
        gradients = engine.flat.gradients
    for name, parameter in other.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)
    logits = engine.predict(split)
    assert logits.shape == (24, 1)
    assert mean_loss(logits, split.labels.numpy()) == pytest.approx(expected.loss.item(), rel=1e-5)


@pytest.mark.parametrize("kind", ENGINES)
def test_regression_learns(base_model, kind):
    model, split = load(base_model, mode_of("full"), num_labels=1), texts(labels=scores())
    epochs = run_epochs(enable(kind, model, split, weight_decay=0), learning_rate=1e-2, weight_decay=0, epochs=10)
    losses = [loss for epoch in epochs for loss in epoch.losses]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])
