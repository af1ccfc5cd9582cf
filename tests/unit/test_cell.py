"""Identity of cells: one spelling of a learning rate, one folder per cell."""

import json
import math
from decimal import Decimal

import pytest
from conftest import REPOSITORY
from hypothesis import given
from hypothesis import strategies as st

from finegrid.config.cell import plans
from finegrid.config.learning_rate import canonical_learning_rate
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.errors import InputError
from finegrid.files import canonical_json, fingerprint

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
    assert canonical_learning_rate(value) == canonical


@pytest.mark.parametrize(
    "value", [0, -1e-3, "0", "fast", "", None, True, math.nan, math.inf, "1e999", [1e-3], "1e-999", 10**400]
)
def test_what_is_no_learning_rate(value):
    with pytest.raises(InputError, match="not a positive number"):
        canonical_learning_rate(value)


@given(POSITIVE)
def test_canonical_spelling_is_exact_and_stable(value):
    spelling = canonical_learning_rate(value)
    assert float(spelling) == value
    assert canonical_learning_rate(spelling) == spelling


@given(POSITIVE)
def test_every_spelling_of_a_number_is_one_learning_rate(value):
    spellings = {repr(value), f"{value:.17e}", f"{Decimal(repr(value)):f}", str(value).upper()}
    assert len({canonical_learning_rate(spelling) for spelling in spellings}) == 1


SMOKE = read_configfile(REPOSITORY / "config" / "smoke.yaml")
GRID = {"batch_sizes": [8, 16], "learning_rates": ["3e-4", 1e-4, 0.00005], "seeds": [0, 1]}
PLAN = plans(resolve_config(SMOKE | GRID, "smoke.yaml"))[0]


def test_cells_are_the_whole_product():
    cells = PLAN.cells()
    assert len(cells) == 12
    assert len({cell.model_dump_json() for cell in cells}) == 12
    assert cells[0].wildcards == {
        "model": "bundled-bert-tiny",
        "task": "imdb",
        "mode": "full",
        "batch_size": 8,
        "learning_rate": "3e-4",
        "seed": 0,
    }
    assert cells[0].setting == (8, "3e-4")
    assert cells[0].folder("r").as_posix() == "r/cells/bundled-bert-tiny/imdb/full/bs8_lr3e-4_seed0"
    assert PLAN.folder("r").as_posix() == "r/cells/bundled-bert-tiny/imdb/full"
    assert PLAN.chosen_folder("r").as_posix() == "r/cells/bundled-bert-tiny/imdb/full/chosen"


def test_confirming_seeds_have_folders_that_do_not_depend_on_the_choice():
    config = resolve_config(SMOKE | GRID | {"confirm": {"seeds": [7, 8]}}, "smoke.yaml")
    made = plans(config)[0]
    assert (made.seeds, made.confirming_seeds, made.tested_seeds) == ((0, 1), (7, 8), (7, 8))
    assert made.cells() == PLAN.cells()
    folders = {made.tested_folder(made.cell(size, "3e-4", 7), "r").as_posix() for size in (8, 16)}
    assert folders == {"r/cells/bundled-bert-tiny/imdb/full/confirm/seed7"}
    assert (PLAN.confirming_seeds, PLAN.tested_seeds) == ((), (0, 1))
    assert PLAN.tested_folder(PLAN.cells()[0], "r") == PLAN.cells()[0].folder("r")


def test_a_cell_has_one_spelling_of_its_learning_rate():
    assert PLAN.cell(8, 0.0003, 0) == PLAN.cell(8, "3.0e-4", 0) == PLAN.cells()[0]


SEEDS = st.integers(0, 2**32 - 1)


@given(st.lists(st.tuples(st.integers(1, 10**6), POSITIVE, SEEDS), min_size=2, max_size=2, unique=True))
def test_two_cells_never_share_a_folder(settings):
    assert len({PLAN.cell(*setting).folder("results/x") for setting in settings}) == 2


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False)))
def test_fingerprint_ignores_order_and_nothing_else(parts):
    assert fingerprint(parts) == fingerprint(dict(reversed(parts.items())))
    assert fingerprint({**parts, "one more": 1}) != fingerprint(parts)
    assert json.loads(canonical_json(parts)) == parts
