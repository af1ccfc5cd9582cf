"""The page of the smoke run that shows what the model reads, against transformers' own tokenizer."""

from xml.etree import ElementTree

from conftest import BASE_MODEL, MODEL
from transformers import AutoTokenizer

from finegrid.config.definition import Draw
from finegrid.config.tasks import TASKS
from finegrid.data import reviews


def shown_numbers(table: ElementTree.Element) -> dict[str, list[int]]:
    """Return the rows of a table that are inputs of the model."""
    rows = {row.find("th").text: [cell.text for cell in row.iter("td")] for row in table.iter("tr")}
    return {name: list(map(int, rows[name])) for name in ("input_ids", "token_type_ids", "attention_mask")}


def test_the_page_of_a_run_shows_what_transformers_makes_of_the_texts(smoke_run):
    folder = smoke_run / "results/smoke/inputs" / MODEL
    tokenizer = AutoTokenizer.from_pretrained(smoke_run / BASE_MODEL)
    page = ElementTree.fromstring((folder / "imdb.html").read_text(encoding="utf-8"))
    assert (folder / "imdb.md").read_text(encoding="utf-8").startswith("# What the model reads: imdb\n")
    shown = list(map(shown_numbers, page.iter("table")))
    assert len(shown) == 2
    whole = reviews.load_reviews(Draw(**TASKS["imdb"]["validation_from_train"]))["train"]["text"][:]
    texts = [text[:150] for text in whole]  # more than 16 tokens
    rows = tokenizer(texts, truncation=True, max_length=16)["input_ids"]
    by_tokens = {tuple(row): text for row, text in zip(rows, texts, strict=True)}
    own = [by_tokens[tuple(token for token in row["input_ids"] if token != tokenizer.pad_token_id)] for row in shown]
    expected = tokenizer(own, truncation=True, max_length=16, padding=True)
    for name, arrays in expected.items():
        assert [row[name] for row in shown] == arrays
