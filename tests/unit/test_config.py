"""The configuration as typed objects: what the shipped ones hold, what is filled in, what survives JSON."""

import json
import re
import subprocess
import sys

import pytest
from conftest import REPOSITORY

from finegrid.config.cell import Cell, Plan, plans
from finegrid.config.definition import Config, Mode, Task
from finegrid.config.hub_files import hub_files
from finegrid.config.model_folder import model_folder
from finegrid.config.modes import BIASES
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.config.tasks import TASKS
from finegrid.errors import InputError
from finegrid.files import canonical_json
from finegrid.sealed import as_json

SHIPPED = ["config", "glue", "imdb", "imdb-bundled", "imdb-random", "smoke", "ladder", "ladder-offline", "methods"]
BUNDLED = {"source": "bundled"}


def load(name: str) -> dict:
    return read_configfile(REPOSITORY / "config" / f"{name}.yaml")


def resolved(name: str = "smoke", **changes) -> Config:
    return resolve_config(load(name) | changes, f"{name}.yaml")


def plan(config: Config, mode: str, task: str = "imdb", model: str | None = None) -> Plan:
    model = model or next(iter(config.models))
    (found,) = [plan for plan in plans(config) if plan.key == (model, task, mode)]
    return found


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configurations_are_valid(name):
    assert plans(resolved(name))


def test_the_study_is_to_the_letter():
    full = plan(resolved("imdb"), "full")
    assert len(full.cells()) == 20
    assert full.batch_sizes == (8, 16, 32, 64, 128)
    assert full.learning_rates == ("3e-4", "1e-4", "5e-5", "3e-5")
    assert full.model.repo == "google/bert_uncased_L-2_H-128_A-2"
    assert full.task.repo == "stanfordnlp/imdb"
    assert (full.task.validation_from_train.share, full.task.validation_from_train.seed) == (0.2, 3463)
    assert (full.task.max_length, full.training.epochs) == (512, 4)
    assert (full.training.weight_decay, full.training.warmup, full.training.max_grad_norm) == (0, 0, 1.0)


def test_hub_files_are_those_of_source_hub():
    assert {reader: list(files) for reader, files in hub_files(resolved("imdb")).items()} == {
        "model/bert-tiny": ["models/google/bert_uncased_L-2_H-128_A-2"],
        "data/imdb": ["datasets/stanfordnlp/imdb"],
    }
    models = {name: {"source": "hub", "repo": f"owner/{name}"} for name in ("one", "two")} | {"three": BUNDLED}
    assert {reader: list(files) for reader, files in hub_files(resolved(models=models)).items()} == {
        "model/one": ["models/owner/one"],
        "model/two": ["models/owner/two"],
    }
    assert hub_files(resolved()) == {}


def test_a_mode_may_have_its_own_learning_rates():
    config = resolved(modes={"full": {}, "bitfit": {"learning_rates": ["1e-2", 0.003]}})
    assert plan(config, "bitfit").learning_rates == ("1e-2", "3e-3")
    assert plan(config, "full").learning_rates == ("3e-4", "1e-3")
    assert plan(config, "bitfit").learning_rates_key == "modes.bitfit.learning_rates"


def test_models_are_the_first_axis_of_the_grid():
    tasks = {"imdb": {"source": "bundled", "max_length": 8}, "cola": {"source": "hub", "max_length": 8}}
    config = resolved(models={"one": BUNDLED, "two": {"source": "random"}}, tasks=tasks)
    assert [each.key for each in plans(config)] == [
        (model, task, mode) for model in ("one", "two") for task in ("imdb", "cola") for mode in ("full", "bitfit")
    ]
    assert {each.model.name: each.model.source for each in plans(config)} == {"one": "bundled", "two": "random"}


def test_a_model_s_own_learning_rates_reach_only_its_plans():
    own = {**BUNDLED, "learning_rates": {"bitfit": ["1e-2", 0.003]}}
    config = resolved(models={"one": BUNDLED, "two": own})
    rates = {each.key: (each.learning_rates, each.learning_rates_key) for each in plans(config)}
    assert rates["two", "imdb", "bitfit"] == (("1e-2", "3e-3"), "models.two.learning_rates.bitfit")
    for model, mode in (("one", "full"), ("one", "bitfit"), ("two", "full")):
        assert rates[model, "imdb", mode] == (("3e-4", "1e-3"), f"modes.{mode}.learning_rates")


