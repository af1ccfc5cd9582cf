"""Every command of the README and the other pages is run; those that would train or install are run dry."""

import shlex
import shutil
from importlib.metadata import version

import pytest
from conftest import EXPORT, REPOSITORY, active, run, snakemake
from documentation import blocks

COMMANDS = list(dict.fromkeys(line for block in blocks("bash") for line in block.splitlines()))
# conda, as Snakemake asks it what it is and to make environments; it writes down what it is asked.
CONDA = """\
#!/bin/sh
echo "$@" >>"$0.calls"
case "$1" in
  --version) echo "conda 25.1.1" ;;
  info) echo '{"conda_prefix": "/nowhere", "platform": "linux-64"}' ;;
  config) echo '{"get": {"channel_priority": "strict"}}' ;;
esac
"""


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


@pytest.fixture
def conda(tmp_path):
    """A program that takes conda's place; its own path with `.calls` at the end is what it was asked."""
    program = tmp_path / "bin" / "conda"
    program.parent.mkdir()
    program.write_text(CONDA)
    program.chmod(0o755)
    return program


def fixture_for(words: list[str]) -> str:
    if words[0] in ("pip", "conda"):
        return "tmp_path"
    if words[0] == "find" or words[:2] == ["snakemake", "--report"]:
        return "finished"
    return "beside" if words[:2] == ["snakemake", "-s"] else "clone"


def run_conda(words, conda, folder):
    """Run Snakemake with conda's stand-in, which makes no environment: so no job is run."""
    path = f"{conda.parent}:{active()['PATH']}"
    if "--conda-create-envs-only" in words:
        done = run("env", f"PATH={path}", *words, cwd=folder)
        calls = conda.with_name("conda.calls").read_text()
        made = [line for line in calls.splitlines() if line.startswith("env create")]
        # One each to train and to summarise; that of `track` is made when it is asked for.
        assert len(made) == len(list((REPOSITORY / "workflow" / "envs").iterdir())) - 1
        return done
    return run("env", f"PATH={path}", *words, "--dry-run", cwd=folder)


@pytest.mark.parametrize("command", COMMANDS)
def test_command(command, request):
    words = shlex.split(command)
    folder = request.getfixturevalue(fixture_for(words))
    if words[0] == "make":
        for name in ("Makefile", "pyproject.toml", "constraints.txt"):
            (folder / name).write_bytes((REPOSITORY / name).read_bytes())
        # CI runs make and make test for real.
        done = run(*words, "--dry-run", cwd=folder)
    elif words[0] == "rm":
        (folder / words[1]).write_text("{}")
        done = run(*words, cwd=folder)
    elif words[0] in ("pip", "conda"):
        # Tests do without network: what the command would install has to be what is installed here.
        name, wanted = words[-1].replace("==", "=").split("=")
        assert version(name) == wanted
        return
    elif words[:2] == ["snakemake", "--report"]:
        # Of a run that is finished; the smoke configuration's is.
        done = run(*words, "--configfile", "config/smoke.yaml", cwd=folder)
    elif "--sdm" in words:
        done = run_conda(words, request.getfixturevalue("conda"), folder)
    elif words[0] in ("find", "python"):
        if "reference" in command:
            for name in ("results/reference", "benchmarks"):
                shutil.copytree(REPOSITORY / name, folder / name)
        done = run(*words, cwd=folder)  # progress.py does not stay, as it is not on a terminal
    else:
        assert words[0] == "snakemake"
        done = run(*words, "--dry-run", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def python_block(word: str) -> str:
    (block,) = [block for block in blocks("python") if word in block]
    return block


def test_the_workflow_that_uses_finegrid_as_a_module(beside):
    (beside / "Snakefile").write_text(python_block("module finegrid"))
    done = run("snakemake", "--dry-run", cwd=beside)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "finetune" in done.stdout


def test_the_lines_that_use_an_exported_model(finished):
    done = snakemake(finished, f"{EXPORT}/full")
    assert done.returncode == 0, done.stdout + done.stderr
    done = run(
        "python", "-c", python_block("import pipeline").replace("results/default", "results/smoke"), cwd=finished
    )
    assert done.returncode == 0, done.stderr
    assert "score" in done.stdout


def test_every_python_block_is_tried():
    assert len(blocks("python")) == 2
