"""A whole run in any folder, and as a module of another workflow."""

import pytest
import yaml
from conftest import CELLS, MODULE, REPOSITORY, run, without_cost

CELL = f"{CELLS}/full/bs16_lr3e-4_seed0/metrics.json"


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of a user's own with a configuration that names a file of theirs."""
    folder = tmp_path / "the user's folder"
    folder.mkdir()
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    config |= {"modes": {"full": {}}, "learning_rates": ["3e-4"], "published": ["scores.yaml"]}  # one cell
    (folder / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (folder / "scores.yaml").write_text(
        "sources:\n  - {title: A friend, read: a letter, model: theirs, scores: "
        "[{task: imdb, metric: accuracy, split: test, mode: full, value: 0.5}]}\n",
        encoding="utf-8",
    )
    return folder


def check_whole_run(folder, smoke_run) -> None:
    assert without_cost(folder / CELL) == without_cost(smoke_run / CELL)
    assert "A friend" in (folder / "results/smoke/tables/published.md").read_text(encoding="utf-8")
    assert (folder / "results/smoke/report.html").exists()
    entries = {path.name for path in folder.iterdir()} - {".snakemake", "Snakefile"}
    assert entries == {"mine.yaml", "scores.yaml", "results"}


def test_a_run_in_another_folder(elsewhere, smoke_run):
    snakefile = REPOSITORY / "Snakefile"
    arguments = ("-s", snakefile, "--directory", elsewhere, "--configfile", elsewhere / "mine.yaml")
    done = run("snakemake", "--cores", "2", *arguments, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole_run(elsewhere, smoke_run)


def test_a_run_as_a_module_of_another_workflow(elsewhere, smoke_run):
    (elsewhere / "Snakefile").write_text(MODULE.format(snakefile=REPOSITORY / "Snakefile"), encoding="utf-8")
    done = run("snakemake", "--cores", "2", cwd=elsewhere)
    assert done.returncode == 0, done.stdout + done.stderr
    check_whole_run(elsewhere, smoke_run)
