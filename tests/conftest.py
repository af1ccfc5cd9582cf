"""One small real run, made once, of which tests take copies; and helpers to run the pipeline's processes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import warm
import yaml
from filelock import FileLock
from hypothesis import settings

from finegrid.files import fingerprint, write_json

REPOSITORY = Path(__file__).resolve().parent.parent
# The model of the smoke configuration, and where its run has what is of its model and its task.
MODEL = "bundled-bert-tiny"
BASE_MODEL = f"results/smoke/base_model/{MODEL}"
DATA, CELLS, EXPORT = (f"results/smoke/{part}/{MODEL}/imdb" for part in ("data", "cells", "export"))
# A workflow that uses finegrid as a module.
MODULE = """\
configfile: "mine.yaml"


module finegrid:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from finegrid
"""
PIPELINE = ("Snakefile", "README.md", "config", "models", "profiles", "scripts", "workflow")

# What runs here runs as on a node without internet.
os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
# What `make test` was given is not for the `make` of a test.
os.environ.pop("MAKEFLAGS", None)
# Two test processes of two threads each on two cores wait for each other more than they work.
os.environ.update(OMP_NUM_THREADS="1")
# Examples of each property: few in `make test`, many in `make test-all`. No deadline, as other tests share the cores.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("full", max_examples=100, deadline=None)
settings.load_profile("quick")


def active(**more) -> dict[str, str]:
    """Return the environment of a shell in which this Python's is active, with more variables."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, **more}


def run(*command, cwd, **environment) -> subprocess.CompletedProcess:
    """Run a command, its output captured as text; the test reads the exit status."""
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=active(**environment),
    )


def snakemake(folder, *arguments, config="config/smoke.yaml", **environment) -> subprocess.CompletedProcess:
    """Run Snakemake on a configuration in a copy of the repository."""
    command = [Path(sys.executable).with_name("snakemake"), *arguments, "--cores", "2"]
    command += ["--configfile", config] if config else []
    return warm.run(warm.SNAKEMAKE, *command, cwd=folder, environment=active(**environment))


def planned_jobs(folder, *arguments, config="config/smoke.yaml") -> dict[str, int]:
    """Return the jobs that Snakemake would run, by rule, as its dry run counts them."""
    return counted_jobs(snakemake(folder, *arguments, "--dry-run", config=config))


