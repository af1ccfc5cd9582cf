"""Every method of peft: in the tables, the same model as peft's own, trained, resumed, stored and merged."""

import re

import numpy as np
import peft
import pytest
import torch
from conftest import REPOSITORY
from documentation import text_of
from every_method import mode_with, settings_of
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from tiny_models import (
    SETTINGS,
    enable,
    load,
    predict,
    run_epochs,
    save_base_model,
    tiny_split,
    tokens_of,
    without_dropout,
)

from finegrid.data.tokens import collate
from finegrid.errors import InputError
from finegrid.files import read_yaml
from finegrid.modeling.adapters import merge_adapters
from finegrid.modeling.classifier import build_classifier, load_trained, save_trained
from finegrid.modeling.methods import METHODS, REFUSED
from finegrid.modeling.trainable import count_parameters
from finegrid.training import fast
from finegrid.training.fast import bert, unpadded
from finegrid.training.fast.like_length import LIKE_LENGTH
from finegrid.training.loop import train

pytestmark = pytest.mark.filterwarnings("ignore")  # peft has much to say of small models
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"))


def test_every_method_of_peft_is_used_or_refused():
    """A method of a newer peft is missing here until somebody has looked at it."""
    assert sorted([*METHODS, *REFUSED]) == sorted(method.value for method in PEFT_TYPE_TO_CONFIG_MAPPING)


def test_every_method_is_documented_and_compared():
    works, refused = text_of("docs/methods.md").split("## What is refused")
    assert re.findall(r"^\| `(\w+)`", works, re.M)[1:] == list(METHODS)
    assert set(re.findall(r"`([A-Z_]+)`", refused)) == set(REFUSED)
    modes = read_yaml(REPOSITORY / "config" / "methods.yaml")["modes"].values()
    assert {mode["peft"]["peft_type"] for mode in modes if "peft" in mode} == set(METHODS)


@pytest.mark.parametrize("method", REFUSED)
def test_a_method_that_does_not_fit_is_refused_with_the_reason(base_model, method):
    with pytest.raises(InputError) as error:
        load(base_model, mode_with("LORA").model_copy(update={"peft": peft_of(peft_type=method)}))
    assert str(error.value) == f"mode: peft.peft_type: {method} {REFUSED[method]}, so it is not supported"


def peft_of(**settings):
    return type(mode_with("LORA").peft).model_validate(settings)


def disturbed(model, scale: float = 0.1):
    """Move every parameter that trains, as adapters start as if they were not there."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(scale * torch.randn_like(parameter))
    return model.eval()


def peft_model(base_model, method: str):
    """Return peft's own model with its own classifier, and its parameters by the names that ours have."""
    model = without_dropout(build_classifier(base_model, 2, seed=0))
    torch.manual_seed(0)
    config = peft.get_peft_config({**settings_of(method), **METHODS[method].set_here, "task_type": "SEQ_CLS"})
    model = peft.get_peft_model(model, config).eval()
    if not hasattr(config, "modules_to_save"):  # then peft leaves the classifier as it is
        model.base_model.model.classifier.requires_grad_(True)
    names = {name: name.removeprefix("base_model.model.") for name, _ in model.named_parameters()}
    return model, {names[name].replace(".modules_to_save.default", ""): each for name, each in model.named_parameters()}


@every_method
def test_logits_gradients_and_counts_are_those_of_pefts_own_model(base_model, method):
    split, rows = tiny_split(), torch.arange(24)
    ours = disturbed(without_dropout(load(base_model, mode_with(method))))
    theirs, parameters = peft_model(base_model, method)
    assert count_parameters(ours)[0].total == theirs.get_nb_trainable_parameters()[0]
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            parameters[name].copy_(parameter)

    output = theirs(**collate(split, rows, "cpu"), labels=split.labels)
    output.loss.backward()
    engine = enable("fast", ours, split)
    assert engine.batches == "unpadded"
    np.testing.assert_allclose(engine.predict(split), output.logits.detach(), atol=1e-5)
    engine.backward(rows)
    engine.schedule.add_penalty()
    for name, parameter in engine.trainable.items():
        torch.testing.assert_close(parameter.grad, parameters[name].grad, rtol=1e-4, atol=1e-5, msg=name)


