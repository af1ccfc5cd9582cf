"""`make` with any name of a configuration, and what is pinned is what is installed."""

import json
import re
import shutil
import stat
import sys
from importlib.metadata import distributions

import pytest
from conftest import REPOSITORY, run

from finegrid.files import write_json


@pytest.mark.parametrize(
    "name",
    ["a b.yaml", "$(touch pwned).yaml", "$(shell touch pwned)", "a;touch pwned;#", "`touch pwned`", "'", '"', "$x"],
)
def test_make_hands_on_the_name_of_a_configuration_as_it_is(name, tmp_path):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for file in ("pyproject.toml", "constraints.txt", ".venv/installed"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    program = tmp_path / ".venv" / "bin" / "snakemake"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv[1:], open('arguments.json', 'w'))\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    python = program.with_name("python")
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    (tmp_path / name).write_text("models: x\nrun: 'odd' # in quotes, with a comment\n")
    (tmp_path / "scripts").symlink_to(REPOSITORY / "scripts")
    write_json(tmp_path / "results" / "odd" / "tables" / "tables.json", [])
    write_json(tmp_path / "results" / "odd" / "discussion.json", {"sections": [{"heading": "odd", "sentences": []}]})
    for target, given in ((["mirror", f"CONFIG={name}"], {}), ([], {"CONFIG": name})):
        done = run("make", *target, cwd=tmp_path, **given)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads((tmp_path / "arguments.json").read_text())[-1] == name
    assert "Discussion of odd" in done.stdout and "results/odd/report.html" in done.stdout
    assert not (tmp_path / "pwned").exists()


def test_what_is_pinned_is_what_is_installed():
    def normalised(name):
        return re.sub(r"[-_.]+", "-", name).lower()

    pins = dict(line.split("==") for line in (REPOSITORY / "constraints.txt").read_text().split("\n") if "==" in line)
    installed = {normalised(each.metadata["Name"]): each.version.partition("+")[0] for each in distributions()}
    for tool in ("finegrid", "pip", "setuptools"):
        installed.pop(tool, None)
    assert installed == {normalised(name): version for name, version in pins.items()}
    checked = run(sys.executable, "-m", "pip", "--disable-pip-version-check", "check", cwd=REPOSITORY)
    assert checked.returncode == 0, checked.stdout
