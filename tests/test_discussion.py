"""The discussion: each sentence with its figures, and silence where there is no evidence."""

import json
import re
import sys
from pathlib import Path

import discuss
import pytest
from comparisons import comparison, mode, task
from conftest import REPOSITORY, run
from hypothesis import given
from hypothesis import strategies as st

from finegrid.reporting import discussion
from finegrid.files import write_json

RATES = ("3e-4", "1e-2")
NUMBER = re.compile(r"(?<![\w.-])[+-]?\d+(?:,\d{3})*(?:\.\d+)?%?(?![\w-])")


def spelled(value) -> set[str]:
    """Return all ways in which a figure may be written."""
    return {f"{value:{form}}" for form in ("", ",", ".3f", "+.3f", ".0%", ".2%") if form[1:] or isinstance(value, int)}


def check(sections: list[dict], names: list[str]) -> None:
    """Check that every number of every text is one of its figures, and every figure is in its text."""
    for section in sections:
        for each in section["sentences"]:
            text = each["text"]
            for name in [*names, *RATES, "3e-3"]:
                text = text.replace(name, "")
            numbers = NUMBER.findall(text)
            for number in numbers:
                assert any(number in spelled(figure) for figure in each["figures"].values()), (number, each)
            for name, figure in each["figures"].items():
                assert spelled(figure) & set(numbers), (name, each)


def texts(tasks: list[dict], rows=()) -> str:
    sections = discussion.discuss(comparison(tasks), list(rows))
    check(sections, ["bitfit-head", "golden"])
    return "\n".join(each["text"] for section in sections for each in section["sentences"])


def study(bitfit=(0.5, 0.7), head=(0.8, 0.86), full=0.9) -> list[dict]:
    """Return three modes with the scores of `bitfit` and `bitfit-head` at 3e-4 and 1e-2; None: that one diverged."""
    modes = [mode("full", full, seeds=(0,), rates=("3e-4",))]
    for name, scores, trainable in (("bitfit", bitfit, (3072, 2)), ("bitfit-head", head, (3072, 258))):
        best = max((score for score in scores if score is not None), default=None)
        made = mode(name, best, trainable, seeds=(0,), rates=RATES)
        for setting, score in zip(made["settings"], scores, strict=True):
            setting["validation"] = None if score is None else {"mean": score, "n": 1}
        modes.append(made)
    return modes


def test_the_gap_is_taken_apart():
    told = texts([task(modes=study())])
    assert "On the test split bitfit has accuracy 0.700 and full fine-tuning 0.900, a difference of -0.200" in told
    assert "(95 % interval -0.210 to -0.190), with 0.07% of the parameters trained.\nThat is beyond noise" in told
    assert "up to 3e-4, where the study's end, bitfit reaches accuracy 0.500 on validation, 0.400 behind" in told
    assert "With learning rates up to 1e-2 it reaches 0.700: the wider range by itself closes 50% of that gap." in told
    assert (
        "biases reach 0.800: what bitfit loses by its frozen classifier weight is, by itself, 75% of the gap." in told
    )
    assert "Both changes together reach 0.860 and close 90% of the gap." in told
    assert "add up to more than that" in told
    assert "one seed" in told


def test_changes_that_need_each_other():
    assert "add up to less than that" in texts([task(modes=study(head=(0.55, 0.85)))])


@pytest.mark.parametrize(
    ("bitfit", "head", "told", "silent"),
    [
        # Larger rates that all diverged are no evidence of what a wider range does.
        ((0.5, None), (0.8, 0.86), ["is, by itself, 75% of the gap"], ["wider range", "Both changes"]),
        ((0.5, 0.7), (0.8, None), ["wider range by itself closes 50%", "is, by itself, 75%"], ["Both changes"]),
        ((0.5, 0.7), (None, 0.86), ["wider range by itself closes 50%"], ["classifier's weight", "Both changes"]),
        # Of a change that closes nothing no share is told, nor what it needs.
        ((0.5, 0.7), (0.42, 0.75), ["biases reach 0.420", "by itself, none of the gap"], ["-20%", "needs", "add up"]),
        # The corners add up; rounded shares need not.
        ((0.5, 0.6334), (0.6334, 0.7668), ["closes 33%", "by itself, 33%", "close 67%"], ["add up"]),
        ((0.5, 0.95), (0.8, 0.86), ["wider range by itself closes all of that gap"], ["112%"]),
    ],
)
def test_corners_of_the_grid(bitfit, head, told, silent):
    said = texts([task(modes=study(bitfit, head))])
    for words in told:
        assert words in said
    for words in silent:
        assert words not in said


