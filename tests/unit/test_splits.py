"""The splits of a task: files in any format, labels checked, hidden test sets, rows held out or left out."""

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finegrid.config.definition import Task
from finegrid.data import splits
from finegrid.data.readers import read_labels, read_rows
from finegrid.errors import InputError

CLASSES = ("bad", "good")


def make_task(**settings) -> Task:
    given = {"text": ["text"], "label": "label", "classes": CLASSES, "metrics": ["accuracy"], "max_length": 16}
    return Task(**{"name": "mine", "source": "files", **given, **settings})


TASK = make_task(text=["title", "body"], label="stars")
TABLE = pandas.DataFrame(
    {
        "title": ["null", 'a "quoted" one', "NA", ""],
        "body": ["x, y", "tab", "über", "last"],
        "stars": ["good", "bad", "good", "bad"],
    }
)
WRITERS = {
    "csv": lambda table, path: table.to_csv(path, index=False),
    "tsv": lambda table, path: path.write_text("\n".join("\t".join(row) for row in [table.columns, *table.to_numpy()])),
    "jsonl": lambda table, path: table.to_json(path, orient="records", lines=True),
    "parquet": lambda table, path: table.to_parquet(path),
}


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_gives_the_same_rows(tmp_path, form):
    path = tmp_path / f"rows.{form}"
    WRITERS[form](TABLE, path)
    rows = read_rows([path], TASK, labelled=True)
    assert rows["title"][:] == TABLE["title"].tolist()
    assert rows["body"][:] == TABLE["body"].tolist()
    assert rows["stars"][:] == [1, 0, 1, 0]
    assert read_rows([path, path], TASK, labelled=False).column_names == ["title", "body"]


def test_texts_of_json_stay_as_they_are(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"date": "2020-01-01", "body": "007", "stars": "good"}\n')
    rows = read_rows([path], make_task(text=["date", "body"], label="stars"), labelled=True)
    assert rows[0] == {"date": "2020-01-01", "body": "007", "stars": 1}


@given(st.lists(st.integers(0, 2), min_size=1))
def test_labels_are_names_or_numbers(labels):
    names = ["low", "middle", "high"]
    for spelled in (pandas.Series(labels), pandas.Series([names[label] for label in labels])):
        assert read_labels(spelled, names, "here").tolist() == labels
    numbers = read_labels(pandas.Series(labels) / 2, None, "here")
    assert (numbers.dtype, numbers.tolist()) == (np.float32, [label / 2 for label in labels])


def test_names_that_look_like_numbers_are_names():
    assert read_labels(pandas.Series([1, 5, 1]), ["1", "5"], "here").tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([0, 1, 2, 3], CLASSES, r"here: rows 2, 3: the label of row 2 is '2'; expected 0 to 1 or one of bad, good"),
        (["good", None, "bad"], CLASSES, r"here: row 1: the label of row 1 is missing; expected a class"),
        (["good", "fair"], CLASSES, r"here: rows 0, 1: the label of row 0 is 'good'; expected 0 to 1 or one of"),
        ([0.5], CLASSES, r"row 0 is '0.5'"),
        ([-1, -1], CLASSES, r"every label is -1, .* name the split 'hidden'"),
        ([-1.0, -1.0], None, r"every label is -1"),
        ([1.5, "much"], None, r"row 1 is 'much'; expected a number"),
        ([float("nan")] * 30, None, r"rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more: the label of row 0 is missing"),
    ],
)
def test_a_label_that_is_not_one_is_refused_with_its_row(labels, classes, message):
    with pytest.raises(InputError, match=message):
        read_labels(pandas.Series(labels, dtype=object), classes, "here")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "rows.csv",
            "title,text,stars\na,b,good\n",
            r"task mine: rows.csv: no column 'body'; its columns: 'title'",
        ),
        ("rows.xlsx", "", r"rows.xlsx: unknown format; expected .parquet, .csv"),
        ("rows.jsonl", "{", r"rows.jsonl: cannot be read"),
        ("rows.parquet", "PAR1", r"rows.parquet: cannot be read"),
        ("rows.csv", "", r"rows.csv: cannot be read"),
    ],
)
def test_a_file_that_is_not_one_is_told(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_rows([tmp_path / name], TASK, labelled=True)


def write(folder, **tables) -> dict:
    """Write each split as a file; return the task's `files`."""
    for name, texts in tables.items():
        rows = {"text": texts, "label": [number % 2 for number in range(len(texts))]}
        pandas.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return {name.split("_")[0]: {name: [str(folder / f"{name}.csv")]} for name in tables}


def load(files: dict, **settings):
    return splits.load_splits(make_task(files=files, **settings), "mirror")


def numbered(word: str, count: int) -> list[str]:
    return [f"{word} {number}" for number in range(count)]


def test_what_validates_and_tests_where_there_are_no_files_of_it(tmp_path):
    files = write(tmp_path, train=numbered("train", 100), hidden=numbered("hidden", 7))
    loaded, _ = load(files, validation_from_train={"share": 0.2, "seed": 1}, test_from_train={"share": 0.1, "seed": 0})
    assert {name: split.parts for name, split in loaded.items()} == {
        "train": {"train": 72},
        "validation": {"validation": 18},
        "test": {"test": 10},
        "hidden": {"hidden": 7},
    }
    assert loaded["test"].origin == "10% held out from the training split, seed 0"
    assert loaded["validation"].origin == "20% held out from the training split, seed 1"
    texts = [text for name in ("train", "validation", "test") for text in loaded[name].rows["text"]]
    assert sorted(texts) == sorted(numbered("train", 100))
    assert loaded["hidden"].rows.column_names == ["text"]

    without, _ = load(files, validation_from_train={"share": 0.2, "seed": 1})
    assert without["test"] == splits.NONE


def test_training_rows_that_are_in_a_test_split_can_be_left_out(tmp_path):
    train = [*numbered("train", 20), "test 3", "test 3", "hidden 0"]
    files = write(
        tmp_path, train=train, validation=numbered("train", 4), test=numbered("test", 5), hidden=numbered("hidden", 2)
    )
    kept, _ = load(files)
    assert len(kept["train"].rows) == 23
    dropped, source = load(files, drop_training_rows_in_test=True)
    assert dropped["train"].rows["text"][:] == numbered("train", 20)
    assert source.dropped_training_rows == 3


def test_a_sample_is_drawn_from_each_part(tmp_path):
    files = write(
        tmp_path, train=numbered("train", 40), validation_m=numbered("m", 20), validation_mm=numbered("mm", 30)
    )
    files["validation"] = {name: [str(tmp_path / f"validation_{name}.csv")] for name in ("m", "mm")}
    loaded, _ = load(files, sample={"train": 10, "validation": 6, "seed": 0})
    validation = loaded["validation"]
    assert validation.parts == {"m": 6, "mm": 6}
    assert [text.split()[0] for text in validation.rows["text"]] == ["m"] * 6 + ["mm"] * 6
    assert sum(validation.rows["label"][:6]) == 3  # the classes in proportion
    with pytest.raises(InputError, match=r"tasks.mine.sample.train: 41 rows asked for, the split has 40"):
        load(files, sample={"train": 41, "seed": 0})
