"""The pages of the documentation, and their blocks of code."""

import re

from conftest import REPOSITORY

PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "config/README.md",
    *sorted(path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "docs").glob("*.md")),
]


def text_of(page: str) -> str:
    """Return a page as Markdown."""
    return (REPOSITORY / page).read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Return the code blocks of all pages in a language."""
    pages = "\n".join(map(text_of, PAGES))
    return re.findall(rf"^```{language}\n(.*?)^```", pages, re.MULTILINE | re.DOTALL)
