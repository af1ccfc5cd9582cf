"""BERT's step by hand against autograd: gradients, fifty steps, both kinds of kernels, every kind of mode."""

import itertools

import numpy as np
import pytest
import torch
from every_architecture import tiny_classifier
from every_method import mode_with, settings_of
from tiny_models import HEAD, load, mode_of, save_base_model, tiny_split, without_dropout

from finegrid.config.definition import Training
from finegrid.config.modes import EVERYTHING
from finegrid.modeling.trainable import apply_mode
from finegrid.training.fast import micro_batches
from finegrid.training.fast.bert import BertEngine, compiled, fits, layers, mask, parts, predict, twins
from finegrid.training.fast.bert import kernels as kernels_module
from finegrid.training.fast.bert.batch import Source, lay_out
from finegrid.training.fast.engine import FastEngine
from finegrid.training.loop import train

MODES = {
    **{name: mode_of(name) for name in ("full", "bitfit", "bitfit-head", "layernorm", "bitfit-query-intermediate")},
    "random": mode_of("random", train=EVERYTHING, random={"parameters": 2000, "seed": 3}),
    "second-layer": mode_of("second-layer", train=[r"bert\.encoder\.layer\.1\..*"]),
    "last-layer": mode_of("last-layer", train=[r"bert\.encoder\.layer\.2\..*", "head"]),
    "words": mode_of("words", train=[r".*word_embeddings.*"]),
    "lora": mode_with("LORA", train=[HEAD, r".*bias"]),
    # Ranks that fall, a gradient of their own, parameters that all layers share; a layer that an adapter scales.
    "adalora": mode_with("ADALORA"),
    "vblora": mode_with("VBLORA"),
    "ia3": mode_with("IA3"),
}
# Architectures of parts.KINDS, and what fits of them.
RELATIVES = {
    **{kind: {} for kind in ("camembert", "distilbert", "roberta", "xlm-roberta")},
    "electra": {"embedding_size": 16},
}
FIFTY = Training(epochs=10, warmup=0.1, max_grad_norm=0.5)  # of 5 steps


@pytest.fixture(params=[compiled, twins], ids=["compiled", "twins"])
def kernels(request, monkeypatch):
    if request.param is compiled and not compiled.LIBRARY:
        pytest.skip("there was no compiler as finegrid was installed")
    monkeypatch.setattr(layers, "kernels", request.param)
    monkeypatch.setattr(kernels_module, "chosen", request.param)


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"), num_hidden_layers=3)


def engine_of(kind: type, base_model, mode: str = "full", dtype=torch.float32, weight_decay: float = 0, **data):
    """Return an engine without dropout that trains short pairs of texts."""
    split = tiny_split()._replace(**data)
    split = split._replace(token_type_ids=torch.arange(len(split.input_ids), dtype=torch.uint8) % 2)
    model = without_dropout(load(base_model, MODES[mode], num_labels=1 if split.labels.is_floating_point() else 2))
    if kind is FastEngine:
        return FastEngine(model, split, "cpu", dtype, 7, weight_decay)
    assert fits(model, "cpu")
    return BertEngine(model, split, dtype, 7, weight_decay)


def run(engine, **settings) -> list[float]:
    """Train fifty steps in batches of 5; return the losses."""
    epochs = train(engine, FIFTY.model_copy(update=settings), 5, 1e-3, seed=7)
    return [loss for epoch in epochs for loss in epoch.losses]


@pytest.mark.parametrize(("weight_decay", "tokens_at_once"), [(0, 20), (0.1, 10_000)])
@pytest.mark.parametrize("mode", MODES)
def test_fifty_steps_are_those_of_autograd(base_model, kernels, mode, weight_decay, tokens_at_once, monkeypatch):
    monkeypatch.setitem(micro_batches.TOKENS_AT_ONCE, "cpu", tokens_at_once)
    ours, theirs = (engine_of(kind, base_model, mode, weight_decay=weight_decay) for kind in (BertEngine, FastEngine))
    losses = [run(engine, weight_decay=weight_decay) for engine in (ours, theirs)]
    assert len(losses[0]) == 50
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    split = tiny_split()
    np.testing.assert_allclose(ours.predict(split), theirs.predict(split), atol=1e-5)
    for (name, one), other in zip(ours.model.named_parameters(), theirs.model.parameters(), strict=True):
        if "key.bias" not in name:  # moves all scores of a query alike: its gradient is rounding, which Adam blows up
            torch.testing.assert_close(one, other, rtol=0, atol=1e-5, msg=name)


@pytest.mark.parametrize(("mode", "weight_decay"), [("full", 0.1), ("full", 0), ("bitfit-head", 0)])
@pytest.mark.parametrize("kind", RELATIVES)
def test_fifty_steps_of_a_relative_are_those_of_autograd(kind, mode, weight_decay):
    split, models = tiny_split(), []
    split.input_ids[split.offsets[3] + 1] = 1  # the padding token of some
    for _ in range(2):
        torch.manual_seed(0)
        models.append(without_dropout(tiny_classifier(kind, num_labels=2, **RELATIVES[kind])))
        apply_mode(models[-1], MODES[mode], seed=0)
    assert fits(models[0], "cpu")
    engines = [
        BertEngine(models[0], split, torch.float32, 7, weight_decay),
        FastEngine(models[1], split, "cpu", torch.float32, 7, weight_decay),
    ]
    losses = [run(engine, weight_decay=weight_decay) for engine in engines]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    logits = [engine.predict(split) for engine in engines]
    np.testing.assert_allclose(*logits, atol=1e-5)
    np.testing.assert_allclose(predict(models[0], split, torch.float32), logits[0], atol=1e-6)


