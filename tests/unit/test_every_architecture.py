"""Every architecture that a base model may have: its batches, its modes, its limits; and those that are refused."""

import numpy as np
import pytest
import torch
from every_architecture import POSITIONS, tiny_classifier, tiny_config
from tiny_models import ENGINES, enable, mode_of, run_epochs, split_of, tokens_of, without_dropout
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as CLASSIFIERS

from finegrid.data.tokenizer import longest_text
from finegrid.errors import InputError
from finegrid.modeling.architectures import ACCEPTED, FLOAT32_ONLY, REFUSED, check_architecture
from finegrid.modeling.trainable import apply_mode, in_head
from finegrid.training import environment, fast
from finegrid.training.engine import Engine
from finegrid.training.fast.engine import FastEngine

RANDOM = np.random.default_rng(0)
TEXTS = [[2, *RANDOM.integers(5, 99, length - 2).tolist(), 3] for length in (3, 12, 7, 30, 4, 7, 21, 5)]
SPLIT = split_of(TEXTS)._replace(labels=torch.arange(len(TEXTS)) % 3)
WITHOUT_BIASES = (
    *("eurobert", "gemma", "gemma2", "gemma3_text", "llama", "mistral", "modernbert", "modernbert-decoder"),
    *("olmo", "olmo2", "phi3", "qwen3", "smollm3"),
)


@pytest.fixture(scope="module", params=ACCEPTED)
def kind(request) -> str:
    return request.param


def classifier(kind: str, **changes):
    model = tiny_classifier(kind, **changes)
    model.token_types = False  # the texts are no pairs
    return model


def one_by_one(model) -> np.ndarray:
    """Return the logits that transformers gives each text alone."""
    with torch.inference_mode():
        return np.concatenate([model(input_ids=tokens_of(SPLIT, row)[None]).logits for row in range(len(TEXTS))])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_batch_gives_the_logits_of_each_text_alone(kind, engine):
    logits = enable(engine, classifier(kind), SPLIT, weight_decay=0).predict(SPLIT)
    expected = one_by_one(classifier(kind))
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4 * expected.std(0).max())


def test_a_batch_gives_them_in_the_dtype_of_cells(kind):
    model = classifier(kind)
    dtype = environment.dtype_for(model, torch.bfloat16)
    assert (dtype == torch.float32) == (kind in FLOAT32_ONLY)
    fast.prepare_for_device(model, "cpu")
    logits, expected = fast.predict(model, SPLIT, "cpu", dtype), one_by_one(classifier(kind))
    assert np.abs(logits - expected).max() < 0.3 * expected.std(0).max()


def test_both_engines_train_alike(kind, monkeypatch):
    monkeypatch.setattr(FastEngine, "cut", Engine.cut)  # the same batches, whatever the lengths
    losses = []
    for engine in ENGINES:
        model = classifier(kind)
        model(input_ids=tokens_of(SPLIT, 0)[None])  # BigBird makes its attention anew at the first short text
        model = without_functional_dropout(without_dropout(model))
        apply_mode(model, mode_of("full"), seed=0)
        (epoch,) = run_epochs(enable(engine, model, SPLIT, weight_decay=0), weight_decay=0, epochs=1)
        losses.append(epoch.losses)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)


def without_functional_dropout(model):
    """Set the rates that modules keep as numbers."""
    for module in model.modules():
        for name, value in vars(module).items():
            if "drop" in name and isinstance(value, float):
                setattr(module, name, 0.0)
    return model


def trained(kind: str, mode: str) -> tuple[set[str], set[str], torch.nn.Module]:
    """Return the names of the encoder's parameters that train, those of all of them, and the model."""
    model = classifier(kind)
    apply_mode(model, mode_of(mode), seed=0)
    encoder = {name: parameter for name, parameter in model.named_parameters() if not in_head(model, name)}
    return {name for name, parameter in encoder.items() if parameter.requires_grad}, set(encoder), model


def test_bitfit_trains_every_bias_of_the_encoder_or_says_that_there_is_none(kind):
    if kind in WITHOUT_BIASES:
        for mode in ("bitfit", "bitfit-head", "bitfit-query"):
            with pytest.raises(InputError, match="this encoder has no biases to train"):
                trained(kind, mode)
    else:
        names, encoder, _ = trained(kind, "bitfit")
        assert names == {name for name in encoder if name.endswith("bias")} != set()


def test_layernorm_trains_every_normalisation_of_the_encoder_or_says_that_there_is_none(kind):
    if kind == "olmo":  # its normalisations have no parameters
        with pytest.raises(InputError, match="matches no parameter"):
            trained(kind, "layernorm")
        return
    names, encoder, model = trained(kind, "layernorm")
    norms = {
        f"{name}.{parameter}"
        for name, module in model.named_modules()
        if type(module).__name__.endswith(("LayerNorm", "RMSNorm", "NoNorm"))
        for parameter, _ in module.named_parameters(recurse=False)
    }
    assert names == norms & encoder != set()


def test_texts_may_be_as_long_as_the_model_takes(kind):
    config = tiny_config(kind)
    longest = longest_text(config.to_dict())
    assert longest <= POSITIONS or longest == float("inf")
    model, length = classifier(kind), int(min(longest, POSITIONS))
    assert model(input_ids=torch.full((1, length), 7)).logits.isfinite().all()
    if kind == "roberta":
        with pytest.raises((IndexError, RuntimeError)):
            model(input_ids=torch.full((1, length + 1), 7))


@pytest.mark.parametrize("kind", sorted({*CLASSIFIERS} - {*ACCEPTED}))
def test_every_other_architecture_of_transformers_is_refused_by_name(kind):
    with pytest.raises(InputError, match=rf"config\.json: the architecture '{kind}' is not supported"):
        check_architecture({"model_type": kind}, "config.json")


def test_the_lists_of_architectures_agree():
    assert len(set(ACCEPTED)) == len(ACCEPTED)
    assert set(ACCEPTED) <= set(CLASSIFIERS)
    assert not set(ACCEPTED) & set(REFUSED)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, "'model_type' is missing"),
        ({"model_type": "bert", "quantization_config": {"bits": 8}}, "quantised"),
        ({"model_type": "bert", "position_embedding_type": "relative_key"}, "'relative_key' is not supported"),
    ],
)
def test_models_of_which_transformers_would_make_another_are_refused(config, expected):
    with pytest.raises(InputError, match=expected):
        check_architecture(config, "config.json")
