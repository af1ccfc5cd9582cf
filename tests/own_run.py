"""A user's own folder: two tasks of their files, a model from a mirror and scores that they found, to run elsewhere."""

import shutil
from pathlib import Path

from conftest import REPOSITORY, copy_pipeline, planned_jobs, snakemake

USER = "the user's folder"
OWN_MODEL = "mirrored"
SNAKEFILE = ("-s", "../Snakefile")
CONFIG = """
run: own
models: {mirrored: {source: mirror, repo: me/tiny}}
mirror: mirror
published: [scores.yaml]
tasks:
  stars:
    source: files
    files: {train: data/train*.csv, test: data/test.csv, hidden: data/hidden.csv}
    text: text
    label: label
    classes: [bad, good]
    drop_training_rows_in_test: true
    max_length: 16
  length:
    source: files
    files: {train: latest/train.csv, validation: latest/validation.csv, test: latest/test.csv}
    text: text
    label: label
    regression: true
    max_length: 16
modes: {bitfit-head: {}}
batch_sizes: [8]
learning_rates: [1e-3]
training: {epochs: 1}
"""
SCORES = """
sources:
  - title: A friend
    read: a letter
    model: theirs
    scores: [{task: stars, metric: accuracy, split: test, mode: bitfit-head, value: 0.5}]
"""


def write_user_folder(folder: Path) -> None:
    """Write what the user has; `latest` is a link to one of two versions whose files are of one size."""
    for name, text, count in (
        ("data/train1", "a film", 30),
        ("data/train2", "a book", 30),
        ("data/test", "a film", 4),
        ("data/hidden", "a play", 5),
        *((f"v1/{split}", "a walk", rows) for split, rows in (("train", 24), ("validation", 12), ("test", 12))),
        *((f"v2/{split}", "a song", rows) for split, rows in (("train", 24), ("validation", 12), ("test", 12))),
    ):
        path = folder / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text,label\n" + "".join(f"{text} {number},{number % 2}\n" for number in range(count)))
    (folder / "latest").symlink_to("v1")
    shutil.copytree(REPOSITORY / "models" / "bundled-bert-tiny", folder / "mirror" / "models" / "me" / "tiny")
    (folder / "own.yaml").write_text(CONFIG)
    (folder / "scores.yaml").write_text(SCORES)


# All but figures and the report.
TARGETS = ("tables", f"results/own/submissions/{OWN_MODEL}/bitfit-head", f"results/own/inputs/{OWN_MODEL}/length.html")


def make_own_run(folder: Path):
    """Run it in a folder inside a copy of the pipeline."""
    write_user_folder(copy_pipeline(folder) / USER)
    return snakemake(folder / USER, *SNAKEFILE, *TARGETS, config="own.yaml")


def planned(user_folder: Path, *targets) -> dict[str, int]:
    """Return the jobs that Snakemake would run in the user's folder, by rule."""
    return planned_jobs(user_folder, *SNAKEFILE, *(targets or TARGETS), config="own.yaml")
