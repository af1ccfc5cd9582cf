"""The memory and time that a cell asks for, by the size of the model and the length of the texts.

Fitted to measured peaks, with room above each; all texts were of full length: BERT-tiny (2 layers, 128 wide, 2
heads) takes 0.5 GB at 64 x 128 tokens and 0.6 GB at 16 x 512; MiniLM-L6 (6, 384, 12) 4.2 GB at 16 x 512. Times are
fitted to cells of both models on a Xeon that multiplies bfloat16 (tests/unit/test_limits.py has them); the limit is
several times what a cell takes on one core.
"""

import json
import math
from pathlib import Path
from typing import NamedTuple

PROCESS_MB = 450  # Python with torch
BYTES_PER_PARAMETER = 16  # of full fine-tuning: the weight, its gradient and AdamW's two moments, in float32
TOKENS_AT_ONCE = 8192  # of a micro-batch; not imported from training, whose code decides what is trained again
BYTES_PER_TOKEN = 100  # of each layer and unit of width
BYTES_PER_SCORE = 12  # of attention: each layer, head and pair of tokens
STARTUP_SECONDS = 2.0
PRODUCT_SHARE = 0.6  # of a core's rate in large matrix products, in those of a cell
SECONDS_PER_VALUE = 3.5e-8  # of each token, layer and unit of width: all that is neither a product nor attention
SECONDS_PER_SCORE = 6e-9  # of attention: each layer, head and pair of tokens
SECONDS_PER_LAYER = 2e-3  # of each step and layer: calls
SLOW = 20e9  # floating-point operations per second of a core without bfloat16
SLACK = 3  # times the expected time on such a core


class Size(NamedTuple):
    """What memory and time depend on."""

    parameters: int
    layers: int
    width: int
    heads: int


class Work(NamedTuple):
    """What a cell reads in one epoch."""

    train_tokens: int
    train_rows: int
    validation_tokens: int
    longest: int  # tokens of the longest text

    def steps(self, batch_size: int) -> int:
        """Return how many optimiser steps an epoch has."""
        return math.ceil(self.train_rows / batch_size)


def size_of(config: dict, parameters: int) -> Size:
    """Return the size of a model from its configuration; BERT-base's where that does not say it."""
    layers, width = layers_and_width(config)
    layers, width = layers or 12, width or 768
    heads = _first(config, "num_attention_heads", "n_heads", "n_head", "num_heads") or max(1, width // 64)
    return Size(parameters, layers, width, heads)


def read_size(base_model: Path) -> Size:
    """Return the size of a base model by its files. Raises FileNotFoundError if it is not made yet."""
    config = json.loads((base_model / "config.json").read_text())
    return size_of(config, (base_model / "model.safetensors").stat().st_size // 4)  # in float32


def read_work(data: Path) -> Work:
    """Return what a cell reads of a prepared task by its files. Raises FileNotFoundError if it is not prepared yet."""
    train, validation = (json.loads((data / f"{split}.json").read_text()) for split in ("train", "validation"))
    return Work(train["tokens"], train["rows"], validation["tokens"], train["length"]["longest"])


def layers_and_width(config: dict) -> tuple[int | None, int | None]:
    """Return how many layers a model has, and how wide they are, by its configuration; None where that has neither."""
    layers = _first(config, "num_hidden_layers", "n_layers", "n_layer", "num_layers")
    if isinstance(config.get("block_sizes"), list):  # Funnel's
        layers = sum(config["block_sizes"])
    return layers, _first(config, "hidden_size", "d_model", "dim", "n_embd", "emb_dim")


def _first(config: dict, *keys: str) -> int | None:
    return next((config[key] for key in keys if isinstance(config.get(key), int)), None)


def memory_mb(size: Size, batch_size: int, longest: int) -> int:
    """Return the memory of a cell in MB; `longest` is the longest text in tokens."""
    tokens = min(batch_size * longest, max(TOKENS_AT_ONCE, longest))
    per_token = size.layers * (size.width * BYTES_PER_TOKEN + size.heads * longest * BYTES_PER_SCORE)
    return math.ceil(PROCESS_MB + (size.parameters * BYTES_PER_PARAMETER + tokens * per_token) / 1e6)


def seconds(size: Size, work: Work, epochs: int, batch_size: int, product_rate: float) -> float:
    """Return about how long full fine-tuning of a cell takes on one core.

    `product_rate` is in floating-point operations per second. A layer has 12 x width^2 weights, 4 of attention and 8 of
    the feed-forward part; in the last one, only keys and values see every token. The backward pass takes twice the
    products of the forward pass.
    """
    layers = size.layers - 1 + 2 / 12
    tokens = 3 * work.train_tokens + work.validation_tokens
    length = work.train_tokens / max(1, work.train_rows)
    products = tokens * layers * (2 * 12 * size.width**2 + 4 * length * size.width) / (PRODUCT_SHARE * product_rate)
    rest = tokens / 3 * layers * (size.width * SECONDS_PER_VALUE + length * size.heads * SECONDS_PER_SCORE)
    calls = work.steps(batch_size) * size.layers * SECONDS_PER_LAYER
    return STARTUP_SECONDS + epochs * (products + rest + calls)


def minutes(size: Size, work: Work, epochs: int, batch_size: int) -> int:
    """Return the time limit of a cell in minutes, in whole hours: several times what it takes on a slow core."""
    return 60 * math.ceil((1800 + SLACK * seconds(size, work, epochs, batch_size, SLOW)) / 3600)
