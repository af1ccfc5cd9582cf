"""Choosing: by the mean over seeds, never a diverged setting, with a warning at the edge of the grid."""

import itertools

import choose
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finegrid.config.cell import canonical_learning_rate
from finegrid.evaluation.results import all_ok, best_seed, merit, score


def cell(score: float, loss: float = 0.5, status: str = "ok", metric: str = "accuracy") -> dict:
    last = {"epoch": 4, "score": score, "loss": loss} if status == "ok" else None
    return {"status": status, "validation": {"metric": metric, "last": last}}


def test_the_score_of_a_setting_is_the_mean_over_its_seeds():
    steady, lucky = [cell(0.8), cell(0.8)], [cell(0.9), cell(0.6)]
    assert merit(steady) > merit(lucky)
    assert score(lucky) == pytest.approx((0.75, 0.5))


def test_a_tie_goes_to_the_lower_loss():
    assert merit([cell(0.8, loss=0.4)]) > merit([cell(0.8, loss=0.5)])


def test_of_an_error_the_lower_is_better():
    small, large = cell(0.2, metric="mean_squared_error"), cell(0.3, metric="mean_squared_error")
    assert merit([small]) > merit([large])
    assert score([small, large]) == pytest.approx((0.25, 0.5))
    assert best_seed([large, small]) is small


def test_of_equal_seeds_the_first_is_the_best():
    seeds = [cell(0.7), cell(0.8), cell(0.8)]
    assert best_seed(seeds) is seeds[1]


def test_one_diverged_seed_rules_a_setting_out():
    assert all_ok([cell(0.8), cell(0.8)])
    assert not all_ok([cell(0.8), cell(0, status="diverged")])


PLAN = {"mode": "bitfit", "learning_rates": ["3e-5", "1e-4", "3e-4", "1e-2"], "batch_sizes": [128, 8, 32]}
LARGER_RATE = "modes.bitfit.learning_rates: [3e-5, 1e-4, 3e-4, 1e-2, 3e-2]"
SMALLER_RATE = "modes.bitfit.learning_rates: [1e-5, 3e-5, 1e-4, 3e-4, 1e-2]"


@pytest.mark.parametrize(
    ("batch_size", "learning_rate", "expected"),
    [
        (32, "1e-4", []),
        (32, "1e-2", [("learning rate 1e-2 is the largest tried", LARGER_RATE)]),
        (8, "3e-4", [("batch size 8 is the smallest tried", "batch_sizes: [4, 8, 32, 128]")]),
        (
            128,
            "3e-5",
            [
                ("learning rate 3e-5 is the smallest tried", SMALLER_RATE),
                ("batch size 128 is the largest tried", "batch_sizes: [8, 32, 128, 256]"),
            ],
        ),
    ],
)
def test_the_edge_of_the_grid(batch_size, learning_rate, expected):
    for rates in itertools.permutations(PLAN["learning_rates"]):
        found = choose.edges({**PLAN, "learning_rates": rates}, batch_size, learning_rate)
        assert [(edge["message"], edge["change"]) for edge in found] == expected


def test_a_grid_of_one_value_says_so():
    plan = {"mode": "full", "learning_rates": ["2e-3"], "batch_sizes": [1]}
    assert choose.edges(plan, 1, "2e-3") == [
        {
            "of": "learning rate",
            "side": "only",
            "message": "learning rate 2e-3 is the only one tried",
            "change": "modes.full.learning_rates: [1e-3, 2e-3, 3e-3]",
        },
        {
            "of": "batch size",
            "side": "only",
            "message": "batch size 1 is the only one tried",
            "change": "batch_sizes: [1, 2]",
        },
    ]


def test_no_batch_size_is_smaller_than_one():
    assert choose.edges({**PLAN, "batch_sizes": [1, 2, 4]}, 1, "1e-4") == []


@given(st.floats(1e-12, 1e3))
def test_the_rates_beyond_a_rate_are_its_neighbours_in_canonical_spelling(value):
    rate = canonical_learning_rate(value)
    smaller, larger = choose.rates_beyond(rate)
    assert float(smaller) < float(rate) < float(larger) < 11 * float(smaller)
    assert [canonical_learning_rate(smaller), canonical_learning_rate(larger)] == [smaller, larger]
