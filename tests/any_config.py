"""Any valid configuration, as a strategy of Hypothesis, and what its grid has to be."""

import re

from hypothesis import strategies as st

from finegrid.config.cell import CELL_FOLDER, Plan, plans
from finegrid.config.definition import Config
from finegrid.config.learning_rate import canonical_learning_rate
from finegrid.config.metrics import metric_names
from finegrid.config.modes import MODES
from finegrid.files import canonical_json
from finegrid.sealed import as_json

# As the Snakefile has them.
CONSTRAINTS = {
    "batch_size": "[1-9][0-9]*",
    "learning_rate": "[1-9]([.][0-9]*[1-9])?e-?[0-9]+",
    "seed": "0|[1-9][0-9]*",
}
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,11}", fullmatch=True)
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0, 1, exclude_min=True, exclude_max=True)
COLUMNS = st.text(min_size=1, max_size=9)
CLASS_NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=5)
TRAINING_FILES = st.sampled_from(["README.md", "config/*.yaml"])
OTHER_FILES = st.sampled_from(["Snakefile", "scripts/**/files.py", "profiles/*/*"])


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


CSV = {"separator": [";", "\t", "|"], "quote": ["'", '"', ""], "escape": ["\\", ""]}


@st.composite
def own_tasks(draw) -> dict:
    """A task of the user's own files."""
    task = {"source": "files", "max_length": draw(LENGTHS), "label": draw(COLUMNS)}
    task["text"] = draw(COLUMNS | lists(COLUMNS, 2, by=str))
    splits = draw(st.sets(st.sampled_from(["validation", "test", "hidden"])))
    task["files"] = {split: draw(OTHER_FILES | lists(OTHER_FILES)) for split in sorted(splits)}
    task["files"]["train"] = draw(TRAINING_FILES | lists(TRAINING_FILES))
    classes = draw(st.none() | st.lists(CLASS_NAMES | st.integers(-9, 9), min_size=2, max_size=4, unique_by=str))
    task |= {"regression": True} if classes is None else {"classes": classes}
    of_kind = metric_names(classes is None, len(classes or ()))
    optional = {
        "metrics": lists(st.sampled_from(of_kind), by=str),
        "drop_training_rows_in_test": st.booleans(),
        "drop_unlabelled": st.booleans() | lists(CLASS_NAMES, by=str),
        "csv": st.fixed_dictionaries({}, optional={name: st.sampled_from(few) for name, few in CSV.items()}),
        "sample": SAMPLES,
    }
    optional |= {} if "validation" in splits else {"validation_from_train": DRAWS}
    optional |= {} if "test" in splits else {"test_from_train": DRAWS}
    return task | draw(st.fixed_dictionaries({}, optional=optional))


BUILT_IN_TASKS = st.fixed_dictionaries({"source": st.just("hub"), "max_length": LENGTHS})
IMDB = st.fixed_dictionaries({"source": st.just("bundled"), "max_length": LENGTHS}, optional={"sample": SAMPLES})
TASKS = st.dictionaries(st.sampled_from(["cola", "mnli", "stsb", "wnli"]), BUILT_IN_TASKS, max_size=2)
PATTERNS = lists(
    st.sampled_from(["head", ".*", r".*\.bias", r"bert\.encoder\.layer\.[01]\..*", "(.*pooler.*)?"]), by=str
)
OWN_RATES = {"learning_rates": LEARNING_RATES}
RANDOM = st.fixed_dictionaries({"parameters": st.integers(1, 10**9)}, optional={"seed": SEEDS})
PEFT = st.fixed_dictionaries({"peft_type": st.just("LORA")}, optional={"r": st.integers(1, 8), "bias": st.just("all")})
OF_ADAPTERS = {"train": PATTERNS, "parameters": st.integers(1, 10**9)}
MODES_OF_ANY_KIND = (
    st.dictionaries(st.sampled_from(sorted(MODES)), st.fixed_dictionaries({}, optional=OWN_RATES), max_size=2),
    st.dictionaries(
        NAMES, st.fixed_dictionaries({"train": PATTERNS}, optional=OWN_RATES | {"random": RANDOM}), max_size=2
    ),
    st.dictionaries(NAMES, st.fixed_dictionaries({"peft": PEFT}, optional=OWN_RATES | OF_ADAPTERS), max_size=2),
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


MODELS = st.fixed_dictionaries({"source": st.sampled_from(["bundled", "random"])}) | st.just(
    {"source": "hub", "repo": "owner/name"}
)
WITHOUT_MODELS = st.fixed_dictionaries(
    {
        "run": NAMES,
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
        "training": st.fixed_dictionaries({}, optional=TRAINING),
        "mirror": st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=9),
        "published": st.just(["config/published.yaml"]),
    },
)


@st.composite
def configs(draw) -> dict:
    """A configuration with its models, of which the last may read the first one's data, and seeds that confirm."""
    config = draw(WITHOUT_MODELS)
    rates = st.dictionaries(st.sampled_from(sorted(config["modes"])), LEARNING_RATES, max_size=1)
    models = draw(st.dictionaries(NAMES, MODELS, min_size=1, max_size=2))
    first, *others = models
    for name in others:
        models[name] = {
            **models[name],
            **draw(st.sampled_from([{}, {"tokenizer": first}])),
            "learning_rates": draw(rates),
        }
    seeds = draw(st.none() | lists(SEEDS.filter(lambda seed: seed not in config.get("seeds", [0])), by=int))
    return {**config, "models": models, **({"confirm": {"seeds": seeds}} if seeds else {})}


CONFIGS = configs()


def check_grid(config: Config) -> None:
    """Check the cells of a configuration against each other and the rules."""
    cells = [cell for plan in plans(config) for cell in plan.cells()]
    rates = [
        model.learning_rates.get(mode.name, mode.learning_rates)
        for model in config.models.values()
        for mode in config.modes.values()
    ]
    assert len(cells) == sum(map(len, rates)) * len(config.tasks) * len(config.batch_sizes) * len(config.seeds)
    folders = [cell.folder("results").as_posix() for cell in cells]
    assert len(set(folders)) == len(folders)
    names = {"model": config.models, "task": config.tasks, "mode": config.modes}
    groups = CONSTRAINTS | {key: "|".join(map(re.escape, values)) for key, values in names.items()}
    form = "results/" + re.escape(CELL_FOLDER).replace(r"\{", "{").replace(r"\}", "}")
    pattern = form.format_map({key: f"(?P<{key}>{group})" for key, group in groups.items()})
    for folder, cell in zip(folders, cells, strict=True):
        match = re.fullmatch(pattern, folder)
        assert match is not None, folder
        assert match.groupdict() == {key: str(value) for key, value in cell.wildcards.items()}
        assert canonical_learning_rate(float(cell.learning_rate)) == cell.learning_rate
    for plan in plans(config):
        assert Plan.model_validate_json(canonical_json(as_json(plan))) == plan
