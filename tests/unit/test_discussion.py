"""The discussion: each sentence with its figures, and silence where there is no evidence."""

import re

import pytest
from comparisons import MODEL, changed, comparison, confirmed, mode, setting_score, task
from hypothesis import given
from hypothesis import strategies as st

from finegrid.config.definition import Sample
from finegrid.evaluation.comparison import ModeComparison, TaskComparison
from finegrid.evaluation.published import PublishedScore
from finegrid.reporting import discussion
from finegrid.reporting.sentences import Sentence

RATES = ("3e-4", "1e-2")
NUMBER = re.compile(r"(?<![\w.-])[+-]?\d+(?:,\d{3})*(?:\.\d+)?%?(?![\w-])")


def spellings(value) -> set[str]:
    """Return all ways in which a figure may be written."""
    return {f"{value:{form}}" for form in ("", ",", ".3f", "+.3f", ".0%", ".2%") if form[1:] or isinstance(value, int)}


def check(sentences: list[Sentence], names: list[str]) -> None:
    """Check that every number of every text is one of its figures, and every figure is in its text."""
    for each in sentences:
        text = each.text
        for name in [*names, *RATES, "1e-3"]:
            text = text.replace(name, "")
        numbers = NUMBER.findall(text)
        for number in numbers:
            assert any(number in spellings(figure) for figure in each.figures.values()), (number, each)
        for name, figure in each.figures.items():
            assert spellings(figure) & set(numbers), (name, each)


def sentences(tasks: list[TaskComparison], published=()) -> list[Sentence]:
    """Return all sentences, the answer first."""
    made = discussion.discuss(comparison(tasks), list(published))
    return [*filter(None, [made.answer]), *(each for section in made.sections for each in section.sentences)]


def texts(tasks: list[TaskComparison], published=(), checked=True) -> str:
    """Return all sentences, one a line."""
    made = sentences(tasks, published)
    if checked:
        check(made, ["bitfit-head", "bert_tiny"])
    return "\n".join(each.text for each in made)


def study(bitfit=(0.5, 0.7), head=(0.8, 0.86), full=0.9, lower_is_better=False) -> list[ModeComparison]:
    """Return three modes with the scores of `bitfit` and `bitfit-head` at 3e-4 and 1e-2; None: that one diverged."""
    modes = [mode("full", full, seeds=(0,), rates=("3e-4",))]
    for name, scores, trainable in (("bitfit", bitfit, (3072, 2)), ("bitfit-head", head, (3072, 258))):
        best = (min if lower_is_better else max)((score for score in scores if score is not None), default=None)
        settings = tuple(
            setting_score((16, rate), None if score is None else [score])
            for rate, score in zip(RATES, scores, strict=True)
        )
        modes.append(changed(mode(name, best, trainable, seeds=(0,), rates=RATES), "settings", settings))
    return modes


def test_the_gap_is_taken_apart():
    said = texts([task(modes=study())])
    assert "With 0.07% of the parameters trained, bitfit reaches 0.700 accuracy on the test split; full" in said
    assert "; full fine-tuning reaches 0.900.\nThe difference, -0.200, is that of one seed: over the rows alone" in said
    assert "up to 3e-4, the largest in the original study, bitfit reaches 0.500 accuracy on validation, 0.400" in said
    assert "0.400 behind full fine-tuning (0.900)." in said
    assert "With learning rates up to 1e-2, it reaches 0.700: the wider range alone closes 50% of that gap." in said
    assert "If the classifier's weight trains too, it reaches 0.800 at learning rates up to 3e-4: freezing" in said
    assert "freezing that weight alone accounts for 75% of the gap." in said
    assert "Both changes together reach 0.860 and close 90% of the gap." in said
    assert "The two shares add up to more than that: the effects overlap." in said
    assert "With one seed, nothing here shows how much these scores vary from seed to seed." in said


def test_the_gap_at_the_studys_rates_is_to_full_fine_tuning_at_them():
    full = mode("full", 0.95, seeds=(0,), rates=RATES)
    settings = tuple(setting_score((16, rate), [score]) for rate, score in zip(RATES, (0.9, 0.95), strict=True))
    said = texts([task(modes=[changed(full, "settings", settings), *study()[1:]])])
    assert "bitfit reaches 0.500 accuracy on validation, 0.400 behind full fine-tuning (0.900)." in said
    assert "bitfit reaches 0.700 accuracy on the test split; full fine-tuning reaches 0.950." in said


def test_changes_that_help_each_other():
    assert "add up to less than that: each change helps the other." in texts([task(modes=study(head=(0.55, 0.85)))])


