"""A table in Markdown, LaTeX (booktabs) and CSV, and as data for the report: the same cells, escaped for each."""

import unicodedata
from typing import NamedTuple

import pandas
from tabulate import LATEX_ESCAPE_RULES, DataRow, Line, TableFormat, tabulate

from finegrid.files import write_text
from finegrid.reporting.markdown import escape


class Table(NamedTuple):
    """One table: what it shows, and the exact numbers behind it."""

    name: str  # of its files
    title: str
    caption: str
    records: list[dict]  # rows as shown, {column: text, number, or None where there is nothing}
    exact: list[dict]  # rows of the .csv
    notes: list[str]  # what has to be known to read it; `code` stands between backticks


def write_table(folder, table: Table) -> None:
    """Write a table in its three formats."""
    write_text(folder / f"{table.name}.md", markdown(table))
    write_text(folder / f"{table.name}.tex", latex(table))
    write_text(folder / f"{table.name}.csv", pandas.DataFrame(table.exact).convert_dtypes().to_csv(index=False))


def as_data(table: Table) -> dict:
    """Return a table as the report takes it: every cell as the text that is shown."""
    columns, rows, align = shown(table)
    return {
        **{"name": table.name, "title": table.title, "caption": table.caption},
        **{"columns": columns, "align": align, "rows": rows},
        "notes": [note.replace("`", "") for note in table.notes],
    }


def shown(table: Table) -> tuple[list[str], list[list[str]], list[str]]:
    """Return the columns, the rows of text, and on which side each column lies: numbers on the right."""
    fullest_first = sorted(table.records, key=len, reverse=True)  # as a row without a score lacks columns
    columns = list(dict.fromkeys(column for record in fullest_first for column in record))
    rows = [[spell(record.get(column)) for column in columns] for record in table.records]
    align = []
    for number in range(len(columns)):
        texts = [row[number] for row in rows if row[number]]
        align.append("right" if any(text[0] in "+-<[0123456789" for text in texts) else "left")
    return columns, rows, ["left" if column in NAMES else side for column, side in zip(columns, align, strict=True)]


# Columns of names, which may begin with a digit and hold what Markdown takes for a mark.
NAMES = ("task", "mode", "against", "source")


def spell(value) -> str:
    """Return a value as it is shown: a score to three decimals, a count with its thousands apart."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.3f}" if isinstance(value, float) else f"{value:,}"


def markdown(table: Table) -> str:
    """Return the caption, the table and its notes."""
    columns, rows, align = shown(table)
    named = [
        [escape(text) if column in NAMES else text for column, text in zip(columns, row, strict=True)] for row in rows
    ]
    laid = tabulate(named, headers=map(escape, columns), tablefmt="pipe", colalign=align or None, disable_numparse=True)
    notes = "".join(f"- {marked(note, escape, '`{}`')}\n" for note in table.notes)
    return f"**{table.title}. {escape(table.caption)}**\n\n{laid}\n\n{notes}"


# As tabulate's latex_booktabs, of cells that are escaped already.
BOOKTABS = TableFormat(
    lineabove=lambda _, alignment: f"\\begin{{tabular}}{{{''.join(side[0] for side in alignment)}}}\n\\toprule",
    linebelowheader=Line(r"\midrule", "", "", ""),
    linebetweenrows=None,
    linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
    headerrow=DataRow("", "&", r"\\"),
    datarow=DataRow("", "&", r"\\"),
    padding=1,
    with_header_hide=None,
)


def latex(table: Table) -> str:
    """Return a table environment, no wider than the line; it needs the packages booktabs and graphicx."""
    columns, rows, align = shown(table)
    rows = [[latex_escape(text) for text in row] for row in rows]
    laid = tabulate(
        rows, headers=map(latex_escape, columns), tablefmt=BOOKTABS, colalign=align or None, disable_numparse=True
    )
    notes = [marked(note, latex_escape, r"\texttt{{{}}}", latex_escape) for note in table.notes]
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(table.caption)}.}}",
            rf"\label{{tab:{table.name}}}",
            rf"\resizebox{{\ifdim\width>\linewidth\linewidth\else\width\fi}}{{!}}{{{laid}}}",
            r"\par\smallskip\begin{minipage}{\linewidth}\footnotesize\raggedright",
            *notes,
            r"\end{minipage}",
            r"\end{table}",
            "",
        ]
    )


def marked(note: str, escape_text, code: str, escape_code=str) -> str:
    """Return a note escaped, with the pieces between backticks set as code."""
    pieces = note.split("`")
    return "".join(
        code.format(escape_code(piece)) if number % 2 else escape_keeping_ends(piece, escape_text)
        for number, piece in enumerate(pieces)
    )


def escape_keeping_ends(text: str, escape_text) -> str:
    """Escape a piece of a sentence and keep the spaces at its ends."""
    core = text.strip()
    if not core:
        return text
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return before + escape_text(core) + after


# Beyond ASCII, what pdflatex spells in its default fonts by these; letters with accents it has besides.
SPELT = {"±": r"\ensuremath{\pm}", "–": "--", "—": "---", "‘": "`", "’": "'", "“": "``", "”": "''", "…": r"\dots{}"}


def latex_escape(text: str) -> str:
    """Return text as LaTeX shows it; a character that pdflatex does not have is told by its Unicode number."""
    return "".join(LATEX_ESCAPE_RULES.get(character) or spell_in_latex(character) for character in text)


def spell_in_latex(character: str) -> str:
    accented = "À" <= character <= "ÿ" and len(unicodedata.normalize("NFKD", character)) == 2
    if character.isascii() or accented or character in "ßæøåÆØÅ":
        return character
    return SPELT.get(character, f"U+{ord(character):04X}")
