"""CSV, TSV and JSON lines of any writer: texts as they are written, or one line that names the key that reads them."""

import csv
import re

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finegrid.config.definition import Task
from finegrid.data.readers import read_file
from finegrid.errors import InputError

ESCAPE = {"escape": "\\"}


def read(folder, content: str, ending="csv", **form) -> list[str]:
    path = folder / f"rows.{ending}"
    path.write_text(content, newline="")
    given = {"text": ["text"], "label": "label", "classes": ["bad", "good"], "metrics": ["accuracy"], "max_length": 16}
    task = Task(name="mine", source="files", **given, **({"csv": form} if form else {}))
    return read_file(path, task, labelled=True).texts["text"]


def lines(*rows: str, header="text,label") -> str:
    return "\n".join([header, *rows, ""])


AS_WRITTEN = {
    "escaped quotes": (lines(r'"He said \"x\", and left",0', "plain,1"), ESCAPE, ['He said "x", and left', "plain"]),
    "escaped and doubled quotes": (lines(r'"a ""b"" \"c\"",0'), ESCAPE, ['a "b" "c"']),
    "an escaped escape": (lines(r'"C:\\",0', "b,1"), ESCAPE, ["C:\\", "b"]),
    "escapes without quotes": (lines(r"a\, b,0", r"c \"d\",1"), ESCAPE | {"quote": ""}, ["a, b", 'c "d"']),
    "an escaped line break": (lines("a\\\nb,0"), ESCAPE, ["a\nb"]),
    "other quotes": (lines("'a, it''s',0", "b,1"), {"quote": "'"}, ["a, it's", "b"]),
    "other quotes and separator": (
        lines("0;'a; b'", "1;c", header="label;text"),
        {"separator": ";", "quote": "'"},
        ["a; b", "c"],
    ),
    "bars": (lines("0|a, b", header="label|text"), {"separator": "|"}, ["a, b"]),
    "spaces after commas": (lines('0, "a, b"', header="label, text"), {"skip_spaces": True}, ["a, b"]),
    "kept quotes": (lines("'a',0", "'b',1"), {"quote": '"'}, ["'a'", "'b'"]),
    "kept escapes": (lines(r"a \"b\" c,0"), {"quote": '"'}, [r"a \"b\" c"]),
    "a text that ends in a backslash": (lines(r'"C:\path\",0'), {}, ["C:\\path\\"]),
    "a backslash before doubled quotes": (lines(r'"print(\""hi\"")",0'), {}, [r"print(\"hi\")"]),
    "inches": (lines('36" tv,0', 'says "x" y,1'), {}, ['36" tv', 'says "x" y']),
    "one text in apostrophes": (lines("'tis,0", "'a',1"), {}, ["'tis", "'a'"]),
    "a last column that some rows lack": (lines("a,0", "b,1,x", header="text,label,other"), {}, ["a", "b"]),
    "separators that are none": (lines("a\u2028b\x85c\x0bd,0"), {}, ["a\u2028b\x85c\x0bd"]),
}


@pytest.mark.parametrize("name", AS_WRITTEN)
def test_texts_are_read_as_they_were_written(tmp_path, name):
    content, form, texts = AS_WRITTEN[name]
    assert read(tmp_path, content, **form) == texts


