"""Every command of the README is run; those that would train or install are run dry."""

import re
import shlex
from importlib.metadata import version

import pytest
from conftest import REPOSITORY, run

BLOCKS = re.findall(r"^```bash\n(.*?)^```", (REPOSITORY / "README.md").read_text(), re.MULTILINE | re.DOTALL)
COMMANDS = [line for block in BLOCKS for line in block.splitlines()]


def test_there_are_commands():
    assert {"make", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", dict.fromkeys(COMMANDS))
def test_command(command, clone):
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
    else:
        assert words[0] == "snakemake"
        done = run(*words, "--dry-run", cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
