"""The built-in tasks as data: where each comes from, which columns hold its texts and labels, what scores it.

A row has the keys of `definition.Task`; a configuration may change any of them. Splits are train, validation, test and
hidden, a test split without labels. Of a validation split with several parts the first one selects.
"""

ENTAILMENT = ["entailment", "not_entailment"]


def _glue(folder: str, name: str, text: list[str], metrics: list[str], **other) -> dict:
    """Return the row of a GLUE task (Wang et al., 2019, arXiv:1804.07461), whose test labels are hidden.

    `folder`: its configuration on the hub; `name`: what the benchmark's server calls its file.
    """
    return {
        "repo": "nyu-mll/glue",
        "files": {
            "train": {"train": [f"{folder}/train-*.parquet"]},
            "validation": {"validation": [f"{folder}/validation-*.parquet"]},
            "hidden": {name: [f"{folder}/test-*.parquet"]},
        },
        "text": text,
        "label": "label",
        "metrics": metrics,
        **other,
    }


BOTH_SENTENCES = ["sentence1", "sentence2"]
AS_NUMBERS = {"submitted": ["0", "1"]}

TASKS = {
    "imdb": {
        # Maas et al. (2011): 25,000 training and 25,000 test reviews.
        "repo": "stanfordnlp/imdb",
        "files": {
            "train": {"train": ["plain_text/train-*.parquet"]},
            "test": {"test": ["plain_text/test-*.parquet"]},
        },
        "text": ["text"],
        "label": "label",
        "classes": ["neg", "pos"],
        "metrics": ["accuracy"],
        # The study's own split of the official training set: 20,000 to train, 5,000 held out.
        "validation_from_train": {"share": 0.2, "seed": 3463},
    },
    "cola": _glue("cola", "CoLA", ["sentence"], ["matthews"], classes=["unacceptable", "acceptable"], **AS_NUMBERS),
    "sst2": _glue("sst2", "SST-2", ["sentence"], ["accuracy"], classes=["negative", "positive"], **AS_NUMBERS),
    "mrpc": _glue(
        "mrpc", "MRPC", BOTH_SENTENCES, ["accuracy", "f1"], classes=["not_equivalent", "equivalent"], **AS_NUMBERS
    ),
    "stsb": _glue("stsb", "STS-B", BOTH_SENTENCES, ["pearson", "spearman"], regression=True, label_range=(0, 5)),
    "qqp": _glue(
        *("qqp", "QQP", ["question1", "question2"], ["accuracy", "f1"]),
        classes=["not_duplicate", "duplicate"],
        **AS_NUMBERS,
    ),
    "mnli": {
        **_glue("mnli", "MNLI", ["premise", "hypothesis"], ["accuracy"]),
        "classes": ["entailment", "neutral", "contradiction"],
        "files": {
            "train": {"train": ["mnli/train-*.parquet"]},
            "validation": {
                "matched": ["mnli/validation_matched-*.parquet"],
                "mismatched": ["mnli/validation_mismatched-*.parquet"],
            },
            "hidden": {
                "MNLI-m": ["mnli/test_matched-*.parquet"],
                "MNLI-mm": ["mnli/test_mismatched-*.parquet"],
                "AX": ["ax/test-*.parquet"],  # GLUE's diagnostic examples, for the model of this task
            },
        },
    },
    "qnli": _glue("qnli", "QNLI", ["question", "sentence"], ["accuracy"], classes=ENTAILMENT),
    "rte": _glue("rte", "RTE", BOTH_SENTENCES, ["accuracy"], classes=ENTAILMENT),
    "wnli": _glue("wnli", "WNLI", BOTH_SENTENCES, ["accuracy"], classes=["not_entailment", "entailment"], **AS_NUMBERS),
}
# The tasks whose texts come with an installed package.
BUNDLED = ("imdb",)
# How much of the training split validates a task that has no validation split and does not say.
VALIDATION_FROM_TRAIN = {"share": 0.1, "seed": 0}