def counted_jobs(done) -> dict[str, int]:
    """Return the jobs of a run or dry run by rule, without those that only stand for others."""
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    table = re.search(r"^job +count\n[- ]+\n(.*?)\n\n", said + "\n\n", re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in said
        return {}
    counts = dict(line.split() for line in table.group(1).splitlines())
    return {
        rule: int(count)
        for rule, count in counts.items()
        if not re.match("(all|cells|total)$|(model|task|mode)_", rule)
    }


def edit(path: Path, old: str, new: str) -> None:
    """Replace a piece of text that must be in the file."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{old!r} is not in {path}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def edit_config(folder: Path, change, name="config/smoke.yaml") -> None:
    """Apply a function to the parsed configuration and write it back."""
    path = folder / name
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(config)
    path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def damage(path: Path, how: str) -> None:
    """Change one bit in the middle of a file, or cut its second half, unseen by its time."""
    status, content = path.stat(), bytearray(path.read_bytes())
    half = len(content) // 2
    if how == "cut":
        del content[half:]
    else:
        content[half] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def error_lines(text: str) -> list[str]:
    """List the lines of a log that tell the user what is wrong."""
    return [line for line in text.splitlines() if line.startswith("error: ")]


def without_cost(path: Path) -> str:
    """Return metrics.json, as it is spelled, without its cost block and the sha256 over it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["cost"], content["sha256"]
    return json.dumps(content, indent=1, ensure_ascii=False)


def edit_result(path: Path, **changes) -> dict:
    """Change keys of a sealed result, whatever it says, and seal it again; return it."""
    content = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    del content["sha256"]
    write_json(path, {**content, "sha256": fingerprint(content)})
    return content


def choose_another(mode_folder: Path) -> dict:
    """Give the best score to a cell of a mode that is not chosen; return its result."""
    chosen = json.loads((mode_folder / "chosen" / "test.json").read_text(encoding="utf-8"))["chosen"]
    for path in sorted(mode_folder.glob("*/metrics.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["status"] == "ok" and content["cell"]["learning_rate"] != chosen["learning_rate"]:
            content["validation"]["last"]["score"] = 1.0
            return edit_result(path, validation=content["validation"])
    raise AssertionError(f"{mode_folder} has only the chosen cell")


def copy_pipeline(folder: Path) -> Path:
    """Copy what a user's clone holds of the pipeline, without results."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PIPELINE:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.egg-info"))
        else:
            shutil.copy2(source, folder / name)
    return folder


@pytest.fixture
def clone(tmp_path) -> Path:
    """A fresh copy of the pipeline, nothing run yet."""
    return copy_pipeline(tmp_path / "clone")


def made_once(tmp_path_factory, name: str, make) -> Path:
    """Return a folder that `make(folder)` fills by a finished process, once for all test processes."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent  # of all workers: the first to come here makes it
    folder, told = shared / name, shared / f"{name}.txt"
    with FileLock(shared / f"{name}.lock"):
        if not told.exists():
            done = make(folder)
            told.write_text("" if done.returncode == 0 else done.stdout + done.stderr)
    assert told.read_text() == ""
    return folder


@pytest.fixture(scope="session")
def smoke_run(tmp_path_factory) -> Path:
    """A copy of the pipeline in which the smoke configuration has run to its end. Not to be changed."""
    command = ("snakemake", "--cores", "2", "--configfile", "config/smoke.yaml")
    return made_once(tmp_path_factory, "smoke", lambda folder: run(*command, cwd=copy_pipeline(folder)))


# What the smoke run grows by: a setting that diverges, a mode whose every setting does, a model of three cells, two of
# which do, and seeds that confirm.
GROWN = {
    "models": {
        MODEL: {"source": "bundled"},
        "untrained": {
            **{"source": "random", "tokenizer": MODEL},
            "learning_rates": {"full": ["1e-3"], "bitfit": ["1e30"]},
        },
    },
    "modes": {
        "full": {},
        "bitfit": {"learning_rates": ["3e-4", "1e-3", "1e30"]},
        "bitfit-head": {"learning_rates": ["1e30"]},
    },
    "confirm": {"seeds": [1, 2]},
}


GROWN_TARGETS = ("tables", *(f"{EXPORT}/{mode}" for mode in GROWN["modes"]))


@pytest.fixture(scope="session")
def grown_run(smoke_run, tmp_path_factory) -> Path:
    """A copy of the smoke run, grown by all of that, with its exported models. Not to be changed."""

    def grow(folder):
        shutil.copytree(smoke_run, folder)
        edit_config(folder, lambda config: config.update(GROWN))
        return snakemake(folder, *GROWN_TARGETS)

    return made_once(tmp_path_factory, "grown", grow)


@pytest.fixture(scope="session")
def own_run(tmp_path_factory) -> Path:
    """A copy of the pipeline with a user's folder in it whose own run is finished. Not to be changed."""
    from own_run import make_own_run

    return made_once(tmp_path_factory, "own", make_own_run)


@pytest.fixture
def finished(smoke_run, tmp_path) -> Path:
    """A copy of the finished smoke run that a test may change."""
    shutil.copytree(smoke_run, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def record_trials(record_property):
    """A function that keeps a line on what was tried how often, for the end of the tests' output."""
    return lambda line: record_property("trials", line)


def pytest_terminal_summary(terminalreporter):
    reports = [report for reports in terminalreporter.stats.values() for report in reports]
    # Every phase of a test reports what the test has recorded so far.
    properties = [each for report in reports for each in getattr(report, "user_properties", ())]
    lines = dict.fromkeys(line for name, line in properties if name == "trials")
    if lines:
        terminalreporter.section("trials")
        for line in lines:
            terminalreporter.line(line)


# So that two processes begin with a run each that others share, and none waits for the other's.
FIRST = ["test_own_files.py", "test_workflow.py", "test_stale.py", "test_exported_models.py"]


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.path.name) if item.path.name in FIRST else len(FIRST))
    for item in items:
        if item.path.is_relative_to(REPOSITORY / "tests" / "trials"):
            item.add_marker("trials")
