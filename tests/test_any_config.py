"""Any configuration: a valid one gives a grid without contradictions, any other ends in one line."""

import math
import re
from copy import deepcopy

import pytest
import yaml
from conftest import REPOSITORY, copy_pipeline, planned_jobs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finegrid.config import cell as grid
from finegrid.config.definition import complete, plans
from finegrid.errors import InputError
from finegrid.evaluation.metrics import METRICS
from finegrid.config.modes import MODES

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
# As the Snakefile has them.
CONSTRAINTS = {
    "batch_size": "[1-9][0-9]*",
    "learning_rate": "[1-9]([.][0-9]*[1-9])?e-?[0-9]+",
    "seed": "0|[1-9][0-9]*",
    "order": "|_order(0|[1-9][0-9]*)",
}
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,11}", fullmatch=True)
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)
COLUMNS = st.text(min_size=1, max_size=9)
CLASS_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=5)
EXISTING = st.sampled_from(["README.md", "config/*.yaml", "scripts/**/grid.py"])


def lists(values, most=3, by=None):
    return st.lists(values, min_size=1, max_size=most, unique_by=by)


def spell(number: float, how: int):
    """Return one of the ways to write a number in YAML."""
    return [number, repr(number), f"{number:.17e}", f"{number:.17E}", f" {number!r} ", f"+{number!r}"][how]


LEARNING_RATES = lists(
    st.tuples(st.floats(1e-300, 1e300) | st.sampled_from([5e-324, 1.7e308, 3e-4, 1.0]), st.integers(0, 5)),
    by=lambda pair: pair[0],
).map(lambda pairs: [spell(*pair) for pair in pairs])
DRAWS = st.fixed_dictionaries({"share": SHARES}, optional={"seed": SEEDS})
SAMPLES = st.fixed_dictionaries(
    {"train": st.integers(2, 10**9)}, optional={"validation": st.integers(2, 10**9), "seed": SEEDS}
)
LENGTHS = st.integers(2, 512)


@st.composite
def own_tasks(draw) -> dict:
    """A task of the user's own files."""
    task = {"source": "files", "max_length": draw(LENGTHS), "label": draw(COLUMNS)}
    task["text"] = draw(COLUMNS | lists(COLUMNS, 2, by=str))
    splits = draw(st.sets(st.sampled_from(["validation", "test", "hidden"])))
    task["files"] = {split: draw(EXISTING | lists(EXISTING)) for split in ["train", *sorted(splits)]}
    classes = draw(st.none() | st.lists(CLASS_NAMES | st.integers(-9, 9), min_size=2, max_size=4, unique_by=str))
    task |= {"regression": True} if classes is None else {"classes": classes}
    of_kind = [
        name
        for name, metric in METRICS.items()
        if metric.regression == (classes is None) and (not metric.binary or len(classes) == 2)
    ]
    optional = {
        "metrics": lists(st.sampled_from(of_kind), by=str),
        "drop_training_rows_in_test": st.booleans(),
        "sample": SAMPLES,
    }
    optional |= {} if "validation" in splits else {"held_out": DRAWS}
    optional |= {} if "test" in splits else {"carve_out": DRAWS}
    return task | draw(st.fixed_dictionaries({}, optional=optional))


BUILT_IN_TASKS = st.fixed_dictionaries({"source": st.just("hub"), "max_length": LENGTHS})
IMDB = st.fixed_dictionaries({"source": st.just("embedded"), "max_length": LENGTHS}, optional={"sample": SAMPLES})
TASKS = st.dictionaries(st.sampled_from(["cola", "mnli", "stsb", "wnli"]), BUILT_IN_TASKS, max_size=2)
PATTERNS = lists(
    st.sampled_from(["head", ".*", r".*\.bias", r"bert\.encoder\.layer\.[01]\..*", "(.*pooler.*)?"]), by=str
)
OWN_RATES = {"learning_rates": LEARNING_RATES}
RANDOM = st.fixed_dictionaries({"parameters": st.integers(1, 10**9)}, optional={"seed": SEEDS})
PEFT = st.fixed_dictionaries({"peft_type": st.just("LORA")}, optional={"r": st.integers(1, 8), "bias": st.just("all")})
MODES_OF_ANY_KIND = (
    st.dictionaries(st.sampled_from(sorted(MODES)), st.fixed_dictionaries({}, optional=OWN_RATES), max_size=2),
    st.dictionaries(
        NAMES, st.fixed_dictionaries({"train": PATTERNS}, optional=OWN_RATES | {"random": RANDOM}), max_size=2
    ),
    st.dictionaries(NAMES, st.fixed_dictionaries({"peft": PEFT}, optional=OWN_RATES | {"train": PATTERNS}), max_size=2),
    st.dictionaries(NAMES, st.fixed_dictionaries({"random": RANDOM}, optional=OWN_RATES), max_size=1),
)
TRAINING = {
    "epochs": st.integers(1, 100),
    "weight_decay": st.floats(0, 10),
    "warmup": st.floats(0, 1, exclude_max=True),
    "max_grad_norm": st.floats(0, 10, exclude_min=True),
}


def merged(parts) -> dict:
    return {name: value for part in parts for name, value in part.items()}


