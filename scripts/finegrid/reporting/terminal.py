"""The main results of a run as plain text: Tables 1 and 2, what they say, and the notes, each once."""

import textwrap

from tabulate import tabulate

from finegrid.reporting.layout import RESULT_TABLES, ShownTable
from finegrid.reporting.sentences import Discussion


def summary(tables: list[ShownTable], discussion: Discussion, width: int) -> str:
    """Return the text, its sentences wrapped to a width in characters; tables are as wide as they are."""
    shown = [table for table in tables if table.name in RESULT_TABLES]
    parts = [part for table in shown for part in (f"{table.title}. {table.caption}", grid(table))]
    if discussion.answer:
        parts.append(wrapped(discussion.answer.text, width))
    for section in discussion.sections:
        sentences = [wrapped(each.text, width, "- ") for each in section.sentences]
        parts.append("\n".join([f"Discussion of {section.heading}", *sentences]))
    notes = dict.fromkeys(note for table in shown for note in table.notes)
    parts.append("\n".join(["Notes", *(wrapped(note, width, "- ") for note in notes)]))
    return "\n\n".join(parts)


def grid(table: ShownTable) -> str:
    """Return the rows of a table under their columns."""
    text = tabulate(table.rows, table.columns, "simple", colalign=table.align or None, disable_numparse=True)
    return "\n".join(line.rstrip() for line in text.splitlines())


def wrapped(text: str, width: int, bullet: str = "") -> str:
    """Return a text in lines that are no wider, but for words that are: a path or a setting can be copied."""
    return textwrap.fill(
        text,
        width,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_long_words=False,
        break_on_hyphens=False,
    )