@every_method
def test_a_method_trains_resumes_comes_back_and_merges(base_model, method, tmp_path):
    split, kept = tiny_split(), []
    model = load(base_model, mode_with(method))
    engine = enable("fast", model, split)
    for epoch in train(engine, SETTINGS, 5, 1e-2, seed=7):
        kept.append({name: tensor.detach().clone() for name, tensor in epoch.state.items()})
    logits = predict(model, split)
    again = enable("fast", load(base_model, mode_with(method)), split)
    list(train(again, SETTINGS, 5, 1e-2, seed=7, state=kept[0]))
    np.testing.assert_array_equal(again.predict(split), logits)

    save_trained(tmp_path / "trained.safetensors", disturbed(model))
    logits = predict(model, split)
    fresh = load(base_model, mode_with(method))
    load_trained(tmp_path / "trained.safetensors", fresh)
    np.testing.assert_allclose(predict(fresh, split), logits, atol=1e-5)  # padded against unpadded
    plain = merge_adapters(fresh)
    build_classifier(base_model, 2, 0).load_state_dict(plain.state_dict())  # it has these names and no others
    np.testing.assert_allclose(predict(plain, split), logits, atol=1e-4)


@every_method
def test_logits_of_a_text_do_not_depend_on_its_batch(base_model, method):
    split, model = tiny_split(), disturbed(load(base_model, mode_with(method)), scale=1.0)
    together = predict(model, split)
    for row in range(3):
        alone = model(input_ids=tokens_of(split, row)[None]).logits.detach()[0]
        np.testing.assert_allclose(alone, together[row], atol=1e-5)


def test_adaloras_ranks_fall_to_the_target(base_model):
    model = load(base_model, mode_with("ADALORA"))
    engine = enable("fast", model, tiny_split())
    values = [parameter for name, parameter in engine.trainable.items() if "lora_E" in name]
    left = [sum(int((each != 0).sum()) for each in values) for _ in train(engine, SETTINGS, 5, 1e-2, seed=7)]
    assert len(values) == 4
    assert left[0] > left[-1] == 4 * settings_of("ADALORA")["target_r"]
    assert model.peft_config["default"].total_step == 15


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"init_r": 8, "target_r": 8}, "init_r is 8 and target_r 8; expected a larger init_r"),
        ({"init_r": 3, "target_r": 1, "tinit": 10, "tfinal": 4}, "a training of 15 steps leaves no step"),
        ({"total_step": 10}, "peft.total_step: finegrid sets it itself"),
    ],
    ids=str,
)
def test_a_schedule_that_does_not_fit_is_told(base_model, settings, expected):
    mode = mode_with("ADALORA").model_copy(update={"peft": peft_of(peft_type="ADALORA", **settings)})
    with pytest.raises(InputError, match=expected):
        run_epochs(enable("fast", load(base_model, mode), tiny_split()))


@every_method
@pytest.mark.parametrize("batches", ["unpadded", LIKE_LENGTH])
def test_a_method_trains_in_bfloat16(base_model, method, batches, monkeypatch):
    if batches == LIKE_LENGTH:
        monkeypatch.setattr(unpadded, "fits", lambda model: False)
        monkeypatch.setattr(bert, "fits", lambda *_: False)
    split, model = tiny_split(), load(base_model, mode_with(method))
    engine = fast.enable(model, split, "cpu", torch.bfloat16, 7, weight_decay=0)
    assert engine.batches == batches
    before = engine.predict(split)
    run_epochs(engine, 1e-2, epochs=1)
    logits = engine.predict(split)
    assert np.isfinite(logits).all() and (logits != before).any()
    np.testing.assert_allclose(logits, fast.predict(model, split, "cpu", torch.float32), atol=0.05)