CONFIGS = st.fixed_dictionaries(
    {
        "run": NAMES,
        "model": st.fixed_dictionaries({"name": NAMES, "source": st.sampled_from(["embedded", "random"])})
        | st.fixed_dictionaries({"name": NAMES, "source": st.just("hub"), "repo": st.just("owner/name")}),
        "tasks": st.tuples(
            TASKS, st.fixed_dictionaries({}, optional={"imdb": IMDB}), st.dictionaries(NAMES, own_tasks(), max_size=2)
        )
        .map(merged)
        .filter(bool),
        "modes": st.tuples(*MODES_OF_ANY_KIND).map(merged).filter(bool),
        "batch_sizes": lists(st.integers(1, 4096), by=int),
        "learning_rates": LEARNING_RATES,
    },
    optional={
        "seeds": lists(SEEDS, by=int),
        "data_order_seeds": lists(SEEDS, 2, by=int),
        "training": st.fixed_dictionaries({}, optional=TRAINING),
        "mirror": st.text(min_size=1, max_size=9),
        "published": st.just(["config/published.yaml"]),
    },
)


@pytest.fixture(autouse=True)
def in_repository(monkeypatch):
    """Files of a configuration are relative to where Snakemake runs."""
    monkeypatch.chdir(REPOSITORY)


def check_grid(config: dict) -> int:
    """Check the cells of a complete configuration against each other and the rules; return how many there are."""
    cells = [cell for plan in plans(config) for cell in grid.cells(plan)]
    modes = config["modes"].values()
    per_task = sum(len(mode["learning_rates"]) for mode in modes) * len(config["batch_sizes"]) * len(config["seeds"])
    assert len(cells) == len(config["tasks"]) * per_task * len(config.get("data_order_seeds", [None]))
    folders = [grid.cell_folder("results", cell).as_posix() for cell in cells]
    assert len(set(folders)) == len(folders)
    names = {"task": config["tasks"], "mode": config["modes"]}
    groups = CONSTRAINTS | {key: "|".join(map(re.escape, values)) for key, values in names.items()}
    form = "results/" + re.escape(grid.CELL_FOLDER).replace(r"\{", "{").replace(r"\}", "}")
    pattern = form.format_map({key: f"(?P<{key}>{group})" for key, group in groups.items()})
    for folder, cell in zip(folders, cells, strict=True):
        match = re.fullmatch(pattern, folder)
        assert match is not None, folder
        found = match.groupdict()
        order = grid.order_suffix(cell.get("data_order_seed"))
        assert found == {**{key: str(cell[key]) for key in found if key != "order"}, "order": order}
        rate = cell["learning_rate"]
        assert grid.canonical_learning_rate(float(rate)) == rate
    for plan in plans(config):
        assert grid.fingerprint(**plan)  # it is JSON
    return len(cells)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(CONFIGS)
def test_a_valid_configuration_gives_a_grid(config):
    given_before = deepcopy(config)
    completed = complete(config, SCHEMA, "any.yaml")
    assert config == given_before
    rates = {
        name: [float(rate) for rate in mode.get("learning_rates", config["learning_rates"])]
        for name, mode in config["modes"].items()
    }
    assert {name: list(map(float, mode["learning_rates"])) for name, mode in completed["modes"].items()} == rates
    check_grid(completed)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    return copy_pipeline(tmp_path_factory.mktemp("any") / "clone")


@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(CONFIGS)
def test_snakemake_plans_just_these_cells(pipeline, config):
    path = pipeline / "config" / "any.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    count = check_grid(complete(config, SCHEMA, "any.yaml"))
    jobs = planned_jobs(pipeline, config="config/any.yaml")
    assert jobs["finetune"] == count
    assert jobs["prepare"] == len(config["tasks"])
    assert jobs["choose"] == len(config["tasks"]) * len(config["modes"])


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**62, 2**64, -(10**400), 10**4000, math.nan, math.inf, -0.0, 5e-324, 1e308])
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
NESTED = st.tuples(LEAVES, st.sampled_from([28, 40, 300])).map(lambda pair: nest(*pair))


def nest(value, depth: int):
    for _ in range(depth):
        value = [value]
    return value


def places(value, path=()):
    """List the paths of everything within a value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@st.composite
def spoilt(draw):
    """A valid configuration in which something was replaced, deleted or added, at any place, once or twice."""
    config = deepcopy(draw(CONFIGS))  # what a strategy holds itself is not to be spoilt
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(places(config)))
        owner = config
        for key in path[:-1]:
            owner = owner[key]
        what = draw(st.sampled_from(["replace", "delete", "add"]))
        value = draw(VALUES | NESTED)
        if what == "add":
            target = owner[path[-1]] if path else config
            if isinstance(target, dict):
                target[draw(KEYS)] = value
            elif isinstance(target, list):
                target.append(value)
        elif not path:
            return value
        elif what == "replace":
            owner[path[-1]] = value
        else:
            del owner[path[-1]]
    return config


@settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
@given(spoilt())
def test_any_other_ends_in_one_line(record_trials_once, config):
    try:
        completed = complete(config, SCHEMA, "any.yaml")
    except InputError as error:
        record_trials_once["refused"] += 1
        message = str(error)
        assert message.startswith("any.yaml: ")
        assert message.isprintable() and len(message) < 1500, message
    else:
        record_trials_once["still valid"] += 1
        check_grid(completed)


@pytest.fixture
def record_trials_once(record_trials):
    """Counts of what became of the configurations that were tried; both outcomes have to occur."""
    counts = {"refused": 0, "still valid": 0}
    yield counts
    assert min(counts.values()) > 20
    record_trials(
        "configurations with something spoilt: " + ", ".join(f"{count} {name}" for name, count in counts.items())
    )
