"""Modes whose interval reaches down to what one answer for every row scores are named."""

import pytest
from comparisons import changed, comparison, mode, task

from finegrid.reporting import discussion
from finegrid.reporting.one_answer import learned_nothing

CLASSES = {"neg": 40, "pos": 60}
NUMBERS = {"lowest": 0, "mean": 2, "highest": 5}


def of_scores(scores: dict[str, float], labels: dict, metric="accuracy"):
    """Return a task whose modes have these scores, with the labels of its test split."""
    modes = [mode(name, score, seeds=(0,)) for name, score in scores.items()]
    return changed(task(modes=modes, metrics=(metric,)), "data.splits.test.labels", labels)


@pytest.mark.parametrize(
    ("metric", "labels", "constant"),
    [
        ("accuracy", CLASSES, 0.6),
        ("f1", CLASSES, 0.75),  # of the second class: precision 0.6, recall 1
        ("f1", {"pos": 60, "neg": 40}, 0.75),  # the task says which class is the second
        ("macro_f1", CLASSES, 0.375),
        ("matthews", CLASSES, 0.0),
        ("pearson", NUMBERS, 0.0),
        ("spearman", NUMBERS, 0.0),
    ],
)
def test_a_mode_is_named_if_its_interval_reaches_the_score_of_one_answer(metric, labels, constant):
    near, far = constant + 0.003, constant + 0.005  # intervals of `comparisons` reach 0.004 to either side
    [said] = learned_nothing(of_scores({"full": far, "bitfit": near}, labels, metric))
    assert said.text.startswith(f"The same answer for every row reaches {constant:.3f} ")
    assert said.text.endswith(
        "interval of bitfit reaches down to that, so this run does not show that it learns the task."
    )
    assert said.figures == {"constant": pytest.approx(constant), "level": 0.95}
    assert not learned_nothing(of_scores({"full": far, "bitfit": far}, labels, metric))


def test_several_modes_are_listed_and_many_are_counted():
    [two] = learned_nothing(of_scores({"full": 0.6, "bitfit": 0.5, "lora": 0.9}, CLASSES))
    assert (
        "interval of full fine-tuning and bitfit reaches down to that, so this run does not show that they" in two.text
    )
    [many] = learned_nothing(of_scores({"full": 0.9, **dict.fromkeys("abcdefghi", 0.6)}, CLASSES))
    assert "the 95% interval of 9 modes reaches down" in many.text
    assert many.figures["count"] == 9


def test_without_a_known_score_there_is_silence():
    assert not learned_nothing(of_scores({"full": 0.0}, NUMBERS, "mean_squared_error"))
    assert not learned_nothing(of_scores({"full": 0.0}, None))
    in_parts = changed(of_scores({"full": 0.0}, CLASSES), "data.splits.test.parts", {"matched": 50, "mismatched": 50})
    assert not learned_nothing(in_parts)


def test_the_discussion_says_it():
    of_task = of_scores({"full": 0.9, "bitfit": 0.6}, CLASSES)
    [section] = discussion.discuss(comparison([of_task]), []).sections
    assert learned_nothing(of_task)[0] in section.sentences
