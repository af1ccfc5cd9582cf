"""Every command of the README, and of its page on clusters, is run; those that would train or install are run dry."""

import re
import shlex
from importlib.metadata import version

import pytest
import yaml
from conftest import REPOSITORY, run

from finegrid.config.definition import complete


def blocks(language: str) -> list[str]:
    """Return the pieces of code in a language of the README and of what it links to."""
    text = "".join((REPOSITORY / name).read_text(encoding="utf-8") for name in ("README.md", "docs/clusters.md"))
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("bash") for line in block.splitlines()]


def test_there_are_commands():
    assert {"make", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_command(command, clone, request):
    words = shlex.split(command)
    if words[0] == "make":
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            (clone / name).write_bytes((REPOSITORY / name).read_bytes())
        # CI runs both for real.
        done = run(*words, "--dry-run", cwd=clone)
    elif words[0] == "rm":
        (clone / words[1]).write_text("{}")
        done = run(*words, cwd=clone)
    elif words[:2] == ["pip", "install"]:
        # Tests do without network: what the command would install has to be what is installed here.
        name, wanted = words[2].split("==")
        assert version(name) == wanted
        return
    elif words[:2] == ["snakemake", "--report"]:
        # Of a run that is finished; the smoke configuration's is.
        done = run(*words, "--configfile", "config/smoke.yaml", cwd=request.getfixturevalue("finished"))
    elif words[0] == "find":
        done = run(*words, cwd=request.getfixturevalue("finished"))
    elif words[0] == "python":
        done = run(*words, cwd=clone)  # not on a terminal, so it does not stay
    else:
        assert words[0] == "snakemake"
        done = run(*words, "--dry-run", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("block", blocks("yaml"))
def test_a_piece_of_configuration_is_one(block, tmp_path, monkeypatch):
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    for name in ("run/data/train-1.csv", "run/data/test.csv", "mirror/models"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "run")
    assert complete(config | yaml.safe_load(block), REPOSITORY / "workflow/schemas/config.schema.yaml", "README.md")
