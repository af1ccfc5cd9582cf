"""Models of several sizes: the table, the sentences and the figure of each mode's share of full fine-tuning's score."""

import re

import pytest
import tables
from comparisons import changed, comparison, mode, plan, task
from conftest import REPOSITORY
from ladders import ladder, models, of_model, said

from finegrid.evaluation.comparison import MissingCells
from finegrid.evaluation.published import PublishedScore, read_published
from finegrid.reporting import footnotes, layout, published_table, score_tables
from finegrid.reporting.discussion import discuss
from finegrid.reporting.figures import ladder as figure
from finegrid.reporting.figures import names, names_of, style
from finegrid.reporting.ladder import differences, table, trend

PUBLISHED = REPOSITORY / "config" / "published.yaml"
GOOGLE = "google/bert_uncased_L-{}_H-{}_A-{}"


def test_the_table_has_the_smallest_model_first_and_exact_numbers_behind_it():
    made = table(ladder())
    shown = layout.shown(made)
    assert shown.columns == (
        *("model", "layers", "width", "parameters", "mode", "split", "score", "95% interval"),
        *("share of full", "its interval", "learning rate"),
    )
    assert shown.rows == (
        ("tiny", "2", "128", "4,386,178", "full", "test", "0.800", "[0.796, 0.804]", "", "", "3e-4"),
        (
            "tiny",
            "2",
            "128",
            "4,386,178",
            "bitfit",
            "test",
            "0.480",
            "[0.476, 0.484]",
            "60.0%",
            "58.0% to 62.0%",
            "3e-4",
        ),
        ("tiny", "2", "128", "4,386,178", "a_b", "test", "0.400", "[0.396, 0.404]", "50.0%", "48.0% to 52.0%", "3e-4"),
        ("small", "3", "192", "7,000,000", "full", "test", "0.800", "[0.796, 0.804]", "", "", "3e-4"),
        (
            "small",
            "3",
            "192",
            "7,000,000",
            "bitfit",
            "test",
            "0.600",
            "[0.596, 0.604]",
            "75.0%",
            "73.0% to 77.0%",
            "3e-4",
        ),
        (
            "small",
            "3",
            "192",
            "7,000,000",
            "a_b",
            "test",
            "0.800",
            "[0.796, 0.804]",
            "100.0%",
            "98.0% to 102.0%",
            "3e-4",
        ),
        ("mini", "4", "256", "11,171,074", "full", "test", "0.900", "[0.896, 0.904]", "", "", "3e-4"),
        (
            "mini",
            "4",
            "256",
            "11,171,074",
            "bitfit",
            "test",
            "0.810",
            "[0.806, 0.814]",
            "90.0%",
            "88.0% to 92.0%",
            "3e-4",
        ),
        ("mini", "4", "256", "11,171,074", "a_b", "test", "diverged", "", "", "", ""),
    )
    assert made.caption == "Accuracy by size of the model, and as a share of full fine-tuning's"
    assert len(made.notes) == 1 and "over both sources of chance" in made.notes[0]
    bitfit = made.exact[1]
    assert (bitfit["task"], bitfit["trainable"]) == ("imdb", 3074)
    assert (bitfit["score"], bitfit["share"]) == pytest.approx((0.48, 0.6))
    assert (bitfit["share_low"], bitfit["share_high"]) == pytest.approx((0.58, 0.62))
    assert "share" not in made.exact[0] and "score" not in made.exact[-1]


def test_of_several_tasks_each_has_its_ladder():
    other = [changed(each, "task.name", "two") for each in ladder().tasks]
    made = layout.shown(table(comparison([*ladder().tasks, *other])))
    assert made.columns[:2] == ("task", "model")
    assert [row[:2] for row in made.rows[::3]] == [(name, size) for name in ("imdb", "two") for size in ORDER]


ORDER = ("tiny", "small", "mini")


