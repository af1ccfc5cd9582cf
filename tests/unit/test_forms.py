"""The form of the batches of every architecture, and unpadded batches against transformers' own models."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from every_architecture import tiny_classifier
from hypothesis import given
from hypothesis import strategies as st
from test_every_architecture import without_functional_dropout
from tiny_models import ENGINES, enable, mode_of, split_of, tokens_of, without_dropout
from torch.nn.functional import cross_entropy
from transformers import AutoConfig

from finegrid.config.definition import Training
from finegrid.modeling.architectures import ACCEPTED, DECODERS
from finegrid.modeling.trainable import apply_mode
from finegrid.training import environment, fast
from finegrid.training.engine import Engine
from finegrid.training.fast import unpadded
from finegrid.training.fast.dropout import Dropout
from finegrid.training.fast.engine import FastEngine
from finegrid.training.fast.like_length import LIKE_LENGTH, WINDOW, cut_by_length
from finegrid.training.inputs import arguments
from finegrid.training.loop import train

FORMS = {
    **dict.fromkeys(
        (
            *("albert", "bert", "camembert", "data2vec-text", "distilbert", "electra", "ernie", "gte", "modernbert"),
            *("nomic_bert", "roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"),
        ),
        "unpadded",
    ),
    **dict.fromkeys(
        (
            *("big_bird", "convbert", "deberta", "deberta-v2", "eurobert", "flaubert", "fnet", "funnel", "ibert"),
            *("longformer", "luke", "megatron-bert", "mobilebert", "mpnet", "rembert", "roformer", "squeezebert"),
            *("xlm", "xlnet", *DECODERS),
        ),
        "padded, of like length",
    ),
}
# What a configuration makes of an architecture.
VARIANTS = {
    **{kind: (kind, {}) for kind, form in FORMS.items() if form == "unpadded"},
    "eurobert, first token": ("eurobert", {"classifier_pooling": "bos"}),
    "eurobert, fewer keys": ("eurobert", {"classifier_pooling": "mean", "num_key_value_heads": 1}),
    "modernbert, mean": ("modernbert", {"classifier_pooling": "mean"}),
    "modernbert, windows": ("modernbert", {"local_attention": 6}),
    "roberta, padding token 5": ("roberta", {"pad_token_id": 5}),
}
LENGTHS = (3, 12, 1, 7, 30, 2, 7, 21, 5)


@pytest.fixture(params=VARIANTS)
def model(request):
    """A model of random weights, without dropout, that trains."""
    kind, changes = VARIANTS[request.param]
    return without_functional_dropout(without_dropout(tiny_classifier(kind, num_labels=2, **changes)))


def texts(model, lengths=LENGTHS):
    """Return texts for a model: pairs, if it tells the two apart; one holds the padding token."""
    random = np.random.default_rng(0)
    rows = [random.integers(6, 99, length).tolist() for length in lengths]
    rows[1][4] = model.config.pad_token_id
    kinds = np.concatenate([np.arange(length) > length / 2 for length in lengths])
    if not tells_pairs(model):
        kinds[:] = False
    split = split_of(rows)
    return split._replace(token_type_ids=torch.from_numpy(kinds.astype(np.uint8)), labels=split.labels % 2)


def tells_pairs(model) -> bool:
    return "token_type_ids" in arguments(type(model)) and getattr(model.config, "type_vocab_size", 0) > 1


def alone(model, split, row: int) -> torch.Tensor:
    """Return the logits of one text, by transformers only."""
    inputs = {"input_ids": tokens_of(split, row)[None]}
    if tells_pairs(model):
        inputs["token_type_ids"] = split.token_type_ids[split.offsets[row] : split.offsets[row + 1]].long()[None]
    return model(**inputs).logits[0]


@pytest.mark.parametrize("kind", ACCEPTED)
def test_every_architecture_has_its_form_of_batches(kind):
    assert FORMS.keys() == set(ACCEPTED)
    assert fast.prepare_for_device(tiny_classifier(kind), "cpu") == FORMS[kind]


def test_every_architecture_in_the_table_runs_unpadded():
    assert unpadded.PARTS.keys() == {kind for kind, _ in VARIANTS.values()}


@pytest.mark.parametrize("pooling", ["late", "mean", "bos"])
def test_eurobert_runs_unpadded_unless_it_classifies_every_token(pooling):
    assert unpadded.fits(tiny_classifier("eurobert", classifier_pooling=pooling)) == (pooling != "late")


def test_logits_and_gradients_are_those_of_each_text_alone(model):
    split, other = texts(model), deepcopy(model)
    assert fast.prepare_for_device(model, "cpu") == "unpadded"
    model.train()
    other.train()
    rows, inputs = unpadded.inputs_of(model, split, torch.arange(len(LENGTHS)))
    logits = model(**inputs).logits
    expected = torch.stack([alone(other, split, row) for row in rows.tolist()])
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)

    cross_entropy(logits, split.labels[rows]).backward()
    cross_entropy(expected, split.labels[rows]).backward()
    for (name, parameter), same in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert (parameter.grad is None) == (same[1].grad is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, same[1].grad, rtol=0, atol=1e-4, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_attention_drops_by_the_engines_generator(variant, monkeypatch):
    """Each layer draws a mask for each group of texts, whether a model keeps the rate as a module or as a number."""
    kind, changes = VARIANTS[variant]
    rates = {name: value for name, value in AutoConfig.for_model(kind).to_dict().items() if "dropout" in name}
    rates = {name: 0.5 if "attention" in name else 0.0 for name in rates}
    model = tiny_classifier(kind, num_labels=2, **rates, **changes)
    split, drawn = texts(model), []
    monkeypatch.setattr(
        Dropout, "draw", lambda *arguments, draw=Dropout.draw: drawn.append(draw(*arguments)) or drawn[-1]
    )
    with (engine := FastEngine(model, split, "cpu", torch.float32, 3, 0.0)).training():
        engine.backward(torch.arange(len(LENGTHS)))
    _, inputs = unpadded.inputs_of(model, split, torch.arange(len(LENGTHS)))
    last = unpadded.PARTS[kind].last is not None
    expected = [
        (texts * 2, 1 if last and layer == 1 else longest, longest)
        for layer in range(2)
        for texts, longest in (group.size for group in inputs["layout"].groups)
    ]
    assert [mask.bits.shape for mask in drawn if len(mask.bits) > 1] == expected


def test_a_step_in_bfloat16_is_near_that_in_float32(model):
    split, gradients = texts(model), []
    for dtype in (torch.float32, environment.dtype_for(model, torch.bfloat16)):
        engine = FastEngine(deepcopy(model), split, "cpu", dtype, 3, 0.01)
        assert engine.batches == "unpadded"
        with engine.training():
            engine.backward(torch.arange(len(LENGTHS)))
        gradients.append(torch.cat([each.grad.flatten() for each in engine.parameters if each.grad is not None]))
    assert (gradients[1] - gradients[0]).norm() < 0.1 * gradients[0].norm()


RESUMED = ("distilbert", "electra", "gte", "roberta", "mpnet", "rembert")


@pytest.mark.parametrize("kind", RESUMED)
def test_training_resumes_bit_for_bit(kind):
    def start() -> Engine:
        model = tiny_classifier(kind, num_labels=2).train()
        return FastEngine(model, texts(model), "cpu", torch.float32, 3, 0.0)

    engine, settings, whole, states = start(), Training(epochs=3), [], []
    for epoch in train(engine, settings, 2, 1e-2, seed=1):
        engine.predict(engine.split)  # as a cell does between its epochs
        whole.append(epoch.losses)
        states.append({name: tensor.detach().clone() for name, tensor in epoch.state.items()})
    again = start()
    torch.rand(3)  # another process has drawn other numbers
    assert [epoch.losses for epoch in train(again, settings, 2, 1e-2, seed=1, state=states[0])] == whole[1:]
    for name, parameter in engine.model.state_dict().items():
        assert torch.equal(parameter, again.model.state_dict()[name]), name


# Batches of like length


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200), st.integers(1, 7), st.integers(0, 2**32))
def test_an_epoch_holds_every_row_once_in_batches_of_like_length(lengths, batch_size, seed):
    rows, lengths = len(lengths), torch.tensor(lengths)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    first, second = (cut_by_length(order, lengths, batch_size, torch.Generator().manual_seed(seed)) for _ in range(2))
    assert [batch.tolist() for batch in first] == [batch.tolist() for batch in second]
    assert torch.cat(first).sort().values.tolist() == list(range(rows))
    assert sorted(map(len, first), reverse=True) == list(map(len, order.split(batch_size)))
    for window in order.split(WINDOW * batch_size):
        mine = [lengths[batch] for batch in first if set(batch.tolist()) <= set(window.tolist())]
        assert sum(map(len, mine)) == len(window)
        mine.sort(key=lambda each: (int(each.min()), int(each.max())))
        assert torch.cat([each.sort().values for each in mine]).tolist() == lengths[window].sort().values.tolist()


def test_batches_of_like_length_come_in_random_order():
    order, lengths = torch.arange(64), torch.arange(1, 65)
    firsts = {int(cut_by_length(order, lengths, 8, torch.Generator().manual_seed(seed))[0][0]) for seed in range(100)}
    assert firsts == set(range(0, 64, 8))


def test_only_the_fast_engine_on_a_processor_draws_batches_of_like_length(monkeypatch):
    orders = {}
    for kind in ("distilbert", "mpnet"):
        for name in ENGINES:
            model = tiny_classifier(kind, num_labels=2)
            engine, random = enable(name, model, texts(model)), torch.Generator().manual_seed(0)
            batches = engine.cut(torch.arange(len(LENGTHS)), 2, random)
            orders[kind, name] = [batch.tolist() for batch in batches] == [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
            assert (engine.batches == LIKE_LENGTH) == (not orders[kind, name])
        model = tiny_classifier(kind)
        monkeypatch.setattr(model, "to", lambda device: None)  # no GPU is needed to ask
        assert fast.prepare_for_device(model, "cuda") == "padded"
    assert [key for key, in_order in orders.items() if not in_order] == [("mpnet", "fast")]


def test_features_are_drawn_at_random():
    model = tiny_classifier("rembert", num_labels=2)
    apply_mode(model, mode_of("linear-probe"), seed=0)
    engine = enable("fast", model, texts(model))
    assert engine.encoder is not None
    assert engine.batches == "padded"
