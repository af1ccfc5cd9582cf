"""Modes of fine-tuning as data: which parameters train.

`train` lists regular expressions; a parameter trains if one of them matches its *whole* name.
(Substrings are a trap: `output.dense.bias` also lies inside `attention.output.dense.bias`.)
Standard library only: the Snakefile imports this module.
"""

BIASES = r".*\.bias"
HEAD = r"classifier\..*"

MODES = {
    # Every parameter.
    "full": {"train": [".*"]},
    # Every bias; the classifier's weight stays at its random start.
    "bitfit": {"train": [BIASES]},
    # Every bias and the whole classifier, as in the BitFit paper (Ben Zaken et al., 2022, arXiv:2106.10199).
    "bitfit-head": {"train": [BIASES, HEAD]},
    # The classifier only: the encoder is a fixed feature extractor, without dropout, see features.py.
    "frozen": {"train": [HEAD]},
}
