"""The published result: it is a run of its configuration, its files follow from its numbers, the README quotes it."""

import json

import pytest
import yaml
from conftest import REPOSITORY
from test_tables import MAKERS

from finegrid.config.definition import complete, plans
from finegrid.evaluation import published
from finegrid.reporting import discussion, figures, layout

REFERENCE = REPOSITORY / "results" / "reference"
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def comparison() -> dict:
    return json.loads((REFERENCE / "comparison.json").read_text(encoding="utf-8"))


def test_it_is_a_run_of_its_configuration(comparison):
    path = REPOSITORY / "config" / "imdb-embedded.yaml"
    schema = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
    config = complete(yaml.safe_load(path.read_text(encoding="utf-8")), schema, path.name)
    assert [mode["plan"] for task in comparison["tasks"] for mode in task["modes"]] == plans(config)
    assert len(config["seeds"]) >= 3
    for task in comparison["tasks"]:
        assert all(cell["status"] == "ok" for mode in task["modes"] for cell in mode["cells"])


@pytest.mark.parametrize("maker", MAKERS)
def test_its_tables_follow_from_its_numbers(comparison, maker):
    table = maker(comparison)
    assert (REFERENCE / "tables" / f"{table.name}.md").read_text(encoding="utf-8") == layout.markdown(table)
    assert (REFERENCE / "tables" / f"{table.name}.tex").read_text(encoding="utf-8") == layout.latex(table)


def test_its_discussion_follows_from_its_numbers(comparison):
    rows = published.read_published([REPOSITORY / "config" / "published.yaml"])
    sections = discussion.discuss(comparison, rows)
    assert json.loads((REFERENCE / "discussion.json").read_text(encoding="utf-8")) == sections


def test_its_figures_and_report_are_there(comparison):
    names = figures.names([task["task"] for task in comparison["tasks"]])
    wanted = {f"{name}.{suffix}" for name in names for suffix in figures.FORMATS}
    assert {path.name for path in (REFERENCE / "figures").iterdir()} == wanted | {"figures.json"}
    report = (REFERENCE / "report.html").read_text(encoding="utf-8")
    for section in json.loads((REFERENCE / "discussion.json").read_text(encoding="utf-8")):
        for sentence in section["sentences"]:
            assert sentence["text"].replace("'", "&#39;") in report


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_the_readme_shows_its_tables(name):
    table = (REFERENCE / "tables" / f"{name}.md").read_text(encoding="utf-8")
    assert "\n".join(line for line in table.splitlines() if line.startswith("|")) in README


def test_the_readme_quotes_its_discussion():
    quoted = [line.removeprefix("> ") for line in README.splitlines() if line.startswith("> ")]
    sections = json.loads((REFERENCE / "discussion.json").read_text(encoding="utf-8"))
    said = {sentence["text"] for section in sections for sentence in section["sentences"]}
    assert quoted
    assert set(quoted) <= said
