"""A run of a user's own tasks, classes and a regression, up to tables and a submission."""

import pandas
import pytest
from conftest import copy_pipeline, planned_jobs, snakemake

from finegrid.records import DataStats
from finegrid.sealed import read_record

CONFIG = """
run: mine
model: {name: tiny, source: bundled}
tasks:
  stars:
    source: files
    files: {train: data/train*.csv, test: data/test.csv, hidden: data/hidden.csv}
    text: text
    label: label
    classes: [bad, good]
    metrics: [f1, accuracy]
    drop_training_rows_in_test: true
    max_length: 16
  length:
    source: files
    files: {train: data/train*.csv, test: data/test.csv}
    text: text
    label: label
    regression: true
    max_length: 16
modes: {bitfit-head: {}}
batch_sizes: [8]
learning_rates: [1e-3]
training: {epochs: 1}
"""


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """A finished run of two tasks: one with classes, one a regression."""
    folder = copy_pipeline(tmp_path_factory.mktemp("own") / "run")
    (folder / "data").mkdir()
    for name, text, count in (
        ("train1", "a film", 30),
        ("train2", "a book", 30),
        ("test", "a film", 4),
        ("hidden", "a play", 5),
    ):
        rows = {
            "text": [f"{text} {number}" for number in range(count)],
            "label": [number % 2 for number in range(count)],
        }
        pandas.DataFrame(rows).to_csv(folder / "data" / f"{name}.csv", index=False)
    (folder / "config" / "mine.yaml").write_text(CONFIG)
    done = snakemake(folder, config="config/mine.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_user_s_own_tasks_run_to_the_tables(own_run):
    results = own_run / "results" / "mine"
    stats = read_record(DataStats, results / "data/stars/stats.json")
    assert stats.source.dropped_training_rows == 4
    assert stats.duplicates["train and test"] == 0
    assert {name: split.rows for name, split in stats.splits.items()} == {
        "train": 50,
        "validation": 6,
        "test": 4,
        "hidden": 5,
    }
    lengths = read_record(DataStats, results / "data/length/stats.json")
    assert lengths.duplicates["train and test"] == 4 - lengths.duplicates["validation and test"]
    assert lengths.splits.train.labels["highest"] == 1.0
    table = (results / "tables/table2.md").read_text()
    assert "4 training rows left out" in table
    rows = [line for line in table.splitlines() if line.startswith("| length")]
    assert [metric for row in rows for metric in ("Pearson", "Spearman") if f"{metric} correlation" in row] == [
        "Pearson",
        "Spearman",
    ]


def test_predictions_for_hidden_labels_have_the_form_that_a_server_takes(own_run):
    folder = own_run / "results/mine/submissions/bitfit-head"
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["stars.tsv", "submission.zip"]
    header, *rows = (folder / "stars.tsv").read_text().splitlines()
    assert header == "index\tprediction"
    assert [row.split("\t")[0] for row in rows] == ["0", "1", "2", "3", "4"]
    assert {row.split("\t")[1] for row in rows} <= {"bad", "good"}


def test_an_edited_file_is_prepared_again(own_run):
    assert planned_jobs(own_run, config="config/mine.yaml") == {}
    path = own_run / "data" / "hidden.csv"
    path.write_text(path.read_text() + "a song,0\n")
    assert planned_jobs(own_run, config="config/mine.yaml")["prepare"] == 1


def test_a_missing_file_is_told_before_anything_runs(own_run):
    path = own_run / "config" / "missing.yaml"
    path.write_text(CONFIG.replace("data/test.csv", "data/nowhere.csv"))
    done = snakemake(own_run, "--dry-run", config="config/missing.yaml")
    assert done.returncode != 0
    assert "tasks.stars.files: there is no file 'data/nowhere.csv'" in done.stdout + done.stderr
