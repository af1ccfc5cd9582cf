"""Where BERT and its relatives in transformers have the parts of an encoder, and what their heads compute."""

from collections.abc import Callable
from typing import NamedTuple

import torch

from finegrid.data.tokenizer import COUNT_AFTER_PADDING
from finegrid.modeling.methods import is_linear
from finegrid.training.fast.unpadded import PARTS

Head = Callable[[torch.Tensor], torch.Tensor]  # from states [texts, hidden size] to logits [texts, labels]


class Block(NamedTuple):
    """The modules of an encoder layer, and its rates of dropout."""

    module: torch.nn.Module  # that holds them all
    query: torch.nn.Module
    key: torch.nn.Module
    value: torch.nn.Module
    attention_output: torch.nn.Module
    attention_norm: torch.nn.LayerNorm
    up: torch.nn.Module
    down: torch.nn.Module
    output_norm: torch.nn.LayerNorm
    attention_rate: float  # of attention weights
    attention_output_rate: float
    output_rate: float


def like_bert(block: torch.nn.Module) -> Block:
    """Return the parts of a layer of BERT."""
    attention, output = block.attention, block.output
    return Block(
        *(block, attention.self.query, attention.self.key, attention.self.value),
        *(attention.output.dense, attention.output.LayerNorm),
        *(block.intermediate.dense, output.dense, output.LayerNorm),
        *(attention.self.dropout.p, attention.output.dropout.p, output.dropout.p),
    )


def like_distilbert(block: torch.nn.Module) -> Block:
    """Return the parts of a layer of DistilBERT, which drops nothing of the attention's output."""
    attention, feed_forward = block.attention, block.ffn
    return Block(
        *(block, attention.q_lin, attention.k_lin, attention.v_lin, attention.out_lin, block.sa_layer_norm),
        *(feed_forward.lin1, feed_forward.lin2, block.output_layer_norm),
        *(attention.dropout.p, 0.0, feed_forward.dropout.p),
    )


def head_of_bert(model: torch.nn.Module) -> Head:
    """Return BERT's head, whose pooler takes the first of some tokens."""
    return lambda first: model.classifier(model.dropout(model.bert.pooler(first[:, None])))


def head_of_roberta(model: torch.nn.Module) -> Head:
    """Return the head of RoBERTa or ELECTRA, which takes the first of some tokens."""
    return lambda first: model.classifier(first[:, None])


def head_of_distilbert(model: torch.nn.Module) -> Head:
    """Return DistilBERT's head."""
    return lambda first: model.classifier(model.dropout(model.pre_classifier(first).relu()))


class Kind(NamedTuple):
    """An architecture."""

    block: Callable[[torch.nn.Module], Block]
    head: Callable[[torch.nn.Module], Head]


ROBERTA = Kind(like_bert, head_of_roberta)
KINDS = {
    "BertForSequenceClassification": Kind(like_bert, head_of_bert),
    "CamembertForSequenceClassification": ROBERTA,
    "DistilBertForSequenceClassification": Kind(like_distilbert, head_of_distilbert),
    "ElectraForSequenceClassification": ROBERTA,
    "RobertaForSequenceClassification": ROBERTA,
    "XLMRobertaForSequenceClassification": ROBERTA,
}


def fits(model: torch.nn.Module, device: str) -> bool:
    """Whether a model is one that this folder knows, on a device that it is quick on."""
    config = model.config
    activation = getattr(config, "activation", None) or getattr(config, "hidden_act", None)
    return (
        device == "cpu"
        and type(model).__name__ in KINDS
        and (activation, getattr(config, "is_decoder", False)) == ("gelu", False)
        and not hasattr(model.base_model, "embeddings_project")  # ELECTRA's, if words are narrower than the layers
        and adapters_fit(model)
    )


def adapters_fit(model: torch.nn.Module) -> bool:
    """Whether all adapters of a model, if there are any, amount to other weights and biases of linear layers."""
    layers = [module for module in model.modules() if hasattr(module, "get_base_layer")]
    return not layers or (
        all(type(layer.get_base_layer()) is torch.nn.Linear for layer in layers)
        and all(parameter.dtype == torch.float32 for parameter in model.parameters() if parameter.requires_grad)
        and is_linear(model.peft_config["default"])
    )


def head_of(model: torch.nn.Module) -> Head:
    """Return the head of a model that `fits`."""
    return KINDS[type(model).__name__].head(model)


def blocks_of(model: torch.nn.Module) -> list[Block]:
    """Return the layers of a model that `fits`."""
    layers = model.base_model.get_submodule(PARTS[model.config.model_type].layers)
    return [KINDS[type(model).__name__].block(layer) for layer in layers]


def counted_after(model: torch.nn.Module) -> int | None:
    """Return the padding token from whose number on a model numbers positions; None if they are counted from 0."""
    return model.config.pad_token_id if model.config.model_type in COUNT_AFTER_PADDING else None
