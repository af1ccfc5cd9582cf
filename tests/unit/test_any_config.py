"""Any configuration: a valid one gives a grid without contradictions, any other ends in one line."""

import math
from copy import deepcopy

import pytest
from any_config import CONFIGS, check_grid
from conftest import REPOSITORY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finegrid.config.resolve import resolve_config
from finegrid.errors import InputError


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    """Files of a configuration are relative to where Snakemake runs."""
    monkeypatch.chdir(REPOSITORY)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(CONFIGS)
def test_a_valid_configuration_gives_a_grid(config):
    given_before = deepcopy(config)
    resolved = resolve_config(config, "any.yaml")
    assert config == given_before
    rates = {
        name: [float(rate) for rate in mode.get("learning_rates", config["learning_rates"])]
        for name, mode in config["modes"].items()
    }
    assert {name: list(map(float, mode.learning_rates)) for name, mode in resolved.modes.items()} == rates
    check_grid(resolved)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**62, 2**64, -(10**400), math.nan, math.inf, -0.0, 5e-324, 1e308])
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=9)
    | st.sampled_from(["", "\n", "a\n", "\x00", "\ud800", "x" * 101_000, "{task}", "1e-3\n", "٣e-٤", "a{99999999999}"])
    | st.dates()
    | st.binary(max_size=3)
)
KEYS = st.text(max_size=5) | st.integers() | st.booleans() | st.none() | st.dates() | st.sampled_from(["train", "a\nb"])
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)


def places(value, path=()):
    """List the paths of everything within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@st.composite
def spoilt(draw):
    """A valid configuration in which something was replaced, deleted or added, at any place, once or twice."""
    config = deepcopy(draw(CONFIGS))  # what a strategy holds itself is not to be spoilt
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(config)))  # the first is the top
        owner = config
        for key in path[:-1]:
            owner = owner[key]
        what = draw(st.sampled_from(["replace", "delete", "add"]))
        value = draw(VALUES)
        if what == "add":
            target = owner[path[-1]] if path else config
            if isinstance(target, dict):
                target[draw(KEYS)] = value
            elif isinstance(target, list):
                target.append(value)
        elif path and what == "replace":
            owner[path[-1]] = value
        elif path:
            del owner[path[-1]]
    return config


@settings(max_examples=5 * settings.default.max_examples, suppress_health_check=list(HealthCheck))
@given(spoilt())
def test_any_other_ends_in_one_line(record_trials_once, config):
    try:
        resolved = resolve_config(config, "any.yaml")
    except InputError as error:
        record_trials_once["refused"] += 1
        message = str(error)
        assert message.startswith("any.yaml: ")
        assert message.isprintable() and len(message) < 1500, message
    else:
        record_trials_once["still valid"] += 1
        check_grid(resolved)


@pytest.fixture
def record_trials_once(record_trials):
    """Counts of what became of the configurations that were tried; both outcomes have to occur."""
    counts = {"refused": 0, "still valid": 0}
    yield counts
    assert min(counts.values()) > settings.default.max_examples // 5
    record_trials(
        "configurations with something spoilt: " + ", ".join(f"{count} {name}" for name, count in counts.items())
    )
