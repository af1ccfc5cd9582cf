"""A table in Markdown, LaTeX (booktabs) and CSV, and as data for the report: the same cells, escaped for each."""

import unicodedata
from pathlib import Path
from typing import Any, NamedTuple

import pandas
from tabulate import LATEX_ESCAPE_RULES, tabulate

from finegrid.config.types import Record
from finegrid.files import write_text
from finegrid.reporting.markdown import escape

# The tables that a run is first asked for, with which its report begins: validation, and test.
RESULT_TABLES = ("table1", "table2")
# Columns of names: left-aligned even where a name begins with a digit, and escaped in Markdown.
NAMES = ("model", "task", "mode", "against", "source")


class Table(NamedTuple):
    """A table, and the exact numbers behind it."""

    name: str  # of its files
    title: str
    caption: str
    records: list[dict[str, Any]]  # rows as shown: {column: text, number, or None for an empty cell}
    exact: list[dict[str, Any]]  # rows of the CSV file
    notes: list[str]  # what readers need to know; `code` stands between backticks


class ShownTable(Record):
    """A table of tables.json: every cell as the text that is shown."""

    name: str
    title: str
    caption: str
    columns: tuple[str, ...]
    align: tuple[str, ...]  # of each column: left or right
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]


def write_table(folder: Path, table: Table) -> None:
    """Write a table in its three formats."""
    write_text(folder / f"{table.name}.md", markdown(table))
    write_text(folder / f"{table.name}.tex", latex(table))
    write_text(folder / f"{table.name}.csv", pandas.DataFrame(table.exact).convert_dtypes().to_csv(index=False))


def shown(table: Table) -> ShownTable:
    """Return a table as it is shown; columns of numbers are right-aligned."""
    fullest_first = sorted(table.records, key=len, reverse=True)  # a row without a score lacks some columns
    columns = list(dict.fromkeys(column for record in fullest_first for column in record))
    rows = [[cell_text(record.get(column)) for column in columns] for record in table.records]
    return ShownTable(
        name=table.name,
        title=table.title,
        caption=table.caption,
        columns=columns,
        align=[_side(column, [row[index] for row in rows]) for index, column in enumerate(columns)],
        rows=rows,
        notes=[note.replace("`", "") for note in table.notes],
    )


def _side(column: str, texts: list[str]) -> str:
    numeric = any(text[0] in "+-<[0123456789" for text in texts if text)
    return "right" if numeric and column not in NAMES else "left"


def cell_text(value) -> str:
    """Format a value for display: a float to three decimals, a count with thousands separators."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def interval(limits: tuple[float, float]) -> str:
    """Format an interval for display."""
    return f"[{limits[0]:.3f}, {limits[1]:.3f}]"


def bounds(limits: tuple[float, float], name: str) -> dict[str, float]:
    """Return an interval as two columns of a CSV row."""
    return {f"{name}_low": limits[0], f"{name}_high": limits[1]}


def markdown(table: Table) -> str:
    """Return the caption, the table and its notes."""
    made = shown(table)
    rows = [
        [escape(text) if column in NAMES else text for column, text in zip(made.columns, row, strict=True)]
        for row in made.rows
    ]
    grid = tabulate(rows, [*map(escape, made.columns)], "pipe", colalign=made.align or None, disable_numparse=True)
    notes = "".join(f"- {format_note(note, escape, '`{}`'.format)}\n" for note in table.notes)
    return f"**{table.title}. {escape(table.caption)}**\n\n{grid}\n\n{notes}"


def latex(table: Table) -> str:
    """Return a table environment, no wider than the line; it needs the packages booktabs and graphicx."""
    made = shown(table)
    grid = tabulate(
        [[*map(plain, row)] for row in made.rows],  # tabulate escapes them
        [*map(plain, made.columns)],
        "latex_booktabs",
        colalign=made.align or None,
        disable_numparse=True,
    )
    notes = [format_note(note, latex_escape, lambda code: rf"\texttt{{{latex_escape(code)}}}") for note in table.notes]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(table.caption)}.}}",
            rf"\label{{tab:{table.name}}}",
            rf"\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{{grid}}}",
            r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright",
            *notes,
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


def format_note(note: str, escape_text, format_code) -> str:
    """Escape a note, and format the pieces between backticks as code."""
    pieces = note.split("`")
    return "".join(
        format_code(piece) if number % 2 else _escape_keeping_ends(piece, escape_text)
        for number, piece in enumerate(pieces)
    )


def _escape_keeping_ends(text: str, escape_text) -> str:
    """Escape a piece of a sentence but keep the spaces at its ends."""
    core = text.strip()
    before, _, after = text.partition(core) if core else (text, "", "")
    return before + escape_text(core) + after


# Punctuation as TeX spells it in ASCII.
ASCII = {"±": "+/-", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": "..."}


def latex_escape(text: str) -> str:
    """Escape text for LaTeX, as tabulate escapes cells."""
    return "".join(LATEX_ESCAPE_RULES.get(character, character) for character in plain(text))


def plain(text: str) -> str:
    """Replace what pdflatex's default fonts lack: punctuation by ASCII, anything else by its Unicode number."""
    return "".join(
        character if _in_default_fonts(character) else ASCII.get(character, f"U+{ord(character):04X}")
        for character in text
    )


def _in_default_fonts(character: str) -> bool:
    accented = "À" <= character <= "ÿ" and len(unicodedata.normalize("NFKD", character)) == 2
    return character.isascii() or accented or character in "ßæøåÆØÅ"
