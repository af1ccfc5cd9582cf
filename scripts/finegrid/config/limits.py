"""The memory and time that a cell asks for, by the size of the model and the length of the texts.

Fitted to measured peaks, with room above each; all texts were of full length: BERT-tiny (2 layers, 128 wide, 2
heads) takes 0.5 GB at 64 x 128 tokens and 0.6 GB at 16 x 512; MiniLM-L6 (6, 384, 12) 4.2 GB at 16 x 512. Time is a
limit, several times what a cell takes on one core.
"""

import math
from typing import NamedTuple

PROCESS_MB = 450  # Python with torch
BYTES_PER_PARAMETER = 16  # of full fine-tuning: the weight, its gradient and AdamW's two moments, in float32
TOKENS_AT_ONCE = 8192  # of a micro-batch; not imported from training, whose code decides what is trained again
BYTES_PER_TOKEN = 100  # of each layer and unit of width
BYTES_PER_SCORE = 12  # of attention: each layer, head and pair of tokens
SECONDS_AT_LEAST = 3600
FLOPS = 20e9  # floating-point operations per second
SECONDS_PER_SCORE = 1e-7  # of attention, likewise


class Size(NamedTuple):
    """What memory and time depend on."""

    parameters: int
    layers: int
    width: int
    heads: int


def size_of(config: dict, parameters: int) -> Size:
    """Return the size of a model from its configuration; BERT-base's where that does not say it."""
    layers, width = layers_and_width(config)
    layers, width = layers or 12, width or 768
    heads = _first(config, "num_attention_heads", "n_heads", "n_head", "num_heads") or max(1, width // 64)
    return Size(parameters, layers, width, heads)


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


def minutes(size: Size, tokens: int, longest: int) -> int:
    """Return the time limit of a cell in minutes, in whole hours; `tokens` are those of all epochs."""
    weights = 12 * size.layers * size.width**2  # of an encoder's layers: attention 4, feed-forward 8
    per_token = 6 * weights / FLOPS + size.layers * size.heads * longest * SECONDS_PER_SCORE
    return 60 * math.ceil((SECONDS_AT_LEAST / 2 + tokens * per_token) / 3600)
