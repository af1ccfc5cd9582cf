"""Shares of full fine-tuning's score are given only where they mean something."""

import pytest
from comparisons import changed, comparison, mode, task
from ladders import models, said

from finegrid.reporting import score_tables
from finegrid.reporting.figures import ladder as figure
from finegrid.reporting.figures import style
from finegrid.reporting.ladder import table
from finegrid.reporting.retention import retained


def test_no_share_is_given_where_full_fine_tuning_shows_no_learning():
    low, *others = models({"bitfit": [0.8, 0.82, 0.84]})
    low = changed(low, "data.splits.test.labels", {"neg": 50, "pos": 50})  # full fine-tuning's 0.49 is worse than that
    made = [low, *others]
    first, points, note = said(made)
    assert "with m1 (2,000,000 parameters) and 84.0% with m2" in first
    assert points == "2 models are 2 points, not a trend."
    assert note.startswith(f"No share is given for {low.title}: ")
    ladder_of_it = table(comparison(made))
    assert note in ladder_of_it.notes
    assert [record["share of full"] for record in ladder_of_it.records[:2]] == [None, None]
    assert list(map(len, figure.shares(made).values())) == [2]
    with style.applied():
        drawn = [figure.draw(tasks).figure.get_supxlabel() for tasks in (made, others)]
    assert ["Not drawn: " in notes for notes in drawn] == [True, False]
    left_out = f"Left out: {low.title} (full fine-tuning shows no more than the same answer for every row)."
    assert left_out in score_tables.retention(comparison(made)).notes


@pytest.mark.parametrize("score", [0.0, -0.1])
def test_there_is_no_share_of_a_score_that_is_not_above_zero(score):
    made = task(modes=[mode("full", score, seeds=(0,)), mode("bitfit", 0.4, seeds=(0,))], metrics=["matthews"])
    assert retained(made) == ("full fine-tuning's score is not above 0", None)
