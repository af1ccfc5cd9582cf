"""Identity of cells: one spelling of a learning rate, one folder per cell."""

import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finegrid.config import cell as grid
from finegrid.errors import InputError

POSITIVE = st.floats(min_value=0, exclude_min=True, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("value", "canonical"),
    [
        ("3e-4", "3e-4"),
        (3.0e-4, "3e-4"),
        (0.0003, "3e-4"),
        ("0.00030", "3e-4"),
        (0.00015, "1.5e-4"),
        (1, "1e0"),
        (10, "1e1"),
        ("1E-2", "1e-2"),
    ],
)
def test_spellings_of_one_learning_rate(value, canonical):
    assert grid.canonical_learning_rate(value) == canonical


@pytest.mark.parametrize(
    "value", [0, -1e-3, "0", "fast", "", None, True, math.nan, math.inf, "1e999", [1e-3], "1e-999"]
)
def test_what_is_no_learning_rate(value):
    with pytest.raises(InputError, match="not a positive number"):
        grid.canonical_learning_rate(value)


@given(POSITIVE)
def test_canonical_spelling_is_exact_and_stable(value):
    spelling = grid.canonical_learning_rate(value)
    assert float(spelling) == value
    assert grid.canonical_learning_rate(spelling) == spelling


@given(POSITIVE)
def test_every_spelling_of_a_number_is_one_learning_rate(value):
    spellings = {repr(value), f"{value:.17e}", f"{Decimal(repr(value)):f}", str(value).upper()}
    assert len({grid.canonical_learning_rate(spelling) for spelling in spellings}) == 1


PLAN = {
    "task": "imdb",
    "mode": "full",
    "model": "bert-tiny",
    "batch_sizes": [8, 16],
    "learning_rates": ["3e-4", "1e-4", "5e-5"],
    "seeds": [0, 1],
}


def test_cells_are_the_whole_product():
    cells = grid.cells(PLAN)
    assert len(cells) == 12
    assert len({grid.canonical_json(cell) for cell in cells}) == 12
    assert cells[0] == {
        "task": "imdb",
        "mode": "full",
        "batch_size": 8,
        "learning_rate": "3e-4",
        "seed": 0,
        "model": "bert-tiny",
    }


def test_data_orders_go_with_every_seed():
    cells = grid.cells({**PLAN, "data_order_seeds": [0, 5]})
    assert len(cells) == 24
    assert cells[1] == {**grid.cells(PLAN)[0], "data_order_seed": 5}
    assert grid.cell_folder("r", cells[1]).name == "bs8_lr3e-4_seed0_order5"
    assert grid.cell_folder("r", grid.cells(PLAN)[0]).name == "bs8_lr3e-4_seed0"


SEEDS = st.integers(0, 2**32 - 1)


@given(
    st.lists(st.tuples(st.integers(1, 10**6), POSITIVE, SEEDS, st.none() | SEEDS), min_size=2, max_size=2, unique=True)
)
def test_two_cells_never_share_a_folder(settings):
    folders = {
        grid.cell_folder("results/x", grid.cell(PLAN, batch, grid.canonical_learning_rate(rate), seed, order))
        for batch, rate, seed, order in settings
    }
    assert len(folders) == 2


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_fingerprint_ignores_order_and_nothing_else(parts):
    parts = {f"k{key}": value for key, value in parts.items()}
    assert grid.fingerprint(**parts) == grid.fingerprint(**dict(reversed(parts.items())))
    assert grid.fingerprint(**parts, more=1) != grid.fingerprint(**parts)
    assert json.loads(grid.canonical_json(parts)) == parts
