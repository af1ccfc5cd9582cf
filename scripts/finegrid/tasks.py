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
}
