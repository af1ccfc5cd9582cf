"""Which files a pattern means: each once, whatever names it, and those whose names look like patterns."""

import os
from pathlib import Path

import pytest

from finegrid.config.data_files import find_files, split_files
from finegrid.config.definition import Task
from finegrid.config.resolve import resolve_config
from finegrid.data import mirror
from finegrid.data.content import task_files
from finegrid.data.splits import load_splits
from finegrid.errors import InputError

HEADER, ROWS = "text,label\n", "a film,0\na book,1\na play,0\na song,1\n"


def make_task(files: dict, **settings) -> Task:
    own = {"name": "mine", "source": "files", "text": ["text"], "label": "label", "classes": ["bad", "good"]}
    parts = {split: {split: [patterns] if isinstance(patterns, str) else patterns} for split, patterns in files.items()}
    return Task(**{**own, "metrics": ["accuracy"], "max_length": 16, "files": parts, **settings})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(HEADER + ROWS)


@pytest.mark.parametrize(
    ("patterns", "repeated"),
    [
        (["train-*.csv", "train-a.csv"], ["train-a.csv"]),
        (["train-a.csv", "./train-a.csv"], ["./train-a.csv"]),
        (["train-a.csv", "{here}/train-a.csv"], ["{here}/train-a.csv"]),
        (["train-a.csv", "link.csv"], ["link.csv"]),
        (["train-a.csv", "hard.csv"], ["hard.csv"]),
        (["train-a.csv", "folder/../train-a.csv"], ["folder/../train-a.csv"]),
        (["train-a.csv", "linked/train-a.csv"], ["linked/train-a.csv"]),
        (["*.csv"], ["link.csv", "train-a.csv"]),
        (["**/train-a.csv"], ["train-a.csv"]),
    ],
)
def test_a_file_is_read_once_whatever_names_it(folder, patterns, repeated):
    write("train-a.csv")
    Path("folder").mkdir()
    Path("linked").symlink_to(".")
    Path("link.csv").symlink_to("train-a.csv")
    os.link("train-a.csv", "hard.csv")
    patterns = [pattern.format(here=folder) for pattern in patterns]
    loaded, source = load_splits(make_task({"train": patterns}, validation_from_train={"share": 0.25}), "")
    assert len(loaded["train"].rows) + len(loaded["validation"].rows) == 4
    assert {name.format(here=folder) for name in repeated} <= set(source.repeated)
    assert len(source.read["train"]) == 1
    assert task_files(make_task({"train": patterns}), "")["train"] == list(source.read["train"])


def test_files_of_the_same_content_are_two(folder):
    write("a.csv", "b.csv")
    loaded, source = load_splits(make_task({"train": "*.csv"}, validation_from_train={"share": 0.25}), "")
    assert (len(loaded["train"].rows), source.repeated) == (6, ())


@pytest.mark.parametrize(
    ("names", "pattern", "found"),
    [
        (["data[1].csv"], "data[1].csv", ["data[1].csv"]),
        (["[D_DATA]/train-1.csv", "[D_DATA]/train-2.csv"], "[D_DATA]/train-*.csv", None),
        (["a?b.csv"], "a?b.csv", ["a?b.csv"]),
        (["a*.csv", "ab.csv"], "a*.csv", None),
        (["data1.csv", "data2.csv", "data3.csv"], "data[12].csv", ["data1.csv", "data2.csv"]),
        (["a/b/c.csv", "a/c.csv"], "a/**/c.csv", None),
        (["my.[reviews].csv"], "./my.[reviews].csv", ["./my.[reviews].csv"]),
        (["[1].csv", "1.csv"], "[[]1].csv", ["[1].csv"]),
        ([], "[1].csv", []),
    ],
)
def test_a_name_that_looks_like_a_pattern_is_found(folder, names, pattern, found):
    write(*names)
    assert find_files(pattern) == (names if found is None else found)
    assert find_files(pattern, folder) == [
        str(folder / name) if "./" not in name else f"{folder}/{name}" for name in find_files(pattern)
    ]


def test_a_name_that_is_a_pattern_of_another_file_is_refused(folder):
    write("[1].csv", "1.csv")
    with pytest.raises(
        InputError, match=r"tasks.mine.files: '\[1\].csv' is the name of one file.*'1.csv'; write '\[\[\]1\]"
    ):
        split_files(make_task({"train": "[1].csv"}))


CONFIG = {
    "run": "a",
    "models": {"tiny": {"source": "bundled"}},
    "modes": {"full": {}},
    "batch_sizes": [4],
    "learning_rates": ["1e-3"],
}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train": "*.csv", "test": "a.csv"}, "'a.csv' is in train and in test; expected it in one of them"),
        (
            {"train": "a.csv", "validation": ["b.csv", "./a.csv"]},
            "'./a.csv', the same file as 'a.csv', is in train and in validation",
        ),
        ({"train": "a.csv", "test": "link.csv"}, "'link.csv', the same file as 'a.csv', is in train and in test"),
    ],
)
def test_a_file_that_trains_neither_validates_nor_tests(folder, files, message):
    write("a.csv", "b.csv")
    Path("link.csv").symlink_to("a.csv")
    own = {
        "source": "files",
        "files": files,
        "text": "text",
        "label": "label",
        "classes": ["bad", "good"],
        "max_length": 8,
    }
    with pytest.raises(InputError) as raised:
        resolve_config(CONFIG | {"tasks": {"mine": own}}, "my.yaml")
    assert f"my.yaml: tasks.mine.files: {message}" in str(raised.value)
    resolve_config(
        CONFIG | {"tasks": {"mine": own | {"files": {"train": "a.csv", "validation": "b.csv", "test": "b.csv"}}}}, ""
    )


def test_names_in_a_mirror_may_look_like_patterns(folder):
    write("mirror/datasets/owner/name/[en]/train-[1].csv", "mirror/datasets/owner/name/[en]/test-1.csv")
    files = {"train": "[en]/train-[1].csv", "test": "[en]/test-*.csv"}
    task = make_task(files, source="mirror", repo="owner/name", validation_from_train={"share": 0.25})
    loaded, source = load_splits(task, "mirror")
    assert (len(loaded["train"].rows), len(loaded["test"].rows)) == (3, 4)
    assert source.read == {"train": ("[en]/train-[1].csv",), "test": ("[en]/test-1.csv",)}
    assert source.files.keys() == {"[en]/train-[1].csv", "[en]/test-1.csv"}
    assert mirror.matching(["[en]/test-1.csv", "e/test-1.csv"], ["[en]/test-*.csv"]) == [
        "[en]/test-1.csv",
        "e/test-1.csv",
    ]
