"""Nothing that is read is run: what the sources may call, how rules quote, which names and texts are allowed."""

import ast
import io
import itertools
import pickle
import re
import tokenize
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from conftest import REPOSITORY

from finegrid.config.definition import Task
from finegrid.config.resolve import resolve_config
from finegrid.data.readers import read_file
from finegrid.errors import InputError
from finegrid.evaluation.published import read_published

SOURCES = REPOSITORY / "scripts"
SCRIPTS = sorted(SOURCES.rglob("*.py"))
RULES = [REPOSITORY / "Snakefile", *sorted((REPOSITORY / "workflow" / "rules").glob("*.smk"))]

# What a source may not use, by the dotted name that it is called or imported by, and who may, for a reason.
FORBIDDEN = [
    *("eval", "exec", "compile", "__import__", "importlib.import_module", "runpy", "ctypes", "cffi"),
    *("os.system", "os.popen", "os.exec", "os.spawn", "os.posix_spawn", "pty", "subprocess", "commands"),
    *("pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "jsonpickle"),
    *("pandas.read_pickle", "numpy.load", "np.load", "torch.load", "torch.hub", "torch.jit", "torch.package"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.Loader", "yaml.UnsafeLoader", "yaml.FullLoader"),
    *("datasets.load_dataset", "load_dataset", "tarfile", "gzip", "bz2", "lzma", "zlib", "shutil.unpack_archive"),
]
ALLOWED = {
    ("finegrid/files.py", "yaml.load"): "by a loader that is yaml.SafeLoader with a check of its own",
    ("finegrid/modeling/lean_transformers.py", "importlib.import_module"): "of modules of transformers",
    ("finegrid/training/environment.py", "ctypes"): "for mallopt of the C library that Python runs on",
    ("finegrid/training/fast/bert/compiled.py", "ctypes"): "for its own library, which lies beside it",
    ("finegrid/modeling/hub.py", "pickle"): "for the name of the error by which a pickle is refused",
    ("pretraining/pretrain.py", "torch.load"): "with weights_only=True, of a checkpoint of its own",
}


def dangers(text: str) -> set[str]:
    """Return the forbidden names that Python source calls, imports or reaches for, and its dangerous arguments."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute | ast.Name):
            names = [ast.unparse(node)]
        elif isinstance(node, ast.keyword):
            if node.arg in ("shell", "trust_remote_code", "allow_pickle") and ast.unparse(node.value) != "False":
                found.add(f"{node.arg}={ast.unparse(node.value)}")
            if node.arg == "weights_only" and ast.unparse(node.value) != "True":
                found.add(f"{node.arg}={ast.unparse(node.value)}")
        for name in names:
            found |= {each for each in FORBIDDEN if re.match(rf"{re.escape(each)}(\.|$|[lv]p?e?$)", name)}
    return found


@pytest.mark.parametrize(
    ("text", "danger"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("def f():\n    eval(x)", "eval"),
        ("f = exec", "exec"),
        ("__import__('os')", "__import__"),
        ("os.system(x)", "os.system"),
        ("os.execv(x, y)", "os.exec"),
        ("from os import popen", "os.popen"),
        ("subprocess.run(x)", "subprocess"),
        ("run(x, shell=True)", "shell=True"),
        ("torch.load(x)", "torch.load"),
        ("load(x, weights_only=False)", "weights_only=False"),
        ("np.load(x)", "np.load"),
        ("from yaml import unsafe_load", "yaml.unsafe_load"),
        ("yaml.load(x, yaml.Loader)", "yaml.load"),
        ("from_pretrained(x, trust_remote_code=code)", "trust_remote_code=code"),
    ],
)
def test_the_check_of_sources_finds(text, danger):
    assert danger in dangers(text)


def test_no_source_runs_what_it_reads():
    assert len(SCRIPTS) > 50
    texts = {path.relative_to(SOURCES).as_posix(): path.read_text(encoding="utf-8") for path in SCRIPTS}
    found = {(name, danger) for name, text in texts.items() for danger in dangers(text)}
    assert found == set(ALLOWED)
    assert "class Loader(yaml.SafeLoader):" in texts["finegrid/files.py"]
    assert "torch.load(checkpoint, weights_only=True)" in texts["pretraining/pretrain.py"]


FORBIDDEN_IN_RULES = {
    *("eval", "exec", "compile", "pickle", "subprocess", "system", "popen", "envvars", "run:", "script:"),
}
# Quoted already, or fixed texts of the rules.
UNQUOTED = {"params.command", "threads", "params.partial"}


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_quote_what_they_hand_to_the_shell(path):
    tokens = list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    keywords = {token.string + after.string for token, after in itertools.pairwise(tokens) if after.string == ":"}
    assert not FORBIDDEN_IN_RULES & (names | keywords)
    commands = 0
    for number, (token, after) in enumerate(itertools.pairwise(tokens)):
        if (token.string, after.string) != ("shell", ":"):
            continue
        commands += 1
        strings = [each for each in tokens[number + 2 :] if each.type not in (tokenize.NL, tokenize.COMMENT)]
        end = next(place for place, each in enumerate(strings) if each.type == tokenize.DEDENT)
        command = "".join(ast.literal_eval(each.string) for each in strings[:end] if each.type == tokenize.STRING)
        assert command.startswith(("{params.command} ", "printf '%s\\n' "))
        for value in re.findall(r"\{(.*?)\}", command):
            assert value.endswith(":q") or value in UNQUOTED, command
    assert commands == sum(token.string == "shell" for token in tokens)


def test_a_pickle_inside_a_parquet_file_is_not_run(tmp_path):
    trap = tmp_path / "it ran"

    class Trap:
        def __reduce__(self):
            return Path.touch, (trap,)

    extension = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(Trap(), 0)}
    field = pyarrow.field("text", pyarrow.string(), metadata=extension)
    schema = pyarrow.schema([field, ("label", pyarrow.int64())])
    table = pyarrow.table({"text": ["a", "b"], "label": [0, 1]}, schema=schema)
    pyarrow.parquet.write_table(table, tmp_path / "rows.parquet")
    assert b"py_extension_type" in b"".join(pyarrow.parquet.read_schema(tmp_path / "rows.parquet")[0].metadata.values())
    of_labels = {"label": "label", "classes": ["no", "yes"], "metrics": ["accuracy"]}
    task = Task(name="own", source="files", text=["text"], max_length=8, **of_labels)
    assert read_file(tmp_path / "rows.parquet", task, labelled=True).texts["text"] == ["a", "b"]
    assert not trap.exists()
    pickle.loads(extension["ARROW:extension:metadata"])
    assert trap.exists()


HOSTILE = [
    *("a; touch pwned", "$(touch pwned)", "`touch pwned`", "a'b", 'a"b', "a b", "a\nb", "a\n", "--help", "-a"),
    *("{wildcards.task}", "{params}", "..", "../a", "/abs", "~", "a/b", "a\\b", "é", "١", "a\x00", "", ".a", "a" * 101),
]


def configuration(key: str, name: str) -> dict:
    """Return the smoke configuration with a name in the place that `key` tells."""
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    hub = {"source": "hub", "max_length": 8, "repo": "a/b"}
    own = hub | {"files": {"train": "*.csv"}, "text": "text", "label": "label", "classes": ["no", "yes"]}
    return {
        "run": lambda: config | {"run": name},
        "task": lambda: config | {"tasks": {name: own}},
        "mode": lambda: config | {"modes": {name: {"train": [".*"]}}},
        "model": lambda: config | {"models": {name: {"source": "bundled"}}},
        "owner": lambda: config | {"models": {"m": {"source": "hub", "repo": f"{name}/b"}}},
        "repository": lambda: config | {"tasks": {"own": own | {"repo": f"a/{name}"}}},
        "pattern": lambda: config | {"tasks": {"own": own | {"files": {"train": name}}}},
    }[key]()


@pytest.mark.parametrize("key", ["run", "task", "mode", "model", "owner", "repository"])
def test_names_of_files_and_repositories_are_plain(key):
    resolve_config(configuration(key, "a"), "my.yaml")
    for name in HOSTILE:
        with pytest.raises(InputError) as refused:
            resolve_config(configuration(key, name), "my.yaml")
        message = str(refused.value)
        assert message.startswith("my.yaml: ") and message.isprintable()
        assert "letters" in message or "owner/name" in message, message


@pytest.mark.parametrize(
    "pattern", ["../x.csv", "/etc/*.csv", "a/../../x.csv", "a//x.csv", "./x.csv", "a\\x.csv", "a\n"]
)
def test_a_pattern_of_a_repository_stays_inside_it(pattern):
    with pytest.raises(InputError, match="is not a path inside the repository"):
        resolve_config(configuration("pattern", pattern), "my.yaml")


@pytest.mark.parametrize("name", ["a\nb", "a\n", "", "a\tb", "a\x1b[2J", "a\u2028b"])
def test_a_class_is_one_line_of_text(name):
    config = configuration("pattern", "*.csv")
    config["tasks"]["own"]["classes"] = ["no", name]
    with pytest.raises(InputError, match="one line of text"):
        resolve_config(config, "my.yaml")


def test_a_message_is_one_line_whatever_it_tells_of():
    assert str(InputError("a\nerror: b\r\x1b[2J\u2028c\x00 é ☃")) == r"a\nerror: b\r\x1b[2J\u2028c\x00 é ☃"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " x", "a\nb", ""])
def test_published_texts_that_a_spreadsheet_would_compute_are_refused(tmp_path, text):
    content = yaml.safe_load((REPOSITORY / "config" / "published.yaml").read_text())
    content["sources"][0]["title"] = text
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"mine\.yaml: sources\.0\.title: ") as refused:
        read_published([tmp_path / "mine.yaml"])
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["a{task}.yaml", "--help", "-x.yaml"])
def test_a_path_that_snakemake_or_a_script_would_take_for_something_else_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("sources: []\n")
    with pytest.raises(InputError, match="a path without braces"):
        resolve_config(configuration("run", "a") | {"published": [name]}, "my.yaml")
    if "{" in name:
        own = {"source": "files", "max_length": 8, "text": "t", "label": "l", "classes": ["a", "b"]}
        config = configuration("run", "a") | {"tasks": {"own": own | {"files": {"train": "a*"}}}}
        with pytest.raises(InputError, match="may not hold braces"):
            resolve_config(config, "my.yaml")