REFUSED = {
    "escaped quotes": (lines(r'"He said \"x\" again",0', "b,1"), {}, ["line 2", r"csv: {escape: '\'}"]),
    "escaped quotes and commas": (lines(r'"He said \"x\", and left",0'), {}, ["line 2, saw 3", "key 'csv'"]),
    "escaped quotes at the end": (lines(r'"x \"q\"",0', "b,1"), {}, ["line 2", r"csv: {escape: '\'}"]),
    "escaped quotes outside quotes": (
        lines("a,0", r"b \"q\" c,1"),
        {},
        ["line 3", r"csv: {escape: '\'}", "{quote: '\"'}"],
    ),
    "a line break as a letter": (lines(r'"a\nb",0'), ESCAPE, ["line 2", r"\n"]),
    "no value": (lines("a,0", r"\N,1"), ESCAPE, ["line 3", r"\N"]),
    "a folder": (lines(r'"a \"q\"",0', r"C:\users,1"), ESCAPE, ["line 3", r"\u"]),
    "other quotes": (
        lines("'a',0", "'b',1"),
        {},
        ["column 'text' is within '", 'csv: {quote: "\'"}', "{quote: '\"'} keeps"],
    ),
    "other quotes around commas": (lines("'a, b',0"), {}, ["line 2, saw 3", "key 'csv'"]),
    "semicolons": (lines("0;a", header="label;text"), {}, ['csv: {separator: ";"}']),
    "tabs": (lines("0\ta", header="label\ttext"), {}, [r'csv: {separator: "\t"}']),
    "spaces after commas": (lines('0, "a"', header="label, text"), {}, ["csv: {skip_spaces: true}"]),
    "spaces after some commas": (
        lines('0, "a"', "1,b", header="label,text"),
        {},
        ["' \"a\"'", "csv: {skip_spaces: true}"],
    ),
    "a quote that does not close": (
        lines('"First,0', "b,1", 'Third "s",1'),
        {},
        ["line 4", 'after the " that closes it'],
    ),
    "a carriage return": (lines("a\rb,0", "c,1"), {}, ["line 2: 1 field, so none for the column 'label'"]),
    "one character twice": (lines("a,0"), {"quote": ","}, ["separator ',', quote ','", "have to differ"]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_in_another_form_is_refused_with_the_key_that_reads_it(tmp_path, name):
    content, form, parts = REFUSED[name]
    with pytest.raises(InputError) as raised:
        read(tmp_path, content, **form)
    assert all(part in str(raised.value) for part in ["mine: rows.csv", *parts]), raised.value


RAW = lines('"a" b\t0', 'c "x\t1', '36"" d\t1', header="text\tlabel")
DOUBLED = lines('"a ""x"" b"\t0', "c\t1", header="text\tlabel")


def test_tabs_separate_texts_whose_quotes_mean_nothing(tmp_path):
    assert read(tmp_path, RAW, "tsv") == ['"a" b', 'c "x', '36"" d']
    assert read(tmp_path, DOUBLED, "tsv", quote='"') == ['a "x" b', "c"]
    assert read(tmp_path, DOUBLED, "tsv", quote="") == ['"a ""x"" b"', "c"]
    assert read(tmp_path, lines("a\\\tb\t0", header="text\tlabel"), "tsv", **ESCAPE) == ["a\tb"]


@pytest.mark.parametrize("content", [DOUBLED, lines('"a"\t0', '"b"\t1', header="text\tlabel")])
def test_quotes_that_tabs_make_needless_are_told(tmp_path, content):
    with pytest.raises(InputError, match=re.escape("csv: {quote: '\"'} takes them off, {quote: ''} keeps them")):
        read(tmp_path, content, "tsv")


TEXTS = st.lists(st.text(st.sampled_from("ab \\\"',;\n\t"), min_size=1, max_size=12), min_size=1, max_size=4)
FORMS = st.fixed_dictionaries({"separator": st.sampled_from(",;\t"), "quote": st.sampled_from("\"'")})


@settings(max_examples=200)
@given(TEXTS, FORMS, st.booleans())
def test_what_python_or_pandas_writes_is_read_back_or_refused(tmp_path_factory, texts, form, escaped):
    path = tmp_path_factory.getbasetemp() / "rows.csv"
    written = {"sep": form["separator"], "quotechar": form["quote"]}
    written |= {"doublequote": False, "escapechar": "\\"} if escaped else {}
    pandas.DataFrame({"text": texts, "label": ["bad"] * len(texts)}).to_csv(path, index=False, **written)
    try:
        assert read(path.parent, path.read_bytes().decode(), **form, **(ESCAPE if escaped else {})) == texts
    except InputError as error:
        assert escaped, error  # pandas escapes no escape, so that \a is two things


YEARS = '{"text": 1900, "label": 0}\n{"text": null, "label": 1}\n{"label": 1, "text": 1.10}\n'
BIG = '{"text": "a", "label": 0, "id": 10254939386542155531, "other": 1e999}\n'
BIG += '{"text": 12345678901234567890, "label": 1}\n'


def test_numbers_of_json_are_spelled_as_they_are(tmp_path):
    assert read(tmp_path, YEARS, "jsonl") == ["1900", "", "1.10"]
    assert read(tmp_path, BIG, "jsonl") == ["a", "12345678901234567890"]
    assert read(tmp_path, f'{{"text": "a", "label": 0, "id": {"9" * 5000}}}\n', "jsonl") == ["a"]
    assert read(tmp_path, '{"text": "a\u2028b\x85", "label": 0}\n', "jsonl") == ["a\u2028b\x85"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "a", "label": 0, "label": 1}\n', "line 1: 'label' is there twice"),
        ('{"text": "a\\ud83d", "label": 0}\n', "row 0 holds half of a pair of surrogates"),
    ],
)
def test_what_json_can_spell_but_nobody_can_mean_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content, "jsonl")
    assert read(tmp_path, '{"text": "a", "label": 0, "other": 1, "other": 2}\n', "jsonl") == ["a"]


def test_a_long_text_is_read(tmp_path):
    text = "word, " * 50_000
    csv.field_size_limit(1000)
    assert read(tmp_path, lines(f'"{text}",0')) == [text]
