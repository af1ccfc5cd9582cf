"""Sentences that state numbers, each with the figures behind them."""

from string import Formatter

from finegrid.config.types import Record


class Sentence(Record):
    """A sentence, and the numbers that it states, unrounded."""

    text: str
    figures: dict[str, int | float]


class Section(Record):
    """What is said of a task."""

    heading: str
    sentences: tuple[Sentence, ...]


class Discussion(Record):
    """discussion.json."""

    answer: Sentence | None = None  # the run in one sentence
    sections: tuple[Section, ...]


def sentence(template: str, **values) -> Sentence:
    """Fill in a template; the sentence's figures are the numbers that the template asks for."""
    stated = [name for _, name, _, _ in Formatter().parse(template) if name]
    figures = {name: values[name] for name in stated if isinstance(values[name], int | float)}
    return Sentence(text=template.format(**values), figures=figures)


def mode_in_words(name: str) -> str:
    """Return what sentences call a mode: its name or, of `full`, `full fine-tuning`."""
    return "full fine-tuning" if name == "full" else name


def listed(parts: list[str]) -> str:
    """Return a list in words: `a`, `a and b`, `a, b and c`; nothing of no parts."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
