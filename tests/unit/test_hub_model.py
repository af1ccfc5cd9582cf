"""Base models from any repository: none of its code is run, and weights that it lacks are drawn."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from conftest import REPOSITORY
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForPreTraining

from finegrid.config.model import Model
from finegrid.errors import InputError
from finegrid.files import make_folder
from finegrid.modeling.hub import make_pretrained_model

MODEL = Model(name="tiny", source="mirror", repo="someone/tiny")
ABSURD = b'{"embeddings.LayerNorm.bias":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}'
SHIPPED = REPOSITORY / "models" / "bundled-bert-tiny"


@pytest.fixture
def repository(tmp_path) -> Path:
    """A model's repository in a mirror: a configuration and a tokenizer, no weights yet."""
    folder = tmp_path / "mirror" / "models" / "someone" / "tiny"
    folder.mkdir(parents=True)
    config = BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config.to_json_file(folder / "config.json")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((SHIPPED / name).read_bytes())
    return folder


def weights(repository: Path) -> dict[str, torch.Tensor]:
    """A checkpoint as the hub has them: of BERT with the heads of its pretraining."""
    torch.manual_seed(1)
    state = BertForPreTraining(BertConfig.from_json_file(repository / "config.json")).state_dict()
    return {name: tensor.clone() for name, tensor in state.items()}


def base_model(repository: Path, name="base_model") -> Path:
    """Make the folder of the model as base_model.py does; return it."""
    folder = repository.parents[3] / name
    make_folder(folder, lambda temporary: make_pretrained_model(MODEL, temporary, repository.parents[2]))
    return folder


def assert_refused(repository: Path, *parts: str):
    with pytest.raises(InputError) as refused:
        base_model(repository)
    assert "\n" not in str(refused.value)
    assert all(part in str(refused.value) for part in parts), refused.value
    assert not (repository.parents[3] / "base_model" / "provenance.json").exists()


def test_a_pickle_becomes_safetensors_with_the_same_numbers(repository):
    state = weights(repository)
    torch.save(state, repository / "pytorch_model.bin")
    folder = base_model(repository)
    assert not list(folder.glob("*.bin"))
    made = load_file(folder / "model.safetensors")
    assert made and all(torch.equal(made[name], state[f"bert.{name}"]) for name in made)
    provenance = json.loads((folder / "provenance.json").read_text())
    assert provenance["drawn"] == []
    assert {"model.safetensors", "config.json"} <= provenance["files"].keys()
    assert "pytorch_model.bin" in provenance["source"]["files"]


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (Path(self.path),)


@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content, 2))])
def test_a_malicious_pickle_is_refused_and_not_run(repository, tmp_path, save):
    trap = tmp_path / "it ran"
    save({**weights(repository), "more": Malicious(str(trap))}, repository / "pytorch_model.bin")
    assert_refused(repository, "pytorch_model.bin")
    assert not trap.exists()
    # Read without care it runs.
    pickle.loads(pickle.dumps(Malicious(str(trap))))
    assert trap.exists()


def test_beside_safetensors_a_pickle_is_not_even_read(repository):
    save_file(weights(repository), repository / "model.safetensors", metadata={"format": "pt"})
    (repository / "pytorch_model.bin").write_text("no weights")
    folder = base_model(repository)
    assert "pytorch_model.bin" not in json.loads((folder / "provenance.json").read_text())["source"]["files"]


def test_what_a_checkpoint_lacks_is_drawn_from_a_fixed_seed_and_named(repository):
    state = {name: tensor for name, tensor in weights(repository).items() if ".pooler." not in name}
    save_file(state, repository / "model.safetensors", metadata={"format": "pt"})
    made = []
    for name in ("one", "two"):
        torch.rand(len(made))  # whatever was drawn before
        folder = base_model(repository, name)
        assert json.loads((folder / "provenance.json").read_text())["drawn"] == [
            "pooler.dense.bias",
            "pooler.dense.weight",
        ]
        made.append(load_file(folder / "model.safetensors"))
    assert made[0]["pooler.dense.weight"].std() > 0.01
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_weights_of_something_else_are_refused(repository):
    save_file({"conv.weight": torch.zeros(2, 2)}, repository / "model.safetensors", metadata={"format": "pt"})
    assert_refused(repository, "someone/tiny", "has no weights of BertModel")


# The last three are safetensors with a header longer than any memory, or one that promises more than there is.
@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"no weights at all", b"\x80\x02."),
        *((2**63).to_bytes(8, "little") + b"{}", (2**30).to_bytes(8, "little") + b"{}"),
        len(ABSURD).to_bytes(8, "little") + ABSURD,
    ],
)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_damaged_weights_are_told_in_one_line(repository, file, content):
    (repository / file).write_bytes(content)
    assert_refused(repository, "someone/tiny")


@pytest.mark.parametrize("model_type", ["bert", "tiny"], ids=["an architecture of transformers", "one of its own"])
def test_code_of_a_repository_never_runs(repository, tmp_path, model_type):
    trap = tmp_path / "it ran"
    save_file(weights(repository), repository / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((repository / "config.json").read_text())
    auto_map = {"AutoConfig": "tiny.TinyConfig", "AutoModel": "tiny.TinyModel"}
    (repository / "config.json").write_text(json.dumps(config | {"model_type": model_type, "auto_map": auto_map}))
    tokenizer = json.loads((repository / "tokenizer_config.json").read_text())
    tokenizer["auto_map"] = {"AutoTokenizer": ["tiny.TinyTokenizer", None]}
    (repository / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (repository / "tiny.py").write_text(f"from pathlib import Path\nPath({str(trap)!r}).touch()\n")
    if model_type == "bert":
        folder = base_model(repository)
        assert not list(folder.glob("*.py"))
        assert not any("auto_map" in path.read_text() for path in folder.glob("*.json"))
    else:
        assert_refused(repository, "someone/tiny")
    assert not trap.exists()


def test_programs_of_other_kinds_stay_behind(repository, tmp_path):
    """Kernels for attention, which would be fetched from another repository and run, and templates with odd names."""
    save_file(weights(repository), repository / "model.safetensors", metadata={"format": "pt"})
    for file, key, value in (
        ("config.json", "attn_implementation", "someone/kernels"),
        ("tokenizer_config.json", "chat_template", [{"name": "../../evil", "template": "{{ 1 }}"}]),
    ):
        content = json.loads((repository / file).read_text())
        (repository / file).write_text(json.dumps({**content, key: value}))
    folder = base_model(repository)
    assert not list(tmp_path.rglob("*.jinja"))
    assert "someone/kernels" not in (folder / "config.json").read_text()
    assert json.loads((folder / "tokenizer_config.json").read_text()).get("chat_template") is None