def test_a_regression_is_that_of_autograd(base_model, kernels):
    labels = torch.from_numpy(np.random.default_rng(1).normal(2.5, 1.5, 24).astype(np.float32))
    losses = [run(engine_of(kind, base_model, labels=labels)) for kind in (BertEngine, FastEngine)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


@pytest.mark.parametrize("mode", ["full", "lora", "vblora"])
def test_bfloat16_is_no_further_from_float32_than_by_autograd(base_model, kernels, mode):
    exact = np.array(run(engine_of(BertEngine, base_model, mode)))
    ours, theirs = (
        np.abs(np.array(run(engine_of(kind, base_model, mode, dtype=torch.bfloat16))) - exact).mean()
        for kind in (BertEngine, FastEngine)
    )
    assert 0 < ours < 1.2 * theirs


def test_the_gradient_is_the_slope_of_the_loss_under_the_same_masks(base_model, kernels):
    model = load(base_model, MODES["full"])
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.3
    engine = BertEngine(model, tiny_split(), torch.float32, 7, weight_decay=0.1)
    masks, rows = engine.random.bit_generator.state, torch.arange(24)

    def loss() -> float:
        engine.random.bit_generator.state = masks
        return engine.backward(rows).item()

    engine.backward(rows)
    assert loss() == loss()
    gradient = engine.flat.gradient.clone()
    step = 0.005 * gradient / gradient.norm()
    ends = []
    for sign in (1, -2):
        engine.flat.whole += sign * step
        ends.append(loss())
    assert (ends[0] - ends[1]) / 0.01 == pytest.approx(gradient.norm().item(), rel=0.01)


@pytest.mark.parametrize("p", [0.1, 0.5])
def test_masks_drop_their_share_independently(p):
    """Neighbours, rows, and masks drawn one after another: correlations within five standard errors of 0."""
    drawn, shape = mask.numbers(np.random.Generator(np.random.SFC64(1))), (1000, 512)
    masks = [mask.draw_mask(drawn, p, shape).keeps.ravel().astype(np.float64) for _ in range(4)]
    size = len(masks[0])
    for one in masks:
        assert abs(one.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / size)
        for lag in (1, 2, 3, 16, 64, 128, 512, 1024, 65536):
            assert abs(np.corrcoef(one[lag:], one[:-lag])[0, 1]) < 5 / np.sqrt(size - lag), lag
    for one, other in itertools.combinations(masks, 2):
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(size)


def test_masks_change_from_step_to_step(base_model, kernels):
    engine = BertEngine(load(base_model, MODES["full"]), tiny_split(), torch.float32, 7, weight_decay=0)
    assert len({engine.backward(torch.arange(24)).item() for _ in range(3)}) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_predictions_are_those_of_single_texts(base_model, kernels, dtype):
    model, split = load(base_model, MODES["full"]).eval(), tiny_split()
    with torch.inference_mode():
        single = [
            model(split.input_ids[None, start:end].long()).logits
            for start, end in zip(split.offsets, split.offsets[1:], strict=False)
        ]
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    np.testing.assert_allclose(predict(model, split, dtype), torch.cat(single).numpy(), atol=tolerance)
    assert predict(model, split._replace(offsets=torch.zeros(1).long(), labels=split.labels[:0]), dtype).shape == (0, 2)


def test_predictions_keep_nothing_of_a_layer(base_model):
    engine, split = engine_of(BertEngine, base_model), tiny_split()
    batch = lay_out(Source.of(split), torch.arange(24), engine.encoder.heads.count)
    for random, kept in ((engine.random, 2), (None, 0)):
        _, (_, of_layers, *_) = engine.encoder.forward(engine.words.detach()[batch.ids], batch, random)
        assert len(of_layers) == kept


@pytest.mark.parametrize(
    "change",
    [
        lambda model: setattr(model.base_model, "embeddings_project", torch.nn.Identity()),
        lambda model: setattr(model.config, "hidden_act", "relu"),
        lambda model: setattr(model.config, "is_decoder", True),
    ],
)
def test_other_models_are_left_to_autograd(base_model, change):
    model = load(base_model, MODES["full"])
    assert fits(model, "cpu") and not fits(model, "cuda")
    change(model)
    assert not fits(model, "cpu")


@pytest.mark.filterwarnings("ignore::UserWarning")  # peft, of layers that it does not expect
@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("PVERA", {}),  # adds noise to each token
        ("LN_TUNING", {}),  # adapts what is no linear layer
        ("TRAINABLE_TOKENS", {}),
        ("LORA", {"lora_dropout": 0.1}),
        ("LOHA", {"rank_dropout": 0.1}),
        ("LORA", {"velora_config": {"num_groups": 4}}),
    ],
)
def test_adapters_that_do_not_act_alike_on_all_tokens_are_left_to_autograd(base_model, method, settings):
    assert fits(load(base_model, mode_with("LORA")), "cpu")
    mode = mode_of("adapters", peft={**settings_of(method), **settings})
    assert not fits(load(base_model, mode), "cpu")


def test_every_relative_is_compared():
    models = {type(tiny_classifier(kind, **changes)).__name__ for kind, changes in {"bert": {}, **RELATIVES}.items()}
    assert models == set(parts.KINDS)
