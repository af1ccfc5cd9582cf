"""Small repositories of models, laid out as in a mirror: random weights, an invented vocabulary."""

import json
from pathlib import Path

import torch
from every_architecture import randomise, tiny_config
from safetensors.torch import save_file
from tokenizers import Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordPiece
from transformers import AutoModel

from finegrid.config.model import Model
from finegrid.files import make_folder
from finegrid.modeling.hub import make_pretrained_model
from finegrid.training.batch_check import check_batches

SPECIAL = {f"[{name.upper()}]": f"{name}_token" for name in ("pad", "unk", "cls", "sep", "mask")}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
VOCABULARY = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS), *".,!?'0123", "the", "film", "was", "good"]
MODEL = Model(name="tiny", source="mirror", repo="someone/tiny")


def tiny_tokenizer(vocabulary: list[str] = VOCABULARY, lower: bool = True) -> Tokenizer:
    """Return a WordPiece tokenizer of letters and a few words, with BERT's special tokens."""
    tokenizer = Tokenizer(WordPiece({token: i for i, token in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lower)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.add_special_tokens(list(SPECIAL))
    return tokenizer


def tiny_repository(mirror: Path, kind: str = "bert", settings: dict | None = None, **changes) -> Path:
    """Make the repository of MODEL in a mirror: an encoder of an architecture, and a tokenizer with these settings."""
    folder = mirror / "models" / MODEL.repo
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    config = tiny_config(kind, **{"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3, **changes})
    encoder = randomise(AutoModel.from_config(config, dtype=torch.float32))
    save_weights(folder, {name: tensor.clone() for name, tensor in encoder.state_dict().items()})
    config.to_json_file(folder / "config.json", use_diff=False)
    tiny_tokenizer().save(str(folder / "tokenizer.json"))
    names = {name: token for token, name in SPECIAL.items()}
    write(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **names, **(settings or {})})
    return folder


def save_weights(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def write(path: Path, content) -> None:
    path.write_text(json.dumps(content))


def change(path: Path, **changes) -> None:
    """Change keys of a JSON file; None removes one."""
    content = {**json.loads(path.read_text()), **changes}
    write(path, {key: value for key, value in content.items() if value is not None})


def make_base_model(repository: Path, name: str = "base_model") -> Path:
    """Make the folder of the model as base_model.py does; return it."""
    folder, mirror = repository.parents[3] / name, repository.parents[2]

    def make(temporary: Path) -> dict:
        provenance = make_pretrained_model(MODEL, temporary, mirror)
        check_batches(temporary, MODEL.repo)
        return provenance

    make_folder(folder, make)
    return folder
