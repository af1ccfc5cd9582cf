"""Files of a configuration that are broken as files: each ends in one line that names it and what is wrong."""

import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY, copy_pipeline, run

from finegrid.config.definition import complete, read_configfile
from finegrid.errors import InputError

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
SMOKE = (REPOSITORY / "config" / "smoke.yaml").read_text(encoding="utf-8")
FOLDER = object()


def replaced(old: str, new: str) -> str:
    assert SMOKE.count(old) == 1
    return SMOKE.replace(old, new)


def laughs(key: str, depth: int, breadth: int) -> str:
    """Return YAML of a few lines in which a key holds breadth ** depth values, or itself where breadth is 0."""
    if not breadth:
        return f"{key}: &a [*a]\n"
    anchors = "".join(f"  - &a{level} [{', '.join([f'*a{level - 1}'] * breadth)}]\n" for level in range(1, depth))
    return f"{key}:\n  - &a0 [0]\n{anchors}"


# Those of the second table Snakemake itself takes for a configuration: what it would make of them is not what is meant.
NOT_YAML = {
    "unclosed": ("run: [a\n", ["not YAML", "line 2, column 1", "expected ',' or ']'"]),
    "tab": ("run: a\nmodel:\n\tname: x\n", ["not YAML", "line 3, column 1", "'\\t'"]),
    "empty": ("", ["is no mapping", "run, model, tasks"]),
    "comments only": ("# run: a\n", ["is no mapping"]),
    "list": ("- run\n- model\n", ["is no mapping"]),
    "text": ("run\n", ["is no mapping"]),
    "number": ("3.0e-4\n", ["is no mapping"]),
    "Latin-1": ("run: caf\xe9\n".encode("latin-1"), ["not YAML", "0xe9"]),
    "UTF-16": (SMOKE.encode("utf-16"), ["not YAML", "0xff"]),
    "binary": (bytes(range(256)), ["not YAML"]),
    "zeros": (bytes(100), ["not YAML", "#x0000"]),
    "deep": (f"run: {'[' * 9000}{']' * 9000}\n", ["not YAML", "nested too deep"]),
    "no such day": (replaced("run: smoke", "run: 2026-13-13"), ["not YAML", "month must be in 1..12"]),
    "number of 5,000 digits": (replaced("seeds: [0]", f"seeds: [{'9' * 5000}]"), ["not YAML", "5000 digits"]),
    "no such anchor": ("run: *smoke\n", ["not YAML", "line 1, column 6", "undefined alias 'smoke'"]),
    "a mapping as a key": ("{run: smoke}: 1\n", ["not YAML", "line 1", "unhashable key"]),
    "two documents": (f"{SMOKE}---\n{SMOKE}", ["not YAML", "another document"]),
    "Python's object": ("run: !!python/object/apply:os.getcwd []\n", ["not YAML", "line 1", "python/object"]),
    "broken JSON": ('{"run": "smoke",\n "model": ]', ["not YAML", "line 2"]),
    "folder": (FOLDER, ["cannot be read", "directory"]),
    "missing": (None, ["no such file"]),
}
NOT_MEANT = {
    "a key twice": (f"{SMOKE}seeds: [1]\n", ["'seeds' stands there twice", "first in line 20"]),
    "a key twice, below": (replaced("modes:", "modes:\n  full: {learning_rates: [1e-3]}"), ["'full'", "twice"]),
    "a number as a key": (replaced("modes:", "modes:\n  1: {}"), ["modes", "not text", "int", "in quotes"]),
    "a truth as a key": (replaced("modes:", "modes:\n  on: {}"), ["modes", "not text", "bool", "in quotes"]),
    "a date": (replaced("run: smoke", "run: 2026-01-01"), ["run: a date", "in quotes"]),
    "a set": (replaced("seeds: [0]", "seeds: !!set {0, 1}"), ["seeds: a set"]),
    "infinity": (replaced("learning_rates:", "learning_rates: [.inf] #"), ["learning_rates.0: inf", "finite"]),
    "number of 4,000 digits": (replaced("seeds: [0]", f"seeds: [{'9' * 4000}]"), ["seeds.0", "13288 bits"]),
    "hexadecimal": (replaced("seeds: [0]", f"seeds: [0x{'f' * 9000}]"), ["seeds.0", "36000 bits"]),
    "a text without end": (replaced("seeds: [0]", f"seeds: {'x' * 200_000}"), ["more than 100,000"]),
    "a billion values": (replaced("seeds: [0]", laughs("seeds", 10, 9)), ["more than 100,000"]),
    "a list in itself": (replaced("seeds: [0]", laughs("seeds", 1, 0)), ["seeds.0.0", "deeper than 32"]),
    "100 lists in each other": (replaced("seeds: [0]", f"seeds: {'[' * 100}{']' * 100}"), ["seeds", "deeper than 32"]),
    "a value that fills the screen": (
        replaced("seeds: [0]", f"seeds: {'x' * 9000}"),
        [f"seeds: '{'x' * 199}... is not"],
    ),
}
BROKEN = NOT_YAML | NOT_MEANT
TOLD_BY_SNAKEMAKE = ["unclosed", "a key twice", "a number as a key", "a billion values"]


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
        complete(read_configfile(path), SCHEMA, path)
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
    config = complete(read_configfile(tmp_path / name), SCHEMA, name)
    assert (config["run"], config["seeds"], config["training"]["epochs"]) == ("smoke", [0], 1)


