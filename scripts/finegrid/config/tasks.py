"""Tasks as data: where each comes from, which columns hold its texts and labels, what scores it.

A row has the keys that a configuration gives a task of its own, and a configuration may change any of them:

    "repo", "files": {split: {part: [glob patterns]}}    the hub's repository and its files
    "text": [column] or [column, column], "label": column
    "classes": [name of label 0, ...], or None            None: labels are numbers to predict, a regression
    "metrics": [...]                                      the first one selects
    "held_out": {"share", "seed"}                         of the training split, where there is no validation split
    "submitted": [...]                                    how the benchmark's server spells the classes

Splits are train, validation, test and hidden, a test split without labels. Of a validation split with several
parts the first one selects. Standard library only: the Snakefile imports this module.
"""

ENTAILMENT = ["entailment", "not_entailment"]


def _glue(folder: str, name: str, text: list[str], classes: list[str] | None, metrics: list[str], **other) -> dict:
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
        "classes": classes,
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
        "held_out": {"share": 0.2, "seed": 3463},
    },
    "cola": _glue("cola", "CoLA", ["sentence"], ["unacceptable", "acceptable"], ["matthews"], **AS_NUMBERS),
    "sst2": _glue("sst2", "SST-2", ["sentence"], ["negative", "positive"], ["accuracy"], **AS_NUMBERS),
    "mrpc": _glue("mrpc", "MRPC", BOTH_SENTENCES, ["not_equivalent", "equivalent"], ["accuracy", "f1"], **AS_NUMBERS),
    "stsb": _glue("stsb", "STS-B", BOTH_SENTENCES, None, ["pearson", "spearman"], range=[0, 5]),
    "qqp": _glue(
        "qqp", "QQP", ["question1", "question2"], ["not_duplicate", "duplicate"], ["accuracy", "f1"], **AS_NUMBERS
    ),
    "mnli": {
        **_glue("mnli", "MNLI", ["premise", "hypothesis"], ["entailment", "neutral", "contradiction"], ["accuracy"]),
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
    "qnli": _glue("qnli", "QNLI", ["question", "sentence"], ENTAILMENT, ["accuracy"]),
    "rte": _glue("rte", "RTE", BOTH_SENTENCES, ENTAILMENT, ["accuracy"]),
    "wnli": _glue("wnli", "WNLI", BOTH_SENTENCES, ["not_entailment", "entailment"], ["accuracy"], **AS_NUMBERS),
}
# The tasks whose texts come with an installed package.
EMBEDDED = ("imdb",)
# How much of the training split validates a task that has no validation split and says nothing of it.
HELD_OUT = {"share": 0.1, "seed": 0}


def patterns_of(task: dict) -> list[str]:
    """List the patterns of all files of a task; none if its texts come with a package."""
    return [pattern for parts in task.get("files", {}).values() for part in parts.values() for pattern in part]
