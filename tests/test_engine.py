"""The training loop against transformers' own pieces."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_data import split_of
from transformers import BertConfig, BertForSequenceClassification, get_linear_schedule_with_warmup

from finegrid.training import loop as engine
from finegrid.training.fast import features
from finegrid.modeling import classifier as models
from finegrid.config.modes import MODES
from finegrid.training.schedule import learning_rate_at
from finegrid.training.fast.unpadded import use_unpadded


def tiny_model(dropout: float = 0.0, unpadded: bool = False) -> BertForSequenceClassification:
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(
            vocab_size=100,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
    )
    if unpadded:
        use_unpadded(model)
    return model


def tiny_split(rows: int = 24):
    random = np.random.default_rng(0)
    split = split_of([random.integers(1, 100, random.integers(2, 12)).tolist() for _ in range(rows)])
    return split._replace(labels=torch.arange(rows) % 2)


SETTINGS = {
    "batch_size": 5,
    "learning_rate": 1e-3,
    "epochs": 3,
    "weight_decay": 0.01,
    "warmup": 0.1,
    "max_grad_norm": 0.5,
    "seed": 7,
    "device": "cpu",
    "dtype": torch.float32,
}


@pytest.mark.parametrize("warmup", [0, 3])
def test_the_schedule_is_that_of_transformers(warmup):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimiser, warmup, 20)
    for step in range(20):
        assert learning_rate_at(step, 20, warmup) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()


@pytest.mark.parametrize("tokens_at_once", [1, 20, 1000])
@pytest.mark.parametrize("weight_decay", [0, 0.01])
@pytest.mark.parametrize("unpadded", [False, True])
def test_training_follows_a_plain_loop_step_by_step(unpadded, weight_decay, tokens_at_once, monkeypatch):
    """The same batches through AdamW, clipping and transformers' schedule, written out plainly."""
    monkeypatch.setitem(engine.TOKENS_AT_ONCE, "cpu", tokens_at_once)
    model, plain, split = tiny_model(unpadded=unpadded), tiny_model(), tiny_split()
    settings = {**SETTINGS, "weight_decay": weight_decay}
    losses = [loss for epoch in engine.train(model, split, **settings) for loss in epoch.losses]

    optimiser = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=weight_decay)
    schedule = get_linear_schedule_with_warmup(optimiser, num_warmup_steps=2, num_training_steps=15)
    order, expected = torch.Generator().manual_seed(7), []
    plain.train()
    for _ in range(3):
        for batch in torch.randperm(24, generator=order).split(5):
            rows = [split.input_ids[split.offsets[row] : split.offsets[row + 1]] for row in batch]
            inputs = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).long()
            loss = plain(input_ids=inputs, attention_mask=inputs != 0, labels=split.labels[batch]).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-5)
    for (name, parameter), other in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        torch.testing.assert_close(parameter, other[1], rtol=0, atol=1e-4, msg=name)


def test_rows_of_words_that_no_text_holds_stay_as_they_were():
    model, split = tiny_model(), tiny_split()
    before = model.get_input_embeddings().weight.detach().clone()
    for _ in engine.train(model, split, **{**SETTINGS, "weight_decay": 0}):
        weight = model.get_input_embeddings().weight
        changed = (weight != before).any(dim=1).nonzero().flatten()
        assert weight.shape == before.shape
        assert changed.tolist() == split.input_ids.unique().tolist()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200), st.randoms())
