"""A table and its three formats: Markdown, LaTeX with booktabs, and CSV."""

import re
import unicodedata
from typing import NamedTuple

import pandas
from tabulate import LATEX_ESCAPE_RULES, SEPARATING_LINE, DataRow, Line, TableFormat, tabulate

from finegrid.markdown import escape

# Columns of names and words; all others are of numbers and stand to the right.
WORDS = {"task", "mode", "against", "metric", "split", "source", "verdict"}
# Characters that fit beside each other on a line of the class article, by LaTeX's size of type.
SIZES = {"normalsize": 62, "small": 68, "footnotesize": 76, "scriptsize": 84, "tiny": 104}
# Beyond ASCII, what pdflatex spells in its default fonts and what stands for it; letters with accents besides.
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
        parts.append(_layout(table.rows, "pipe", escape) + "\n")
    notes = [_inline(note, escape, "`{}`".format) for note in table.notes]
    return "\n".join([*parts, "".join(f"- {note}\n" for note in notes)])


def latex(table: Table) -> str:
    """Return a table environment; the document that reads it needs the package booktabs."""
    lines = [rf"\caption{{{latex_escape(table.caption)}.}}", rf"\label{{tab:{table.name}}}"]
    if table.rows:
        width = sum(max(map(len, [column, *(row[column] for row in table.rows)])) + 2 for column in table.rows[0])
        size = next((size for size, room in SIZES.items() if width <= room), "tiny")
        lines += [rf"\{size}\setlength{{\tabcolsep}}{{0.5em}}", _layout(table.rows, BOOKTABS, latex_escape)]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            *lines,
            r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright\sloppy",
            *(_inline(note, latex_escape, _latex_code) + r"\par" for note in table.notes),
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


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


def _layout(rows: list[dict[str, str]], table_format, escaped) -> str:
    """Lay out the rows by tabulate; in LaTeX a line divides one task from the next."""
    columns = list(rows[0])
    lines, task = [], rows[0].get("task")
    for row in rows:
        if row.get("task") != task and table_format is BOOKTABS:
            lines.append(SEPARATING_LINE)
        task = row.get("task")
        # What stands in a column of numbers is spelled here, and Markdown shows it as it is.
        lines.append([escaped(row[key]) if key in WORDS or table_format is BOOKTABS else row[key] for key in columns])
    return tabulate(
        lines,
        headers=list(map(escaped, columns)),
        tablefmt=table_format,
        colalign=_align(columns),
        disable_numparse=True,
    )


def _align(columns: list[str]) -> list[str]:
    return ["left" if column in WORDS else "right" for column in columns]
