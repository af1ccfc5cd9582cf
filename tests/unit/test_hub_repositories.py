"""Repositories as they are found: what arrives is what transformers loads from them, or one line says why not."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny_repository import change, make_base_model, save_weights, tiny_repository, write
from transformers import AutoModel, AutoModelForSequenceClassification

from finegrid.errors import InputError
from finegrid.modeling.classifier import load_classifier

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 440449768\n"
LAYERS = "encoder.layer"


@pytest.fixture
def repository(tmp_path):
    return tiny_repository(tmp_path / "mirror")


def weights(repository) -> dict[str, torch.Tensor]:
    return load_file(repository / "model.safetensors")


def renamed(repository, *pairs: tuple[str, str], prefix: str = "") -> None:
    """Rename the weights of a repository."""

    def new_name(name: str) -> str:
        for old, new in pairs:
            name = name.replace(old, new)
        return prefix + name

    save_weights(repository, {new_name(name): tensor for name, tensor in weights(repository).items()})


def assert_arrives(repository, **settings):
    """Check that the base model is, tensor for tensor, what transformers loads; return its folder."""
    folder = make_base_model(repository)
    expected = AutoModel.from_pretrained(repository, dtype=torch.float32, **settings).state_dict()
    for found in (load_file(folder / "model.safetensors"), AutoModel.from_pretrained(folder).state_dict()):
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    load_classifier(folder, 2, seed=0)
    return folder


def assert_refused(repository, *parts: str):
    with pytest.raises(InputError) as refused:
        make_base_model(repository)
    message = str(refused.value)
    assert "\n" not in message
    assert "finegrid-" not in message  # the name of a temporary folder
    assert all(part in message for part in parts), message
    assert not (repository.parents[3] / "base_model" / "provenance.json").exists()


# tests/trials/test_every_repository.py has the others.
@pytest.mark.parametrize(
    "kind", ["albert", "deberta-v2", "distilbert", "electra", "funnel", "gpt2", "roberta", "xlnet"]
)
def test_an_encoder_arrives_as_transformers_loads_it(kind, tmp_path):
    assert_arrives(tiny_repository(tmp_path / "mirror", kind))


@pytest.mark.parametrize("kind", ["gte", "nomic_bert"])
def test_a_pooler_that_only_the_classifier_has_is_drawn_and_told(kind, tmp_path, capsys):
    folder = make_base_model(tiny_repository(tmp_path / "mirror", kind))
    pooler = ["pooler.dense.bias", "pooler.dense.weight"]
    assert json.loads((folder / "provenance.json").read_text())["drawn"] == pooler
    assert (
        "drawn at random, as the checkpoint lacks them: pooler.dense.bias, pooler.dense.weight"
        in capsys.readouterr().out
    )
    load_classifier(folder, 2, seed=0)


# Weights


@pytest.mark.parametrize("prefix", ["", "bert."])
@pytest.mark.parametrize("form", ["safetensors", "pickle"])
def test_old_names_of_layer_norms_become_the_current_ones(repository, prefix, form):
    renamed(repository, ("LayerNorm.weight", "LayerNorm.gamma"), ("LayerNorm.bias", "LayerNorm.beta"), prefix=prefix)
    if form == "pickle":
        torch.save(weights(repository), repository / "pytorch_model.bin")
        (repository / "model.safetensors").unlink()
    folder = assert_arrives(repository)
    assert not any("gamma" in name or "beta" in name for name in load_file(folder / "model.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_other_precision_become_float32(repository, dtype):
    save_weights(repository, {name: tensor.to(dtype) for name, tensor in weights(repository).items()})
    change(repository / "config.json", dtype=str(dtype).removeprefix("torch."))
    folder = assert_arrives(repository)
    assert {tensor.dtype for tensor in load_file(folder / "model.safetensors").values()} == {torch.float32}
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float32"


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_weights_in_shards_arrive_and_a_missing_shard_is_told(repository, kind):
    tensors, encoder = weights(repository), AutoModel.from_pretrained(repository)
    (repository / "model.safetensors").unlink()
    if kind == "safetensors":
        encoder.save_pretrained(repository, max_shard_size="5KB")
    else:
        names = sorted(tensors)
        shards = {f"pytorch_model-0000{part + 1}-of-00002.bin": names[part::2] for part in range(2)}
        for shard, part in shards.items():
            torch.save({name: tensors[name] for name in part}, repository / shard)
        index = {name: shard for shard, part in shards.items() for name in part}
        write(repository / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": index})
    folder = assert_arrives(repository)
    files = json.loads((folder / "provenance.json").read_text())["source"]["files"]
    shards = [name for name in files if "-of-" in name]
    assert len(shards) > 1
    shutil.rmtree(folder)
    (repository / shards[1]).unlink()
    assert_refused(repository, shards[1])


def test_the_encoder_of_a_classifier_arrives_without_its_head(repository):
    model = AutoModelForSequenceClassification.from_pretrained(repository, num_labels=5)
    model.config.problem_type = "multi_label_classification"
    model.save_pretrained(repository)
    folder = assert_arrives(repository)
    assert load_classifier(folder, 3, seed=0)[0].classifier.weight.shape == (3, 16)


def test_names_of_classes_in_the_configuration_do_not_set_the_number_of_labels(repository):
    change(repository / "config.json", id2label={"0": "a", "1": "b", "2": "c"}, label2id={"a": 0, "b": 1, "c": 2})
    assert load_classifier(assert_arrives(repository), 2, seed=0)[0].config.num_labels == 2


def test_layers_that_the_checkpoint_lacks_are_named(repository):
    change(repository / "config.json", num_hidden_layers=4)
    assert_refused(repository, f"lack {LAYERS}.2.attention.output.LayerNorm.bias", "and 28 more", "config.json")


def test_a_layer_under_another_name_is_a_missing_one(repository):
    renamed(repository, (f"{LAYERS}.1.", "encoder.layers.1."))
    assert_refused(repository, f"{LAYERS}.1.attention.output.LayerNorm.bias", "and 12 more")


def test_weights_of_which_none_has_the_encoder_s_name_are_refused(repository):
    renamed(repository, prefix="module.bert.")  # as torch's DataParallel names them
    assert_refused(repository, "has no weights of BertModel")


def test_layers_that_the_configuration_leaves_out_are_told(tmp_path, capsys):
    repository = tiny_repository(tmp_path / "mirror", num_hidden_layers=3)
    change(repository / "config.json", num_hidden_layers=2)
    folder = assert_arrives(repository)
    unused = json.loads((folder / "provenance.json").read_text())["unused"]
    assert len(unused) == 16
    assert all(name.startswith(f"{LAYERS}.2.") for name in unused)
    assert f"not used: {LAYERS}.2." in capsys.readouterr().out


@pytest.mark.parametrize("size", ["vocab_size", "hidden_size", "intermediate_size", "max_position_embeddings"])
def test_weights_of_another_size_than_the_configuration_s_are_named(repository, size):
    change(repository / "config.json", **{size: 48})
    assert_refused(repository, "in the weights, but [48", "by config.json", "two models")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(repository, value):
    tensors = weights(repository)
    tensors[f"{LAYERS}.0.output.dense.weight"][0, 0] = value
    save_weights(repository, tensors)
    assert_refused(repository, f"infinite or not a number: {LAYERS}.0.output.dense.weight")


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json", "config.json"])
def test_a_pointer_of_git_lfs_is_told(repository, name):
    (repository / name).write_text(POINTER)
    assert_refused(repository, f"{name}: only points to the file", "git lfs pull")


def test_adapters_beside_the_weights_are_not_loaded(repository):
    """transformers would load them, and another base model that they name."""
    expected = weights(repository)
    write(repository / "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "someone/other"})
    found = load_file(make_base_model(repository) / "model.safetensors")
    assert all(torch.equal(found[name], expected[name]) for name in expected)


# Configurations


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"hidden_act": "swoosh"}, "swoosh"),
        ({"num_attention_heads": 3}, "attention heads"),
        ({"num_hidden_layers": 0}, "num_hidden_layers is 0"),
        ({"num_hidden_layers": "two"}, "num_hidden_layers"),
        ({"pad_token_id": 1000}, "Padding_idx"),
        ({"chunk_size_feed_forward": 4}, "chunk"),
        ({"position_embedding_type": "relative_key_query"}, "relative_key_query"),
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "quantised"),
        ({"model_type": "nystromformer"}, "'nystromformer' is not supported"),
        ({"model_type": "bart"}, "encoder and a decoder"),
        ({"model_type": None}, "'model_type' is missing"),
    ],
)
def test_a_configuration_that_makes_no_classifier_is_told_in_one_line(repository, changes, part):
    change(repository / "config.json", **changes)
    assert_refused(repository, "someone/tiny", part)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("xlm", {"summary_type": "mean"}),  # over padding, too
        ("xlnet", {"summary_type": "first"}),
        ("xlnet", {"summary_type": "mean"}),
        ("flaubert", {"summary_type": "last"}),
        ("big_bird", {"block_size": 2, "num_random_blocks": 1, "max_position_embeddings": 200}),  # random attention
    ],
)
def test_settings_that_make_logits_depend_on_the_batch_are_refused(tmp_path, kind, changes):
    assert_refused(tiny_repository(tmp_path / "mirror", kind, **changes), f"the architecture {kind!r}", "padded batch")


@pytest.mark.parametrize(
    "content", [b"{", b"[]", "{}".encode("utf-16"), b'{"model_type": "bert", "model_type": "bert"}']
)
def test_a_configuration_that_is_no_json_object_is_told(repository, content):
    (repository / "config.json").write_bytes(content)
    assert_refused(repository, "config.json: ")


# Padding


def test_a_decoder_without_a_padding_token_pads_with_the_end_of_texts(tmp_path):
    repository = tiny_repository(tmp_path / "mirror", "gpt2", {"eos_token": "[MASK]", "pad_token": None})
    change(repository / "config.json", pad_token_id=None)
    assert json.loads((make_base_model(repository) / "config.json").read_text())["pad_token_id"] == 4


def test_a_decoder_that_ends_texts_with_the_only_possible_padding_is_refused(tmp_path):
    repository = tiny_repository(tmp_path / "mirror", "gpt2", {"eos_token": "[SEP]", "pad_token": None})
    change(repository / "config.json", pad_token_id=None)
    assert_refused(repository, "config.json: has no 'pad_token_id'", "gpt2")


def test_a_padding_token_below_0_counts_as_none(tmp_path):
    repository = tiny_repository(tmp_path / "mirror", "llama")
    change(repository / "config.json", pad_token_id=-1)
    assert json.loads((make_base_model(repository) / "config.json").read_text())["pad_token_id"] == 0
