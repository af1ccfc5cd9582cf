"""Labels: numbers as numbers, names as names, positions only where nothing else can be meant; one reading per task."""

import json
from decimal import Decimal

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finegrid.config.definition import Task
from finegrid.data.labels import Labels
from finegrid.data.readers import FileRows, read_file
from finegrid.data.splits import load_splits
from finegrid.errors import InputError

CLASSES = ("bad", "good")


def make_task(classes=CLASSES, **settings) -> Task:
    kind = {"regression": True, "metrics": ["pearson"]} if classes is None else {"metrics": ["accuracy"]}
    own = {"name": "mine", "source": "files", "text": ["text"], "label": "label", "max_length": 16}
    return Task(**own, classes=classes, **kind, **settings)


def read(classes, *files, names=None, **settings) -> tuple[str | None, list[list]]:
    """Return how the labels of some files, each a split of its own, are read, and as what."""
    rows = [FileRows(f"file{number}", {"text": []}, list(labels), names) for number, labels in enumerate(files)]
    labels = Labels(make_task(classes, **settings), [[file] for file in rows])
    return labels.reading, [labels.of(file)[0].tolist() for file in rows]


STARS = ("1", "2", "3")


@pytest.mark.parametrize(
    ("classes", "files", "reading", "numbers"),
    [
        (STARS, [["1", "2", "3"], ["1.0", "2.0"]], "as numbers", [[0, 1, 2], [0, 1]]),
        (STARS, [[1, 2, 3], [1.0, 2.0]], "as numbers", [[0, 1, 2], [0, 1]]),
        (STARS, [["01", " 2 ", "3e0", "+1", Decimal("2.00")]], "as numbers", [[0, 1, 2, 0, 1]]),
        (("1", "0"), [[0.0, 1.0, 1]], "as numbers", [[1, 0, 0]]),
        (("-1", "1"), [[-1, -1], [1.0, -1.0]], "as numbers", [[0, 0], [1, 0]]),
        (("0.5", "1.5"), [[0.5, "1.50"]], "as numbers", [[0, 1]]),
        # Numbers that only one spelling tells apart are names.
        (("2.1", "2.10"), [["2.10", "2.1"]], "by name", [[1, 0]]),
        (("01", "1"), [["1", "01"]], "by name", [[1, 0]]),
        (("9007199254740992", "9007199254740993"), [[9007199254740993]], "as numbers", [[1]]),
        (CLASSES, [["good", " bad"], ["bad"]], "by name", [[1, 0], [0]]),
        (CLASSES, [[0, 1], [1]], "as positions", [[0, 1], [1]]),
        (CLASSES, [["0.0", "1"], [1.0]], "as positions", [[0, 1], [1]]),
        (("unknown", "1", "2"), [["1.0", "unknown"]], "by name", [[1, 0]]),
        (("false", "true"), [[True, False], ["True", "FALSE", "true"]], "by name", [[1, 0], [1, 0, 1]]),
        (("True", "False"), [[True, False]], "by name", [[0, 1]]),
        (("NA", "None", "nan"), [["nan", "NA", "None"]], "by name", [[2, 0, 1]]),
        (("inf", "1_0"), [["1_0", "inf"]], "by name", [[1, 0]]),
        (("1e99999999999999999999", "b"), [["b"]], "by name", [[1]]),
    ],
)
def test_labels_are_read_in_one_way(classes, files, reading, numbers):
    assert read(classes, *files) == (reading, numbers)


SAME = {"as numbers": (str, float, "{:03}".format, "{:.1f}".format, "{:e}".format, Decimal)}


@given(st.permutations(["0", "1", "2", "3"]), st.data())
def test_a_number_is_the_class_of_that_number_however_either_is_spelled(classes, data):
    labels = [data.draw(st.sampled_from(SAME["as numbers"]))(int(name)) for name in classes]
    assert read(classes, labels) == ("as numbers", [[0, 1, 2, 3]])


@pytest.mark.parametrize(
    ("classes", "files", "parts"),
    [
        (CLASSES, [[0, 1, 2, 3]], ["file0: rows 2, 3: the label of row 2 is '2'", "0 to 1 or one of bad, good"]),
        (CLASSES, [["good", None, ""]], ["rows 1, 2: the label of row 1 is missing", "'drop_unlabelled: true' leaves"]),
        (CLASSES, [["good", "fair"]], ["row 1: the label of row 1 is 'fair'; expected 0 to 1 or one of bad, good"]),
        (CLASSES, [[0.5]], ["row 0 is '0.5'"]),
        (CLASSES, [[0, 1, -1]], ["row 2 is '-1'", "'drop_unlabelled: true' leaves out rows without a label"]),
        (CLASSES, [[0, 1], [-1, -1]], ["file1: every label is -1", "name the split 'hidden'"]),
        (None, [[-1.0, -1.0]], ["every label is -1"]),
        (None, [[1.5, "much"]], ["row 1 is 'much'; expected a number"]),
        (None, [["1,5"]], ["row 0 is '1,5'; expected a number"]),
        (None, [[True]], ["row 0 is 'True'; expected a number"]),
        (None, [[float("nan")] * 30], ["rows 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 20 more: the label of row 0 is missing"]),
        # Names in one file and positions in another.
        (CLASSES, [["bad", "good"], ["0", "1"]], ["file0: the label of row 0 is 'bad', and file1: ", "row 0 is '0'"]),
        # Positions count from 0: these may as well count from 1, with no row of the last class.
        (("a", "b", "c"), [[1, 2], ["2"]], ["no label is 0", "expected 0 to 2 or one of a, b, c"]),
        # Where classes are numbers there are no positions.
        (("1", "5"), [[0, 1]], ["row 0 is '0'; expected one of 1, 5"]),
        (STARS, [[0, 1, 2]], ["row 0 is '0'; expected one of 1, 2, 3"]),
        (("no", "yes"), [[False, True]], ["rows 0, 1", "row 0 is 'False'; expected 0 to 1 or one of no, yes"]),
        (("0", "1"), [[False, True]], ["row 0 is 'False'; expected one of 0, 1"]),
        ((*map(str, range(200)),), [["x"]], ["one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 190 more"]),
    ],
)
def test_a_label_that_is_not_one_is_refused_with_its_row(classes, files, parts):
    with pytest.raises(InputError) as raised:
        read(classes, *files)
    assert all(part in str(raised.value) for part in parts), raised.value


