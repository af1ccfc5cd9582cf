"""Small models, splits and modes for tests of modeling and training."""

import json
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModel, BertConfig, BertForSequenceClassification

from finegrid.config.definition import Mode, Training
from finegrid.config.modes import HEAD, MODES
from finegrid.data.tokens import Split
from finegrid.files import sha256
from finegrid.modeling.classifier import load_classifier
from finegrid.modeling.trainable import apply_mode
from finegrid.training import fast
from finegrid.training.engine import Engine
from finegrid.training.loop import Epoch, train
from finegrid.training.plain import PlainEngine

BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SHAPES = {
    "bert": BERT,
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "roberta": {**BERT, "type_vocab_size": 1, "max_position_embeddings": 40},
    "electra": {**BERT, "embedding_size": 8},
}
SETTINGS = Training(epochs=3, weight_decay=0.01, warmup=0.1, max_grad_norm=0.5)
ENGINES = ("plain", "fast")


def tiny_model(dropout: float = 0.0) -> BertForSequenceClassification:
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=100, hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout, num_labels=2, **BERT
    )
    return BertForSequenceClassification(config)


def split_of(rows: list[list[int]]) -> Split:
    """Return a split with these tokens; its labels are 0, 1, 2, ..."""
    return Split(
        torch.tensor([token for row in rows for token in row], dtype=torch.int32),
        torch.zeros(sum(map(len, rows)), dtype=torch.uint8),
        torch.tensor([0, *np.cumsum([len(row) for row in rows]).tolist()]),
        torch.arange(len(rows)),
    )


def tiny_split(rows: int = 24, words: range = range(1, 100)) -> Split:
    """Return short texts with labels 0 and 1 in turns."""
    random = np.random.default_rng(0)
    lengths = random.integers(2, 12, rows)
    split = split_of([random.integers(words.start, words.stop, length).tolist() for length in lengths])
    return split._replace(labels=torch.arange(rows) % 2)


def tokens_of(split: Split, row: int) -> torch.Tensor:
    return split.input_ids[split.offsets[row] : split.offsets[row + 1]].long()


def mode_of(name: str, **changes) -> Mode:
    """Return a mode of the mode table, or a new one that trains the head; with some fields changed."""
    return Mode.model_validate({"train": [HEAD], **MODES.get(name, {}), "name": name, **changes})


def save_base_model(folder: Path, architecture: str = "bert", **shape) -> Path:
    """Save a small encoder of random weights, as base_model.py would."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **{"vocab_size": 100, **SHAPES[architecture], **shape})
    encoder = AutoModel.from_config(config)
    with torch.no_grad():
        for name, parameter in encoder.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1)
    encoder.save_pretrained(folder)
    files = {"model.safetensors": sha256(folder / "model.safetensors")}
    (folder / "provenance.json").write_text(json.dumps({"files": files}))
    return folder


def load(base_model: Path, mode: Mode, seed: int = 0, num_labels: int = 2):
    """Load the model of a cell."""
    model, _ = load_classifier(base_model, num_labels, seed)
    apply_mode(model, mode, seed)
    return model


def without_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0
    return model


def enable(kind: str, model, split: Split, seed: int = 7, weight_decay: float = SETTINGS.weight_decay) -> Engine:
    """Return an engine on the CPU, in float32."""
    if kind == "plain":
        return PlainEngine(model, split, "cpu", seed)
    return fast.enable(model, split, "cpu", torch.float32, seed, weight_decay)


def run_epochs(engine: Engine, learning_rate: float = 1e-3, **settings) -> list[Epoch]:
    """Train in batches of 5; return all epochs."""
    return list(train(engine, SETTINGS.model_copy(update=settings), 5, learning_rate, seed=7))


def train_losses(kind: str, model, split: Split, learning_rate: float = 1e-3, **settings) -> list[float]:
    """Train a model in batches of 5; return the loss of every step."""
    engine = enable(kind, model, split, weight_decay=settings.get("weight_decay", SETTINGS.weight_decay))
    return [loss for epoch in run_epochs(engine, learning_rate, **settings) for loss in epoch.losses]


def predict(model, split: Split) -> np.ndarray:
    """Predict as evaluate.py does, on the CPU in float32."""
    return fast.predict(model, split, "cpu", torch.float32)
