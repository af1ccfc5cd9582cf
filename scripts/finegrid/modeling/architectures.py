"""The architectures that a base model may have, and how they take the texts of a batch.

A model is taken only if its logits for a text do not depend on the other texts of the batch: tests compare a batch
with each text alone for every architecture here, `training.batch_check` does so for every base model.
"""

from finegrid.errors import InputError

# They pool the last token and number positions from the end, so padding goes before the text.
PADDED_LEFT = ("xlnet",)
# Convolutions, pooling and Fourier transforms mix the end of a text with its padding, whatever the attention mask
# says. So only texts of one length share a batch.
SAME_LENGTH = ("convbert", "fnet", "funnel", "mobilebert")
# Their code in transformers fails where matrix products are bfloat16.
FLOAT32_ONLY = ("deberta", "xmod")
ENCODERS = (
    *("albert", "bert", "big_bird", "camembert", "data2vec-text", "deberta", "deberta-v2", "distilbert", "electra"),
    *("ernie", "eurobert", "flaubert", "gte", "ibert", "longformer", "luke", "megatron-bert", "modernbert", "mpnet"),
    *("nomic_bert", "rembert", "roberta", "roberta-prelayernorm", "roformer", "squeezebert", "xlm", "xlm-roberta"),
    *("xlm-roberta-xl", "xmod", *PADDED_LEFT, *SAME_LENGTH),
)
# They classify a text by its last token.
DECODERS = (
    *("bloom", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "gptj", "llama", "mistral"),
    *("modernbert-decoder", "olmo", "olmo2", "opt", "phi", "phi3", "qwen2", "qwen3", "smollm3", "stablelm"),
    "starcoder2",
)
ACCEPTED = (*ENCODERS, *DECODERS)

NEEDS_MORE = "it reads more than texts"
REFUSED = {
    **dict.fromkeys(("mra", "nystromformer", "reformer", "yoso"), "it approximates attention by the batch's length"),
    **dict.fromkeys(("layoutlm", "layoutlmv2", "layoutlmv3", "lilt", "markuplm", "tapas"), NEEDS_MORE),
    **dict.fromkeys(("canine", "perceiver"), "it reads bytes or characters, without a vocabulary"),
    **dict.fromkeys(("esm", "esmc"), "it reads proteins"),
    **dict.fromkeys(("bart", "bigbird_pegasus", "mbart", "mvp", "plbart"), "it has an encoder and a decoder"),
    **dict.fromkeys(("mt5", "t5", "t5gemma", "t5gemma2", "umt5"), "it has an encoder and a decoder"),
    **dict.fromkeys(("jamba", "mamba", "mamba2", "zamba", "zamba2"), "it is a state space model"),
}


def check_architecture(config: dict, path) -> None:
    """Raise InputError unless the model of the config.json at `path` is one that can be trained here."""
    kind = config.get("model_type")
    if not isinstance(kind, str):
        raise InputError(f"{path}: the key 'model_type' is missing, which names the architecture")
    if kind not in ACCEPTED:
        reason = f": {REFUSED[kind]}" if kind in REFUSED else ""
        raise InputError(
            f"{path}: the architecture {kind!r} is not supported{reason}; supported: {', '.join(ACCEPTED)}"
        )
    if config.get("position_embedding_type") not in (None, "absolute"):
        raise InputError(
            f"{path}: position_embedding_type {config['position_embedding_type']!r} is not supported: transformers now "
            "reads it as 'absolute', which is another model"
        )
    if config.get("num_hidden_layers", 1) == 0:
        raise InputError(f"{path}: num_hidden_layers is 0; expected 1 or more")
    if config.get("quantization_config"):
        raise InputError(f"{path}: the weights are quantised (quantization_config), which is not supported")
