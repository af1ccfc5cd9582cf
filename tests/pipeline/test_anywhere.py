"""finegrid as a module of another workflow, with settings from the command line, and in group jobs."""

import re

import yaml
from conftest import MODEL, MODULE, REPOSITORY, planned_jobs, snakemake

RULES = (
    *("base_model", "prepare_training", "prepare", "inputs", "plan", "finetune", "select", "evaluate"),
    *("compare", "tables", "figures", "discuss", "report"),
)


def test_as_a_module_of_another_workflow_all_is_planned(tmp_path):
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text(encoding="utf-8"))
    config |= {"modes": {"full": {}}, "learning_rates": ["3e-4"]}  # one cell
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "Snakefile").write_text(MODULE.format(snakefile=REPOSITORY / "Snakefile"), encoding="utf-8")
    assert planned_jobs(tmp_path, config=None) == dict.fromkeys(RULES, 1)


def test_lists_and_mappings_on_the_command_line(clone):
    settings = ("seeds=[0,1]", "batch_sizes=[8,16]", "training={epochs: 2, warmup: 0.1}")
    done = snakemake(clone, "--dry-run", "--config", *settings)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^finetune +16$", done.stdout, re.MULTILINE)
    assert "batch size 8, learning rate 1e-3, seed 1" in done.stdout


def test_groups_are_as_large_as_one_says(clone):
    done = snakemake(clone, "--dry-run", "--groups", "finetune=cells", "--group-components", "cells=3")
    assert done.returncode == 0, done.stderr
    assert sorted(group_sizes(done.stdout)) == [1, 3]


def group_sizes(text: str) -> list[int]:
    """Count the cells of each group job that a dry run prints."""
    sizes, in_group = [], False
    for line in text.splitlines():
        if "Group job cells" in line:
            sizes.append(0)
            in_group = True
        elif line.startswith("["):
            in_group = False
        elif in_group and re.match(rf"\s*Job \d+: {MODEL}, imdb: ", line):
            sizes[-1] += 1
    return sizes
