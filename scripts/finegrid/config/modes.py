"""Modes of fine-tuning as data: which parameters train.

`train` lists regular expressions; a parameter trains if one of them matches its *whole* name.
(Substrings are a trap: `output.dense.bias` also lies inside `attention.output.dense.bias`.) The word `head`
by itself stands for all parameters outside the encoder, whatever an architecture calls them. Each has to
match a parameter, unless it matches the empty name, too: `(...)?` asks for what a model may lack.
Standard library only: the Snakefile imports this module.
"""

# By their whole name or its end: DeBERTa has a q_bias, XLNet an r_w_bias.
BIASES = r".*[._]bias"
# Names of layer normalisations: LayerNorm, norm1, layer_norm1.0, final_layer_norm, ln_1, attn_ln, ...
NORMS = r"(.*\.)?(?i:\w*norm\w*|\w+_ln|ln(_\w+)?)(\.\d+)?\.(weight|bias)"
HEAD = "head"

# The biases of a layer by the names that the official code of BitFit (Ben Zaken et al., 2022, arXiv:2106.10199)
# gives them, and `attention-output`: in BERT, RoBERTa and ELECTRA | in DistilBERT.
BIAS_KINDS = {
    "query": r"attention\.self\.query|attention\.q_lin",
    "key": r"attention\.self\.key|attention\.k_lin",
    "value": r"attention\.self\.value|attention\.v_lin",
    "attention-output": r"attention\.output\.dense|attention\.out_lin",
    "attention-layernorm": r"attention\.output\.LayerNorm|sa_layer_norm",
    "intermediate": r"intermediate\.dense|ffn\.lin1",
    "output": r"output\.dense|ffn\.lin2",
    "output-layernorm": r"output\.LayerNorm|output_layer_norm",
}
# With each of them that code trains the pooler's bias and the whole classifier.
POOLER = r"(.*\.pooler\..*\.bias)?"


def biases(*kinds: str) -> list[str]:
    """Return the patterns of some kinds of bias, the pooler's bias and the head."""
    return [*(rf".*\.layer\.\d+\.({BIAS_KINDS[kind]})\.bias" for kind in kinds), POOLER, HEAD]


MODES = {
    # Every parameter.
    "full": {"train": [".*"]},
    # Every bias; the classifier's weight stays at its random start.
    "bitfit": {"train": [BIASES]},
    # Every bias and the whole classifier, as in the BitFit paper.
    "bitfit-head": {"train": [BIASES, HEAD]},
    # Some biases and the whole classifier; the paper's best pair is that of query and intermediate.
    **{f"bitfit-{kind}": {"train": biases(kind)} for kind in BIAS_KINDS},
    "bitfit-query-intermediate": {"train": biases("query", "intermediate")},
    # Every layer normalisation and the classifier.
    "layernorm": {"train": [NORMS, HEAD]},
    # The classifier only: the encoder is a fixed feature extractor, without dropout.
    "linear-probe": {"train": [HEAD]},
}
EVERYTHING = MODES["full"]["train"]
