"""The LaTeX of the tables, compiled by pdflatex where that is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest
import tables
from comparisons import comparison
from conftest import REPOSITORY
from odd_names import odd

from finegrid.evaluation.published import read_published
from finegrid.reporting import layout

pytestmark = pytest.mark.skipif(
    shutil.which("pdflatex") is None, reason="LOUD: pdflatex is not installed, no .tex is compiled"
)


def compiled(text: str, folder: Path) -> subprocess.CompletedProcess:
    """Compile a piece of LaTeX."""
    document = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n%s\\end{document}\n"
    (folder / "document.tex").write_text(document % text)
    return subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("made", [comparison(), odd()], ids=["plain", "odd"])
def test_latex_compiles(made, tmp_path):
    made = tables.make_tables(made, read_published([REPOSITORY / "config" / "published.yaml"]))
    done = compiled("\n\\clearpage\n".join(map(layout.latex, made)), tmp_path)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout


def test_latex_has_a_spelling_of_every_character(tmp_path):
    latin = "".join(map(chr, [*range(0x20, 0x7F), *range(0xA1, 0x180)]))
    letters = latin + "±–—‘’“”…中→\N{GREEK CAPITAL LETTER DELTA}😀"
    records = [{"source": letters[start : start + 20], "mean": 0.5} for start in range(0, len(letters), 20)]
    table = layout.Table("t", "T", letters[-60:], records, records, [letters[-9:], "`中`"])
    done = compiled(layout.latex(table), tmp_path)
    assert done.returncode == 0, done.stdout
