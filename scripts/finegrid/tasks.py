"""Tasks as data: where each comes from, which columns hold its texts and labels, what scores it.

Standard library only: the Snakefile imports this module.
"""

TASKS = {
    "imdb": {
        # Maas et al. (2011): 25,000 training and 25,000 test reviews.
        "hub": {
            "repo": "stanfordnlp/imdb",
            "files": {"train": "plain_text/train-*.parquet", "test": "plain_text/test-*.parquet"},
        },
        "text": ["text"],
        "label": "label",
        "classes": ["neg", "pos"],
        "metric": "accuracy",
        # The study's own split of the official training set: 20,000 to train, 5,000 held out.
        "held_out": {"share": 0.2, "seed": 3463},
    },
    "mrpc": {
        # Dolan and Brockett (2005), in GLUE. The test labels are hidden: the official validation split is the
        # test split here, and a tenth of the training split is held out for validation.
        "hub": {
            "repo": "nyu-mll/glue",
            "files": {"train": "mrpc/train-*.parquet", "test": "mrpc/validation-*.parquet"},
        },
        "text": ["sentence1", "sentence2"],
        "label": "label",
        "classes": ["not_equivalent", "equivalent"],
        "metric": "accuracy",
        "held_out": {"share": 0.1, "seed": 0},
    },
}
# The tasks whose texts come with an installed package.
EMBEDDED = ("imdb",)
