"""Which architectures run unpadded, and what differs between them.

An architecture can if its layers take an attention function of transformers and hand it the keyword arguments of the
model's call, if positions can be given, and if nothing else mixes tokens.
"""

from typing import NamedTuple

import torch

from finegrid.data.tokenizer import COUNT_AFTER_PADDING
from finegrid.data.tokens import Split
from finegrid.training.fast.precision import keep_float32
from finegrid.training.fast.unpadded.attention import (
    NAME,
    Attention,
    dropout_of,
    in_autocast_dtype,
    use_unpadded_attention,
)
from finegrid.training.fast.unpadded.layout import Layout, concatenate, positions_after
from finegrid.training.inputs import arguments


class LastLayer(NamedTuple):
    """Names of the parts of a layer that reads all tokens but computes only the first of each text.

    Its attention comes first, and whatever follows takes each token by itself.
    """

    attention: str
    query: str  # in the attention, as the next three
    key: str
    value: str
    output: str | None  # None: not part of the attention
    after: tuple[str, ...]  # what follows the attention


class Parts(NamedTuple):
    """Names of the parts of an encoder."""

    layers: str  # the layers, or what holds them and returns their last state
    last: LastLayer | None = None  # None: the last layer computes all tokens, like the others


BERT = Parts(
    "encoder.layer",
    LastLayer("attention.self", "query", "key", "value", None, ("attention.output", "intermediate", "output")),
)
# Of the encoders of transformers 5.23 these are missing:
# - big_bird, deberta, deberta-v2, flaubert, ibert, longformer, luke, megatron-bert, mpnet, rembert, roformer,
#   squeezebert, xlm and xlnet: attention is written into their layers, which take no function for it
# - convbert, fnet, funnel and mobilebert: they mix neighbouring tokens outside of attention, and so would mix texts
# Decoders attend to earlier tokens only, and find the last token of a text by its padding.
PARTS = {
    **dict.fromkeys(("bert", "camembert", "data2vec-text", "electra", "ernie", "roberta", "xlm-roberta"), BERT),
    "distilbert": Parts("transformer.layer", LastLayer("attention", "q_lin", "k_lin", "v_lin", "out_lin", ("ffn",))),
    # They normalise before attention.
    **dict.fromkeys(("roberta-prelayernorm", "xlm-roberta-xl", "xmod"), Parts("encoder.layer")),
    # They turn queries and keys by their positions.
    **dict.fromkeys(("eurobert", "gte", "modernbert", "nomic_bert"), Parts("layers")),
    "albert": Parts("encoder"),  # its layers are one and the same
}
# What `classifier_pooling` may say. EuroBERT's "late" classifies every token before it takes the mean.
POOLING = (None, "bos", "cls", "mean")


def fits(model: torch.nn.Module) -> bool:
    """Whether a model of transformers can take unpadded batches."""
    config = model.config
    return (
        config.model_type in PARTS
        and not getattr(config, "is_decoder", False)
        and getattr(config, "classifier_pooling", None) in POOLING
    )


def in_use(model: torch.nn.Module) -> bool:
    """Whether a model takes unpadded batches."""
    return model.config._attn_implementation == NAME


def use_unpadded(model: torch.nn.Module) -> None:
    """Make a model that `fits` take unpadded batches and the keyword argument `layout`."""
    use_unpadded_attention(model)
    for module in model.base_model.modules():
        # The rate as a module, whose masks come from the generator of all the others.
        if isinstance(getattr(module, "attention_dropout", None), int | float):
            module.dropout = torch.nn.Dropout(module.attention_dropout)
    if getattr(model.config, "classifier_pooling", None) == "mean":
        model.base_model.register_forward_hook(_to_means, with_kwargs=True)
        return
    parts = PARTS[model.config.model_type]
    layers = model.base_model.get_submodule(parts.layers)
    last = layers[-1] if isinstance(layers, torch.nn.ModuleList) else layers
    if parts.last is None:
        last.register_forward_hook(_to_first_tokens, with_kwargs=True)
    else:
        _compute_first_tokens(last, parts.last)


def inputs_of(model: torch.nn.Module, split: Split, rows: torch.Tensor) -> tuple[torch.Tensor, dict]:
    """Return some rows in the order in which an unpadded batch holds them, and the model's keyword arguments for them.

    See `concatenate`.
    """
    rows, inputs = concatenate(split, rows, model.config.num_attention_heads)
    if model.config.model_type in COUNT_AFTER_PADDING:
        layout, real = inputs["layout"], int(inputs["layout"].lengths.sum())
        tokens = (inputs[name][0, :real].numpy() for name in ("input_ids", "position_ids"))
        texts = (each.numpy() for each in (layout.starts, layout.lengths))
        numbered = positions_after(model.config.pad_token_id, *tokens, *texts)
        inputs["position_ids"][0, :real] = torch.from_numpy(numbered)
    taken = arguments(type(model)) | {"layout"}
    if not getattr(model, "token_types", True):
        taken = taken - {"token_type_ids"}
    return rows, {name: value for name, value in inputs.items() if name in taken}


def _to_first_tokens(_, __, kwargs: dict, output):
    """Make the last state [1, tokens, hidden size] the first token of each text: [texts, 1, hidden size]."""
    return _with_state(output, lambda state: state[0, kwargs["layout"].starts][:, None])


def _to_means(_, __, kwargs: dict, output):
    """Make the last state [1, tokens, hidden size] the mean of each text: [texts, 1, hidden size]."""
    lengths = kwargs["layout"].lengths
    real = int(lengths.sum())
    return _with_state(output, lambda state: torch.segment_reduce(state[0, :real], "mean", lengths=lengths)[:, None])


def _with_state(output, change):
    """Change a state, or the last one in an output of transformers."""
    if isinstance(output, torch.Tensor):
        return change(output)
    output["last_hidden_state"] = change(output["last_hidden_state"])
    return output


def _compute_first_tokens(layer: torch.nn.Module, names: LastLayer) -> None:
    """Make a layer return the first token of each text, [texts, 1, hidden size], and compute no other."""
    attention = layer.get_submodule(names.attention)
    query, key, value = (attention.get_submodule(name) for name in (names.query, names.key, names.value))
    output = attention.get_submodule(names.output) if names.output else None

    def only_first(_, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        states, *others = args
        return (states[:, kwargs["layout"].starts], *others), {**kwargs, "whole": states}

    def attend_first(first: torch.Tensor, *_, layout: Layout, whole: torch.Tensor, **__) -> tuple[torch.Tensor, None]:
        heads = attention.config.num_attention_heads
        projected = (
            in_autocast_dtype(linear(states)[0].unflatten(-1, (heads, -1)))
            for linear, states in ((query, first), (key, whole), (value, whole))
        )
        dropout = dropout_of(attention)
        dropout = dropout if attention.training and dropout.p else None
        context = Attention.apply(*projected, layout, True, attention.scaling, dropout)
        context = context.flatten(1)[None]
        return (context if output is None else output(context)), None

    layer.register_forward_pre_hook(only_first, with_kwargs=True)
    layer.register_forward_hook(lambda _, __, state: state.transpose(0, 1))
    attention.forward = attend_first
    # These see one token per text: too little work to compile bfloat16 products for every number of texts.
    for module in (query, output, *map(layer.get_submodule, names.after)):
        if module is not None:
            keep_float32(module, "cpu")
