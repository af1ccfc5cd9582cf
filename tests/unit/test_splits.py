"""The splits of a task: files in any format, hidden test sets, rows held out or left out."""

import numpy as np
import pandas
import pyarrow
import pyarrow.parquet
import pytest
from datasets import Dataset
from sklearn.model_selection import train_test_split

from finegrid.config.definition import Task
from finegrid.data import splits
from finegrid.data.readers import draw, read_file
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
    rows = read_file(path, TASK, labelled=True)
    assert rows.texts == {column: TABLE[column].tolist() for column in TASK.text}
    assert rows.labels == TABLE["stars"].tolist()
    assert read_file(path, TASK, labelled=False).labels is None


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("classes", [("bad", "so-so", "good"), None])
def test_a_draw_is_that_of_scikit_learn(classes, seed):
    random = np.random.default_rng(seed)
    rows = Dataset.from_dict({"label": random.choice(3, size=500, p=[0.5, 0.3, 0.2]).tolist()})
    kind = {"metrics": ["accuracy"]} if classes else {"metrics": ["pearson"], "regression": True}
    size, task = int(random.integers(3, 497)), make_task(label="label", classes=classes, **kind)
    labels = classes and rows["label"][:]
    expected = train_test_split(range(500), train_size=size, stratify=labels, random_state=seed)[0]
    assert draw(rows, size, seed, task) == expected


def test_a_class_of_one_row_is_not_drawn_from():
    rows = Dataset.from_dict({"label": [0, 1, 1, 1]})
    with pytest.raises(ValueError, match=r"a class has a single row; expected two or more"):
        draw(rows, 2, seed=0, task=make_task(label="label"))


def test_texts_of_json_stay_as_they_are(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"date": "2020-01-01", "body": "007", "stars": "good"}\n')
    rows = read_file(path, make_task(text=["date", "body"], label="stars"), labelled=True)
    assert (rows.texts, rows.labels) == ({"date": ["2020-01-01"], "body": ["007"]}, ["good"])


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
        read_file(tmp_path / name, TASK, labelled=True)


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


def test_rows_without_a_label_are_left_out_and_counted(tmp_path):
    files = {}
    for split, labels in {"train": [0, 1, -1, 0, 1, -1], "validation": [0, 1], "test": [1, None, 0]}.items():
        path = tmp_path / f"{split}.jsonl"
        rows = pandas.DataFrame({"text": numbered(split, len(labels)), "label": pandas.array(labels, "Int64")})
        rows.to_json(path, orient="records", lines=True)
        files[split] = {split: [str(path)]}
    with pytest.raises(InputError, match=r"test.jsonl: row 1: the label of row 1 is missing.*drop_unlabelled: true"):
        load(files)
    loaded, source = load(files, drop_unlabelled=True)
    assert source.unlabelled_rows == {"train": 2, "validation": 0, "test": 1}
    assert loaded["train"].rows["text"][:] == ["train 0", "train 1", "train 3", "train 4"]
    assert loaded["train"].parts == {"train": 4}
    assert loaded["test"].rows[:] == {"text": ["test 0", "test 2"], "label": [1, 0]}
    assert source.labels == "as positions"


@pytest.mark.parametrize(
    ("labels", "message"), [([-1, -1], "every label is -1"), (["", "-"], "no row of test has a label.*'hidden'")]
)
def test_a_test_split_of_rows_without_a_label_is_a_hidden_one(tmp_path, labels, message):
    files = write(tmp_path, train=numbered("train", 4), validation=numbered("validation", 2))
    pandas.DataFrame({"text": ["a", "b"], "label": labels}).to_csv(tmp_path / "test.csv", index=False)
    files["test"] = {"test": [str(tmp_path / "test.csv")]}
    with pytest.raises(InputError, match=rf"test.csv: {message}"):
        load(files, drop_unlabelled=True)


def test_numbers_of_a_table_are_texts_as_they_are(tmp_path):
    path = tmp_path / "rows.parquet"
    other = pyarrow.array([10**60, 1, None], pyarrow.decimal256(76))
    years, large = pyarrow.array([1900, None, 2000]), pyarrow.array([2**64 - 1, 0, None], pyarrow.uint64())
    tenths = pyarrow.array([0.1, 2.0, None], pyarrow.float32())
    table = pyarrow.table({"years": years, "large": large, "tenths": tenths, "other": other, "label": [0, 1, 0]})
    pyarrow.parquet.write_table(table, path)
    for column, texts in {
        "years": ["1900", "", "2000"],
        "large": ["18446744073709551615", "0", ""],
        "tenths": ["0.1", "2.0", ""],
    }.items():
        assert read_file(path, make_task(text=[column]), labelled=True).texts == {column: texts}


def test_the_index_of_a_data_frame_is_a_column(tmp_path):
    frame = pandas.DataFrame({"text": ["a", "b"], "label": pandas.Categorical(["good", "bad"])}).set_index("text")
    frame.to_parquet(tmp_path / "rows.parquet")
    rows = read_file(tmp_path / "rows.parquet", make_task(), labelled=True)
    assert (rows.texts, rows.labels) == ({"text": ["a", "b"]}, ["good", "bad"])
