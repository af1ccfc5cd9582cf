"""The form of .csv and .tsv files, which is checked: pandas reads any file, and garbles one in another form."""

import csv
import json
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
    skip_spaces: bool
    quote_is_given: bool  # by the configuration

    @property
    def for_pandas(self) -> dict:
        """The arguments of pandas.read_csv."""
        quoting = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        escape = self.escape or None
        return {"sep": self.separator, "escapechar": escape, "skipinitialspace": self.skip_spaces, **quoting}

    @property
    def keeping_quotes(self) -> str:
        """The key that reads quotes as before, but on purpose."""
        return f"{{quote: {yaml_of(self.quote)}}}"


def form_of(path: Path, given: CsvFormat | None) -> Form:
    """Return how to read a file: by its ending, as the configuration changes it. Raises ValueError if that clashes."""
    given, tsv = given or CsvFormat(), path.suffix == ".tsv"
    quote = given.quote if given.quote is not None else "" if tsv else '"'
    separator = given.separator or ("\t" if tsv else ",")
    if separator in (quote, given.escape) or quote == given.escape != "":
        raise ValueError(f"separator {separator!r}, quote {quote!r} and escape {given.escape!r} have to differ")
    return Form(separator, quote, given.escape, given.skip_spaces, given.quote is not None)


def check_form(path: Path, form: Form, names: list[str], columns: dict[str, list[str]]) -> None:
    """Raise ValueError, which says what to change, if a file cannot have been written in the form in which it was read.

    `names` are those of all columns, `columns` the texts that were read of some.
    """
    if form.escape:
        _check_escapes(path, form)
    _check_rows(path, form, names, columns)
    if not form.quote_is_given:
        if form.quote and not form.escape:
            _check_escaped_quotes(path, form)
        for name, texts in columns.items():
            _check_quotes_kept(name, [text for text in texts if text.strip()], form)


def _check_escapes(path: Path, form: Form) -> None:
    r"""Refuse letters after an escape: MySQL's \n is a line break, its \N no value, Spark's \n two characters."""
    content = path.read_bytes()
    for found in re.finditer(re.escape(form.escape.encode()) + b"(.)", content, re.DOTALL):
        if found[1].isalnum():
            line = content.count(b"\n", 0, found.start()) + 1
            raise ValueError(
                f"line {line}: what {found[0].decode()} stands for is not known (a line break, a tab, no value, the "
                f"letter); expected {form.escape} only before a separator, a quote or another {form.escape}"
            )


def _check_rows(path: Path, form: Form, names: list[str], columns: dict[str, list[str]]) -> None:
    """Refuse what pandas takes: texts that go on after their closing quote, and rows too short for their columns."""
    csv.field_size_limit(sys.maxsize)
    quoting = {"quotechar": form.quote} if form.quote else {"quoting": csv.QUOTE_NONE}
    dialect = {"delimiter": form.separator, "escapechar": form.escape or None, "skipinitialspace": form.skip_spaces}
    needed = {names.index(name): name for name in columns}
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file, strict=True, **dialect, **quoting)
        try:
            for row in rows:
                if len(row) <= max(needed, default=-1) and "".join(row).strip():
                    lacking = next(name for position, name in sorted(needed.items()) if position >= len(row))
                    fields = f"{len(row)} field{'s' * (len(row) != 1)}"
                    raise ValueError(f"line {rows.line_num}: {fields}, so none for the column {lacking!r}")
        except csv.Error:
            reason = f"line {rows.line_num}: a text goes on after the {form.quote} that closes it"
            if not form.escape and f"\\{form.quote}" in path.read_text(encoding="utf-8"):
                reason += rf"; if \{form.quote} is a quote within a text, the task needs csv: {{escape: '\'}}"
            raise ValueError(reason) from None


def _check_escaped_quotes(path: Path, form: Form) -> None:
    """Refuse escaped quotes in texts without quotes around them: who doubles quotes also puts such a text in quotes."""
    content, quote = path.read_bytes(), re.escape(form.quote.encode())
    found = re.search(rb"\\%b(?!%b|%b|\r|\n|\Z)" % (quote, quote, re.escape(form.separator.encode())), content)
    if found:
        line = content.count(b"\n", 0, found.start()) + 1
        raise ValueError(
            rf"line {line}: \{form.quote} in a text that is not in quotes; csv: {{escape: '\'}} reads it as a quote, "
            f"{form.keeping_quotes} as it is"
        )


def _check_quotes_kept(name: str, texts: list[str], form: Form) -> None:
    """Refuse quotes that the form leaves in the texts, though they are around them."""
    stripped = [text.strip() for text in texts]
    for quote in {"'", '"'} - {form.quote}:
        if len(texts) > 1 and all(len(text) > 1 and text[0] == quote == text[-1] for text in stripped):
            raise ValueError(
                f"every text of column {name!r} is within {quote}; csv: {{quote: {yaml_of(quote)}}} takes them off, "
                f"{form.keeping_quotes} keeps them"
            )
    for text, bare in zip(texts, stripped, strict=True):
        if form.quote and text[0] == " " and len(bare) > 1 and bare[0] == form.quote == bare[-1]:
            raise ValueError(
                f"column {name!r} has quotes after a space, {text[:50]!r}; csv: {{skip_spaces: true}} takes both off, "
                f"{form.keeping_quotes} keeps them"
            )
        inner = bare[1:-1]
        if not form.quote and bare[0] == '"' == bare[-1] and '""' in inner and '"' not in inner.replace('""', ""):
            raise ValueError(
                f"column {name!r} has quotes doubled within quotes, {text[:50]!r}; csv: {{quote: '\"'}} takes them "
                f"off, {form.keeping_quotes} keeps them"
            )


def hint(names: list[str], wanted: list[str]) -> str:
    """Say which key a file needs whose header has the wanted columns, but in another form."""
    if set(wanted) <= {name.strip() for name in names}:
        return "; the task may need csv: {skip_spaces: true}"
    for quote in "'", '"':
        if set(wanted) <= {name.strip(quote) for name in names}:
            return f"; the task may need csv: {{quote: {yaml_of(quote)}}}"
    for separator in (",", ";", "|", "\t") if len(names) == 1 else ():
        if set(wanted) <= {name.strip("'\" ") for name in names[0].split(separator)}:
            return f"; the task may need csv: {{separator: {json.dumps(separator)}}}"
    return ""


def yaml_of(quote: str) -> str:
    """Spell a quote as YAML does."""
    return '"\'"' if quote == "'" else f"'{quote}'"
