"""Text from elsewhere, made safe for Markdown."""

import re


def escape(text: str) -> str:
    r"""Return text that Markdown, even in a table, shows literally: `a|b` becomes `a\|b`."""
    return re.sub(r"([\\`*_\[\]<>|&~$])", r"\\\1", " ".join(text.split()))