@pytest.mark.parametrize(
    ("bitfit", "head", "expected", "silent"),
    [
        # Larger rates that all diverged are no evidence of what a wider range does.
        ((0.5, None), (0.8, 0.86), ["alone accounts for 75% of the gap"], ["wider range", "Both changes"]),
        ((0.5, 0.7), (0.8, None), ["wider range alone closes 50%", "accounts for 75%"], ["Both changes"]),
        ((0.5, 0.7), (None, 0.86), ["wider range alone closes 50%"], ["classifier's weight", "Both changes"]),
        # A change that closes nothing gets no share, and nothing is said of what it needs.
        ((0.5, 0.7), (0.42, 0.75), ["it reaches 0.420", "accounts for none of the gap"], ["-20%", "helps", "add up"]),
        # The scores add up; rounded shares need not.
        ((0.5, 0.6334), (0.6334, 0.7668), ["closes 33%", "accounts for 33%", "close 67%"], ["add up"]),
        ((0.5, 0.95), (0.8, 0.86), ["wider range alone closes all of that gap"], ["112%"]),
    ],
)
def test_corners_of_the_grid(bitfit, head, expected, silent):
    said = texts([task(modes=study(bitfit, head))])
    for words in expected:
        assert words in said
    for words in silent:
        assert words not in said


def test_the_largest_rate_is_one_that_did_not_diverge():
    modes = study()
    modes[1] = changed(modes[1], "plan.learning_rates", (*RATES, "3e-2"))
    modes[1] = changed(modes[1], "settings", (*modes[1].settings, setting_score((16, "3e-2"), None)))
    assert "With learning rates up to 1e-2, it reaches 0.700" in texts([task(modes=modes)])


def test_lower_may_be_better():
    modes = study(bitfit=(0.9, 0.7), head=(0.6, 0.5), full=0.4, lower_is_better=True)
    said = texts([task(modes=modes, metrics=["mean_squared_error"])])
    assert "bitfit reaches 0.700 mean squared error on the test split; full fine-tuning reaches 0.400." in said
    assert "The difference, +0.300 (lower is better), is that of one seed: over the rows alone the 95% int" in said
    assert "reaches 0.900 mean squared error on validation, 0.500 behind full fine-tuning (0.400)" in said
    assert "wider range alone closes 40%" in said
    assert "Both changes together reach 0.500 and close 80%" in said


@pytest.mark.parametrize(
    ("score", "p", "expected"),
    [
        (
            0.87,
            0.0002,
            "-0.010 (95% interval -0.020 to +0.000 over rows and seeds), is beyond noise (corrected p below 0",
        ),
        (0.87, 0.0312, "over rows and seeds), is beyond noise (corrected p 0.031).\n"),
        (
            0.878,
            0.4,
            "is within noise (corrected p 0.400). That does not make the modes equal: this run finds a true "
            "difference of 0.014 with 80% power.\n",
        ),
    ],
)
def test_verdicts(score, p, expected):
    made = task(modes=[mode("full"), mode("lora", score)])
    assert expected in texts([changed(made, "pairs.0.p_holm", p)])


def one_seed(name: str, score: float) -> ModeComparison:
    return mode(name, score, (3072, 258), seeds=(7,))


@pytest.mark.parametrize("test", ["read", "hidden"])
def test_one_seed_gives_no_verdict(test):
    said = texts([task(modes=[one_seed("full", 0.88), one_seed("lora", 0.879), one_seed("bitfit", 0.5)], test=test)])
    assert "The difference, -0.380, is that of one seed: over the rows alone the 95% interval is -0.390 to -0.3" in said
    assert said.count("and whether another seed would agree is not assessable.") == 2
    assert "With one seed, nothing here shows how much these scores vary from seed to seed." in said
    assert "noise" not in said and "power" not in said


def test_confirming_seeds_are_compared_and_counted():
    modes = [
        confirmed(one_seed("full", 0.99), {10: 0.8, 11: 0.82}),
        confirmed(one_seed("lora", 0.98), {10: 0.7, 11: 0.72}),
        confirmed(one_seed("ia3", 0.97), {10: 0.7, 11: None}),
    ]
    said = texts([task(modes=modes)])
    assert (
        "lora reaches 0.710 accuracy on the test split; full fine-tuning reaches 0.810.\nThe difference, -0.1" in said
    )
    assert "Scores are means over 2 confirming seeds, which had no say in the choice of settings." in said
    assert "; ia3 diverged with a confirming seed." in said
    assert "ia3 reaches" not in said
    assert "Training diverged in 1 of 12 cells." in said


def test_seeds_are_counted():
    expected = "Scores are means over 5 seeds.\n"
    assert expected in texts([task(modes=[mode(name, seeds=range(5)) for name in ("full", "lora")])]) + "\n"


@pytest.mark.parametrize(
    ("modes", "silent"),
    [
        (study()[1:], ["full fine-tuning", "gap"]),
        (study()[:1] + study()[2:], ["the gap", "wider range"]),
        (study()[:2], ["classifier's weight", "Both changes"]),
        ([mode("full", None), *study()[1:]], ["the gap", "The difference"]),
        (study(bitfit=(0.895, 0.9)), ["wider range", "Both changes"]),
        ([study()[0], mode("bitfit", 0.6, seeds=(0,), rates=("1e-3",))], ["original study"]),
        ([study()[0], mode("bitfit", 0.6, seeds=(0,), rates=("3e-4",))], ["wider range"]),
    ],
)
def test_without_evidence_there_is_silence(modes, silent):
    said = texts([task(modes=modes)])
    for words in silent:
        assert words not in said


