"""Every command of the README, and of its page on clusters, is run; those that would train or install are run dry."""

import re
import shlex
from importlib.metadata import version

import pytest
import yaml
from conftest import REPOSITORY, run

from finegrid.config.resolve import resolve_config

PAGES = ("README.md", "docs/clusters.md")


def blocks(language: str) -> list[str]:
    """Return the code blocks in a language of the README and of what it links to."""
    text = "".join((REPOSITORY / name).read_text(encoding="utf-8") for name in PAGES)
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines()]


def test_there_are_commands():
    assert {"make", "make test"} <= set(COMMANDS)


@pytest.fixture
def beside(clone):
    """A user's own folder beside the clone, with a configuration."""
    clone.rename(clone.with_name("finegrid"))
    folder = clone.with_name("mine")
    (folder / "elsewhere").mkdir(parents=True)
    (folder / "mine.yaml").write_bytes((REPOSITORY / "config" / "smoke.yaml").read_bytes())
    return folder


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_command(command, request):
    words = shlex.split(command)
    needs = {"find": "finished", "pip": "tmp_path"}.get(words[0], "clone")
    if words[:2] == ["snakemake", "--report"]:
        needs = "finished"
    if words[:2] == ["snakemake", "-s"]:
        needs = "beside"
    folder = request.getfixturevalue(needs)
    if words[0] == "make":
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            (folder / name).write_bytes((REPOSITORY / name).read_bytes())
        # CI runs both for real.
        done = run(*words, "--dry-run", cwd=folder)
    elif words[0] == "rm":
        (folder / words[1]).write_text("{}")
        done = run(*words, cwd=folder)
    elif words[0] == "pip":
        # Tests do without network: what the command would install has to be what is installed here.
        name, wanted = words[2].split("==")
        assert version(name) == wanted
        return
    elif words[:2] == ["snakemake", "--report"]:
        # Of a run that is finished; the smoke configuration's is.
        done = run(*words, "--configfile", "config/smoke.yaml", cwd=folder)
    elif words[0] in ("find", "python"):
        done = run(*words, cwd=folder)  # progress.py does not stay, as it is not on a terminal
    else:
        assert words[0] == "snakemake"
        done = run(*words, "--dry-run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_piece_of_configuration_is_one(block, tmp_path, monkeypatch):
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    for name in ("run/data/train-1.csv", "run/data/test.csv", "mirror/models"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run")
    assert resolve_config(config | yaml.safe_load(block), "README.md")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    headings = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)", text, re.M)
    }
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings, target
        elif not target.startswith("https://"):
            assert (REPOSITORY / page).parent.joinpath(target).exists(), target


def test_the_tree_names_what_is_there():
    """The folders and rules in "How it is built"."""
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    tree = text.partition("## How it is built")[2].split("```")[1]
    for path in re.findall(r"^([\w./]+/)(?= )", tree, re.MULTILINE):
        assert (REPOSITORY / path).is_dir(), path
    for room in re.findall(r"^  (\w+/)", tree, re.MULTILINE):
        assert (REPOSITORY / "scripts" / "finegrid" / room).is_dir(), room
    rules = {path.name for path in (REPOSITORY / "workflow" / "rules").iterdir()}
    assert set(re.findall(r"\w+\.smk", tree)) == rules - {"common.smk", "configuration.smk"}
    (verbs,) = re.findall(r"^scripts/ .*?: (.*); and progress$", tree, re.MULTILINE)
    scripts = {path.stem for path in (REPOSITORY / "scripts").glob("*.py")}
    assert {*verbs.split(", "), "progress"} == scripts
