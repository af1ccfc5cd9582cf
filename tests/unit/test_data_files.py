"""Files of a user's own task: what is broken ends in one line that names the file, what is only unusual is read."""

import gzip
import io
import json
import re
import struct
import sys
import zipfile
import zlib

import prepare
import pyarrow
import pyarrow.parquet
import pytest
from conftest import REPOSITORY, run

from finegrid import errors
from finegrid.data.tokens import load_split
from finegrid.files import read_json
from finegrid.modeling.bundled import FOLDER

LINES = [f"film {number},{'good' if number % 2 else 'bad'}" for number in range(20)]
CSV = "text,label\n" + "\n".join(LINES) + "\n"
JSONL = "".join(json.dumps(dict(zip(("text", "label"), line.split(","), strict=True))) + "\n" for line in LINES)


def parquet(**columns) -> bytes:
    stream = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue()


def zipped(text: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("train.csv", text)
    return stream.getvalue()


def png() -> bytes:
    """Return a picture of one pixel."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(bytes(2)), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def twice() -> bytes:
    table = pyarrow.table([["a", "b"], ["c", "d"], ["good", "bad"]], names=["text", "text", "label"])
    stream = io.BytesIO()
    pyarrow.parquet.write_table(table, stream)
    return stream.getvalue()


TEXTS, LABELS = [line.split(",")[0] for line in LINES], [line.split(",")[1] for line in LINES]
PARQUET = parquet(text=TEXTS, label=LABELS)
NUMBER = {"regression": True}
BROKEN = {
    "empty": ("csv", "", ["train.csv: cannot be read", "No columns"]),
    "blank lines only": ("csv", "\n\n\n", ["train.csv: cannot be read", "No columns"]),
    "header only": ("csv", "text,label\n", ["train.csv", "train has no rows"]),
    "no such column": ("csv", CSV.replace("label", "lable", 1), ["no column 'label'; its columns: 'text', 'lable'"]),
    "blank in a column's name": ("csv", CSV.replace(",label", ", label", 1), ["no column 'label'", "' label'"]),
    "semicolons": ("csv", CSV.replace(",", ";"), ["no column 'text'; its columns: 'text;label'"]),
    "no header": ("csv", "\n".join(LINES), ["no column 'text'; its columns: 'film 0', 'bad'"]),
    "5,000 other columns": ("csv", ",".join(map(str, range(5000))) + "\n", ["no column 'text'", "'9' and 4990 more"]),
    "text column twice": ("csv", "text,text,label\na,b,good\nc,d,bad\n", ["2 columns 'text'"]),
    "label column twice": ("csv", "text,label,label\na,good,bad\nc,bad,good\n", ["2 columns 'label'"]),
    "a field too many": (
        "csv",
        f"{CSV}a film, but,good\n",
        ["train.csv: cannot be read", "in line 22, saw 3"],
    ),
    "a field too many in all rows": ("csv", CSV.replace("film", "f,m"), ["2 fields in line 2, saw 3"]),
    "a field too few": (
        "csv",
        f"{CSV}a film\n",
        ["line 22: 1 field, so none for the column 'label'"],
    ),
    "tab in a text": ("tsv", CSV.replace(",", "\t") + "a\tfilm\tgood\n", ["2 fields in line 22, saw 3"]),
    "unclosed quote": ("csv", f'{CSV}"a film,good\nanother,bad\n', ["EOF inside string starting at row 21"]),
    "Latin-1": ("csv", f"{CSV}café,good\n".encode("latin-1"), ["train.csv", "0xe9", "UTF-8"]),
    "UTF-16": ("csv", CSV.encode("utf-16"), ["train.csv", "0xff", "UTF-8"]),
    "zeros": ("csv", bytes(1000), ["train.csv", "no column 'text'", "\\x00"]),
    "gzip": ("csv", gzip.compress(CSV.encode()), ["train.csv", "0x8b", "UTF-8"]),
    "zip": ("csv", zipped(CSV * 99), ["train.csv: "]),
    "picture": ("csv", png(), ["train.csv", "0x89", "UTF-8"]),
    "cut Parquet": ("parquet", PARQUET[:-30], ["train.parquet: cannot be read", "Parquet"]),
    "CSV as Parquet": ("parquet", CSV, ["train.parquet: cannot be read", "not a parquet file"]),
    "Parquet, a column twice": ("parquet", twice(), ["train.parquet: ", "text"]),
    "Parquet without rows": ("parquet", parquet(text=TEXTS[:0], label=LABELS[:0]), ["train.parquet", "no rows"]),
    "lists as texts": ("parquet", parquet(text=[["a", "b"]] * 20, label=LABELS), ["'text': row 0", "expected text"]),
    "structs as texts": ("parquet", parquet(text=[{"a": 1}] * 20, label=LABELS), ["'text': row 0 is of type dict"]),
    "bytes as texts": ("parquet", parquet(text=[b"\xff"] * 20, label=LABELS), ["'text': row 0 is of type bytes"]),
    "a missing label": ("parquet", parquet(text=TEXTS, label=[0] * 19 + [None]), ["row 19 is missing", "0 to 1"]),
    "a half as a label": ("parquet", parquet(text=TEXTS, label=[0.0] * 19 + [0.5]), ["row 19 is '0.5'", "0 to 1"]),
    "truths as labels": ("parquet", parquet(text=TEXTS, label=[True] * 20), ["row 0 is 'True'", "0 to 1"]),
    "lists as labels": ("parquet", parquet(text=TEXTS, label=[[0]] * 20), ["row 0 is '[0]'", "0 to 1"]),
    "cut line": ("jsonl", JSONL[:-5], ["train.jsonl: cannot be read"]),
    "two objects in a line": ("jsonl", JSONL.replace("}\n", "} ", 1), ["train.jsonl: cannot be read"]),
    "array": (
        "jsonl",
        f"[{JSONL.strip()}]".replace("\n", ","),
        ["train.jsonl: cannot be read: line 1 is of type list"],
    ),
    "arrays": ("jsonl", '["film", 0]\n["book", 1]\n', ["line 1 is of type list; expected an object"]),
    "numbers": ("jsonl", "1\n2\n", ["train.jsonl: cannot be read: line 1 is of type str"]),
    "empty JSON lines": ("jsonl", "", ["no column 'text'; its columns: none"]),
    "nested deep": (
        "jsonl",
        f'{{"text": {"[" * 9999}{"]" * 9999}}}\n',
        ["train.jsonl: cannot be read", "line 1: nested too deep"],
    ),
    "list as a text": ("jsonl", JSONL + '{"text": ["a"], "label": 0}\n', ["'text': row 20 is of type list"]),
    "a row without the label": ("jsonl", JSONL + '{"text": "a"}\n', ["row 20 is missing"]),
    "NaN as a label": ("jsonl", JSONL + '{"text": "a", "label": NaN}\n', ["row 20 is missing"]),
    "no such class": (
        "csv",
        CSV.replace("film 7,good", "film 7,fair"),
        ["row 7 is 'fair'; expected 0 to 1 or one of bad, good"],
    ),
    "no such number": ("csv", "text,label\na,0\nb,2\n", ["row 1 is '2'; expected 0 to 1"]),
    "no label known": ("csv", "text,label\na,-1\nb,-1\n", ["every label is -1", "'hidden'"]),
    "infinity": ("csv", "text,label\na,1\nb,inf\n", ["row 1 is 'inf'; expected a number"], NUMBER),
    "more than 32 bits hold": ("csv", "text,label\na,1\nb,-1e39\n", ["row 1 is '-1e39'; expected a number"], NUMBER),
    "NaN": ("csv", "text,label\na,1\nb,nan\n", ["row 1 is 'nan'; expected a number"], NUMBER),
    "a word": ("csv", "text,label\na,1\nb,much\n", ["row 1 is 'much'; expected a number"], NUMBER),
    "one row": (
        "csv",
        "text,label\na,good\n",
        ["tasks.mine.validation_from_train.share: 0.1 of 1 training rows", "2 rows or more"],
    ),
    "folder": ("csv", None, ["train.csv: cannot be read", "Is a directory"]),
    "spreadsheet": ("xlsx", zipped(CSV), ["train.xlsx: unknown format", ".parquet, .csv, .tsv, .jsonl"]),
    "no known ending": ("txt", CSV, ["train.txt: unknown format; expected .parquet, .csv, .tsv, .jsonl"]),
    "packed": ("csv.gz", gzip.compress(CSV.encode()), ["train.csv.gz: unknown format"]),
}


def write(folder, ending: str, content):
    """Make a file of this content, or a folder where there is none; return its path."""
    path = folder / f"train.{ending}"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def command(folder, files: dict, regression=False) -> list[str]:
    """Return what prepare.py is called with for a task of these files."""
    task = {
        **{"name": "mine", "source": "files", "files": {split: {split: paths} for split, paths in files.items()}},
        **{
            "text": ["text"],
            "label": "label",
            **({"regression": True} if regression else {"classes": ["bad", "good"]}),
        },
        **{
            "validation_from_train": {"share": 0.1},
            "max_length": 16,
            "metrics": ["pearson" if regression else "accuracy"],
        },
    }
    paths = ["--base-model", str(FOLDER), "--output", str(folder / "prepared")]
    return ["prepare.py", json.dumps(task, default=str), *paths]


def refused(monkeypatch, capsys, arguments: list[str]) -> str:
    """Return the one line in which prepare.py refuses what it is given."""
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        errors.run(prepare.main)
    assert stopped.value.code == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.isprintable() and len(line) < 1000
    return line


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_in_one_line(tmp_path, monkeypatch, capsys, name):
    ending, content, expected, *settings = BROKEN[name]
    path = write(tmp_path, ending, content)
    line = refused(monkeypatch, capsys, command(tmp_path, {"train": [path]}, *settings))
    assert line.startswith("error: task")
    assert all(part in line for part in ["mine", *expected]), line
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["none*.csv"], ["there is no file", "none*.csv", "for validation"]),
        (["link.csv"], ["link.csv: cannot be read", "No such file"]),
        (["header.csv"], ["header.csv", "validation has no rows"]),
        (["b.csv", "other.csv"], ["other.csv: no column 'text'; its columns: 'title', 'label'"]),
    ],
)
def test_the_split_and_the_file_are_named(tmp_path, monkeypatch, capsys, files, expected):
    (tmp_path / "link.csv").symlink_to("nowhere.csv")
    for name, content in {
        "a": CSV,
        "b": CSV,
        "header": "text,label\n",
        "other": CSV.replace("text", "title", 1),
    }.items():
        (tmp_path / f"{name}.csv").write_text(content)
    splits = {"train": [tmp_path / "a.csv"], "validation": [tmp_path / name for name in files]}
    line = refused(monkeypatch, capsys, command(tmp_path, splits))
    assert all(part in line for part in expected), line


def test_a_process_ends_with_that_line(tmp_path):
    _, *arguments = command(tmp_path, {"train": [write(tmp_path, "csv", png())]})
    done = run(sys.executable, REPOSITORY / "scripts" / "prepare.py", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: task mine: train.csv: cannot be read: the byte 0x89 is not UTF-8 text\n"


def column(values: list, kind=None, category=False) -> pyarrow.Array:
    array = pyarrow.array(values, kind or pyarrow.string())
    return array.dictionary_encode() if category else array


NONE = [None] * 20
WHOLE = {"rows": 20, "bad": 10, "good": 10, "truncated_rows": 0, "empty_texts": 0}
EMPTY = {"empty_texts": 20}
UNUSUAL = {
    "plain": ("csv", CSV, {}),
    "byte order mark": ("csv", "\ufeff" + CSV, {}),
    "byte order mark before a quote": ("csv", "\ufeff" + CSV.replace("text,label", '"text","label"'), {}),
    "byte order mark in TSV": ("tsv", "\ufeff" + CSV.replace(",", "\t"), {}),
    "byte order mark in JSON lines": ("jsonl", "\ufeff" + JSONL, {}),
    "Windows' lines": ("csv", CSV.replace("\n", "\r\n"), {}),
    "old Macintosh's lines": ("csv", CSV.replace("\n", "\r"), {}),
    "blank lines": ("csv", CSV.replace("\n", "\n\n"), {}),
    "blank JSON lines": ("jsonl", JSONL.replace("\n", "\n\n"), {}),
    "no last line feed": ("csv", CSV.rstrip("\n"), {}),
    "quotes in TSV": ("tsv", CSV.replace(",", "\t").replace("film", '"film'), {}),
    "line feeds in quotes": ("csv", re.sub("(film [0-9]+)", '"a\n\\1"', CSV), {}),
    "labels as numbers": ("csv", CSV.replace("good", "1").replace("bad", " 0.0"), {}),
    "labels as floats": ("parquet", parquet(text=TEXTS, label=[0.0, 1.0] * 10), {}),
    "texts as categories": ("parquet", parquet(text=column(TEXTS, category=True), label=LABELS), {}),
    "numbers as texts": ("parquet", parquet(text=list(range(20)), label=LABELS), {}),
    "missing texts": ("parquet", parquet(text=column(NONE), label=LABELS), EMPTY),
    "missing categories": ("parquet", parquet(text=column(NONE, category=True), label=LABELS), EMPTY),
    "missing floats": ("parquet", parquet(text=column(NONE, pyarrow.float64()), label=LABELS), EMPTY),
    "a column without type": ("parquet", parquet(text=NONE, label=LABELS), EMPTY),
    "texts that rows lack": ("jsonl", JSONL.replace("text", "title").replace("title", "text", 2), {"empty_texts": 18}),
    "empty texts": ("csv", "text,label\n" + ",good\n,bad\n" * 10, EMPTY),
    "one class": ("csv", CSV.replace("bad", "good"), {"bad": 0, "good": 20}),
    "long texts": ("csv", CSV.replace("film", "word " * 5_000), {"truncated_rows": 20}),
    "another column of any kind": ("parquet", parquet(text=TEXTS, label=LABELS, other=[[b"\xff"]] * 20), {}),
}


@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_file_is_read(tmp_path, monkeypatch, name):
    ending, content, expected = UNUSUAL[name]
    path = write(tmp_path, ending, content)
    monkeypatch.setattr(sys, "argv", command(tmp_path, {"train": [path]}))
    prepare.main()
    told = dict.fromkeys(WHOLE, 0)
    for split in ("train", "validation"):
        tensors, stats = load_split(tmp_path / "prepared", split)
        assert len(tensors.labels) == stats.rows
        for key in told:
            told[key] += ({**dict(stats), **stats.labels})[key]
    assert told == WHOLE | expected
    assert read_json(tmp_path / "prepared" / "stats.json", "splits", "train", "rows") == 18


def test_files_of_a_split_may_be_empty_as_long_as_one_is_not(tmp_path, monkeypatch):
    for name, content in {"a": "text,label\n", "b": CSV, "c": "text,label\n"}.items():
        (tmp_path / f"{name}.csv").write_text(content)
    monkeypatch.setattr(sys, "argv", command(tmp_path, {"train": [tmp_path / "*.csv"]}))
    prepare.main()
    assert read_json(tmp_path / "prepared" / "stats.json", "splits", "train", "rows") == 18
