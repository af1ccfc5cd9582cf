"""The published results: runs of their configurations, whose files follow from their numbers, as does the README."""

from pathlib import Path

import discuss
import pytest
import tables
import trainer_accuracies
from conftest import REPOSITORY
from documentation import text_of
from markupsafe import escape
from trainer_accuracies import AllTrained, cell_of, one_more_seed

from finegrid.config.cell import plans
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.evaluation.comparison import Comparison
from finegrid.evaluation.published import read_published
from finegrid.files import read_json
from finegrid.reporting import figures, layout
from finegrid.reporting.discussion import discuss as discussion_of
from finegrid.sealed import as_json, read_record

# Folders of results/, and the configurations in config/ that they are runs of.
RUNS = {
    "reference": "imdb-bundled",
    "ladder": "ladder-offline",
    "methods": "methods",
    "methods-minilm": "methods-minilm",
    "glue": "glue-small",
}
REFERENCE = REPOSITORY / "results" / "reference"
README = text_of("README.md")
PUBLISHED = read_published([REPOSITORY / "config" / "published.yaml"])


@pytest.fixture(scope="module", params=RUNS)
def folder(request) -> Path:
    return REPOSITORY / "results" / request.param


@pytest.fixture(scope="module")
def comparison(folder) -> Comparison:
    return read_record(Comparison, folder / "comparison.json")


def test_it_is_a_run_of_its_configuration(folder, comparison, tmp_path):
    path = REPOSITORY / "config" / f"{RUNS[folder.name]}.yaml"
    settings = read_configfile(path)
    if "mirror" in settings:  # any folder will do: none of its files is read
        settings["mirror"] = str(tmp_path)
    config = resolve_config(settings, path.name)
    assert [mode.plan for _, mode in comparison.rows()] == plans(config)
    assert all(len(mode.plan.tested_seeds) >= 3 for _, mode in comparison.rows())
    assert all(cell.status == "ok" for _, mode in comparison.rows() for cell in mode.cells)


def test_its_tables_follow_from_its_numbers(folder, comparison, tmp_path):
    for table in tables.make_tables(comparison, PUBLISHED):
        layout.write_table(tmp_path, table)
    for made in tmp_path.iterdir():
        texts = [path.read_text(encoding="utf-8") for path in (made, folder / "tables" / made.name)]
        if made.suffix == ".csv":  # the last digits of its numbers are the machine's
            texts = [text.partition("\n")[0] for text in texts]
        assert texts[0] == texts[1], made.name


def test_its_discussion_follows_from_its_numbers(folder, comparison):
    discussion = discussion_of(comparison, PUBLISHED)
    assert read_json(folder / "discussion.json") == as_json(discussion)
    assert (folder / "discussion.md").read_text(encoding="utf-8") == discuss.markdown(discussion)


def said(comparison: Comparison) -> set[str]:
    """Return all sentences of the discussion."""
    discussion = discussion_of(comparison, PUBLISHED)
    sentences = [sentence for section in discussion.sections for sentence in section.sentences]
    return {sentence.text for sentence in (discussion.answer, *sentences)}


def test_its_figures_and_report_are_there(folder, comparison):
    names = figures.names_of([task.key for task in comparison.tasks], comparison.several_models)
    expected = {f"{name}.{suffix}" for name in names for suffix in figures.FORMATS}
    assert {path.name for path in (folder / "figures").iterdir()} == expected | {"figures.json"}
    report = (folder / "report.html").read_text(encoding="utf-8")
    for sentence in said(comparison):
        assert escape(sentence) in report


@pytest.mark.parametrize("name", ["table1", "table2"])
def test_the_readme_shows_its_tables(name):
    table = (REFERENCE / "tables" / f"{name}.md").read_text(encoding="utf-8")
    assert "\n".join(line for line in table.splitlines() if line.startswith("|")) in README


@pytest.fixture(scope="module")
def all_said() -> set[str]:
    """All sentences of all published discussions."""
    published = (read_record(Comparison, REPOSITORY / "results" / name / "comparison.json") for name in RUNS)
    return set().union(*map(said, published))


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_pages_quote_the_discussions(page, all_said):
    quoted = [line.removeprefix("> ") for line in text_of(page).splitlines() if line.startswith("> ")]
    assert quoted
    assert set(quoted) <= all_said


def test_trainer_reaches_what_one_more_seed_would():
    by_trainer = read_record(AllTrained, REPOSITORY / "benchmarks" / "results" / "reference_by_trainer.json")
    assert trainer_accuracies.table(by_trainer) in text_of("docs/speed.md")
    (task,) = read_record(Comparison, REFERENCE / "comparison.json").tasks
    modes = {mode.name: mode for mode in task.modes}
    for trained in by_trainer.settings:
        mode = modes[trained.cell.mode.name]
        tested = mode.chosen.test["accuracy"]
        assert trained.cell == cell_of(mode)
        assert (trained.seeds.mean, trained.seeds.sd) == (tested.mean, tested.sd)
        low, high = one_more_seed(trained.seeds)
        assert low <= trained.trainer <= high