def test_rows_without_a_label_can_be_left_out():
    labels = [0, -1, None, 1.0, float("nan"), "-", "", "-1.0"]
    assert read(CLASSES, labels, [1], drop_unlabelled=True) == ("as positions", [[0, 1], [1]])
    assert read(CLASSES, ["good", "-", "unsure", "bad"], drop_unlabelled=["-", "unsure"]) == ("by name", [[1, 0]])
    assert read(CLASSES, [0, -100, 1, None], drop_unlabelled=[-100]) == ("as positions", [[0, 1]])
    # What is a class is a label.
    assert read(("-", "+"), ["-", "+", "-1"], drop_unlabelled=True) == ("by name", [[0, 1]])
    assert read(("-1", "1"), [-1, 1, None], drop_unlabelled=True) == ("as numbers", [[0, 1]])
    # -1 is a number of a regression, unless the configuration says that it stands for none.
    assert read(None, [0.5, None, -1, "nan "[:0]], drop_unlabelled=True) == (None, [[0.5, -1.0]])
    assert read(None, [0.5, -1], drop_unlabelled=[-1]) == (None, [[0.5]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([-1, -1], "file1: every label is -1"),
        (["x"], "row 0 is 'x'"),
    ],
)
def test_only_rows_without_a_label_are_left_out(labels, message):
    with pytest.raises(InputError, match=message):
        read(CLASSES, [0, 1], labels, drop_unlabelled=True)


def test_classes_that_are_minus_one_and_one_are_no_rows_without_a_label():
    with pytest.raises(InputError, match="no label is 0"):  # all that is left are ones
        read(CLASSES, [-1, 1, -1], drop_unlabelled=True)


def class_label(path, values: list, names: list[str], kind="ClassLabel"):
    """Write a Parquet file as the package datasets does, with the names of a column's integers."""
    feature = {"names": names, "_type": kind}
    schema = pyarrow.schema(
        [("text", pyarrow.string()), ("label", pyarrow.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": {"label": feature}}})},
    )
    table = pyarrow.table({"text": [f"a film {number}" for number in range(len(values))], "label": values}, schema)
    pyarrow.parquet.write_table(table, path)
    return path


@pytest.mark.parametrize(
    ("names", "classes", "reading", "numbers"),
    [
        (["neg", "pos"], ("neg", "pos"), "as positions", [0, 1, 1]),
        (["neg", "pos"], ("pos", "neg"), "by name", [1, 0, 0]),
        (["neg", "pos"], ("negative", "positive"), "as positions", [0, 1, 1]),
        (["1", "2"], ("1", "2"), "as numbers", [0, 1, 1]),
        (["2", "1"], ("1", "2"), "as numbers", [1, 0, 0]),
        (["no", "yes"], ("1", "0"), "as numbers", [1, 0, 0]),
    ],
)
def test_a_file_s_own_names_of_its_integers_count(tmp_path, names, classes, reading, numbers):
    file = read_file(class_label(tmp_path / "rows.parquet", [0, 1, 1], names), make_task(), labelled=True)
    labels = Labels(make_task(classes), [[file]])
    assert (labels.reading, labels.of(file)[0].tolist()) == (reading, numbers)


def test_a_class_that_only_the_file_knows_is_refused(tmp_path):
    path = class_label(tmp_path / "rows.parquet", [0, 1, 2], ["neg", "neutral", "pos"])
    with pytest.raises(InputError, match="row 1 is 'neutral'; expected 0 to 1 or one of neg, pos"):
        Labels(make_task(("neg", "pos")), [[read_file(path, make_task(), labelled=True)]])


def test_an_integer_that_a_file_does_not_name_has_no_label(tmp_path):
    path = class_label(tmp_path / "rows.parquet", [0, -1, 1, None], ["neg", "pos"])
    task = make_task(("pos", "neg"), drop_unlabelled=True)
    file = read_file(path, task, labelled=True)
    values, rows = Labels(task, [[file]]).of(file)
    assert (values.tolist(), rows) == ([1, 0], [0, 2])


def test_the_labels_of_the_bundled_task_have_names():
    draw = {"share": 0.2, "seed": 3463}
    own = {"name": "imdb", "source": "bundled", "text": ["text"], "label": "label", "max_length": 16}
    settings = {"metrics": ["accuracy"], "validation_from_train": draw}
    tasks = [Task(**own, classes=classes, **settings) for classes in (("neg", "pos"), ("pos", "neg"))]
    one, other = (np.array(load_splits(task, "")[0]["test"].rows["label"]) for task in tasks)
    assert np.array_equal(one, 1 - other)
    with pytest.raises(InputError, match="expected one of 1, 2"):
        load_splits(Task(**own, classes=("1", "2"), **settings), "")


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_of_a_regression_are_kept(numbers):
    if set(numbers) != {-1.0}:
        reading, [labels] = read(None, numbers)
        assert reading is None
        assert labels == [float(np.float32(number)) for number in numbers]
