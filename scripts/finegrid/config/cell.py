"""The grid: which cells a run has, how each is identified, and where its results lie.

Standard library only: the Snakefile imports this module every time it is parsed.

A *plan* is one (task, mode) row of the grid as plain data, everything a script needs to know:

    {"run", "task", "mode", "model",              who
     "batch_sizes", "learning_rates", "seeds",    the cells
     "config": {...}}                             all settings that the cells share

A *cell* is what tells two jobs of one plan apart, with the names of what they share:

    {"task", "mode", "batch_size", "learning_rate", "seed", "model"}

`seed` draws what starts at random, the head and adapters, and what training draws, the order of the rows and dropout.
Where a plan has "data_order_seeds", every seed goes with each of them, and a cell has "data_order_seed", too, which
draws the latter: so the two sources of chance can be told apart (Dodge et al., 2020, arXiv:2002.06305).
"""

import hashlib
import itertools
import json
import math
from decimal import Decimal
from pathlib import Path

from finegrid.errors import InputError


def canonical_learning_rate(value) -> str:
    """Return the one spelling of a learning rate: `3e-4`, whether given as `3e-4`, `3.0e-4` or `0.0003`.

    YAML reads `3e-4` as a string and `3.0e-4` as a float, so both come in here.
    Raises InputError unless the value is a positive, finite number.
    """
    problem = InputError(f"learning rate {value!r} is not a positive number such as 3e-4")
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise problem
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise problem from None
    if not (math.isfinite(number) and number > 0):
        raise problem
    # repr() of a float is its shortest spelling that reads back as the same float.
    _, digits, exponent = Decimal(repr(number)).normalize().as_tuple()
    mantissa = str(digits[0]) + ("." + "".join(map(str, digits[1:])) if digits[1:] else "")
    return f"{mantissa}e{exponent + len(digits) - 1}"


def cells(plan: dict) -> list[dict]:
    """List the cells of a plan: every batch size with every learning rate with every seed."""
    return [
        cell(plan, *values)
        for values in itertools.product(
            plan["batch_sizes"], plan["learning_rates"], plan["seeds"], plan.get("data_order_seeds", [None])
        )
    ]


def cell(plan: dict, batch_size: int, learning_rate: str, seed: int, data_order_seed: int | None = None) -> dict:
    """Return the identity of one cell of a plan."""
    identity = {
        "task": plan["task"],
        "mode": plan["mode"],
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "seed": seed,
        "model": plan["model"],
    }
    return identity if data_order_seed is None else identity | {"data_order_seed": data_order_seed}


# The folder of a (task, mode), and of a cell in it, below the folder of the run. The rules use
# the same strings as wildcard patterns, so there is one spelling of a path and no parser of it.
MODE_FOLDER = "cells/{task}/{mode}"
CELL_FOLDER = MODE_FOLDER + "/bs{batch_size}_lr{learning_rate}_seed{seed}{order}"


def order_suffix(data_order_seed: int | None) -> str:
    """Return how the folder of a cell ends whose data order has a seed of its own, or nothing."""
    return "" if data_order_seed is None else f"_order{data_order_seed}"


def cell_folder(run_folder, cell: dict) -> Path:
    """Return the folder that holds the results of a cell."""
    order = order_suffix(cell.get("data_order_seed"))
    return Path(run_folder, CELL_FOLDER.format_map({**cell, "order": order}))


def canonical_json(data) -> str:
    """Spell data as JSON in one way only: sorted keys, no spaces. Raises ValueError on NaN."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(**parts) -> str:
    """Hash (sha256, hexadecimal) everything that can change a cell's result."""
    return hashlib.sha256(canonical_json(parts).encode()).hexdigest()
