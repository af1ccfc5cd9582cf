"""A small model of random weights for every architecture that a base model may have."""

import inspect

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

VOCABULARY = 100
POSITIONS = 40
# Whatever an architecture calls its sizes.
SIZES = {
    **dict.fromkeys(
        ("hidden_size", "d_model", "dim", "emb_dim", "n_embd", "word_embed_proj_dim", "embedding_size"), 16
    ),
    **dict.fromkeys(("input_embedding_size", "output_embedding_size", "true_hidden_size", "intra_bottleneck_size"), 16),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "d_inner", "d_ff", "ffn_dim", "n_inner", "inner_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "num_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "num_heads", "num_key_value_heads"), 2),
    **dict.fromkeys(("d_head", "head_dim", "rotary_dim"), 8),
    **dict.fromkeys(("max_position_embeddings", "n_positions"), POSITIONS),
    **{"vocab_size": VOCABULARY, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3},
}
OWN = {
    "big_bird": {"max_position_embeddings": POSITIONS},
    "convbert": {"conv_kernel_size": 3, "head_ratio": 1},
    "deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8},
    "funnel": {"block_sizes": [1, 1], "architectures": ["FunnelModel"]},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "longformer": {"attention_window": [8, 8]},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 8},
    "modernbert": {"layer_types": ["full_attention", "sliding_attention"]},
    "modernbert-decoder": {"layer_types": ["full_attention", "sliding_attention"]},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}


def tiny_config(kind: str, **changes):
    """Return a configuration of an architecture in which every size is small."""
    default = AutoConfig.for_model(kind)
    fixed = {name for name, _ in inspect.getmembers(type(default), lambda member: isinstance(member, property))}
    settings = {name: size for name, size in SIZES.items() if hasattr(default, name) and name not in fixed}
    if getattr(default, "layer_types", None):
        settings["layer_types"] = default.layer_types[:2]
    return AutoConfig.for_model(kind, **{**settings, **OWN.get(kind, {}), **changes})


def randomise(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Draw all weights anew, those of padding included, so that nothing is 0 or 1 by chance; no dropout."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            around = parameter.mean().round() if parameter.ndim == 1 else 0
            parameter.copy_(around + 0.15 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def tiny_classifier(kind: str, num_labels: int = 3, **changes) -> PreTrainedModel:
    """Return a classifier of an architecture with random weights."""
    config = tiny_config(kind, num_labels=num_labels, **changes)
    return randomise(AutoModelForSequenceClassification.from_config(config, dtype=torch.float32))
