"""The modes by score, and letters for those within noise of each other."""

import pytest
from comparisons import comparison
from figure_tasks import make_task
from hypothesis import given
from hypothesis import strategies as st

from finegrid.reporting.ranking import letter, shared_letters, table


def test_the_best_comes_first_and_what_differs_beyond_noise_shares_no_letter():
    modes = {"full": [0.71], "near": [0.715], "far": [0.5]}
    made = table(comparison([make_task(modes, seeds=(0, 1), test="read")]))
    assert [row["mode"] for row in made.records] == ["near", "full", "far"]
    assert [row["within noise"] for row in made.records] == ["a", "a", "b"]
    assert made.exact[0]["model"] and made.exact[0]["score_low"] < made.exact[0]["score"]
    assert made.caption == "Modes by test accuracy, the best first"


def test_many_modes_are_told_whether_they_are_within_noise_of_the_one_that_they_are_compared_with():
    modes = {"full": [0.71], "near": [0.715], "far": [0.5]}
    made = make_task(modes, seeds=(0, 1), test="read")
    made = made.model_copy(update={"pairs": tuple(pair for pair in made.pairs if pair.against == "full")})
    made = table(comparison([made]))
    assert [row["within noise"] for row in made.records] == ["of full", "", "no"]
    assert made.notes[0].startswith("So many modes are compared only with one of them")


def test_a_lower_error_is_better_and_diverged_modes_are_left_out():
    modes = {"full": [2.0], "low": [1.0], "lost": [None]}
    made = table(comparison([make_task(modes, metric="mean_squared_error", test="read")]))
    assert [row["mode"] for row in made.records] == ["low", "full"]


def test_one_seed_has_no_letters():
    made = table(comparison([make_task({"full": [0.7], "far": [0.5]}, test="read")]))
    assert "within noise" not in made.records[0] and made.notes == []


def test_validation_scores_are_told():
    made = table(comparison([make_task({"full": [0.7]}, test="hidden")]))
    assert made.notes[0].startswith("Without test labels")


@pytest.mark.parametrize(
    ("different", "expected"),
    [
        ([], "a a a a"),
        ([("w", "z")], "a, a b, a b, b"),
        ([("w", "y"), ("w", "z"), ("x", "z")], "a, a b, b c, c"),
        ([("w", "x"), ("w", "y"), ("w", "z"), ("x", "y"), ("x", "z"), ("y", "z")], "a, b, c, d"),
    ],
)
def test_letters(different, expected):
    letters = shared_letters(list("wxyz"), different)
    assert list(letters.values()) == (expected.split(", ") if "," in expected else expected.split())


@given(st.integers(2, 9).flatmap(lambda n: st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)))))
def test_two_share_a_letter_unless_they_are_different(drawn):
    different = {(str(one), str(other)) for one, other in drawn if one < other}
    names = [str(number) for number in range(9)]
    letters = {name: set(text.split()) for name, text in shared_letters(names, sorted(different)).items()}
    for place, one in enumerate(names):
        for other in names[place + 1 :]:
            assert bool(letters[one] & letters[other]) == ((one, other) not in different)


def test_there_are_letters_enough():
    assert [letter(number) for number in (0, 25, 26, 53)] == ["a", "z", "a2", "b3"]
