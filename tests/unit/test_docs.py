"""The pages of the documentation: links, examples of configuration, and that every key of it is described."""

import re

import pytest
import yaml
from conftest import REPOSITORY
from documentation import PAGES, blocks, text_of

from finegrid.config import definition, model
from finegrid.config.modes import MODES
from finegrid.config.resolve import TABLE_ONLY, resolve_config
from finegrid.config.tasks import TASKS
from finegrid.evaluation import published
from finegrid.evaluation.published import read_published

MOST_LINES_OF_README = 200
# Defaults that config/README.md puts in words, as they depend on other keys.
IN_WORDS = {
    ("Task", "metrics"),
    ("Task", "validation_from_train"),
    ("Task", "drop_unlabelled"),
    ("CsvFormat", "separator"),
    ("CsvFormat", "quote"),
    ("GridMode", "learning_rates"),
    ("GridMode", "train"),
    ("Config", "training"),
    *(("Task", built_in) for built_in in ("repo", "files", "text", "label", "classes")),
}
NONE = ("none", "all rows", "by the file's ending", "its own", "by size and length")


def test_the_readme_is_one_page():
    assert len(text_of("README.md").splitlines()) <= MOST_LINES_OF_README


def test_the_readme_links_every_page():
    linked = set(re.findall(r"\]\(([^)#]+)\)", text_of("README.md")))
    # config/README.md is the configuration's page; docs/configuration.md leads to it.
    assert set(PAGES) - {"README.md", "docs/configuration.md"} <= linked


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.*)", text_of(page), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)]+)\)", text_of(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (REPOSITORY / page).parent.joinpath(path).resolve() if path else REPOSITORY / page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found.relative_to(REPOSITORY).as_posix()), target


@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])  # it names what is gone
def test_files_that_are_named_are_there(page):
    named = re.findall(r"`((?:scripts|tests|workflow|config|profiles|models|benchmarks)/[\w./-]+)`", text_of(page))
    for path in named:
        assert (REPOSITORY / path).exists() or path.endswith(".lock.json"), path


@pytest.mark.parametrize("block", blocks("yaml"))
def test_an_example_of_configuration_is_one(block, tmp_path, monkeypatch):
    for name in ("run/data/train-1.csv", "run/data/test.csv", "mirror/models"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "models/mine").mkdir(parents=True)
    (tmp_path / "models/mine/config.json").touch()
    monkeypatch.chdir(tmp_path / "run")
    given = yaml.safe_load(block)
    if "sources" in given:
        (tmp_path / "scores.yaml").write_text(block)
        assert read_published([tmp_path / "scores.yaml"])
    else:
        config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
        assert resolve_config(config | given, "README.md")


def rows(heading: str) -> dict[str, list[str]]:
    """Return the rows of the tables of a section of config/README.md by their first cell, without its quotes."""
    section = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", text_of("config/README.md"), re.M | re.S)[1]
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in section.splitlines() if line[:1] == "|"]
    return {row[0].strip("`"): row for row in cells}


def described(record, skip=()) -> list[str]:
    return [name for name in record.model_fields if name not in skip]


@pytest.mark.parametrize(
    ("heading", "record", "skip"),
    [
        ("Top level", definition.Config, ()),
        ("`models`", model.GridModel, ("name",)),
        ("`tasks`", definition.Task, TABLE_ONLY),
        ("Files and splits", definition.Draw, ()),
        ("Files and splits", definition.Sample, ()),
        ("CSV", definition.CsvFormat, ()),
        ("`modes`", definition.GridMode, ("name",)),
        ("Random subsets", definition.RandomSubset, ()),
        ("Adapters", definition.Peft, ()),
        ("`training`", definition.Training, ()),
        ("`published`", published._Source, ()),
        ("`published`", published._Score, ()),
    ],
)
def test_every_key_is_described_with_its_default(heading, record, skip):
    told = rows(heading)
    for name in described(record, skip):
        assert name in told, name
        column = 3 if heading == "`published`" else 2
        default, field = told[name][column], record.model_fields[name]
        if (record.__name__, name) in IN_WORDS:
            assert default
        elif field.is_required():
            assert default.startswith("required"), name
        elif field.default is None:
            assert default in NONE or default.startswith("required for `"), name
        else:
            value = field.get_default(call_default_factory=True)
            told_value = yaml.safe_load(default.strip("`"))
            assert told_value == (list(value) if isinstance(value, tuple) else value), name


def test_no_key_is_described_that_is_not_there():
    known = {
        "Top level": definition.Config,
        "`models`": model.GridModel,
        "`training`": definition.Training,
        "CSV": definition.CsvFormat,
    }
    for heading, record in known.items():
        assert set(rows(heading)) - {"key"} - {name for name in rows(heading) if name.startswith(":")} <= set(
            record.model_fields
        )


def test_every_built_in_task_and_mode_is_named():
    text = text_of("config/README.md")
    for name in (*TASKS, *MODES):
        assert f"`{name}`" in text, name


def test_the_tree_names_what_is_there():
    """The folders and rules of docs/design.md."""
    tree = text_of("docs/design.md").partition("## The folders")[2].split("```")[1]
    for path in re.findall(r"^([\w./]+/)(?= )", tree, re.MULTILINE):
        assert path.startswith("results/") or (REPOSITORY / path).is_dir(), path
    rooms = set(re.findall(r"^  (\w+)/", tree, re.MULTILINE))
    finegrid = REPOSITORY / "scripts" / "finegrid"
    assert rooms == {path.parent.name for path in finegrid.glob("*/__init__.py")}
    rules = {path.name for path in (REPOSITORY / "workflow" / "rules").iterdir()}
    assert set(re.findall(r"\w+\.smk", tree)) == rules - {"common.smk", "configuration.smk"}
    (verbs,) = re.findall(r"^scripts/ .*?: (.*); and show, progress$", tree, re.MULTILINE)
    scripts = {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    assert {*verbs.split(", "), "show", "progress"} == scripts
