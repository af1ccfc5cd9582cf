"""What the tables' notes say of how labels and files were read, and of the edge of the grid."""

import pytest
from comparisons import changed, comparison, mode, task

from finegrid.config.definition import Task
from finegrid.records import DataSource, DataStats, Edge
from finegrid.reporting import footnotes


def stats(**source) -> DataStats:
    task = Task.model_construct(classes=("bad", "fair", "good"))
    return DataStats.model_construct(task=task, source=DataSource(**source), duplicates={})


@pytest.mark.parametrize(
    ("reading", "note"),
    [
        ("by name", " Labels are matched by name."),
        ("as numbers", " Labels are matched as numbers."),
        ("as positions", " Labels are positions 0 to 2 in the list of classes."),
        (None, ""),
    ],
)
def test_the_reading_of_labels_is_told(reading, note):
    assert footnotes.labels(stats(labels=reading)) == note


def test_what_was_left_out_is_told():
    assert footnotes.dropped(stats()) == []
    assert footnotes.dropped(stats(unlabelled_rows={"train": 0, "test": 0})) == [
        "0 rows left out because there is no label"
    ]
    left_out = stats(
        dropped_training_rows=1,
        unlabelled_rows={"train": 1200, "validation": 0, "test": 3},
        repeated=[f"{number}.csv" for number in range(12)],
    )
    assert footnotes.dropped(left_out) == [
        "1 training row left out because the text is also in a test split",
        "1,203 rows left out because there is no label (1,200 in train, 3 in test)",
        "named more than once, read once: " + ", ".join(f"{number}.csv" for number in range(10)) + " and 2 more",
    ]


@pytest.mark.parametrize(("at_the_edge", "named"), [(("full", "bitfit"), "all modes"), (("bitfit",), "bitfit")])
def test_an_edge_that_all_modes_chose_names_none_of_them(at_the_edge, named):
    tried = "batch size 16 is the only one tried"
    edge = Edge(axis="batch size", side="only", message=tried, change="batch_sizes: [8, 16, 32]")
    modes = [mode("full", 0.9), mode("bitfit", 0.8)]
    modes = [changed(each, "chosen.edges", (edge,) if each.name in at_the_edge else ()) for each in modes]
    [note] = footnotes.warnings(comparison([task(modes=modes)]))
    assert note == f"Edge of the grid: {named}: {tried}. To extend the grid: `batch_sizes: [8, 16, 32]`."