def test_what_only_the_grid_knows_of_a_model_is_no_part_of_its_cells():
    given = {**BUNDLED, "learning_rates": {"full": ["1e-4"]}, "tokenizer": "one", "memory_mb": 9000, "minutes": 5}
    config = resolved(models={"one": BUNDLED, "two": given})
    assert (config.models["two"].memory_mb, config.models["two"].minutes) == (9000, 5)
    assert (config.tokenizer_of("one"), config.tokenizer_of("two")) == ("one", "one")
    assert as_json(plan(config, "full", model="two").model) == {"name": "two", "source": "bundled"}


def test_a_model_is_a_folder_or_an_installed_package(tmp_path, monkeypatch):
    folder = REPOSITORY / "models" / "bundled-bert-tiny"
    model = resolved(models={"own": {"source": "folder", "folder": str(folder)}}).models["own"]
    assert (model_folder(model, "mirror"), model.where) == (folder, str(folder))
    install(tmp_path, monkeypatch, "held/config.json", "held/model.safetensors", "held/more/config.json")
    model = resolved(models={"own": {"source": "package", "package": "held"}}).models["own"]
    assert (model_folder(model, "mirror"), model.where) == (tmp_path / "held", "held")


def install(site, monkeypatch, *files: str) -> None:
    """Act as if a package `held` with these files were installed."""
    about = site / "held-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: held\nVersion: 1.0\n")
    (about / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file in files:  # from 3.12 on, Python leaves out those that are not there
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).touch()
    monkeypatch.syspath_prepend(site)


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["held/config.json", "held/__init__.py"], "none"),
        (["held/model.safetensors"], "none"),
        (
            [f"held/{name}" for each in "ab" for name in (f"{each}/config.json", f"{each}/pytorch_model.bin")],
            "held/a, ",
        ),
    ],
)
def test_a_package_has_to_hold_one_model(tmp_path, monkeypatch, files, found):
    install(tmp_path, monkeypatch, *files)
    told = f"smoke.yaml: models.own.package: 'held' has to hold one folder with config.json and weights; found: {found}"
    with pytest.raises(InputError, match=re.escape(told)):
        resolved(models={"own": {"source": "package", "package": "held"}})


def test_a_mode_of_the_user():
    patterns = (r".*LayerNorm\..*", r"classifier\..*")
    config = resolved(modes={"mine": {"train": list(patterns)}, "full": {"train": ["head"]}})
    assert plan(config, "mine").mode == Mode(name="mine", train=patterns)
    assert plan(config, "full").mode.train == ("head",)


def test_a_random_subset_is_drawn_from_everything_unless_the_mode_says_from_what():
    config = resolved(
        modes={
            "full": {},
            "random": {"random": {"parameters": 3074}},
            "bitfit": {"random": {"parameters": 100, "seed": 3}},
            "layers": {"train": [r".*\.layer\..*", "head"], "random": {"parameters": 100}},
        }
    )
    modes = {mode: plan(config, mode).mode for mode in config.modes}
    assert modes["random"].train == (".*",)
    assert (modes["random"].random.parameters, modes["random"].random.seed) == (3074, 0)
    assert modes["bitfit"].train == (BIASES,)
    assert (modes["bitfit"].random.parameters, modes["bitfit"].random.seed) == (100, 3)
    assert modes["layers"].train == (r".*\.layer\..*", "head")
    assert modes["full"].random is None


def test_beside_adapters_the_head_trains_unless_the_mode_says_what():
    lora = {"peft_type": "LORA", "r": 8, "target_modules": ["query", "value"], "layers_to_transform": None}
    config = resolved(
        modes={
            "full": {},
            "lora": {"peft": lora},
            "lora-bias": {"train": ["head", r".*\.bias"], "peft": {"peft_type": "LORA"}, "parameters": 5000},
        }
    )
    assert plan(config, "lora").mode.train == ("head",)
    assert as_json(plan(config, "lora").mode)["peft"] == lora
    assert plan(config, "lora-bias").mode.train == ("head", r".*\.bias")
    assert plan(config, "lora-bias").mode.parameters == 5000
    assert plan(config, "full").mode.peft is None


def task(name: str, **given) -> Task:
    return resolved(tasks={name: {"source": "hub", "max_length": 8, **given}}).tasks[name]


@pytest.mark.parametrize("name", TASKS)
def test_a_built_in_task_is_its_row_of_the_table(name):
    made, row = as_json(task(name)), json.loads(json.dumps(TASKS[name]))
    assert {key: made[key] for key in row} == row
    assert ("validation_from_train" in made) == (name == "imdb")


