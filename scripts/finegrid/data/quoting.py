"""Whether a .csv or .tsv file is written as it is read: pandas reads any, and garbles one that is quoted otherwise."""

import csv
import re
import sys
from pathlib import Path
from typing import NamedTuple

from finegrid.config.definition import CsvFormat


class Form(NamedTuple):
    """How a file is read."""

    separator: str
    quote: str  # '' if nothing is quoted
    escape: str  # '' if nothing is escaped
    quote_is_given: bool  # by the configuration

    @property
    def for_pandas(self) -> dict:
        """The arguments of pandas.read_csv."""
        quoting = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        return {"sep": self.separator, "escapechar": self.escape or None, **quoting}


def form_of(path: Path, given: CsvFormat | None) -> Form:
    """Return how to read a file: by its ending, as the configuration changes it. Raises ValueError if that clashes."""
    given, tsv = given or CsvFormat(), path.suffix == ".tsv"
    quote = given.quote if given.quote is not None else "" if tsv else '"'
    form = Form(given.separator or ("\t" if tsv else ","), quote, given.escape, given.quote is not None)
    if form.separator in (form.quote, form.escape) or form.quote == form.escape != "":
        raise ValueError(
            f"separator {form.separator!r}, quote {form.quote!r} and escape {form.escape!r} have to differ"
        )
    return form


def check_quoting(path: Path, form: Form, columns: dict[str, list[str]]) -> None:
    """Raise ValueError, which says what to change, if a file cannot have been written in the form in which it was read.

    `columns` are the texts that were read.
    """
    if form.escape:
        _check_escapes(path, form)
    if form.quote:
        _check_closing_quotes(path, form)
    if not form.quote_is_given:
        for name, texts in columns.items():
            _check_quotes_kept(name, texts, form)


def _check_escapes(path: Path, form: Form) -> None:
    content = path.read_bytes()
    for found in re.finditer(re.escape(form.escape.encode()) + b"(.)", content, re.DOTALL):
        if found[1].isalnum():
            line = content.count(b"\n", 0, found.start()) + 1
            raise ValueError(
                f"line {line}: {found[0].decode()} can be a letter or stand for a line break, a tab or no value; "
                f"expected {form.escape} only before {form.escape}, {form.separator} or {form.quote or 'a line break'}"
            )


def _check_closing_quotes(path: Path, form: Form) -> None:
    csv.field_size_limit(sys.maxsize)
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(
            file, delimiter=form.separator, quotechar=form.quote, escapechar=form.escape or None, strict=True
        )
        try:
            for _ in rows:
                pass
        except csv.Error:
            reason = f"line {rows.line_num}: a text goes on after the {form.quote} that closes it"
            if not form.escape and f"\\{form.quote}" in path.read_text(encoding="utf-8"):
                reason += rf"; if \{form.quote} is a quote within a text, the task needs csv: {{escape: '\'}}"
            raise ValueError(reason) from None


def _check_quotes_kept(name: str, texts: list[str], form: Form) -> None:
    stripped = [text.strip() for text in texts if text.strip()]
    for quote in "'", '"':
        if quote == form.quote and not all(text[0].isspace() for text in texts if text.strip()):
            continue
        if len(stripped) > 1 and all(len(text) > 1 and text[0] == quote == text[-1] for text in stripped):
            raise ValueError(
                f"every text of column {name!r} is within {quote}; csv: {{quote: {_yaml(quote)}}} takes them off, "
                f"{_keeping(form)} keeps them"
            )
    if not form.quote:
        doubled = next((text for text in stripped if re.fullmatch('"(?:[^"]|"")*""(?:[^"]|"")*"', text)), None)
        if doubled is not None:
            raise ValueError(
                f"column {name!r} has quotes doubled within quotes, {doubled[:50]!r}; csv: {{quote: '\"'}} takes them "
                f"off, {_keeping(form)} keeps them"
            )


def _keeping(form: Form) -> str:
    return f"{{quote: {_yaml(form.quote)}}}"


def _yaml(quote: str) -> str:
    return '"\'"' if quote == "'" else f"'{quote}'"