def test_json_is_a_configuration_too_unless_a_key_stands_there_twice(tmp_path):
    path = tmp_path / "my.json"
    path.write_text('{\n\t"run": "\\ud83d\\ude00"\n}')  # tabs and pairs of surrogates are JSON, but not YAML
    assert read_configfile(path) == {"run": "\U0001f600"}
    path.write_text('{"seeds": [0], "training": {"epochs": 1, "epochs": 2}, "seeds": [1]}')
    with pytest.raises(InputError, match=r"my.json: not JSON \(the key 'epochs' stands there twice\)"):
        read_configfile(path)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    """A copy of the pipeline whose configurations a test may break."""
    return copy_pipeline(tmp_path_factory.mktemp("broken") / "clone")


@pytest.mark.parametrize("name", TOLD_BY_SNAKEMAKE)
def test_snakemake_ends_with_that_line(pipeline, name):
    content, expected = BROKEN[name]
    write(pipeline / "config" / "config.yaml", content)
    done = run("snakemake", "--dry-run", cwd=pipeline)
    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert line.startswith("error: config/config.yaml: ")
    assert all(part in line for part in expected), line
    assert not (pipeline / "results").exists()


@pytest.mark.parametrize("name", ["a key twice", "a date"])
def test_snakemake_ends_with_that_line_for_a_file_of_its_command_line(pipeline, name):
    content, expected = BROKEN[name]
    write(pipeline / "my.yaml", content)
    done = run("snakemake", "--dry-run", "--configfile", "my.yaml", cwd=pipeline)
    assert done.returncode != 0
    [line] = [line for line in done.stderr.splitlines() if not line.startswith("Using workflow specific profile")]
    assert line.startswith("error: my.yaml: ")
    assert all(part in line for part in expected), line


@pytest.mark.parametrize("name", ["tab", "missing"])
def test_what_snakemake_cannot_read_at_all_is_told_by_progress(pipeline, name):
    # Snakemake reads the files of its command line before it looks at the Snakefile: these words are its own.
    content, expected = BROKEN[name]
    write(pipeline / "broken.yaml", content)
    arguments = ["--configfile", "broken.yaml"]
    done = run("snakemake", "--dry-run", *arguments, cwd=pipeline)
    assert done.returncode != 0
    assert "not valid JSON or YAML" in done.stdout or "No such file or directory: 'broken.yaml'" in done.stdout
    done = run(sys.executable, "scripts/progress.py", *arguments, cwd=pipeline)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert line.startswith("error: broken.yaml: ")
    assert all(part in line for part in expected), line
