"""Files of a configuration that are broken as files: each ends in one line that names it and what is wrong."""

from pathlib import Path

import pytest
from conftest import REPOSITORY

from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.errors import InputError

SMOKE = (REPOSITORY / "config" / "smoke.yaml").read_text(encoding="utf-8")
FOLDER = object()


def replaced(old: str, new: str) -> str:
    assert SMOKE.count(old) == 1
    return SMOKE.replace(old, new)


NOT_YAML = {
    "unclosed": ("run: [a\n", ["not YAML", "line 2, column 1", "expected ',' or ']'"]),
    "tab": ("run: a\nmodel:\n\tname: x\n", ["not YAML", "line 3, column 1", "'\\t'"]),
    "empty": ("", ["not a mapping", "run, model, tasks"]),
    "comments only": ("# run: a\n", ["not a mapping"]),
    "list": ("- run\n- model\n", ["not a mapping"]),
    "text": ("run\n", ["not a mapping"]),
    "number": ("3.0e-4\n", ["not a mapping"]),
    "Latin-1": ("run: caf\xe9\n".encode("latin-1"), ["not YAML", "0xe9"]),
    "UTF-16": (SMOKE.encode("utf-16"), ["not YAML", "0xff"]),
    "binary": (bytes(range(256)), ["not YAML"]),
    "zeros": (bytes(100), ["not YAML", "#x0000"]),
    "no such day": (replaced("run: smoke", "run: 2026-13-13"), ["not YAML", "month must be in 1..12"]),
    "no such anchor": ("run: *smoke\n", ["not YAML", "line 1, column 6", "undefined alias 'smoke'"]),
    "a mapping as a key": ("{run: smoke}: 1\n", ["not YAML", "line 1", "unhashable key"]),
    "two documents": (f"{SMOKE}---\n{SMOKE}", ["not YAML", "another document"]),
    "Python's object": ("run: !!python/object/apply:os.getcwd []\n", ["not YAML", "line 1", "python/object"]),
    "broken JSON": ('{"run": "smoke",\n "model": ]', ["not YAML", "line 2"]),
    "folder": (FOLDER, ["cannot be read", "directory"]),
    "missing": (None, ["no such file"]),
}
# Valid YAML of which Snakemake, or anyone, would make something else than was meant.
NOT_MEANT = {
    "a key twice": (f"{SMOKE}seeds: [1]\n", ["'seeds' stands there twice", "first in line 20"]),
    "a key twice, below": (replaced("modes:", "modes:\n  full: {learning_rates: [1e-3]}"), ["'full'", "twice"]),
    "a number as a key": (replaced("modes:", "modes:\n  1: {train: [head]}"), ["modes.1", "in quotes"]),
    "a truth as a key": (replaced("modes:", "modes:\n  on: {train: [head]}"), ["modes.1: True", "in quotes"]),
    "a date": (replaced("run: smoke", "run: 2026-01-01"), ["run: datetime.date(2026, 1, 1)", "in quotes"]),
    "a set": (replaced("seeds: [0]", "seeds: !!set {0, 1}"), ["seeds: {0, 1}", "a list"]),
    "infinity": (replaced("learning_rates:", "learning_rates: [.inf] #"), ["learning_rates.0", "inf", "positive"]),
    "a value that fills the screen": (replaced("seeds: [0]", f"seeds: {'x' * 9000}"), ["seeds: 'xxx", "xxx...xxx"]),
}
BROKEN = NOT_YAML | NOT_MEANT


def write(path: Path, content) -> None:
    """Put a file of this content, a folder or nothing in the place of a path."""
    path.unlink(missing_ok=True)
    if content is FOLDER:
        path.mkdir()
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_told_in_one_line(tmp_path, name):
    content, expected = BROKEN[name]
    path = tmp_path / "my.yaml"
    write(path, content)
    with pytest.raises(InputError) as error:
        resolve_config(read_configfile(path), str(path))
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable() and len(message) < len(str(path)) + 600, message
    assert all(part in message for part in expected), message


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("byte-order-mark.yaml", "\ufeff" + SMOKE),
        ("windows.yaml", SMOKE.replace("\n", "\r\n")),
        ("one-document.yaml", f"---\n{SMOKE}...\n"),
        # A key beside one that is merged in is no key twice, whichever of the two is read first.
        ("merged.yaml", replaced("  epochs: 1", "  <<: {epochs: 2, warmup: 0.1}\n  epochs: 1")),
    ],
)
def test_what_is_unusual_but_whole_is_read(tmp_path, name, content):
    write(tmp_path / name, content)
    config = resolve_config(read_configfile(tmp_path / name), name)
    assert (config.run, config.seeds, config.training.epochs) == ("smoke", (0,), 1)


def test_json_is_a_configuration_too_unless_a_key_stands_there_twice(tmp_path):
    path = tmp_path / "my.json"
    path.write_text('{\n\t"run": "\\ud83d\\ude00"\n}')  # tabs and pairs of surrogates are JSON, but not YAML
    assert read_configfile(path) == {"run": "\U0001f600"}
    path.write_text('{"seeds": [0], "training": {"epochs": 1, "epochs": 2}, "seeds": [1]}')
    with pytest.raises(InputError, match=r"my.json: not JSON \(the key 'epochs' stands there twice\)"):
        read_configfile(path)
