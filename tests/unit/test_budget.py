"""A number of parameters in place of a size of adapters."""

import pytest
from comparisons import changed, comparison, mode, task
from every_method import settings_of
from tiny_models import load, mode_of, save_base_model

from finegrid.config.definition import Mode
from finegrid.errors import InputError
from finegrid.modeling.methods import METHODS
from finegrid.modeling.trainable import count_parameters
from finegrid.reporting import cost_tables

pytestmark = pytest.mark.filterwarnings("ignore")  # peft has much to say of small models
SIZED = [name for name, method in METHODS.items() if method.knob]


@pytest.fixture(scope="module")
def base_model(tmp_path_factory):
    return save_base_model(tmp_path_factory.mktemp("base_model"), hidden_size=32, intermediate_size=64)


def trained(base_model, method: str, size: int | None = None, **changes) -> int | None:
    """Count what a size trains, or a mode without one; None if peft refuses the size."""
    knob = METHODS[method].knob
    unsized = {key: value for key, value in settings_of(method).items() if key not in knob.settings(1)}
    sized = mode_of("mine", peft=unsized | (knob.settings(size) if size else {}), **changes)
    try:
        return count_parameters(load(base_model, sized))[0].total
    except InputError:
        if size:
            return None
        raise


@pytest.mark.parametrize("method", SIZED)
def test_a_budget_gets_the_nearest_size_that_is_not_above_it(base_model, method):
    knob = METHODS[method].knob
    counts = [trained(base_model, method, size) for size in knob.sizes or range(1, 8)]
    if knob.sizes is None:  # what bisection requires
        assert None not in counts and counts == sorted(counts)
    counts = sorted({count for count in counts if count})
    budget = counts[len(counts) // 2]
    assert trained(base_model, method, parameters=budget) == budget
    if budget > counts[0]:
        assert trained(base_model, method, parameters=budget - 1) == max(each for each in counts if each < budget)
    with pytest.raises(InputError) as error:
        trained(base_model, method, parameters=counts[0] - 1)
    told = str(error.value)
    assert told.startswith(f"mode 'mine': parameters is {counts[0] - 1:,}, but the smallest {method} (")
    assert told.endswith(f") trains {counts[0]:,}, the head included; expected {counts[0]:,} or more")


def test_a_budget_larger_than_the_largest_size_gets_that(base_model):
    assert trained(base_model, "ROAD", parameters=10**6) == trained(base_model, "ROAD", 4)
    assert trained(base_model, "MISS", parameters=10**6) == trained(base_model, "MISS", 16)


def test_a_random_subset_of_the_same_size_trains_as_many(base_model):
    model = load(base_model, mode_of("random", train=[".*"], random={"parameters": 600}))
    assert count_parameters(model)[0].total == 600
    assert trained(base_model, "UNILORA", parameters=600) == 600


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"peft_type": "IA3"}, "mode 'mine': parameters: IA3 has no size to choose"),
        ({"peft_type": "LORA", "r": 4}, "mode 'mine': parameters sets peft.r, which is given; expected one"),
        ({"peft_type": "LORA", "rank": 4}, "mode: peft: unknown key 'rank'; LORA has "),
        ({"peft_type": "LORA", "target_modules": ["nowhere"]}, "mode: peft: NoMatchingPeftModuleError: "),
        ({"peft_type": "C3A", "target_modules": ["nowhere"]}, "mode: peft: NoMatchingPeftModuleError: "),
        ({"peft_type": "LORRA"}, "mode: peft.peft_type: unknown method 'LORRA'"),
        ({"peft_type": "PREFIX_TUNING"}, "mode: peft.peft_type: PREFIX_TUNING learns virtual tokens"),
    ],
    ids=str,
)
def test_a_budget_that_cannot_be_is_told(base_model, settings, expected):
    with pytest.raises(InputError) as error:
        load(base_model, mode_of("mine", peft=settings, parameters=1000))
    assert str(error.value).startswith(expected)


def test_the_table_of_parameters_tells_budgets():
    modes = [
        changed(mode(name), "plan.mode", Mode(name=name, train=["head"], peft={"peft_type": "LORA"}, parameters=size))
        for name, size in {"lora": 3330, "vera": 3330, "large": 8500}.items()
    ]
    notes = cost_tables.parameters(comparison([task(modes=[mode("full"), *modes])])).notes
    assert notes[1:] == [
        "Budgets, of which adapters get the nearest size that is not above: 3,330 for lora and vera; 8,500 for large."
    ]
