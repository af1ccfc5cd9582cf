"""Which parameters the modes train, by name; random subsets of them."""

import numpy as np
import pytest
import torch
from every_architecture import tiny_classifier
from safetensors.torch import load_file
from tiny_models import load, mode_of, predict, save_base_model, tiny_split, tokens_of, train_losses, without_dropout

from finegrid.config.modes import BIAS_KINDS, EVERYTHING, HEAD
from finegrid.errors import InputError
from finegrid.modeling import trainable
from finegrid.modeling.classifier import ENTRIES, load_trained, save_trained
from finegrid.modeling.trainable import apply_mode, count_parameters
from finegrid.records import ParameterCounts

HEAD_NAMES = {"classifier.weight", "classifier.bias"}
LAYERS = "bert.encoder.layer"


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"))


def trained_names(model) -> set[str]:
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


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
def test_some_kinds_of_bias_train_with_the_pooler_s_bias_and_the_head(base_model, kinds):
    model = load(base_model, mode_of("bitfit-" + "-".join(kinds)))
    biases = {f"{LAYERS}.{layer}.{KINDS[kind]}.bias" for layer in range(2) for kind in kinds}
    assert trained_names(model) == biases | HEAD_NAMES | {"bert.pooler.dense.bias"}


def test_the_kinds_together_are_the_biases_of_every_layer(base_model):
    biases = {name for kind in BIAS_KINDS for name in trained_names(load(base_model, mode_of(f"bitfit-{kind}")))}
    rest = {"bert.embeddings.LayerNorm.bias", "classifier.weight"}
    assert biases ^ trained_names(load(base_model, mode_of("bitfit"))) == rest


def test_layernorm_trains_weights_and_biases_of_all_layer_norms(base_model):
    model = load(base_model, mode_of("layernorm"))
    modules = {name for name, module in model.named_modules() if isinstance(module, torch.nn.LayerNorm)}
    assert len(modules) == 5
    assert trained_names(model) == HEAD_NAMES | {f"{name}.{kind}" for name in modules for kind in ("weight", "bias")}


def test_a_pattern_that_may_be_empty_may_match_nothing(base_model):
    assert trained_names(load(base_model, mode_of("own", train=[HEAD, r"(.*\.projector\..*)?"]))) == HEAD_NAMES
    with pytest.raises(InputError, match="select no parameter of BertForSequenceClassification"):
        load(base_model, mode_of("own", train=[r"(.*\.projector\..*)?"]))


def test_a_pattern_that_matches_nothing_is_told_with_the_nearest_names(base_model):
    with pytest.raises(InputError) as error:
        load(base_model, mode_of("own", train=[r".*\.attention\.self\.querry\.bias"]))
    message = str(error.value)
    assert r"'.*\\.attention\\.self\\.querry\\.bias' matches no parameter of BertForSequenceClassification" in message
    assert f"{LAYERS}.0.attention.self.query" in message
    assert "\n" not in message


@pytest.fixture(scope="module")
def modernbert():
    """A classifier whose encoder has no biases, as all of ModernBERT."""
    return tiny_classifier("modernbert")


@pytest.mark.parametrize("mode", ["bitfit", "bitfit-head", "bitfit-query", "bitfit-output-layernorm"])
def test_a_bias_mode_is_refused_where_the_encoder_has_no_biases(modernbert, mode):
    """The head has one, which alone would train, untold."""
    assert "classifier.bias" in dict(modernbert.named_parameters())
    with pytest.raises(
        InputError, match="ModernBertForSequenceClassification: this encoder has no biases to train"
    ) as error:
        apply_mode(modernbert, mode_of(mode), seed=0)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pattern", [r".*\.bias", r".*bias", r".+\.bias", r"(.*\.)?bias", r"[a-z.]+\.(bias|beta)"])
def test_a_pattern_that_finds_only_the_head_by_chance_is_refused(modernbert, pattern):
    with pytest.raises(InputError, match=r"matches no parameter of the encoder .*, only classifier\.bias of the head"):
        apply_mode(modernbert, mode_of("own", train=[pattern, HEAD]), seed=0)


@pytest.mark.parametrize("pattern", [r"classifier\..*", r".*classifier\.bias", r"(.*\.bias)?"])
def test_a_pattern_that_means_the_head_or_may_find_nothing_is_not(modernbert, pattern):
    apply_mode(modernbert, mode_of("own", train=[pattern]), seed=0)
    assert {name.split(".")[0] for name in trained_names(modernbert)} == {"classifier"}


def test_a_random_subset_of_biases_needs_biases(modernbert):
    with pytest.raises(InputError, match="this encoder has no biases"):
        apply_mode(modernbert, mode_of("bitfit", random={"parameters": 100}), seed=0)


def test_the_word_for_the_head_is_the_same_where_modes_are_listed_and_where_they_are_applied():
    assert trainable.HEAD == HEAD


# A random subset


def random_subset(count: int, seed: int = 0):
    return mode_of("random", train=EVERYTHING, random={"parameters": count, "seed": seed})


