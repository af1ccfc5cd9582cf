"""The fast engine computes what the plain one does."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import (
    enable,
    load,
    mode_of,
    run_epochs,
    save_base_model,
    split_of,
    tiny_model,
    tiny_split,
    train_losses,
    without_dropout,
)

from finegrid.config.modes import EVERYTHING, MODES
from finegrid.training import fast
from finegrid.training.fast import bert, micro_batches
from finegrid.training.fast.features import only_head_trains
from finegrid.training.fast.inference import extract

MODES_COMPARED = {
    **{name: mode_of(name) for name in ("full", "bitfit", "bitfit-head", "linear-probe", "layernorm")},
    "random": mode_of("random", train=EVERYTHING, random={"parameters": 2000, "seed": 3}),
    "lora": mode_of("lora", peft={"peft_type": "LORA", "r": 2, "target_modules": ["query", "value"]}),
}


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"))


# A batch in two or three micro-batches, or whole.
@pytest.mark.parametrize(("weight_decay", "tokens_at_once"), [(0, 20), (0.1, 10_000)])
@pytest.mark.parametrize("mode", MODES_COMPARED)
def test_both_engines_train_the_same(base_model, mode, weight_decay, tokens_at_once, monkeypatch):
    monkeypatch.setitem(micro_batches.TOKENS_AT_ONCE, "cpu", tokens_at_once)
    split, results = tiny_split(), {}
    for kind in ("plain", "fast"):
        model = without_dropout(load(base_model, MODES_COMPARED[mode]))
        engine = enable(kind, model, split, weight_decay=weight_decay)
        epochs = run_epochs(engine, weight_decay=weight_decay)
        results[kind] = model, [loss for epoch in epochs for loss in epoch.losses], engine.predict(split)
    (plain, plain_losses, plain_logits), (quick, losses, logits) = results["plain"], results["fast"]
    assert losses == pytest.approx(plain_losses, abs=1e-5)
    np.testing.assert_allclose(logits, plain_logits, atol=1e-5)
    for (name, parameter), expected in zip(quick.named_parameters(), plain.parameters(), strict=True):
        # A key's bias moves all scores of a query alike, so its gradient is 0 but for rounding, which Adam blows up.
        tolerance = 1e-3 if "key.bias" in name else 1e-5
        torch.testing.assert_close(parameter, expected, rtol=0, atol=tolerance, msg=name)


def test_a_regression_trains_the_same_in_micro_batches(base_model, monkeypatch):
    monkeypatch.setitem(micro_batches.TOKENS_AT_ONCE, "cpu", 20)
    scores = torch.from_numpy(np.random.default_rng(1).normal(2.5, 1.5, 24).astype(np.float32))
    split, losses = tiny_split()._replace(labels=scores), {}
    for kind in ("plain", "fast"):
        model = without_dropout(load(base_model, mode_of("full"), num_labels=1))
        losses[kind] = train_losses(kind, model, split)
    assert losses["fast"] == pytest.approx(losses["plain"], rel=1e-5)


def test_embeddings_of_words_that_no_text_holds_stay_as_they_were():
    model, split = tiny_model(), tiny_split()
    embeddings = model.get_input_embeddings()
    before = embeddings.weight.detach().clone()
    train_losses("fast", model, split, weight_decay=0)
    changed = (embeddings.weight != before).any(dim=1).nonzero().flatten()
    assert embeddings.weight.shape == before.shape
    assert changed.tolist() == split.input_ids.unique().tolist()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 200), st.randoms())
def test_micro_batches_hold_every_row_once_and_no_more_than_they_may(lengths, tokens_at_once, random):
    split = split_of([[1] * length for length in lengths])
    rows = random.sample(range(len(lengths)), random.randint(1, len(lengths)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(micro_batches.TOKENS_AT_ONCE, "cpu", tokens_at_once)
        parts = [part.tolist() for part in micro_batches.micro_batches(split.lengths, torch.tensor(rows), "cpu")]
    assert sorted(row for part in parts for row in part) == sorted(rows)
    for part in parts:
        assert sum(lengths[row] for row in part) < tokens_at_once + max(lengths)


def test_a_frozen_encoder_reads_each_text_once(base_model, monkeypatch):
    model, split = load(base_model, mode_of("linear-probe")), tiny_split()
    read, predict_by_hand = [], bert.predict
    monkeypatch.setattr(bert, "predict", lambda *given: read.append(1) or predict_by_hand(*given))
    engine = enable("fast", model, split, weight_decay=0)
    epochs = run_epochs(engine, weight_decay=0)
    assert len(read) == 1
    assert {epoch.tokens for epoch in epochs} == {len(split.input_ids)}
    validation = tiny_split(7)
    np.testing.assert_array_equal(engine.predict(validation), engine.predict(validation))
    assert len(read) == 2
    monkeypatch.undo()
    # The classifier that trained is the model's own.
    np.testing.assert_allclose(
        engine.predict(validation), fast.predict(model, validation, "cpu", torch.float32), atol=1e-6
    )


def test_features_are_what_the_classifier_takes(base_model):
    model, split = load(base_model, mode_of("linear-probe")), tiny_split()
    logits = fast.predict(model, split, "cpu", torch.float32)
    features = extract(model, split, "cpu", torch.float32)
    np.testing.assert_allclose(model.classifier(features.vectors).detach(), logits, atol=1e-6)


@pytest.mark.parametrize("mode", ["full", "bitfit", "bitfit-head"])
def test_other_modes_need_the_encoder(base_model, mode):
    assert MODES[mode]
    assert not only_head_trains(load(base_model, mode_of(mode)))
