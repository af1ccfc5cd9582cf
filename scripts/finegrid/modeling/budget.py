"""The size of adapters that a number of parameters allows, found by building and counting them."""

from collections.abc import Callable

from finegrid.config.definition import Mode, Peft
from finegrid.errors import InputError
from finegrid.modeling.adapters import check_settings
from finegrid.modeling.methods import METHODS

LARGEST = 2**16  # sizes beyond are not tried: some methods stop growing at the size of a layer


def within_budget(mode: Mode, count: Callable[[Mode], int]) -> Mode:
    """Return a mode with the size of adapters in place of its `parameters`: the size that comes closest from below.

    `count` returns how many parameters a mode trains, the head's included; it raises InputError if peft refuses the
    size. Raises InputError if the method has no size, if the size is given, too, or if the smallest trains more.
    """
    method, budget, settings = mode.peft.peft_type, mode.parameters, mode.peft.settings()
    check_settings(settings)
    knob = METHODS[method].knob
    if knob is None:
        raise InputError(f"mode {mode.name!r}: parameters: {method} has no size to choose; leave the key out")
    for key in knob.settings(1):
        if key in settings:
            raise InputError(f"mode {mode.name!r}: parameters sets peft.{key}, which is given; expected one of them")

    def sized(size: int) -> Mode:
        peft = Peft.model_validate({**settings, **knob.settings(size)})
        return Mode(name=mode.name, train=mode.train, peft=peft)

    def trained(size: int) -> int:
        if size not in counts:
            counts[size] = count(sized(size))
        return counts[size]

    counts: dict[int, int] = {}
    if knob.sizes is None:
        try_growing(trained, budget)
    else:
        try_each(trained, knob.sizes)
    allowed = [size for size, parameters in counts.items() if parameters <= budget]
    if not allowed:
        smallest = min(counts, key=counts.get)
        values = ", ".join(f"{key}: {value}" for key, value in knob.settings(smallest).items())
        raise InputError(
            f"mode {mode.name!r}: parameters is {budget:,}, but the smallest {method} ({values}) trains "
            f"{counts[smallest]:,}, the head included; expected {counts[smallest]:,} or more"
        )
    return sized(max(allowed, key=lambda size: (counts[size], -size)))


def try_growing(trained: Callable[[int], int], budget: int) -> None:
    """Try the sizes 1, 2, 4, ... up to the first that is too large, then those between by bisection."""

    def fits(size: int) -> bool:
        try:
            return trained(size) <= budget
        except InputError:  # larger than a layer
            return False

    if trained(1) > budget:
        return
    fitting, too_large = 1, 2
    while too_large <= LARGEST and fits(too_large):
        fitting, too_large = too_large, 2 * too_large
    while too_large - fitting > 1:
        middle = (fitting + too_large) // 2
        fitting, too_large = (middle, too_large) if fits(middle) else (fitting, middle)


def try_each(trained: Callable[[int], int], sizes: tuple[int, ...]) -> None:
    """Try some sizes; raise InputError if peft refuses them all."""
    refused = []
    for size in sizes:
        try:
            trained(size)
        except InputError as error:
            refused.append(error)
    if len(refused) == len(sizes):
        raise refused[0]