@pytest.mark.parametrize("kind", ["plain", "fast"])
@pytest.mark.parametrize("count", [35, 500, 5000])
def test_a_random_subset_trains_so_many_numbers_and_the_head_among_them(base_model, count, kind):
    model = load(base_model, random_subset(count))
    counts, total = count_parameters(model)
    assert counts == ParameterCounts(encoder=count - 34, head=34, total=count)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    train_losses(kind, model, tiny_split(), weight_decay=0.1, epochs=1, learning_rate=0.1)
    changed = {
        name: (parameter != before[name]).flatten().nonzero().flatten() for name, parameter in model.named_parameters()
    }
    for name, parameter in model.named_parameters():
        allowed = parameter.entries if parameter.entries is not None else torch.arange(parameter.numel())
        assert set(changed[name].tolist()) <= set(allowed.tolist() if parameter.requires_grad else []), name
    # Weight decay changes what has no gradient, too, unless it is 0.
    assert sum(map(len, changed.values())) > 0.6 * count
    assert count < total


def test_the_draw_is_uniform_and_that_of_its_seed(base_model):
    def drawn(seed: int) -> set[tuple[str, int]]:
        parameters = load(base_model, random_subset(1034, seed)).named_parameters()
        partial = ((name, p.entries) for name, p in parameters if p.requires_grad and p.entries is not None)
        return {(name, entry) for name, entries in partial for entry in entries.tolist()}

    first = drawn(0)
    assert len(first) == 1000
    assert first == drawn(0)
    assert len(first & drawn(1)) < 300
    model = load(base_model, mode_of("full"))
    sizes = {name: p.numel() for name, p in model.named_parameters() if name not in HEAD_NAMES}
    for name in ("bert.embeddings.position_embeddings.weight", "bert.embeddings.word_embeddings.weight"):
        expected = 1000 * sizes[name] / sum(sizes.values())
        assert abs(sum(where == name for where, _ in first) - expected) < 5 * expected**0.5


def test_all_numbers_of_the_encoder_may_be_drawn(base_model):
    whole, split = without_dropout(load(base_model, mode_of("full"))), tiny_split()
    random = without_dropout(load(base_model, random_subset(count_parameters(whole)[1])))
    # Weight decay, clipping and AdamW over the same numbers.
    assert train_losses("fast", random, split) == pytest.approx(train_losses("fast", whole, split), abs=1e-6)
    np.testing.assert_allclose(predict(random, split), predict(whole, split), atol=1e-5)


@pytest.mark.parametrize("count", [1, 34, 10**9])
def test_too_few_or_too_many_numbers_are_refused(base_model, count):
    expected = rf"random.parameters is {count:,}, .* expected more than 34 and at most [\d,]+"
    with pytest.raises(InputError, match=expected):
        load(base_model, random_subset(count))


@pytest.mark.parametrize("kind", ["plain", "fast"])
def test_a_random_subset_follows_a_loop_over_masked_gradients(base_model, kind):
    """Gradients that are masked before clipping, through torch's AdamW without weight decay."""
    model, other = (without_dropout(load(base_model, random_subset(2000, seed=3))) for _ in range(2))
    split = tiny_split()
    losses = train_losses(kind, model, split, weight_decay=0, warmup=0, epochs=1)

    optimiser = torch.optim.AdamW(other.parameters(), lr=1e-3, weight_decay=0)
    order, expected = torch.Generator().manual_seed(7), []
    other.train()
    for step, batch in enumerate(torch.randperm(24, generator=order).split(5)):
        ids = torch.nn.utils.rnn.pad_sequence([tokens_of(split, row) for row in batch], batch_first=True)
        loss = other(input_ids=ids, attention_mask=ids != 0, labels=split.labels[batch]).loss
        loss.backward()
        for parameter in other.parameters():
            if parameter.requires_grad and parameter.entries is not None:
                mask = torch.zeros(parameter.numel())
                mask[parameter.entries] = 1
                parameter.grad *= mask.view_as(parameter)
        torch.nn.utils.clip_grad_norm_(other.parameters(), 0.5)
        optimiser.param_groups[0]["lr"] = 1e-3 * (5 - step) / 5
        optimiser.step()
        optimiser.zero_grad()
        expected.append(loss.item())
    assert losses == pytest.approx(expected, abs=1e-5)
    for (name, parameter), expected in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(parameter, expected, rtol=0, atol=1e-4, msg=name)


def test_a_random_subset_is_stored_as_its_numbers_and_comes_back(base_model, tmp_path):
    path, model = tmp_path / "trained.safetensors", load(base_model, random_subset(500))
    train_losses("fast", model, tiny_split())
    save_trained(path, model)
    assert sum(t.numel() for name, t in load_file(path).items() if not name.endswith(ENTRIES)) == 500
    fresh = load(base_model, random_subset(500))
    load_trained(path, fresh)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))
    with pytest.raises(InputError, match="does not hold the parameters that this mode trains"):
        load_trained(path, load(base_model, random_subset(500, seed=1)))
