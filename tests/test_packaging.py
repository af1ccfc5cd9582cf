"""What a clone promises: one list of dependencies, no trace of a machine."""

import re
import subprocess
import tomllib

import yaml
from conftest import REPOSITORY

# PyPI's name: conda-forge's name, where they differ.
CONDA_NAMES = {"torch": "pytorch", "huggingface-hub": "huggingface_hub"}


def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def test_environment_yml_has_the_dependencies_of_pyproject():
    expected = dict(requirement.split("==") for requirement in project()["dependencies"])
    *conda, pip = yaml.safe_load((REPOSITORY / "environment.yml").read_text())["dependencies"]
    assert conda[:2] == ["python=3.11", "pip"]
    from_pip = dict(requirement.split("==") for requirement in pip["pip"])
    from_conda = dict(requirement.split("=") for requirement in conda[2:])
    assert from_conda | from_pip == {CONDA_NAMES.get(name, name): version for name, version in expected.items()}
    assert not from_conda.keys() & from_pip.keys()


def test_constraints_hold_every_direct_dependency():
    pinned = set((REPOSITORY / "constraints.txt").read_text().split("\n"))
    extras = [requirement for group in project()["optional-dependencies"].values() for requirement in group]
    assert set(project()["dependencies"] + extras) <= pinned


def test_no_absolute_path_and_no_address_but_documents_is_in_the_repository():
    files = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False).stdout
    for name in files.split():
        if name.endswith((".py", ".smk", ".yaml", ".yml", ".toml", ".md", ".txt")) or name in ("Makefile", "Snakefile"):
            text = (REPOSITORY / name).read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.{}])/(home|root|work|opt|Users)/\w", text), name
