"""Learning rates have one spelling, in paths, JSON and tables."""

import math
import reprlib
from decimal import Decimal

from finegrid.errors import InputError


def canonical_learning_rate(value) -> str:
    """Return the one spelling of a learning rate: `3e-4`, whether given as `3e-4`, `3.0e-4` or `0.0003`.

    YAML reads `3e-4` as a string and `3.0e-4` as a float, so both arrive here.
    Raises InputError unless the value is a positive, finite number.
    """
    problem = InputError(f"learning rate {reprlib.repr(value)} is not a positive number such as 3e-4")
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
