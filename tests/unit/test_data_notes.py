"""What the tables' notes say of how labels and files were read."""

import pytest

from finegrid.config.definition import Task
from finegrid.records import DataSource, DataStats
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