def test_pieces_hold_every_row_once_and_no_more_than_they_may(lengths, tokens_at_once, random):
    split = split_of([[1] * length for length in lengths])
    rows = random.sample(range(len(lengths)), random.randint(1, len(lengths)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(engine.TOKENS_AT_ONCE, "cpu", tokens_at_once)
        pieces = [piece.tolist() for piece in engine.pieces(split, torch.tensor(rows), "cpu")]
    assert sorted(row for piece in pieces for row in piece) == sorted(rows)
    for piece in pieces:
        assert sum(lengths[row] for row in piece) < tokens_at_once + max(lengths)


def test_every_row_is_read_once_an_epoch():
    read = []
    model = tiny_model()
    model.register_forward_pre_hook(
        lambda _, args, inputs: read.append(inputs["attention_mask"].sum().item()), with_kwargs=True
    )
    epochs = list(engine.train(model, tiny_split(), **SETTINGS))
    assert [len(epoch.losses) for epoch in epochs] == [5, 5, 5]
    assert sum(read) == sum(epoch.tokens for epoch in epochs) == 3 * len(tiny_split().input_ids)


@pytest.mark.parametrize("unpadded", [False, True])
def test_frozen_parameters_stay_as_they_were(unpadded):
    model = tiny_model(dropout=0.1, unpadded=unpadded)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith(".bias"))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    list(engine.train(model, tiny_split(), **SETTINGS))
    for name, parameter in model.named_parameters():
        if not name.endswith(".bias"):
            assert torch.equal(parameter, before[name]), name
    assert not torch.equal(model.classifier.bias, before["classifier.bias"])


@pytest.mark.parametrize("unpadded", [False, True])
def test_predictions_come_in_the_order_of_the_rows(unpadded):
    model, plain, split = tiny_model(unpadded=unpadded), tiny_model().eval(), tiny_split()
    logits = engine.predict(model, split, "cpu", torch.float32)
    for row in range(len(split.labels)):
        tokens = split.input_ids[split.offsets[row] : split.offsets[row + 1]].long()
        np.testing.assert_allclose(logits[row], plain(input_ids=tokens[None]).logits[0].detach(), atol=1e-5)


def test_an_epoch_knows_that_it_diverged():
    assert not engine.Epoch([0.7, 0.6], 10, {}).diverged
    assert engine.Epoch([0.7, float("nan")], 10, {}).diverged
    assert engine.Epoch([float("inf")], 10, {}).diverged


@pytest.mark.parametrize("steps", [1, 7, 20, 21, 1000])
def test_the_loss_curve_keeps_the_mean_and_the_last_step(steps):
    losses = np.linspace(1, 0, steps).tolist()
    curve = engine.loss_curve(losses, first_step=100)
    assert len(curve) == min(steps, engine.CURVE_POINTS)
    assert curve[-1][0] == 100 + steps
    weights = np.diff([100, *(step for step, _ in curve)])
    assert np.average([loss for _, loss in curve], weights=weights) == pytest.approx(np.mean(losses), abs=1e-5)
    assert engine.loss_curve([1.0, float("nan")], 0) == [[1, 1.0], [2, None]]


def test_a_frozen_encoder_is_read_once_and_its_classifier_trains_the_same():
    model, whole, split = tiny_model(unpadded=True), tiny_model(unpadded=True), tiny_split()
    for each in (model, whole):
        models.set_trainable(each, MODES["frozen"]["train"])
    assert features.suffice(model)
    settings = {**SETTINGS, "weight_decay": 0}
    expected = [loss for epoch in engine.train(whole, split, **settings) for loss in epoch.losses]

    vectors, head = features.extract(model, split, "cpu", torch.float32), features.Head(model)
    model.base_model.forward = None  # not called again
    epochs = list(engine.train(head, vectors, **settings))
    assert [loss for epoch in epochs for loss in epoch.losses] == pytest.approx(expected, abs=1e-6)
    assert {epoch.tokens for epoch in epochs} == {len(split.input_ids)}
    torch.testing.assert_close(model.classifier.weight, whole.classifier.weight)
    logits = engine.predict(head, vectors, "cpu", torch.float32)
    np.testing.assert_allclose(logits, engine.predict(whole, split, "cpu", torch.float32), atol=1e-6)


@pytest.mark.parametrize("mode", ["full", "bitfit", "bitfit-head"])
def test_other_modes_need_the_encoder(mode):
    model = tiny_model()
    models.set_trainable(model, MODES[mode]["train"])
    assert not features.suffice(model)
