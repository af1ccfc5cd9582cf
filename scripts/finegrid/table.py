"""A table and its three formats: Markdown, LaTeX with booktabs, and CSV."""

import re
import unicodedata
from typing import NamedTuple

import pandas
from tabulate import LATEX_ESCAPE_RULES, DataRow, Line, TableFormat, tabulate

from finegrid.markdown import escape

# Columns of names and words; all others are of numbers and stand to the right.
WORDS = {"task", "mode", "against", "metric", "split", "source", "verdict"}
# Columns that head blocks of rows in LaTeX, where a line has little room.
HEADS = ("task", "metric")
# Rows and lines of notes that fit on a page.
PAGE = 60
# Characters that fit beside each other on a line of the class article, by LaTeX's size of type.
SIZES = {"normalsize": 66, "small": 72, "footnotesize": 79, "scriptsize": 85, "tiny": 101}
# Beyond ASCII, what pdflatex spells in its default fonts and what stands for it; letters with accents besides.
# A bracket after the end of a row would be read as an argument of it.
SPELT = {
    "±": r"\ensuremath{\pm}",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\dots{}",
    "Δ": r"\ensuremath{\Delta}",
    "[": "{[}",
}


class Table(NamedTuple):
    name: str  # of its files, and of its label in LaTeX
    title: str
    caption: str
    rows: list[dict[str, str]]  # as shown; all rows have the columns of the first
    notes: list[str]
    exact: list[dict]  # rows of the .csv: each number in its own column, as it is


# As tabulate's latex_booktabs, of cells that are escaped already.
BOOKTABS = TableFormat(
    lineabove=lambda widths, alignment: (
        rf"\begin{{tabular}}{{{''.join(side[0] for side in alignment)}}}" + "\n\\toprule"
    ),
    linebelowheader=Line(r"\midrule", "", "", ""),
    linebetweenrows=None,
    linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
    headerrow=DataRow("", "&", r"\\"),
    datarow=DataRow("", "&", r"\\"),
    padding=1,
    with_header_hide=None,
)


def as_data(table: Table) -> dict:
    """Return what tables.json holds of a table, nothing of it escaped."""
    columns = list(table.rows[0]) if table.rows else []
    return {
        **{"name": table.name, "title": table.title, "caption": table.caption, "columns": columns},
        "align": _align(columns),
        "rows": [[row[column] for column in columns] for row in table.rows],
        "notes": [note.replace("`", "") for note in table.notes],
    }


def markdown(table: Table) -> str:
    """Return title and caption, the table and its notes."""
    parts = [f"**{escape(f'{table.title}. {table.caption}')}**\n"]
    if table.rows:
        parts.append(_pipe(table.rows) + "\n")
    notes = [_inline(note, escape, "`{}`".format) for note in table.notes]
    return "\n".join([*parts, "".join(f"- {note}\n" for note in notes)])


def latex(table: Table) -> str:
    """Return a table environment; the document that reads it needs the package booktabs.

    Tasks and metrics head blocks of rows. More notes than fit on a page with the table follow it as text, which
    may go on to the next page.
    """
    lines = [rf"\caption{{{latex_escape(table.caption)}.}}", rf"\label{{tab:{table.name}}}"]
    if table.rows:
        lines += _sized(table.rows)
    notes = [_inline(note, latex_escape, _latex_code) + r"\par" for note in table.notes]
    height = len(table.rows) + sum(2 + len(note) // 90 for note in table.notes)
    if height <= PAGE:
        below = [
            r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright\sloppy",
            *notes,
            r"\end{minipage}",
        ]
        return _lines(r"\begin{table}", r"\centering", *lines, *below, r"\end{table}")
    after = [r"{\footnotesize\raggedright\sloppy\noindent", rf"Table~\ref{{tab:{table.name}}}:\par", *notes, "}"]
    return _lines(r"\begin{table}", r"\centering", *lines, r"\end{table}", *after)


def _sized(rows: list[dict[str, str]]) -> list[str]:
    """Lay out rows in the largest type that fits a line; what fits in none reaches evenly into both margins."""
    columns = [column for column in rows[0] if column not in HEADS]
    width = sum(max(len(text) for text in (column, *(row[column] for row in rows))) + 2 for column in columns)
    size = next((size for size, room in SIZES.items() if width <= room), None)
    laid_out = _booktabs(rows, columns)
    if size is None:
        laid_out = rf"\makebox[\linewidth][c]{{{laid_out}}}"
    return [rf"\{size or 'tiny'}\setlength{{\tabcolsep}}{{0.5em}}", laid_out]


def _booktabs(rows: list[dict[str, str]], columns: list[str]) -> str:
    lines = [[latex_escape(row[column]) for column in columns] for row in rows]
    laid_out = _tabulate(lines, list(map(latex_escape, columns)), columns, BOOKTABS).splitlines()
    top, body, bottom = laid_out[:4], laid_out[4:-2], laid_out[-2:]
    blocks, above = [], None
    for row, line in zip(rows, body, strict=True):
        head = ", ".join(row[column] for column in HEADS if column in row)
        if head and head != above:
            blocks += [r"\midrule"] * (above is not None)
            blocks.append(rf" \multicolumn{{{len(columns)}}}{{l}}{{\textit{{{latex_escape(head)}}}}} \\")
        above = head
        blocks.append(line)
    return "\n".join([*top, *blocks, *bottom])


def _lines(*lines: str) -> str:
    return "\n".join([*lines, ""])


def csv(table: Table) -> str:
    """Return the exact numbers, one row each; text stays as it is, quoted where it must be."""
    frame = pandas.DataFrame(table.exact)
    return frame.convert_dtypes().to_csv(index=False)  # whole numbers stay whole where a row has none


def latex_escape(text: str) -> str:
    """Return text that pdflatex prints as it is; a character that it does not have is told by its Unicode number."""
    spelt = "".join(LATEX_ESCAPE_RULES.get(character) or _spell(character) for character in " ".join(text.split()))
    spelt = re.sub(r"(?<!\w)-(?=\d)", r"\\ensuremath{-}", spelt)  # a minus, not a hyphen
    return re.sub(r"([-'`,!?])(?=[-'`,])", r"\1{}", spelt)  # no ligatures


def _spell(character: str) -> str:
    if character in SPELT:
        return SPELT[character]
    accented = len(unicodedata.normalize("NFKD", character)) == 2 and "À" <= character <= "ÿ"
    if (character.isascii() and character.isprintable()) or accented or character in "ßæøåÆØÅ":
        return character
    return f"U+{ord(character):04X}"


def _latex_code(text: str) -> str:
    """Set code such that a line may end between its words; hyphens stay two where there are two."""
    return rf"\texttt{{{latex_escape(text)}}}"


def _inline(note: str, escaped, code) -> str:
    """Escape a note, in which code stands between backticks. The escapes strip what they are given."""
    parts = note.split("`")
    return " ".join(code(part) if index % 2 else escaped(part) for index, part in enumerate(parts) if part.strip())


def _pipe(rows: list[dict[str, str]]) -> str:
    columns = list(rows[0])
    # What stands in a column of numbers is spelled by us, and Markdown shows it as it is.
    lines = [[escape(row[column]) if column in WORDS else row[column] for column in columns] for row in rows]
    return _tabulate(lines, list(map(escape, columns)), columns, "pipe")


def _tabulate(lines: list, headers: list[str], columns: list[str], table_format) -> str:
    return tabulate(lines, headers, table_format, colalign=_align(columns), disable_numparse=True)


def _align(columns: list[str]) -> list[str]:
    return ["left" if column in WORDS else "right" for column in columns]