def test_the_smallest_and_the_largest_model_are_told_and_where_a_mode_diverged():
    assert said(list(ladder().tasks)) == [
        "bitfit reaches 60.0% of full fine-tuning's accuracy with tiny (4,386,178 parameters) and 90.0% with mini "
        "(11,171,074); their intervals do not overlap.",
        "The share grows from each model to the next larger one; by chance alone, the shares of 3 models would rise or "
        "fall all the way with a probability of 0.333.",
        "a_b reaches 50.0% of full fine-tuning's accuracy with tiny (4,386,178 parameters) and 100.0% with small "
        "(7,000,000); their intervals do not overlap; it diverged with mini.",
        "2 models are 2 points, not a trend.",
    ]


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.6, 0.7], "2 models are 2 points, not a trend."),
        ([0.6, 0.7, 0.9], "The share grows from each model to the next .* 3 models would .* of 0.333."),
        ([0.9, 0.8, 0.7], "The share shrinks from each model to the next .* 3 models would .* of 0.333."),
        ([0.1, 0.2, 0.3, 0.4], "The share grows from each model to the next .* 4 models would .* of 0.083."),
        ([0.6, 0.9, 0.7], "Over 3 models the share does not grow from each one to the next."),
        ([0.6, 0.6, 0.7], "Over 3 models the share does not grow from each one to the next."),
        ([0.6, 0.6, 0.6, 0.6], "Over 4 models the share does not grow from each one to the next."),
    ],
)
def test_a_trend_is_as_strong_as_its_number_of_models(shares, expected):
    sentence = trend(shares)
    assert re.fullmatch(expected, sentence.text)
    assert sentence.figures["count"] == len(shares)


def test_intervals_that_overlap_are_told_and_one_seed_is_not_assessable():
    assert said(models({"bitfit": [0.8, 0.82]}))[0].endswith("; their intervals overlap.")
    alone = [
        of_model(task(modes=[mode("full", 0.8, seeds=(0,)), mode("bitfit", score, seeds=(0,))]), name, size)
        for name, size, score in (("m1", 10, 0.4), ("m2", 20, 0.8))
    ]
    assert said(alone)[0].endswith("; with one seed, whether they differ is not assessable.")


def test_each_task_is_told_apart():
    other = [changed(each, "task.name", "two") for each in ladder().tasks]
    sentences = said([*ladder().tasks, *other])
    assert [text[:18] for text in sentences if text.startswith("On ")] == [
        "On imdb, bitfit re",
        "On imdb, a_b reach",
        "On two, bitfit rea",
        "On two, a_b reache",
    ]


def test_without_shares_nothing_is_told_of_size():
    made = comparison(models({"bitfit": [0.6, 0.7]}, metrics=["mean_squared_error"]))
    assert "Size of the model" not in {section.heading for section in discuss(made, []).sections}
    assert not any("share of full" in row and row["share of full"] for row in table(made).records)


@pytest.mark.parametrize(
    ("repositories", "one_family"),
    [
        ([GOOGLE.format(2, 128, 2), GOOGLE.format(4, 256, 4)], True),
        ([GOOGLE.format(2, 128, 2), "prajjwal1/bert-mini"], False),
        (["someone/a-1", "other/a-2"], False),
        (None, True),  # m0 and m1, by name
    ],
)
def test_models_of_one_series_differ_in_numbers_only(repositories, one_family):
    notes = differences(comparison(models({"bitfit": [0.6, 0.7]}, repositories)))
    told = [
        "m0 and m1 differ in more than size, such as in what they were pretrained on, so a difference between them "
        "need not come from size."
    ]
    assert notes == ([] if one_family else told)


def test_what_models_of_two_series_do_not_show_is_in_the_table_and_the_discussion():
    made = models({"bitfit": [0.6, 0.7]}, ["a/x", "b/y"])
    [note] = differences(comparison(made))
    assert table(comparison(made)).notes[-1] == note == said(made)[-1]


def test_of_one_model_there_is_no_ladder():
    assert "Size of the model" not in {section.heading for section in discuss(comparison(), []).sections}


def test_of_several_models_the_missing_one_is_named():
    missing = MissingCells(model="mini", task="imdb", mode="lora", planned=2, cells=plan("lora").cells())
    made = tables.make_tables(comparison(ladder().tasks, missing=[missing]), [])
    assert all(table.caption.startswith("INCOMPLETE, without mini imdb lora: ") for table in made)
    assert all(table.notes[0].startswith("Missing: mini, imdb, lora: 2 of 2 cells") for table in made)


