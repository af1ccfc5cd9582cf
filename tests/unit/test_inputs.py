"""What the model reads: pages against golden files from a split made by hand, and against transformers' tokenizer."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import inputs
import numpy as np
import pytest
from comparisons import split
from conftest import REPOSITORY, run
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from transformers import AutoTokenizer

from finegrid.config.definition import Task
from finegrid.data.splits import Rows
from finegrid.data.tokenise import load_tokenizer, tokenise
from finegrid.files import sha256, write_json
from finegrid.records import DataSource, DataStats, Splits
from finegrid.reporting import model_inputs
from finegrid.sealed import as_json

GOLDEN = Path(__file__).parents[1] / "golden-inputs"
# [PAD] is not token 0 here, as it is not in every tokenizer.
WORDS = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "a|b", "<b>x</b>", "cat", "##s", "*sit*", "&", "`on`"]
# "a|b <b>x</b> cats" and "cats *sit* & `on` cat", longer by half; the third row is longer still.
ROWS = [
    [1, 4, 5, 2, 6, 7, 10, 2],
    [1, 6, 7, 8, 9, 10, 2, 4, 5, 0, 6, 2],
    [1, *[6] * 90, 2, 9, 2],
]


def handmade(folder: Path, rows=ROWS, labels=(1, 0, 1), **fields) -> tuple[Path, Path]:
    """Write a prepared split and a base model's small files; return both folders."""
    data, base_model = folder / "data", folder / "base_model"
    data.mkdir(parents=True)
    base_model.mkdir()
    ends = [row.index(2) + 1 for row in rows]
    tensors = {
        "input_ids": np.concatenate(rows).astype(np.int32),
        "token_type_ids": np.concatenate(
            [[0] * end + [1] * (len(row) - end) for row, end in zip(rows, ends, strict=True)]
        ).astype(np.uint8),
        "offsets": np.cumsum([0, *map(len, rows)]),
        "labels": np.asarray(labels),
    }
    save_file(tensors, data / "train.safetensors")
    train = split(len(rows), "made here").model_copy(update={"sha256": sha256(data / "train.safetensors")})
    write_stats(data, task(**fields), train)
    tokenizer = Tokenizer(WordPiece({word: index for index, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(WORDS[:4])
    tokenizer.save(str(base_model / "tokenizer.json"))
    write_json(base_model / "tokenizer_config.json", {"pad_token": {"content": "[PAD]"}, "sep_token": "[SEP]"})
    write_json(base_model / "config.json", {"model_type": "bert", "type_vocab_size": 2})
    return data, base_model


def task(**fields) -> Task:
    """Return a task of pairs whose class names are markup."""
    common = {"name": "odd", "source": "bundled", "label": "label", "metrics": ["accuracy"], "max_length": 128}
    return Task(**{**common, "text": ["one", "two"], "classes": ["no|ne", "<script>"], **fields})


def write_stats(folder: Path, task: Task, train) -> None:
    """Write stats.json of a task of which only the training split matters."""
    none = split(0, "none")
    splits = Splits(train=train, validation=none, test=none, hidden=none)
    stats = DataStats(task=task, source=DataSource(), splits=splits, duplicates={})
    write_json(folder / "stats.json", as_json(stats))


def tables(html: str) -> list[dict[str, list[str]]]:
    """Return each table of a page, which has to be well-formed, as the lists of its rows' texts."""
    page = ElementTree.fromstring(html)
    return [
        {row.find("th").text: [cell.text or "" for cell in row.iter("td")] for row in table.iter("tr")}
        for table in page.iter("table")
    ]


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_the_pages_are_the_golden_files(tmp_path, suffix):
    data, base_model = handmade(tmp_path)
    page = model_inputs.describe(data, base_model)
    written = {"md": model_inputs.markdown, "html": model_inputs.html}[suffix](page)
    assert written == (GOLDEN / f"pair.{suffix}").read_text(encoding="utf-8")


def test_a_text_of_markup_is_shown_as_text(tmp_path):
    html = model_inputs.html(model_inputs.describe(*handmade(tmp_path)))
    assert "<b>" not in html and "<script" not in html and "<i>" not in html
    short, _ = tables(html)
    assert short["token"] == ["[CLS]", "a|b", "<b>x</b>", "[SEP]", "cat", "##s", "`on`", "[SEP]", *["[PAD]"] * 4]
    page = ElementTree.fromstring(html)
    assert next(heading.text for heading in page.iter("h2")).endswith("label: <script>")


def test_pieces_special_tokens_sentences_and_padding_are_marked(tmp_path):
    short, longer = tables(model_inputs.html(model_inputs.describe(*handmade(tmp_path))))
    assert short["kind"] == ["special", "", "", "special", "", "piece", "", "special", *["padding"] * 4]
    assert short["sentence"] == ["1"] * 4 + ["2"] * 4 + [""] * 4
    assert short["input_ids"][-4:] == ["3"] * 4
    assert short["attention_mask"] == ["1"] * 8 + ["0"] * 4
    assert longer["token_type_ids"] == ["0"] * 7 + ["1"] * 5


def test_a_pipe_stays_in_its_cell_of_a_markdown_table(tmp_path):
    text = model_inputs.markdown(model_inputs.describe(*handmade(tmp_path)))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {8}
    assert any(r" a\|b " in line for line in lines)


def test_a_single_text_has_no_sentence_and_a_regression_its_number(tmp_path):
    regression = {"text": ["one"], "classes": None, "regression": True, "metrics": ["pearson"]}
    page = model_inputs.describe(*handmade(tmp_path, ROWS[:1], np.array([2.6], dtype=np.float32), **regression))
    (example,) = page.examples
    assert example.label == "2.6"
    assert "sentence" not in example.columns
    assert "without padding" in page.introduction[0]


def test_a_model_without_token_types_is_told(tmp_path):
    data, base_model = handmade(tmp_path)
    assert "takes input_ids, token_type_ids and attention_mask." in model_inputs.html(
        model_inputs.describe(data, base_model)
    )
    write_json(base_model / "config.json", {"model_type": "distilbert"})
    text = model_inputs.markdown(model_inputs.describe(data, base_model))
    assert "of type distilbert, takes input_ids and attention_mask, but not token_type_ids." in text


def test_a_long_batch_is_cut_in_the_middle_and_says_so(tmp_path):
    page = model_inputs.describe(*handmade(tmp_path, ROWS[2:], [0]))
    html = model_inputs.html(page)
    (table,) = tables(html)
    shown = model_inputs.FIRST + model_inputs.LAST
    assert [len(values) for values in table.values()] == [shown + 1] * len(table)
    assert table["token"][model_inputs.FIRST] == model_inputs.ELLIPSIS
    assert table["position"][-1] == str(len(ROWS[2]) - 1)
    assert f"{len(ROWS[2]) - shown} positions in the middle are left out" in html


def test_both_themes_and_nothing_from_elsewhere(tmp_path):
    html = model_inputs.html(model_inputs.describe(*handmade(tmp_path)))
    assert "prefers-color-scheme: dark" in html
    assert "overflow-x: auto" in html
    assert not re.search(r"https?:|src=|href=|@import|url\(", html)


def test_a_damaged_split_is_refused(tmp_path):
    data, base_model = handmade(tmp_path)
    (data / "train.safetensors").write_bytes(b"x")
    arguments = (data, "--base-model", base_model, "--output", tmp_path / "pages")
    done = run(sys.executable, Path(inputs.__file__), *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(r"error: .*train\.safetensors: sha256 is .*\n", done.stderr)
    assert not (tmp_path / "pages").exists()


@given(st.lists(st.integers(1, 200), min_size=1, max_size=50))
def test_the_examples_are_short_and_two_where_there_are_two(lengths):
    short, *other = model_inputs.choose_rows(np.array(lengths))
    enough = [length for length in lengths if length >= model_inputs.TOKENS]
    assert lengths[short] == min(enough, default=max(lengths))
    assert len(other) == (len(lengths) > 1)
    assert short not in other


@pytest.mark.parametrize("columns", [["one"], ["one", "two"]])
def test_padding_and_pairs_are_those_of_transformers(tmp_path, columns):
    base_model = REPOSITORY / "models" / "bundled-bert-tiny"
    words = [f"{'unbelievably good, ' * (number % 7)}sentence {number}" for number in range(200)]
    rows = Dataset.from_dict({"one": words[:100], "two": words[100:], "label": [0, 1] * 50})
    sentences = task(name="sentences", text=columns, classes=["no", "yes"], max_length=64)
    tokenizer = load_tokenizer(base_model, sentences)
    prepared = Rows(rows, {"train": len(rows)}, "made here")
    write_stats(tmp_path, sentences, tokenise(tokenizer, prepared, sentences, tmp_path / "train.safetensors"))

    page = model_inputs.describe(tmp_path, base_model)
    chosen = [example.row for example in page.examples]
    texts = [[rows[column][row] for row in chosen] for column in columns]
    expected = AutoTokenizer.from_pretrained(base_model)(*texts, truncation=True, max_length=64, padding=True)
    assert min(map(min, expected["attention_mask"])) == 0
    for name, arrays in expected.items():
        assert [list(example.columns[name]) for example in page.examples] == arrays
    assert [example.label for example in page.examples] == [("no", "yes")[row % 2] for row in chosen]
    if len(columns) == 2:
        for example in page.examples:
            pairs = zip(example.columns["sentence"], example.columns["token_type_ids"], strict=True)
            assert all(sentence in ("", str(kind + 1)) for sentence, kind in pairs)


def test_it_needs_no_torch():
    script = "import sys, runpy; runpy.run_path(sys.argv[1]); sys.exit('torch' in sys.modules)"
    assert run(sys.executable, "-c", script, inputs.__file__, cwd=Path(inputs.__file__).parent).returncode == 0


def test_a_page_that_cannot_be_shown_says_why_and_ends_well(tmp_path, monkeypatch):
    def broken(*_):
        raise IndexError("no such token")

    data, base_model = handmade(tmp_path)
    monkeypatch.setattr(inputs, "describe", broken)
    output = ["--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["inputs.py", str(data), "--base-model", str(base_model), *output])
    inputs.main()
    told = "What the model reads could not be shown: IndexError: no such token."
    for path in (tmp_path / "out").iterdir():
        assert told in path.read_text()


def test_a_model_without_padding_token_is_shown(tmp_path):
    data, base_model = handmade(tmp_path)
    write_json(base_model / "tokenizer_config.json", {})
    page = model_inputs.describe(data, base_model)
    assert page.examples[0].columns["token"][-1] == ""
