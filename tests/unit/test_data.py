"""The data: the study's split, what the bundled model may see, batches without needless padding."""

import json
import sys

import numpy as np
import prepare
import pytest
import torch
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from finegrid.config.definition import Draw, Task
from finegrid.config.tasks import TASKS
from finegrid.data import reviews
from finegrid.data.tokenise import check_max_length
from finegrid.data.tokens import Split, collate, load_split
from finegrid.errors import InputError
from finegrid.modeling.bundled import FOLDER
from finegrid.records import DataStats
from finegrid.sealed import as_json, read_record

HELD_OUT = Draw(**TASKS["imdb"]["validation_from_train"])
IMDB = Task(
    **{key: value for key, value in TASKS["imdb"].items() if key not in ("repo", "files")},
    **{"name": "imdb", "source": "bundled", "max_length": 16},
    sample={"train": 64, "validation": 32, "test": 32},
)


@pytest.fixture(scope="module")
def splits():
    return reviews.load_reviews(HELD_OUT)


def test_the_bundled_splits_are_the_study_s(splits):
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 20_000, "validation": 2_500, "test": 2_500}
    # In the official order the first 12,500 reviews are negative.
    study = Dataset.from_dict({"label": [0] * 12_500 + [1] * 12_500}).train_test_split(0.2, seed=3463)
    assert splits["train"]["label"] == study["train"]["label"]
    assert splits["validation"]["label"][:] + splits["test"]["label"][:] != study["test"]["label"]
    assert sum(splits["validation"]["label"]) + sum(splits["test"]["label"]) == sum(study["test"]["label"])


def test_pretraining_never_sees_a_held_out_text(splits):
    texts = set(reviews.pretraining_texts(HELD_OUT))
    assert texts
    assert texts <= set(splits["train"]["text"])
    assert texts.isdisjoint(splits["validation"]["text"])
    assert texts.isdisjoint(splits["test"]["text"])


def test_prepared_rows_are_the_texts(splits, tmp_path, monkeypatch):
    arguments = ["prepare.py", json.dumps(as_json(IMDB)), "--base-model", str(FOLDER), "--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    prepare.main()
    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
    tokenizer.enable_truncation(16)
    prepared = read_record(DataStats, tmp_path / "stats.json")
    assert prepared.task == IMDB
    for name, rows in (("train", 64), ("validation", 32), ("test", 32)):
        split, stats = load_split(tmp_path, name)
        assert stats == dict(prepared.splits.items())[name]
        assert (stats.rows, sum(stats.labels.values())) == (rows, rows)
        assert abs(stats.labels["neg"] - rows / 2) <= 1  # the classes in proportion
        assert split.lengths.max() <= 16
        encodings = tokenizer.encode_batch([text[:150] for text in splits[name]["text"]])  # more than 16 tokens
        labels = {tuple(encoding.ids): label for encoding, label in zip(encodings, splits[name]["label"], strict=True)}
        for row in range(rows):
            tokens = split.input_ids[split.offsets[row] : split.offsets[row + 1]].tolist()
            assert labels[tuple(tokens)] == split.labels[row]
    hidden, stats = load_split(tmp_path, "hidden")
    assert (stats.rows, hidden.tokens, hidden.offsets.tolist()) == (0, 0, [0])


ROWS = st.lists(st.lists(st.integers(1, 30_000), min_size=1, max_size=20), min_size=1, max_size=12)


def split_of(rows: list[list[int]]) -> Split:
    return Split(
        input_ids=torch.tensor(np.concatenate(rows), dtype=torch.int32),
        token_type_ids=torch.zeros(sum(map(len, rows)), dtype=torch.uint8),
        offsets=torch.tensor([0, *np.cumsum([len(row) for row in rows])]),
        labels=torch.arange(len(rows)),
    )


@given(ROWS, st.randoms(use_true_random=False))
def test_a_batch_holds_its_rows_and_no_padding_that_nobody_needs(rows, random):
    chosen = random.sample(range(len(rows)), random.randint(1, len(rows)))
    inputs = collate(split_of(rows), torch.tensor(chosen), "cpu")
    longest = max(len(rows[row]) for row in chosen)
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        assert inputs[name].shape == (len(chosen), longest)
    for line, mask, row in zip(inputs["input_ids"], inputs["attention_mask"], chosen, strict=True):
        padding = longest - len(rows[row])
        assert line.tolist() == rows[row] + [0] * padding
        assert mask.tolist() == [1] * len(rows[row]) + [0] * padding


@pytest.mark.parametrize(
    ("model", "longest"),
    [
        ({"model_type": "bert", "max_position_embeddings": 64, "pad_token_id": 0}, 64),
        ({"model_type": "roberta", "max_position_embeddings": 66, "pad_token_id": 1}, 64),
        ({"model_type": "deberta"}, 512),
    ],
)
def test_texts_longer_than_the_model_are_refused(model, longest):
    check_max_length(IMDB.model_copy(update={"max_length": longest}), model)
    if "max_position_embeddings" in model:
        with pytest.raises(InputError, match=r"tasks.imdb.max_length: 65, the model takes at most 64"):
            check_max_length(IMDB.model_copy(update={"max_length": 65}), model)


def test_a_split_that_is_missing_is_told(tmp_path):
    with pytest.raises(InputError, match=r"train\.json: no such file"):
        load_split(tmp_path, "train")
