"""What Snakemake says of a bad configuration, and which configuration it takes."""

import sys

import pytest
from conftest import copy_pipeline, edit_config, run, snakemake

SMOKE = "config/smoke.yaml"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A copy of the pipeline whose configurations a test may break."""
    return copy_pipeline(tmp_path_factory.mktemp("broken") / "clone")


def test_snakemake_stops_with_the_line_that_names_key_value_and_what_is_allowed(pipeline):
    (pipeline / "my.yaml").write_bytes((pipeline / SMOKE).read_bytes())
    edit_config(pipeline, lambda config: config.update(batch_sizes=[0]), "my.yaml")
    done = snakemake(pipeline, "--dry-run", config="my.yaml")
    assert done.returncode != 0
    assert "my.yaml: batch_sizes.0: 0 is not allowed; expected a batch size: a whole number, 1 or more" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not (pipeline / "results").exists()


@pytest.mark.parametrize("name", ["my.yaml", "config/config.yaml"])
def test_a_key_that_stands_there_twice_is_told_which_snakemake_would_not_do(pipeline, name):
    (pipeline / name).write_text((pipeline / SMOKE).read_text() + "seeds: [1]\n")
    done = snakemake(pipeline, "--dry-run", config=None if name.startswith("config/") else name)
    assert done.returncode != 0
    assert f"\n{name}: not YAML (line " in done.stdout
    assert "the key 'seeds' stands there twice, first in line " in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(("content", "expected"), [("a:\n\tb: c\n", "line 2, column 1"), (None, "no such file")])
def test_what_snakemake_cannot_read_at_all_is_told_by_progress(pipeline, content, expected):
    # Snakemake reads the files of its command line before it looks at the Snakefile: these words are its own.
    (pipeline / "broken.yaml").unlink(missing_ok=True)
    if content:
        (pipeline / "broken.yaml").write_text(content)
    done = snakemake(pipeline, "--dry-run", config="broken.yaml")
    assert done.returncode != 0
    assert "not valid JSON or YAML" in done.stdout or "No such file or directory: 'broken.yaml'" in done.stdout
    done = run(sys.executable, "scripts/progress.py", "--configfile", "broken.yaml", cwd=pipeline)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: broken.yaml: ") and expected in line


def test_a_configuration_given_on_the_command_line_replaces_the_default(clone):
    # Merged with the default one, it would gain the default's third mode.
    done = snakemake(clone, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "bitfit-head" not in done.stdout
    assert "results/default" not in done.stdout


def test_values_of_the_command_line_override_the_file_and_are_checked(clone):
    done = snakemake(clone, "--dry-run", "--config", "seeds=[0, 0]")
    assert "seeds: '0' is listed twice" in done.stdout


def test_a_malformed_file_of_published_scores_stops_the_run_at_once(clone):
    (clone / "own.yaml").write_text("sources: [{title: a, read: b, model: c, scores: [{task: imdb, value: 0.5}]}]")
    edit_config(clone, lambda config: config.update(published=["own.yaml"]))
    done = snakemake(clone, "--dry-run")
    assert done.returncode != 0
    assert "own.yaml: sources.0.scores.0: the key 'metric' is missing" in done.stdout + done.stderr
