"""The published result: it is a run of its configuration, its files follow from its numbers, the README quotes it."""

import discuss
import pytest
import tables
from conftest import REPOSITORY

from finegrid.config.cell import plans
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.evaluation.comparison import Comparison
from finegrid.evaluation.published import read_published
from finegrid.files import read_json
from finegrid.reporting import figures, layout
from finegrid.reporting.discussion import discuss as discussion_of
from finegrid.sealed import as_json, read_record

REFERENCE = REPOSITORY / "results" / "reference"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PUBLISHED = read_published([REPOSITORY / "config" / "published.yaml"])


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    return read_record(Comparison, REFERENCE / "comparison.json")


def test_it_is_a_run_of_its_configuration(comparison):
    path = REPOSITORY / "config" / "imdb-bundled.yaml"
    config = resolve_config(read_configfile(path), path.name)
    assert [mode.plan for _, mode in comparison.rows()] == plans(config)
    assert len(config.seeds) >= 3
    assert all(cell.status == "ok" for _, mode in comparison.rows() for cell in mode.cells)


def test_its_tables_follow_from_its_numbers(comparison):
    for table in tables.make_tables(comparison, PUBLISHED):
        assert (REFERENCE / "tables" / f"{table.name}.md").read_text(encoding="utf-8") == layout.markdown(table)
        assert (REFERENCE / "tables" / f"{table.name}.tex").read_text(encoding="utf-8") == layout.latex(table)


def test_its_discussion_follows_from_its_numbers(comparison):
    discussion = discussion_of(comparison, PUBLISHED)
    assert read_json(REFERENCE / "discussion.json") == as_json(discussion)
    assert (REFERENCE / "discussion.md").read_text(encoding="utf-8") == discuss.markdown(discussion)


def said(comparison: Comparison) -> set[str]:
    """Return all sentences of the discussion."""
    discussion = discussion_of(comparison, PUBLISHED)
    sentences = [sentence for section in discussion.sections for sentence in section.sentences]
    return {sentence.text for sentence in (discussion.answer, *sentences)}


def test_its_figures_and_report_are_there(comparison):
    names = figures.names_of([task.key for task in comparison.tasks], comparison.several_models)
    expected = {f"{name}.{suffix}" for name in names for suffix in figures.FORMATS}
    assert {path.name for path in (REFERENCE / "figures").iterdir()} == expected | {"figures.json"}
    report = (REFERENCE / "report.html").read_text(encoding="utf-8")
    for sentence in said(comparison):
        assert sentence.replace("'", "&#39;") in report


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_the_readme_shows_its_tables(name):
    table = (REFERENCE / "tables" / f"{name}.md").read_text(encoding="utf-8")
    assert "\n".join(line for line in table.splitlines() if line.startswith("|")) in README


def test_the_readme_quotes_its_discussion(comparison):
    quoted = [line.removeprefix("> ") for line in README.splitlines() if line.startswith("> ")]
    assert quoted
    assert set(quoted) <= said(comparison)