def test_the_largest_rate_told_is_one_that_did_not_diverge():
    modes = study()
    modes[1]["plan"]["learning_rates"].append("3e-2")
    modes[1]["settings"].append({"batch_size": 16, "learning_rate": "3e-2", "validation": None})
    assert "With learning rates up to 1e-2 it reaches 0.700" in texts([task(modes=modes)])


def test_lower_may_be_better():
    modes = study(bitfit=(0.9, 0.7), head=(0.6, 0.5), full=0.4)
    for each in modes[1:]:
        each["chosen"]["validation"]["first"]["mean"] = each["settings"][1]["validation"]["mean"]
    told = texts([task(modes=modes, metrics=["mean_squared_error"])])
    assert "bitfit has mean squared error 0.700 and full fine-tuning 0.400" in told
    assert "a difference of +0.300, where lower is better (95 % interval" in told
    assert "reaches mean squared error 0.900 on validation, 0.500 behind full fine-tuning's 0.400" in told
    assert "wider range by itself closes 40%" in told
    assert "Both changes together reach 0.500 and close 80%" in told


@pytest.mark.parametrize(
    ("interval", "p", "told"),
    [
        ([-0.02, 0.001], 0.01, "That is within noise (corrected p 0.010, but the interval holds zero)."),
        ([-0.02, -0.001], 0.2, "That is within noise (corrected p 0.200, though the interval does not hold zero)."),
        ([-0.02, 0.001], 0.2, "That is within noise (corrected p 0.200)."),
        ([-0.02, -0.001], 0.01, "That is beyond noise (corrected p 0.010)."),
    ],
)
def test_where_interval_and_p_disagree_it_is_said(interval, p, told):
    made = task(modes=[mode("full"), mode("lora", 0.87)])
    made["pairs"][0] |= {"interval": interval, "within_noise": told.startswith("That is within")}
    made["pairs"][0]["examples"]["p_holm"] = p
    assert told in texts([made])


@pytest.mark.parametrize(
    ("seeds", "orders", "told"),
    [
        (5, None, "There are 5 seeds; a permutation of so few cannot give a p below 0.062."),
        (6, None, "There are 6 seeds.\n"),
        (12, None, "There are 12 seeds.\n"),
        (1, [0, 1], "Each setting ran 2 times (seeds: 1, orders of the data with each: 2); a permutation of so few"),
        (3, [0, 1], "Each setting ran 6 times (seeds: 3, orders of the data with each: 2).\n"),
    ],
)
def test_seeds_are_counted(seeds, orders, told):
    modes = [mode(name, seeds=range(seeds)) for name in ("full", "lora")]
    if orders:
        for each in modes:
            each["plan"]["data_order_seeds"] = orders
    assert told in texts([task(modes=modes)]) + "\n"


@pytest.mark.parametrize(
    ("modes", "silent"),
    [
        (study()[1:], ["full fine-tuning", "gap"]),
        (study()[:1] + study()[2:], ["the gap", "wider range"]),
        (study()[:2], ["classifier's weight", "Both changes"]),
        ([mode("full", None), *study()[1:]], ["the gap", "a difference"]),
        (study(bitfit=(0.895, 0.9)), ["wider range", "Both changes"]),
        ([study()[0], mode("bitfit", 0.6, rates=("1e-3",))], ["where the study's end"]),
        ([study()[0], mode("bitfit", 0.6, rates=("3e-4",))], ["wider range"]),
    ],
)
def test_without_evidence_there_is_silence(modes, silent):
    told = texts([task(modes=modes)])
    for words in silent:
        assert words not in told


