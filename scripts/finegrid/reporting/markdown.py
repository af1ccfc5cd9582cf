"""Text that comes from elsewhere, as Markdown shows it."""

import re


def escape(text: str) -> str:
    r"""Return text such that Markdown, in a table too, shows it as it is: `a|b` becomes `a\|b`."""
    return re.sub(r"([\\`*_\[\]<>|&~$])", r"\\\1", " ".join(text.split()))
