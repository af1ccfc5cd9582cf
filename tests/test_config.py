"""The configuration: bad ones end in one line that names file, key, value and what is allowed."""

from copy import deepcopy

import pytest
import yaml
from conftest import REPOSITORY, edit_config, snakemake

from finegrid.config import cell as grid
from finegrid.config.definition import complete, plan, plans, wanted
from finegrid.errors import InputError

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"


def load(name: str) -> dict:
    return yaml.safe_load((REPOSITORY / "config" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["config", "glue", "imdb", "imdb-embedded", "imdb-random", "smoke"])
def test_shipped_configurations_are_valid(name):
    assert plans(complete(load(name), SCHEMA, name))


def test_the_study_is_to_the_letter():
    config = complete(load("imdb"), SCHEMA, "imdb")
    full = plan(config, "imdb", "full")
    assert len(grid.cells(full)) == 20
    assert full["batch_sizes"] == [8, 16, 32, 64, 128]
    assert full["learning_rates"] == ["3e-4", "1e-4", "5e-5", "3e-5"]
    settings = full["config"]
    assert settings["model"]["repo"] == "google/bert_uncased_L-2_H-128_A-2"
    assert settings["task"]["repo"] == "stanfordnlp/imdb"
    assert settings["task"]["held_out"] == {"share": 0.2, "seed": 3463}
    assert (settings["task"]["max_length"], settings["epochs"]) == (512, 4)
    assert (settings["weight_decay"], settings["warmup"], settings["max_grad_norm"]) == (0, 0, 1.0)


def test_what_is_wanted_of_the_hub_is_what_is_of_that_source():
    config = complete(load("imdb"), SCHEMA, "imdb")
    assert {reader: list(files) for reader, files in wanted(config).items()} == {
        "model": ["models/google/bert_uncased_L-2_H-128_A-2"],
        "data/imdb": ["datasets/stanfordnlp/imdb"],
    }
    config["tasks"]["imdb"]["source"] = "embedded"
    assert list(wanted(config)) == ["model"]
    assert wanted(complete(load("smoke"), SCHEMA, "smoke")) == {}


def test_a_mode_may_have_its_own_learning_rates():
    config = load("smoke")
    config["modes"]["bitfit"] = {"learning_rates": ["1e-2", 0.003]}
    config = complete(config, SCHEMA, "smoke")
    assert plan(config, "imdb", "bitfit")["learning_rates"] == ["1e-2", "3e-3"]
    assert plan(config, "imdb", "full")["learning_rates"] == ["3e-4", "1e-3"]


def test_a_mode_of_the_user():
    config = load("smoke")
    config["modes"]["layernorm"] = {"train": [r".*LayerNorm\..*", r"classifier\..*"]}
    config = complete(config, SCHEMA, "smoke")
    assert plan(config, "imdb", "layernorm")["config"]["train"] == [r".*LayerNorm\..*", r"classifier\..*"]


def test_a_random_subset_is_drawn_from_everything_unless_the_mode_says_from_what():
    config = load("smoke")
    config["modes"]["random"] = {"random": {"parameters": 3074}}
    config["modes"]["bitfit"] = {"random": {"parameters": 100, "seed": 3}}
    config["modes"]["layers"] = {"train": [r".*\.layer\..*", "head"], "random": {"parameters": 100}}
    config = complete(config, SCHEMA, "smoke")
    settings = {mode: plan(config, "imdb", mode)["config"] for mode in config["modes"]}
    assert settings["random"]["train"] == [".*"]
    assert settings["random"]["random"] == {"parameters": 3074, "seed": 0}
    assert settings["bitfit"]["train"] == [r".*\.bias"]
    assert settings["bitfit"]["random"] == {"parameters": 100, "seed": 3}
    assert settings["layers"]["train"] == [r".*\.layer\..*", "head"]
    assert "random" not in settings["full"]


def test_beside_adapters_the_head_trains_unless_the_mode_says_what():
    config = load("smoke")
    config["modes"]["lora"] = {"peft": {"peft_type": "LORA", "r": 8, "target_modules": ["query", "value"]}}
    config["modes"]["lora-bias"] = {"train": ["head", r".*\.bias"], "peft": {"peft_type": "LORA"}}
    config = complete(config, SCHEMA, "smoke")
    settings = {mode: plan(config, "imdb", mode)["config"] for mode in config["modes"]}
    assert settings["lora"]["train"] == ["head"]
    assert settings["lora"]["peft"] == {"peft_type": "LORA", "r": 8, "target_modules": ["query", "value"]}
    assert settings["lora-bias"]["train"] == ["head", r".*\.bias"]
    assert "peft" not in settings["full"]


OWN = {
    **{"source": "files", "max_length": 8, "files": {"train": "README.md"}},
    **{"text": "text", "label": "label", "classes": ["no", "yes"]},
}


def change(path: str, value):
    """Return a function that sets one key of a configuration, given as a dotted path."""

    def apply(config):
        *parents, key = path.split(".")
        for parent in parents:
            config = config[parent] if isinstance(config, dict) else config[int(parent)]
        config[key] = value

    return apply


BAD = [
    ("lerning_rates", [1e-3], ["(top level)", "unknown key 'lerning_rates'", "learning_rates"]),
    ("training.epoch", 3, ["training", "unknown key 'epoch'", "epochs"]),
    ("tasks.imdb.length", 3, ["tasks.imdb", "unknown key 'length'", "max_length"]),
    ("modes.bitfitt", {}, ["modes", "unknown mode 'bitfitt'", "bitfit-head"]),
    ("tasks.imbd", {"source": "embedded", "max_length": 8}, ["tasks.imbd.source", "'embedded' is for imdb", "files"]),
    ("tasks.imbd", {"source": "hub", "max_length": 8}, ["tasks.imbd", "'repo' is missing", "none of imdb, cola"]),
    ("tasks.mine", {"source": "files", "max_length": 8}, ["tasks.mine", "'files' is missing"]),
    ("tasks.mine", OWN | {"label": None}, ["tasks.mine.label", "None", "column"]),
    (
        "tasks.mine",
        {key: OWN[key] for key in OWN if key != "classes"},
        ["'classes' (or 'regression: true') is missing"],
    ),
    ("tasks.mine", OWN | {"classes": ["a", "a"]}, ["tasks.mine.classes", "two classes of one name"]),
    ("tasks.mine", OWN | {"classes": ["a"]}, ["tasks.mine.classes", "['a']", "two or more"]),
    ("tasks.mine", OWN | {"metrics": ["bleu"]}, ["tasks.mine.metrics", "'bleu'", "accuracy, f1, macro_f1, matthews"]),
    ("tasks.mine", OWN | {"classes": [1, 2, 3], "metrics": ["f1"]}, ["'f1' is not for 3 classes", "macro_f1"]),
    ("tasks.mine", OWN | {"text": ["a", "b", "c"]}, ["tasks.mine.text", "two columns"]),
    ("tasks.mine", OWN | {"files": {"train": "no/where.csv"}}, ["tasks.mine.files", "there is no file 'no/where.csv'"]),
    ("tasks.mine", OWN | {"files": {"test": "README.md"}}, ["tasks.mine.files", "'train' is missing"]),
    ("tasks.mine", OWN | {"files": {"dev": "README.md"}}, ["tasks.mine.files", "unknown key 'dev'", "validation"]),
    ("tasks.mine", OWN | {"repo": "a/b"}, ["tasks.mine", "'repo' is not for source 'files'"]),
    ("tasks.mine", OWN | {"held_out": {"share": 1}}, ["tasks.mine.held_out.share", "1", "below 1"]),
    ("tasks.mine", OWN | {"sample": {"train": 9, "test": 9}}, ["tasks.mine.sample.test", "carve_out"]),
    ("tasks.a/b", OWN, ["tasks", "'a/b'", "letters, digits"]),
    (
        "tasks.cola",
        {"source": "hub", "max_length": 8, "held_out": {"share": 0.1}},
        ["cola.held_out", "validation split"],
    ),
    (
        "tasks.cola",
        {"source": "hub", "max_length": 8, "files": {"train": "../../x.csv"}},
        ["tasks.cola.files", "'../../x.csv'", "inside the repository"],
    ),
    ("tasks.imdb.files", {"train": "README.md"}, ["tasks.imdb", "'files' is not for source 'embedded'"]),
    ("tasks.imdb.carve_out", {"share": 0.1}, ["tasks.imdb.carve_out", "the task has a test split with labels"]),
    ("tasks.imdb.metrics", ["pearson"], ["tasks.imdb.metrics", "'pearson' is not for 2 classes"]),
    ("learning_rates", [0], ["learning_rates", "0", "positive"]),
    ("learning_rates", ["-3e-4"], ["learning_rates", "-3e-4", "positive"]),
    ("learning_rates", ["quick"], ["learning_rates", "quick", "positive"]),
    ("learning_rates", [], ["learning_rates", "[]", "positive"]),
    ("learning_rates", 3e-4, ["learning_rates", "0.0003", "list"]),
    ("learning_rates", [True], ["learning_rates.0", "True", "positive"]),
    ("learning_rates", ["3e-4", 0.0003], ["learning_rates", "'3e-4' and 0.0003", "same"]),
    ("modes.full.learning_rates", ["3e-4", 3.0e-4], ["modes.full.learning_rates", "same"]),
    ("modes.full.train", ["("], ["modes.full.train", "'('", "regular expression"]),
    ("modes.full.train", [], ["modes.full.train", "[]"]),
    ("modes.mine", {"learning_rates": [1e-3]}, ["modes", "unknown mode 'mine'", "'train', 'random' or 'peft'"]),
    ("modes.full.random", {}, ["modes.full.random", "'parameters' is missing"]),
    ("modes.full.random", {"parameters": 0}, ["modes.full.random.parameters", "0", "1 or more"]),
    ("modes.full.random", {"parameters": 1e3}, ["modes.full.random.parameters", "1000.0", "whole number"]),
    ("modes.full.random", {"parameters": 10, "seed": -1}, ["modes.full.random.seed", "-1", "0 or more"]),
    ("modes.full.random", {"parameter": 10}, ["modes.full.random", "unknown key 'parameter'", "parameters"]),
    ("modes.full.peft", "LORA", ["modes.full.peft", "'LORA'", "peft_type"]),
    ("modes.full.peft", {"r": 8}, ["modes.full.peft", "'peft_type' is missing"]),
    ("modes.full.peft", {"peft_type": 8}, ["modes.full.peft.peft_type", "8", "LORA"]),
    (
        "modes.full",
        {"random": {"parameters": 10}, "peft": {"peft_type": "LORA"}},
        ["modes.full", "'random' and 'peft'"],
    ),
    ("modes.full", None, ["modes.full", "None", "{}"]),
    ("modes", {}, ["modes", "at least one"]),
    ("tasks", {}, ["tasks", "at least one"]),
    ("batch_sizes", [0], ["batch_sizes.0", "0", "1 or more"]),
    ("batch_sizes", [-8], ["batch_sizes.0", "-8", "1 or more"]),
    ("batch_sizes", [16.0], ["batch_sizes.0", "16.0", "whole number"]),
    ("batch_sizes", [True], ["batch_sizes.0", "True", "whole number"]),
    ("batch_sizes", ["16"], ["batch_sizes.0", "'16'", "whole number"]),
    ("batch_sizes", [16, 16], ["batch_sizes", "[16, 16]", "no two equal"]),
    ("seeds", [1, 1], ["seeds", "no two equal"]),
    ("seeds", [-1], ["seeds.0", "-1", "0 or more"]),
    ("data_order_seeds", [], ["data_order_seeds", "[]", "a list of whole numbers"]),
    ("data_order_seeds", [0, 0], ["data_order_seeds", "no two equal"]),
    ("data_order_seeds", [0.5], ["data_order_seeds.0", "0.5", "0 or more"]),
    ("published", ["none.yaml"], ["published", "there is no file 'none.yaml'"]),
    ("training.epochs", 0, ["training.epochs", "0", "1 or more"]),
    ("training.warmup", 1, ["training.warmup", "1", "below 1"]),
    ("training.weight_decay", float("nan"), ["training.weight_decay", "nan", "a finite number"]),
    ("training.max_grad_norm", 0, ["training.max_grad_norm", "0", "above 0"]),
    ("run", "../elsewhere", ["run", "../elsewhere", "letters"]),
    ("run", "", ["run", "''", "letters"]),
    ("model.source", "disk", ["model.source", "disk", "embedded"]),
    ("model", {"name": "x", "source": "hub"}, ["model", "repo"]),
    ("model", {"name": "x", "source": "hub", "repo": "../../etc"}, ["model.repo", "../../etc", "owner/name"]),
    ("tasks.imdb.max_length", 513, ["tasks.imdb.max_length", "513", "512"]),
    ("tasks.imdb.source", "web", ["tasks.imdb.source", "web", "hub"]),
    ("tasks.imdb.sample", {}, ["tasks.imdb.sample", "{}", "smaller"]),
    ("tasks.imdb.sample.train", 1, ["tasks.imdb.sample.train", "1", "2 or more"]),
]


@pytest.mark.parametrize(("path", "value", "expected"), BAD, ids=[f"{path}={value!r}"[:60] for path, value, _ in BAD])
def test_bad_configuration_is_told_in_one_line(path, value, expected):
    config = deepcopy(load("smoke"))
    change(path, value)(config)
    with pytest.raises(InputError) as error:
        complete(config, SCHEMA, "my.yaml")
    message = str(error.value)
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    assert all(part in message for part in expected), message


def test_snakemake_stops_with_that_line(clone):
    edit_config(clone, change("batch_sizes", [0]))
    done = snakemake(clone, "--dry-run")
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if "error" in line.lower()]
    assert lines == [
        "error: config/smoke.yaml: batch_sizes.0: 0 is not allowed; expected a batch size: a whole number, 1 or more"
    ]
    assert "Traceback" not in done.stderr


def test_a_configuration_given_on_the_command_line_replaces_the_default(clone):
    # Merged with the default one, it would gain the default's third mode.
    done = snakemake(clone, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "bitfit-head" not in done.stdout
    assert "results/default" not in done.stdout
