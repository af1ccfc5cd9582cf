"""A run of a user's own tasks, classes and a regression, in a folder of theirs, up to tables and a submission."""

from own_run import OWN_MODEL, USER

from finegrid.records import DataStats
from finegrid.sealed import read_record

RESULTS = f"{USER}/results/own"


def test_results_are_in_the_user_s_folder_and_nothing_is_elsewhere(own_run):
    names = {path.name for path in (own_run / USER).iterdir()}
    assert names == {".snakemake", "own.yaml", "scores.yaml", "data", "latest", "v1", "v2", "mirror", "results"}
    assert not (own_run / "results").exists()
    assert "A friend" in (own_run / RESULTS / "tables/published.md").read_text(encoding="utf-8")


def test_a_user_s_own_tasks_run_to_the_tables(own_run):
    stats = read_record(DataStats, own_run / RESULTS / f"data/{OWN_MODEL}/stars/stats.json")
    assert stats.source.dropped_training_rows == 4
    assert stats.duplicates["train and test"] == 0
    assert {name: split.rows for name, split in stats.splits.items()} == {
        "train": 50,
        "validation": 6,
        "test": 4,
        "hidden": 5,
    }
    lengths = read_record(DataStats, own_run / RESULTS / f"data/{OWN_MODEL}/length/stats.json")
    assert lengths.duplicates["train and test"] == 12
    assert lengths.splits.train.labels["highest"] == 1.0
    table = (own_run / RESULTS / "tables/table2.md").read_text()
    assert "4 training rows left out" in table
    rows = [line for line in table.splitlines() if line.startswith("| length")]
    assert [metric for row in rows for metric in ("Pearson", "Spearman") if f"{metric} correlation" in row] == [
        "Pearson",
        "Spearman",
    ]


def test_predictions_for_hidden_labels_have_the_form_that_a_server_takes(own_run):
    folder = own_run / RESULTS / f"submissions/{OWN_MODEL}/bitfit-head"
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["stars.tsv", "submission.zip"]
    header, *rows = (folder / "stars.tsv").read_text().splitlines()
    assert header == "index\tprediction"
    assert [row.split("\t")[0] for row in rows] == ["0", "1", "2", "3", "4"]
    assert {row.split("\t")[1] for row in rows} <= {"bad", "good"}