def test_nothing_to_say_is_no_section():
    quiet = mode("a_b", 0.5)
    quiet["chosen"]["edges"] = []
    assert discussion.discuss(comparison([task(modes=[quiet])]), []) == []


def test_noise_and_hidden_tests_are_said():
    told = texts([task("mrpc", [mode("full", 0.8), mode("lora", 0.795)], test="hidden")])
    assert "On validation, by which the settings were chosen, lora has" in told
    assert "That is within noise (corrected p 0.400)." in told
    assert "There are 3 seeds; a permutation of so few cannot give a p below 0.250." in told


def test_diverged_cells_and_edges_are_said():
    told = texts([task()])
    assert "Of 18 cells 6 diverged." in told
    assert "The learning rate chosen for full, bitfit lies at the edge of the grid" in told


def published(**changes) -> dict:
    row = {"title": "t", "model": "m", "task": "imdb", "metric": "accuracy", "split": "test", "mode": "bitfit"}
    return {**row, "value": 0.62, **changes}


def test_published_scores_stand_beside_those_of_their_split_and_metric():
    rows = [published(), published(value=0.64, title="u"), published(split="validation", mode="full", value=0.9)]
    others = [published(metric="f1"), published(task="mrpc"), published(mode=None), published(mode="frozen")]
    told = texts([task()], [*rows, *others])
    assert "Published accuracy of bitfit on test: 0.620 to 0.640 (2 sources); here 0.640." in told
    assert "Published accuracy of full fine-tuning on validation: 0.900 (one source); here 0.890." in told
    assert told.count("Published") == 2
    assert "are of m, this run's of bert_tiny, and its test rows are: official test split." in told
    assert "Published" not in texts([task(test="hidden")], [published()])
    assert "0.620 to 0.640 (one source)" in texts([task()], [published(), published(value=0.64)])


def test_other_rows_than_the_published_are_said():
    same, validation = published(model="bert_tiny"), published(split="validation")
    assert "stand side by side" not in texts([task()], [same])
    carved = task()
    carved["data"]["splits"]["test"]["origin"] = "held out of the official training split"
    told = texts([carved], [same])
    assert "are of bert_tiny, this run's of the same model, and its test rows are: held out of the" in told
    sampled = task(sample={"train": 20_000, "test": 25_000, "seed": 0})
    assert (
        "its test rows are: 25,000 drawn from the official test split; the rows it trained on are a sample. So"
        in texts([sampled], [same])
    )
    assert "its validation rows are: 20% held out of it. So" in said_of_validation(validation)


def said_of_validation(row: dict) -> str:
    """Return what is told where test labels are hidden, without the check: the origin of the rows holds a number."""
    sections = discussion.discuss(comparison([task(test="hidden")]), [row])
    return "\n".join(each["text"] for section in sections for each in section["sentences"])


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
    made = task(modes=study(bitfit, head, full), metrics=[metric], test=test)
    made["data"]["splits"]["validation"]["origin"] = (
        "official validation split"  # the words of an origin are no figures
    )
    made["settings"] |= {"sample": {"train": 20_000, "validation": 5_000, "seed": 0}} if sampled else {}
    rows = [published(value=value, metric=metric, split=split) for value in values for split in ("validation", "test")]
    check(discussion.discuss(comparison([made]), rows), ["bitfit-head", "bert_tiny"])


def test_both_files_are_written(tmp_path):
    write_json(tmp_path / "comparison.json", comparison())
    published_file = REPOSITORY / "config" / "published.yaml"
    done = run(
        *(sys.executable, discuss.__file__, "comparison.json", "--published", published_file, "--output", "."),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    sections = json.loads((tmp_path / "discussion.json").read_text())
    assert (tmp_path / "discussion.md").read_text() == discuss.markdown(sections)
    assert discuss.markdown(sections) == (Path(__file__).parent / "golden-discussion.md").read_text()
