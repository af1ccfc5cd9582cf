"""Selection: by the mean over seeds, never a diverged setting, with a warning at the edge of the grid."""

import itertools

import pytest
from comparisons import plan
from handmade import PLAN, any_cell, make_run, metrics_of
from hypothesis import given
from hypothesis import strategies as st
from select_setting import main

from finegrid.config.cell import Plan
from finegrid.config.learning_rate import canonical_learning_rate
from finegrid.errors import InputError
from finegrid.evaluation.selection import all_ok, best_seed, edges, mean_score, rates_beyond, select, selection_key
from finegrid.records import Best


def seed(score: float | None, loss: float = 0.5, metric: str = "accuracy"):
    return metrics_of(any_cell(metric), score, loss)


def test_the_score_of_a_setting_is_the_mean_over_its_seeds():
    steady, lucky = [seed(0.8), seed(0.8)], [seed(0.9), seed(0.6)]
    assert selection_key(steady) > selection_key(lucky)
    assert mean_score(lucky) == pytest.approx(0.75)


def test_a_tie_goes_to_the_lower_loss():
    assert selection_key([seed(0.8, loss=0.4)]) > selection_key([seed(0.8, loss=0.5)])


def test_a_lower_error_is_better():
    small, large = seed(0.2, metric="mean_squared_error"), seed(0.3, metric="mean_squared_error")
    assert selection_key([small]) > selection_key([large])
    assert mean_score([small, large]) == pytest.approx(0.25)
    assert best_seed([large, small]) is small


def test_of_equal_seeds_the_first_is_the_best():
    seeds = [seed(0.7), seed(0.8), seed(0.8)]
    assert best_seed(seeds) is seeds[1]


def test_one_diverged_seed_rules_a_setting_out():
    assert all_ok([seed(0.8), seed(0.8)])
    assert not all_ok([seed(0.8), seed(None)])


def results(made: Plan, scores: dict) -> list:
    return [metrics_of(cell, score) for cell, score in zip(made.cells(), scores, strict=True)]


def test_the_best_setting_that_did_not_diverge_is_chosen():
    # Settings in the plan's order, each with two seeds: one lucky seed, the best mean, one diverged seed, a worse one.
    best = select(PLAN, results(PLAN, [0.9, 0.5, 0.8, 0.8, 1.0, None, 0.75, 0.75]))
    assert (best.tried, best.diverged) == (4, 1)
    assert (best.chosen.batch_size, best.chosen.learning_rate, best.chosen.validation) == (8, "1e-4", 0.8)
    assert [cell.seed for cell in best.cells()] == [0, 1]
    assert [edge.side for edge in best.chosen.edges] == ["smallest", "smallest"]


def test_nothing_is_chosen_where_every_setting_diverged():
    best = select(PLAN, results(PLAN, [0.9, None] * 4))
    assert (best.tried, best.diverged, best.chosen, best.cells()) == (4, 4, None, [])


def run_select(folder, monkeypatch) -> Best:
    made = folder / "cells/bert_tiny/imdb/full"
    arguments = [made / "plan.json", "--results", folder, "--output", made / "new.json"]
    monkeypatch.setattr("sys.argv", ["select_setting.py", *map(str, arguments)])
    main()
    return Best.read(made / "new.json")


def test_the_script_reads_the_plan_and_its_cells(tmp_path, monkeypatch):
    make_run(tmp_path)
    assert run_select(tmp_path, monkeypatch) == Best.read(tmp_path / "cells/bert_tiny/imdb/full/best.json")


def test_a_missing_cell_is_named(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/bert_tiny/imdb/full/bs8_lr3e-4_seed1/metrics.json"
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: no such file"):
        run_select(tmp_path, monkeypatch)


GRID = plan("bitfit", batch_sizes=(128, 8, 32), learning_rates=("3e-5", "1e-4", "3e-4", "1e-2"))
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
    for rates in itertools.permutations(GRID.learning_rates):
        found = edges(GRID.model_copy(update={"learning_rates": rates}), batch_size, learning_rate)
        assert [(edge.message, edge.change) for edge in found] == expected


def test_the_edge_of_a_model_s_own_learning_rates_names_their_key():
    own = GRID.model_copy(update={"learning_rates_key": "models.small.learning_rates.bitfit"})
    [edge] = edges(own, 32, "1e-2")
    assert edge.change == "models.small.learning_rates.bitfit: [3e-5, 1e-4, 3e-4, 1e-2, 3e-2]"


def test_a_grid_of_one_value_says_so():
    found = edges(plan("full", batch_sizes=(1,), learning_rates=("2e-3",)), 1, "2e-3")
    assert [tuple(dict(edge).values()) for edge in found] == [
        (
            "learning rate",
            "only",
            "learning rate 2e-3 is the only one tried",
            "modes.full.learning_rates: [1e-3, 2e-3, 3e-3]",
        ),
        ("batch size", "only", "batch size 1 is the only one tried", "batch_sizes: [1, 2]"),
    ]


def test_no_batch_size_is_smaller_than_one():
    assert edges(GRID.model_copy(update={"batch_sizes": (1, 2, 4)}), 1, "1e-4") == []


@given(st.floats(1e-12, 1e3))
def test_the_rates_beyond_a_rate_are_its_neighbours_in_canonical_spelling(value):
    rate = canonical_learning_rate(value)
    smaller, larger = rates_beyond(rate)
    assert float(smaller) < float(rate) < float(larger) < 11 * float(smaller)
    assert (canonical_learning_rate(smaller), canonical_learning_rate(larger)) == (smaller, larger)
