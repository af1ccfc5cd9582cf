"""Models of BERT-tiny's size in other architectures: random weights, and the bundled model's tokenizer."""

from pathlib import Path

import torch
from transformers import AutoConfig, AutoModel, AutoTokenizer

from finegrid.modeling.bundled import FOLDER

LONGEST = 512  # tokens of a text
SEED = 0
# By the name of the model's folder: the architecture, and what differs from its defaults.
SHAPES = {
    "distilbert-tiny": (
        "distilbert",
        {"n_layers": 2, "dim": 128, "n_heads": 2, "hidden_dim": 512, "max_position_embeddings": LONGEST},
    ),
    "roberta-tiny": (
        "roberta",
        {
            "num_hidden_layers": 2,
            "hidden_size": 128,
            "num_attention_heads": 2,
            "intermediate_size": 512,
            "type_vocab_size": 1,
        },
    ),
}


def make_models(given: dict) -> None:
    """Make the folders of the models of a configuration, as YAML has it, that are among SHAPES."""
    for model in given["models"].values():
        folder = Path(model.get("folder") or "")
        if folder.name in SHAPES:
            make_model(folder, *SHAPES[folder.name])


def make_model(folder: Path, architecture: str, shape: dict) -> None:
    """Save an encoder and its tokenizer as a transformers folder; its weights are the same each time."""
    tokenizer = AutoTokenizer.from_pretrained(FOLDER, model_input_names=["input_ids", "attention_mask"])
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    if architecture == "roberta":  # numbers positions from the padding token's id + 1
        special["max_position_embeddings"] = LONGEST + tokenizer.pad_token_id + 1
    config = AutoConfig.for_model(architecture, vocab_size=len(tokenizer), **shape, **special)
    torch.manual_seed(SEED)
    AutoModel.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