def test_nothing_to_say_is_no_section():
    quiet = mode("a_b", None, rates=())
    assert discussion.discuss(comparison([task(modes=[quiet])]), []).sections == ()


def test_noise_and_hidden_tests_are_mentioned():
    said = texts([task("mrpc", [mode("full", 0.8), mode("lora", 0.795)], test="hidden")])
    assert "lora reaches 0.805 accuracy on validation, which also chose the settings; full" in said
    assert "is within noise (corrected p 0.400)." in said
    assert "Scores are means over 3 seeds." in said


def test_diverged_cells_and_edges_are_mentioned():
    said = texts([task()])
    assert "Training diverged in 6 of 18 cells." in said
    assert "The learning rate chosen for full and bitfit is at the edge of the grid, so a better one may" in said
    third = texts([task(modes=[*task().modes, mode("lora", 0.7)])])
    assert "The learning rate chosen for full, bitfit and lora is" in third


def test_the_only_value_tried_is_no_edge():
    alone = changed(mode("lora", 0.5, seeds=(0,)), "chosen.edges.0.side", "only")
    assert "edge" not in texts([task(modes=[alone])])


def published(**fields) -> PublishedScore:
    row = {"title": "t", "read": "r", "model": "m", "task": "imdb", "metric": "accuracy", "split": "test"}
    return PublishedScore(**{**row, "mode": "bitfit", "value": 0.62, **fields})


def test_published_scores_stand_beside_those_of_their_split_and_metric():
    scores = [published(), published(value=0.64, title="u"), published(split="validation", mode="full", value=0.9)]
    others = [published(metric="f1"), published(task="mrpc"), published(mode=None), published(mode="linear-probe")]
    said = texts([task()], [*scores, *others])
    assert "Published accuracy of bitfit on test: 0.620 to 0.640 (2 sources); this run: 0.640." in said
    assert "Published accuracy of full fine-tuning on validation: 0.900 (one source); this run: 0.890." in said
    assert said.count("Published") == 2
    assert "are for m, this run's for bert_tiny (test rows: official test split), so they are for orientation" in said
    assert "Published" not in texts([task(test="hidden")], [published()])
    assert "0.620 to 0.640 (one source)" in texts([task()], [published(), published(value=0.64)])


def test_our_score_at_the_published_setting_stands_beside_the_published_one():
    made = task(modes=[mode("full"), mode("bitfit", 0.63, (3072, 2))])  # 3e-4 is chosen; 1e-3 has 0.02 less
    made = changed(made, "data.splits.validation.origin", "official validation split")
    there = {"split": "validation", "batch_size": 16}
    said = texts([made], [published(**there, learning_rate="1e-3")])
    told = 'At batch size 16 and learning rate 1e-3, where "t" reports 0.620, this run reaches 0.620 on validation.'
    assert told in said
    for rate, fields in (
        ("3e-4", there),  # which is the chosen one
        ("1e-2", there),
        ("1e-3", there | {"batch_size": 32}),
        ("1e-3", {"batch_size": 16, "split": "test"}),  # only the chosen setting was tested
    ):
        assert "where t reports" not in texts([made], [published(**fields, learning_rate=rate)])
    lost = changed(made, "modes.1.settings.1.validation", None)
    assert "where t reports" not in texts([lost], [published(**there, learning_rate="1e-3")])


def test_rows_that_differ_from_the_published_are_mentioned():
    same = published(model=MODEL.name)
    assert "for orientation" not in texts([task()], [same])
    held_out = changed(task(), "data.splits.test.origin", "held out of the official training split")
    said = texts([held_out], [same])
    assert "are for bert_tiny, this run's for the same model (test rows: held out of the official training" in said
    sampled = task(sample=Sample(train=20_000, test=25_000))
    expected = "(a sample of 25,000 test rows, official test split; a sample of the training rows), so they are"
    assert expected in texts([sampled], [same])
    # Unchecked, as the origin of the rows holds a number that is no figure.
    hidden = texts([task(test="hidden")], [published(split="validation")], checked=False)
    assert "(validation rows: 20% held out of it), so they are" in hidden


SCORES = st.floats(0, 1) | st.none()


@given(
    st.tuples(SCORES, SCORES),
    st.tuples(SCORES, SCORES),
    SCORES,
    st.sampled_from(["read", "hidden", "no test split"]),
    st.sampled_from(["accuracy", "pearson", "mean_squared_error"]),
    st.lists(st.floats(-1, 1), max_size=3),
    st.booleans(),
)
def test_every_number_is_a_figure(bitfit, head, full, test, metric, values, sampled):
    sample = Sample(train=20_000, validation=5_000) if sampled else None
    made = task(modes=study(bitfit, head, full), metrics=[metric], test=test, sample=sample)
    made = changed(
        made, "data.splits.validation.origin", "official validation split"
    )  # an origin's number is no figure
    scores = [
        published(value=value, metric=metric, split=split) for value in values for split in ("validation", "test")
    ]
    check(sentences([made], scores), ["bitfit-head", "bert_tiny"])
