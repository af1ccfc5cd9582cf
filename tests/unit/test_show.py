"""What `make` prints at the end: golden, from a comparison written by hand."""

import contextlib
import io
import sys

import pytest
import show
from comparisons import comparison
from conftest import run
from test_tables import GOLDEN, PUBLISHED, write_all

from finegrid.files import read_json
from finegrid.reporting.terminal import wrapped


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """The folder of a run with the files that are shown, and a function that shows them."""
    folder = tmp_path_factory.mktemp("shown")

    def show_run(made, columns="100"):
        written = write_all(made, folder, PUBLISHED)
        (folder / "run" / "tables").mkdir(parents=True, exist_ok=True)
        for source, shown in (("tables.json", "tables/tables.json"), ("discussion.json", "discussion.json")):
            (folder / "run" / shown).write_bytes((written / source).read_bytes())
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
            patch.chdir(folder)
            patch.setenv("COLUMNS", columns)
            patch.setattr(sys, "argv", ["show.py", "run"])
            show.main()
        return out.getvalue()

    show_run.folder = folder
    return show_run


def test_it_is_the_golden_one(printed):
    assert printed(comparison()) == (GOLDEN.parent / "golden-show.txt").read_text()


def test_each_note_is_shown_once(printed):
    text = " ".join(printed(comparison()).split())
    notes = {
        note
        for table in read_json(printed.folder / "run" / "tables" / "tables.json")
        if table["name"] in ("table1", "table2")
        for note in table["notes"]
    }
    assert len(notes) > 5
    assert all(text.count(note) == 1 for note in notes)


@pytest.mark.parametrize(("columns", "widest"), [("60", 60), ("300", 100)])
def test_sentences_are_no_wider_than_the_terminal(printed, columns, widest):
    tables, _, sentences = printed(comparison(), columns).partition("Discussion of")
    assert "Table 1" in tables and "Table 2" in tables
    assert widest - 12 < max(map(len, sentences.splitlines())) <= widest


def test_what_is_copied_stays_whole():
    path = f"results/{'long-' * 30}name/report.html"
    assert path in wrapped(f"It is in {path}, on one line.", 40).splitlines()[1]


def test_a_run_that_is_not_finished_is_told_in_one_line(tmp_path):
    done = run(sys.executable, show.__file__, tmp_path / "none", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.endswith("tables.json: no such file\n")
