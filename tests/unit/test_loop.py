"""The training loop, with the plain and with the fast engine, against torch's and transformers' own pieces."""

import numpy as np
import pytest
import torch
from every_architecture import tiny_classifier
from tiny_models import (
    ENGINES,
    enable,
    run_epochs,
    tiny_model,
    tiny_split,
    tokens_of,
    train_losses,
)
from transformers import get_linear_schedule_with_warmup

from finegrid.training.fast import micro_batches
from finegrid.training.loop import Epoch
from finegrid.training.loss import CURVE_POINTS, loss_curve
from finegrid.training.schedule import learning_rate_at


@pytest.mark.parametrize("warmup", [0, 3])
def test_the_schedule_is_that_of_transformers(warmup):
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = get_linear_schedule_with_warmup(optimiser, warmup, 20)
    for step in range(20):
        assert learning_rate_at(step, 20, warmup) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()


@pytest.mark.parametrize(("kind", "tokens_at_once"), [("plain", 1000), ("fast", 1), ("fast", 20), ("fast", 1000)])
@pytest.mark.parametrize("weight_decay", [0, 0.01])
def test_training_follows_a_loop_written_out(kind, tokens_at_once, weight_decay, monkeypatch):
    """The same batches through torch's AdamW, clipping and transformers' schedule."""
    monkeypatch.setitem(micro_batches.TOKENS_AT_ONCE, "cpu", tokens_at_once)
    model, other, split = tiny_model(), tiny_model(), tiny_split()
    losses = train_losses(kind, model, split, weight_decay=weight_decay)

    optimiser = torch.optim.AdamW(other.parameters(), lr=1e-3, weight_decay=weight_decay)
    schedule = get_linear_schedule_with_warmup(optimiser, num_warmup_steps=2, num_training_steps=15)
    order, expected = torch.Generator().manual_seed(7), []
    other.train()
    for _ in range(3):
        for batch in torch.randperm(24, generator=order).split(5):
            inputs = torch.nn.utils.rnn.pad_sequence([tokens_of(split, row) for row in batch], batch_first=True)
            loss = other(input_ids=inputs, attention_mask=inputs != 0, labels=split.labels[batch]).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(other.parameters(), 0.5)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
            expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-5)
    for (name, parameter), expected in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize(("kind", "architecture"), [("plain", "bert"), ("fast", "albert"), ("fast", "squeezebert")])
def test_every_row_is_read_once_an_epoch(kind, architecture):
    """Whatever the form of the batches."""
    read, model, split = [], tiny_classifier(architecture, num_labels=2), tiny_split()

    def count(_, __, inputs: dict) -> None:
        padded = "attention_mask" in inputs
        read.append(int(inputs["attention_mask"].sum() if padded else inputs["layout"].lengths.sum()))

    model.register_forward_pre_hook(count, with_kwargs=True)
    epochs = run_epochs(enable(kind, model, split))
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert [len(epoch.losses) for epoch in epochs] == [5, 5, 5]
    assert sum(read) == sum(epoch.tokens for epoch in epochs) == 3 * len(split.input_ids)


@pytest.mark.parametrize("kind", ENGINES)
def test_frozen_parameters_stay_as_they_were(kind):
    model = tiny_model(dropout=0.1)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.endswith(".bias"))
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    train_losses(kind, model, tiny_split())
    for name, parameter in model.named_parameters():
        if not name.endswith(".bias"):
            assert torch.equal(parameter, before[name]), name
    assert not torch.equal(model.classifier.bias, before["classifier.bias"])


@pytest.mark.parametrize("kind", ENGINES)
def test_predictions_come_in_the_order_of_the_rows(kind):
    model, other, split = tiny_model(), tiny_model().eval(), tiny_split(70)
    logits = enable(kind, model, split).predict(split)
    assert logits.dtype == np.float32
    for row in range(len(split.labels)):
        expected = other(input_ids=tokens_of(split, row)[None]).logits[0].detach()
        np.testing.assert_allclose(logits[row], expected, atol=1e-5)


def test_an_epoch_knows_that_it_diverged():
    assert not Epoch(1, [0.7, 0.6], 10, {}).diverged
    assert Epoch(1, [0.7, float("nan")], 10, {}).diverged
    assert Epoch(1, [float("inf")], 10, {}).diverged


@pytest.mark.parametrize("steps", [1, 7, 20, 21, 1000])
def test_the_loss_curve_keeps_the_mean_and_the_last_step(steps):
    losses = np.linspace(1, 0, steps).tolist()
    curve = loss_curve(losses, first_step=100)
    assert len(curve) == min(steps, CURVE_POINTS)
    assert curve[-1][0] == 100 + steps
    weights = np.diff([100, *(step for step, _ in curve)])
    assert np.average([loss for _, loss in curve], weights=weights) == pytest.approx(np.mean(losses), abs=1e-5)
    assert loss_curve([1.0, float("nan")], 0) == [(1, 1.0), (2, None)]