def test_models_are_a_column_where_there_are_several():
    one, several = comparison(), ladder()
    shown = {table.name: layout.shown(table).columns for table in tables.make_tables(one, [])}
    assert "ladder" not in shown and not any("model" in columns for columns in shown.values())
    scores = read_published([PUBLISHED])
    shown = {table.name: layout.shown(table).columns for table in tables.make_tables(several, scores)}
    assert list(shown)[4:7] == ["ranking", "retention", "ladder"]
    assert {columns[0] for columns in shown.values()} == {"model"}
    assert {row[0] for table in tables.make_tables(several, []) for row in layout.shown(table).rows} == {
        "mini",
        "tiny",
        "small",
    }
    notes = score_tables.validation(several).notes
    assert notes[0].startswith("Models: mini (google/bert_uncased_L-4_H-256_A-4), tiny (google/")
    assert sum(note.startswith("Data: ") for note in notes) == 1
    edge = "Edge of the grid: imdb, mini, full; imdb, tiny, full; imdb, small, full: learning rate 3e-4 is the smallest"
    assert any(note.startswith(edge) for note in notes)


def test_published_scores_stand_beside_models_of_their_size():
    table = published_table.table(ladder(), read_published([PUBLISHED]))
    assert {row["model"] for row in table.records if row["source"] == "The study that finegrid grew from"} == {"tiny"}
    assert "tiny" in {row["model"] for row in table.exact if row["source"] == "this run"}


def test_a_published_score_of_unknown_size_stands_once_beside_several_models():
    score = {"task": "imdb", "metric": "accuracy", "split": "test", "value": 0.8}
    score = PublishedScore(title="LSTM", read="p. 1", model="lstm", **score)
    rows = [row for row in published_table.table(ladder(), [score]).records if row["source"] == "LSTM"]
    assert [(row["model"], row["test"]) for row in rows] == [("lstm", "0.800")]
    assert "lstm" not in str(discuss(ladder(), [score]))


def test_models_that_read_the_same_data_share_a_note():
    assert sum(note.startswith("Data issues in imdb: ") for note in footnotes.data(ladder())) == 1
    first, *others = ladder().tasks
    other = changed(first, "data.duplicates", {"train": 9})
    notes = footnotes.data(comparison([other, *others]))
    assert [note.partition(": ")[0] for note in notes] == [
        "Data issues in imdb, mini",
        "Data issues in imdb, tiny; imdb, small",
    ]


def test_the_figure_has_a_line_for_each_mode_over_the_sizes():
    with style.applied():
        drawing = figure.draw(list(ladder().tasks))
    [axes] = drawing.figure.axes
    lines = [container.lines[0] for container in axes.containers]
    assert [line.get_ydata().tolist() for line in lines] == [pytest.approx([60, 75, 90]), pytest.approx([50, 100])]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["4.4 M", "7 M", "11 M"]
    assert drawing.alt == (
        "Line charts of shares by size. imdb: bitfit: 60.0 % at 4,386,178 parameters, 75.0 % at 7,000,000 parameters, "
        "90.0 % at 11,171,074 parameters; a_b: 50.0 % at 4,386,178 parameters, 100.0 % at 7,000,000 parameters."
    )


def test_a_figure_without_shares_says_so():
    with style.applied():
        drawing = figure.draw(models({"bitfit": [0.6, 0.7]}, metrics=["mean_squared_error"]))
    assert "No shares to draw" in drawing.alt


def test_names_of_figures_are_those_of_the_compared_tasks():
    expected = names(["mini", "tiny", "small"], ["imdb"])
    assert names_of([each.key for each in ladder().tasks], several_models=True) == expected
    assert expected[:3] == ["heatmap_imdb+mini", "curves_imdb+mini", "trials_imdb+mini"]
    assert expected[-3:] == ["parameters", "retention", "ladder"]
    assert "ladder" not in names(["one"], ["imdb"])


def test_that_two_models_are_no_trend_is_said_once():
    sentences = said(models({"bitfit": [0.8, 0.82], "a_b": [0.6, 0.7]}))
    assert [text.split()[0] for text in sentences] == ["bitfit", "a_b", "2"]