def test_a_configuration_may_change_what_a_built_in_task_says():
    assert task("cola", metrics=["accuracy"]).metrics == ("accuracy",)
    assert task("cola", repo="a/b").repo == "a/b"
    assert task("imdb", validation_from_train={"share": 0.5}).validation_from_train.seed == 0
    assert task("mrpc", test_from_train={"share": 0.1}).test_from_train.share == 0.1
    own = task("cola", files={"train": "t.csv", "hidden": ["h.csv"]})
    assert own.files == {"train": {"train": ("t.csv",)}, "hidden": {"cola": ("h.csv",)}}
    assert own.validation_from_train.share == 0.1  # the validation split of the table went with its files
    assert own.patterns == ("t.csv", "h.csv")


def test_labels_of_ones_own_replace_those_of_a_built_in_task():
    renamed = task("mrpc", classes=["other", "same"])
    assert renamed.classes == ("other", "same")
    assert renamed.metrics == ("accuracy", "f1")
    assert renamed.submitted is None  # GLUE's spelling is that of its own classes
    of_numbers = task("mrpc", regression=True)
    assert (of_numbers.classes, of_numbers.metrics, of_numbers.num_labels) == (None, ("pearson", "spearman"), 1)
    of_classes = task("stsb", classes=["low", "middle", "high"])
    assert (of_classes.regression, of_classes.metrics, of_classes.label_range) == (False, ("accuracy",), None)
    assert of_classes.num_labels == 3
    assert task("imdb", regression=False) == task("imdb")
    assert task("stsb", regression=True).label_range == (0, 5)


def test_bundled_texts_need_no_files():
    bundled = resolved().tasks["imdb"]
    assert (bundled.repo, bundled.files, bundled.patterns) == (None, {}, ())
    assert bundled.validation_from_train.seed == 3463


def test_what_the_command_line_spells_as_text_is_read_as_what_it_is():
    # Snakemake's --config passes everything inside a list or mapping as text.
    config = resolved(
        seeds=["0", "1"],
        batch_sizes=["8"],
        learning_rates=["3e-4"],
        training={"epochs": "2", "warmup": "0.1"},
        tasks={"imdb": {"source": "bundled", "max_length": "8", "drop_training_rows_in_test": "True"}},
        modes={"random": {"random": {"parameters": "300"}}},
    )
    assert (config.seeds, config.batch_sizes, config.learning_rates) == ((0, 1), (8,), ("3e-4",))
    assert (config.training.epochs, config.training.warmup) == (2, 0.1)
    assert (config.tasks["imdb"].max_length, config.tasks["imdb"].drop_training_rows_in_test) == (8, True)
    assert config.modes["random"].random.parameters == 300


@pytest.mark.parametrize("name", SHIPPED)
def test_all_of_it_survives_json(name):
    config = resolved(name)
    assert Config.model_validate_json(canonical_json(as_json(config))) == config
    for each in plans(config):
        assert Plan.model_validate_json(canonical_json(as_json(each))) == each
        for cell in each.cells()[:2]:
            assert Cell.model_validate_json(canonical_json(as_json(cell))) == cell


def test_peft_settings_that_are_none_survive_json():
    config = resolved(
        modes={"lora": {"peft": {"peft_type": "LORA", "r": 2, "alpha_pattern": {"a": [None, 0.5]}, "x": None}}}
    )
    (cell, *_) = plan(config, "lora").cells()
    back = Cell.model_validate_json(canonical_json(as_json(cell)))
    assert back == cell
    assert back.mode.peft.model_dump() == {"peft_type": "LORA", "r": 2, "alpha_pattern": {"a": [None, 0.5]}, "x": None}


def test_objects_do_not_change():
    config = resolved()
    with pytest.raises(ValueError, match="frozen"):
        config.run = "other"
    given = load("smoke")
    before = json.dumps(given)
    resolve_config(given, "smoke.yaml")
    assert json.dumps(given) == before


def test_nothing_heavy_is_imported_with_the_configuration():
    # Snakemake imports it in every process that it starts.
    code = (
        "import sys, finegrid.config.resolve, finegrid.config.cell, finegrid.config.hub_files, finegrid.records; "
        "print(*sorted({'numpy', 'torch', 'pandas', 'transformers'} & sys.modules.keys()))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
