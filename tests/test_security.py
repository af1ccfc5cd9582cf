"""Hostile names, texts, files and servers: refused in one line, or shown as the text that they are; nothing is run."""

import ast
import csv
import glob
import html.parser
import io
import itertools
import json
import pickle
import re
import shutil
import stat
import sys
import tokenize
import zipfile
from importlib.metadata import distributions
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import yaml
from audit import normalised, read_pins
from conftest import REPOSITORY, run
from hub_server import hub_environment, serve

from finegrid.config.definition import complete
from finegrid.errors import InputError
from finegrid.data.readers import read_rows

SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
SCRIPTS = sorted((REPOSITORY / "scripts").rglob("*.py"))
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
    ("files.py", "yaml.load"): "by a loader that is yaml.SafeLoader with a check of its own",
    ("audit.py", "subprocess"): "runs pip-audit by a list of arguments, without a shell",
    ("hub_model.py", "pickle"): "for the name of the error by which a pickle is refused",
    ("pretrain.py", "torch.load"): "with weights_only=True, of a checkpoint of its own",
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
    assert len(SCRIPTS) > 60
    found = {(path.name, name) for path in SCRIPTS for name in dangers(path.read_text(encoding="utf-8"))}
    assert found == set(ALLOWED)
    assert "class Loader(yaml.SafeLoader):" in (REPOSITORY / "scripts" / "finegrid" / "files.py").read_text()
    assert "torch.load(checkpoint, weights_only=True)" in (REPOSITORY / "scripts" / "pretrain.py").read_text()


def words(path: Path) -> list[tokenize.TokenInfo]:
    return list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_rules_quote_all_that_they_hand_to_the_shell(path):
    tokens = words(path)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    assert not names & {
        "eval",
        "exec",
        "compile",
        "pickle",
        "subprocess",
        "system",
        "popen",
        "envvars",
        "run",
        "script",
    }
    commands = 0
    for number, (token, after) in enumerate(itertools.pairwise(tokens)):
        if (token.string, after.string) != ("shell", ":"):
            continue
        commands += 1
        strings = [each for each in tokens[number + 2 :] if each.type not in (tokenize.NL, tokenize.COMMENT)]
        end = next(place for place, each in enumerate(strings) if each.type == tokenize.DEDENT)
        command = "".join(ast.literal_eval(each.string) for each in strings[:end] if each.type == tokenize.STRING)
        assert command.startswith("python scripts/")
        for value in re.findall(r"\{(.*?)\}", command):
            assert value.endswith(":q") or value == "threads", command
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
    task = {"name": "own", "text": ["text"], "label": "label", "classes": ["no", "yes"]}
    assert read_rows([tmp_path / "rows.parquet"], task, labelled=True)["text"] == ["a", "b"]
    assert not trap.exists()
    pickle.loads(extension["ARROW:extension:metadata"])
    assert trap.exists()


HOSTILE = [
    *("a; touch pwned", "$(touch pwned)", "`touch pwned`", "a'b", 'a"b', "a b", "a\nb", "a\n", "--help", "-a"),
    *("{wildcards.task}", "{params}", "..", "../a", "/abs", "~", "a/b", "a\\b", "é", "١", "a\x00", "", ".a", "a" * 101),
]


def configuration(key: str, name: str) -> dict:
    """The smoke configuration with a name in a place that `key` tells."""
    config = yaml.safe_load((REPOSITORY / "config" / "smoke.yaml").read_text())
    hub = {"source": "hub", "max_length": 8, "repo": "a/b"}
    own = hub | {"files": {"train": "*.csv"}, "text": "text", "label": "label", "classes": ["no", "yes"]}
    return {
        "run": lambda: config | {"run": name},
        "task": lambda: config | {"tasks": {name: own}},
        "mode": lambda: config | {"modes": {name: {"train": [".*"]}}},
        "model": lambda: config | {"model": {"name": name, "source": "embedded"}},
        "owner": lambda: config | {"model": {"name": "m", "source": "hub", "repo": f"{name}/b"}},
        "repository": lambda: config | {"tasks": {"own": own | {"repo": f"a/{name}"}}},
        "pattern": lambda: config | {"tasks": {"own": own | {"files": {"train": name}}}},
    }[key]()


@pytest.mark.parametrize("key", ["run", "task", "mode", "model", "owner", "repository"])
def test_names_of_files_and_repositories_are_plain(key):
    complete(configuration(key, "a"), SCHEMA, "my.yaml")
    for name in HOSTILE:
        with pytest.raises(InputError) as refused:
            complete(configuration(key, name), SCHEMA, "my.yaml")
        message = str(refused.value)
        assert message.startswith("my.yaml: ") and message.isprintable()
        assert "letters" in message or "owner/name" in message, message


@pytest.mark.parametrize(
    "pattern", ["../x.csv", "/etc/*.csv", "a/../../x.csv", "a//x.csv", "./x.csv", "a\\x.csv", "a\n"]
)
def test_a_pattern_of_a_repository_stays_inside_it(pattern):
    with pytest.raises(InputError, match="is not a path inside the repository"):
        complete(configuration("pattern", pattern), SCHEMA, "my.yaml")


@pytest.mark.parametrize("name", ["a\nb", "a\n", "", "a\tb", "a\x1b[2J", "a\u2028b"])
def test_a_class_is_one_line_of_text(name):
    config = configuration("pattern", "*.csv")
    config["tasks"]["own"]["classes"] = ["no", name]
    with pytest.raises(InputError, match="one line of text"):
        complete(config, SCHEMA, "my.yaml")


def test_a_message_is_one_line_whatever_it_tells_of():
    assert str(InputError("a\nerror: b\r\x1b[2J\u2028c\x00 é ☃")) == r"a\nerror: b\r\x1b[2J\u2028c\x00 é ☃"


# Where any text may stand: of shells, Snakemake, HTML, Markdown, LaTeX and spreadsheets.
SHELL = """$(touch pwned)`touch pwned`;touch pwned;'"&|> pwned"""
MARKUP = r"<script>alert(1)</script><b>x \input{/etc/passwd} \write18{touch pwned} ![x](http://127.0.0.1:9/x)"
MIRROR = "--{task}" + SHELL.replace(" ", "${IFS}")  # with a space argparse would take it for no option
TOKEN = "hf_AverySecretToken"


class Tags(html.parser.HTMLParser):
    """Collects the elements of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.names, self.values = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.names.append(tag)
        self.values += [value or "" for name, value in attributes if name in ("src", "href", "onerror")]


@pytest.fixture
def hostile(clone) -> str:
    """A clone with a configuration of hostile names and texts wherever they are allowed; the configuration's name."""
    folder = clone / f"data {SHELL.replace('>', '')} ~\n--x"
    folder.mkdir()
    text, label = f"={SHELL}{{task}}{MARKUP}", "--help {params.code}"
    classes = [f"={SHELL} {{task}} {{0}}", f"-{MARKUP} {{wildcards}}"]
    for split, rows in (("train", 40), ("test", 20)):
        with open(folder / f"-{split} $(touch pwned).csv", "w", newline="") as file:
            csv.writer(file).writerows([[text, label], *([f"row {i} {MARKUP}", classes[i % 2]] for i in range(rows))])
    within = glob.escape(folder.name)
    files = {"train": f"{within}/-tr*.csv", "test": f"{within}/-te*.csv", "hidden": f"{within}/-te*.csv"}
    published = {
        "title": f"T {SHELL} {MARKUP} {{task}}",
        "address": f"A {SHELL}",
        "read": f"R {MARKUP}",
        "model": "{x}",
    }
    score = {"task": "own.task-1", "metric": "accuracy", "split": "test", "mode": f"m{MARKUP}", "value": 0.5}
    (clone / f"published {SHELL}.yaml").write_text(yaml.safe_dump({"sources": [published | {"scores": [score]}]}))
    config = yaml.safe_load((clone / "config" / "smoke.yaml").read_text()) | {
        "run": "hostile",
        "model": {"name": "tiny", "source": "hub", "repo": "someone/tiny"},
        "mirror": MIRROR,
        "tasks": {
            "own.task-1": {
                **{"source": "files", "files": files, "text": text, "label": label},
                **{"classes": classes, "max_length": 16},
            }
        },
        "modes": {"a-b": {"train": [r"(bert|classifier).{2}.*|$(touch pwned)|{task}|`touch pwned`"]}},
        "learning_rates": ["1e-3"],
        "published": [f"published {SHELL}.yaml"],
    }
    name = f"config/c {SHELL}.yaml"
    (clone / name).write_text(yaml.safe_dump(config, sort_keys=False))
    return name


@pytest.fixture
def hub(tmp_path):
    """A hub that asks for a token and has the model that comes with finegrid, with code of its own beside it."""
    repository = tmp_path / "hub" / "models" / "someone" / "tiny"
    shutil.copytree(REPOSITORY / "models" / "embedded-bert-tiny", repository)
    (repository / "evil.py").write_text("import pathlib\npathlib.Path('pwned').touch()\n")
    config = json.loads((repository / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    (repository / "config.json").write_text(json.dumps(config))
    with serve(tmp_path / "hub") as server:
        server.token = TOKEN
        yield server


def test_a_run_of_hostile_names_texts_and_repositories(clone, hostile, hub, tmp_path):
    environment = hub_environment(hub, tmp_path / "cache") | {"HF_TOKEN": TOKEN}

    def snakemake(*targets):
        return run("snakemake", *targets, "--cores", "2", "--configfile", hostile, cwd=clone, **environment)

    hub.failures = [("HEAD /someone", 403)]
    refused = snakemake("fetch")
    assert refused.returncode != 0, refused.stderr
    assert "it answers 403" in (clone / "results/hostile/logs/fetch/model.log").read_text()
    done = snakemake("all", "export")
    assert done.returncode == 0, done.stdout + done.stderr

    # Nothing was run, and nothing lies where it should not.
    assert not [path for path in [*clone.rglob("pwned*"), *Path.cwd().glob("pwned*")]]
    mine = {MIRROR, f"published {SHELL}.yaml", next(clone.glob("data*")).name}
    places = {path.name for path in clone.iterdir()} - {path.name for path in REPOSITORY.iterdir()}
    assert places - {".snakemake", "results"} == mine

    # The token stands nowhere, as text or in anything that is packed.
    written = [path for path in [*clone.rglob("*"), *(tmp_path / "cache").rglob("*")] if path.is_file()]
    assert {"model.log", "c " + SHELL + ".lock.json", "report.html"} <= {path.name for path in written}
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]
    assert not any(TOKEN in text for each in (refused, done) for text in (each.stdout, each.stderr))

    # All texts are texts.
    results = clone / "results" / "hostile"
    pages = sorted(results.rglob("*.html"))
    assert len(pages) == 2
    for page in pages:
        tags = Tags(page.read_text(encoding="utf-8"))
        assert "b" not in tags.names and tags.names.count("script") == (page.name == "report.html")
        assert all(value.startswith(("#", "data:image/svg+xml;base64,")) for value in tags.values)
        assert "alert(1)" in page.read_text(encoding="utf-8")
    shown = [path for path in results.rglob("*.md") if "alert(1)" in path.read_text(encoding="utf-8")]
    assert {path.name for path in shown} == {"published.md", "own.task-1.md", "README.md"}
    for path in shown:
        assert not re.search(r"(?<!\\)(<script|<b>|!\[)", path.read_text(encoding="utf-8")), path
    latex = (results / "tables" / "published.tex").read_text(encoding="utf-8")
    assert r"\textbackslash{}input" in latex and not re.search(r"\\(input|write)", latex)
    for path in results.rglob("*.csv"):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            assert not any(re.match(r"[=@]|[+-](?![0-9.]+(e|$))", value) for value in row), path
    with zipfile.ZipFile(results / "submissions" / "a-b" / "submission.zip") as archive:
        assert archive.namelist() == ["own.task-1.tsv"]
    assert "class" in (results / "export/own.task-1/a-b/README.md").read_text()

    # Neither leads a target out of the run.
    for target in ("export/own.task-1/../../../../evil/config.json", "fetched/../../../evil.json"):
        outside = snakemake(f"results/hostile/{target}", "--dry-run")
        assert outside.returncode != 0 and "MissingRuleException" in outside.stderr + outside.stdout
    assert not (clone / "evil").exists()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " x", "a\nb", ""])
def test_published_texts_that_a_spreadsheet_would_compute_are_refused(clone, text):
    content = yaml.safe_load((REPOSITORY / "config" / "published.yaml").read_text())
    content["sources"][0]["title"] = text
    (clone / "mine.yaml").write_text(yaml.safe_dump(content))
    config = configuration("run", "a") | {"published": [str(clone / "mine.yaml")]}
    with pytest.raises(InputError, match="title must match") as refused:
        complete(config, SCHEMA, "my.yaml")
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("name", ["a{task}.yaml", "--help", "-x.yaml"])
def test_a_path_that_snakemake_or_a_script_would_take_for_something_else_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("sources: []\n")
    with pytest.raises(InputError, match="a path without braces"):
        complete(configuration("run", "a") | {"published": [name]}, SCHEMA, "my.yaml")
    if "{" in name:
        own = {"source": "files", "max_length": 8, "text": "t", "label": "l", "classes": ["a", "b"]}
        config = configuration("run", "a") | {"tasks": {"own": own | {"files": {"train": "a*"}}}}
        with pytest.raises(InputError, match="may not hold braces"):
            complete(config, SCHEMA, "my.yaml")


@pytest.mark.parametrize(
    "name",
    ["a b.yaml", "$(touch pwned).yaml", "$(shell touch pwned)", "a;touch pwned;#", "`touch pwned`", "'", '"', "$x"],
)
def test_make_hands_on_the_name_of_a_configuration_as_it_is(name, tmp_path):
    shutil.copy(REPOSITORY / "Makefile", tmp_path)
    for file in ("pyproject.toml", "constraints.txt", ".venv/installed"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    program = tmp_path / ".venv" / "bin" / "snakemake"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\nimport json, sys\njson.dump(sys.argv[1:], open('arguments.json', 'w'))\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / name).write_text("model: x\nrun: odd\n")
    (tmp_path / "results" / "odd" / "tables").mkdir(parents=True)
    (tmp_path / "results" / "odd" / "tables" / "table1.md").write_text("the first table")
    (tmp_path / "results" / "odd" / "discussion.md").write_text("what it says")
    for target, given in ((["mirror", f"CONFIG={name}"], {}), ([], {"CONFIG": name})):
        done = run("make", *target, cwd=tmp_path, **given)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads((tmp_path / "arguments.json").read_text())[-1] == name
    assert "the first table" in done.stdout and "what it says" in done.stdout
    assert not (tmp_path / "pwned").exists()


def audit(tmp_path, stand_in: str | None, constraints="Good_Name==1.0\nother==2.0\n"):
    """Run scripts/audit.py with a stand-in for the package pip-audit."""
    (tmp_path / "constraints.txt").write_text(constraints)
    if stand_in is not None:
        (tmp_path / "pip_audit").mkdir()
        (tmp_path / "pip_audit" / "__init__.py").touch()
        (tmp_path / "pip_audit" / "__main__.py").write_text(stand_in)
    script = REPOSITORY / "scripts" / "audit.py"
    return run(sys.executable, script, "constraints.txt", cwd=tmp_path, PYTHONPATH=str(tmp_path))


def answering(*dependencies: dict) -> str:
    return f"import json, sys\nprint(json.dumps({{'dependencies': {list(dependencies)!r}}}))\n"


CLEAN = {"name": "good-name", "version": "1.0", "vulns": []}
FLAW = {"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["2.1"], "description": "..."}


@pytest.mark.parametrize(
    ("stand_in", "status", "said"),
    [
        (answering(CLEAN, {"name": "other", "version": "2.0", "vulns": []}), 0, "2 packages, no known vulnerability"),
        (
            answering(CLEAN, {"name": "other", "version": "2.0", "vulns": [FLAW]}) + "sys.exit(1)",
            1,
            "other==2.0: PYSEC-1 (CVE-1); mended in 2.1",
        ),
        (answering(CLEAN, {"name": "other", "skip_reason": "not found"}), 2, "1 of 2 packages of constraints.txt"),
        (answering(CLEAN), 2, "such as other"),
        (
            "raise SystemExit('no connection')",
            2,
            "error: the vulnerability service cannot be asked; pip-audit says: no",
        ),
        (None, 2, "pip-audit is not installed"),
    ],
    ids=["clean", "a vulnerability", "one is skipped", "one is missing", "no service", "no pip-audit"],
)
def test_an_audit_tells_what_is_known_and_never_passes_for_one_that_was_not_made(tmp_path, stand_in, status, said):
    done = audit(tmp_path, stand_in)
    (line,) = (done.stdout + done.stderr).splitlines()
    assert done.returncode == status and said in line


def test_an_audit_is_of_versions(tmp_path):
    done = audit(tmp_path, answering(CLEAN), "good-name>=1.0\n")
    assert done.returncode == 2 and "constraints.txt: 'good-name>=1.0' pins no version" in done.stderr


def test_what_is_audited_is_what_is_installed():
    pins = read_pins(REPOSITORY / "constraints.txt")
    installed = {normalised(each.metadata["Name"]): each.version.partition("+")[0] for each in distributions()}
    for tool in ("finegrid", "pip", "setuptools"):
        installed.pop(tool, None)
    assert installed == pins
    checked = run(sys.executable, "-m", "pip", "--disable-pip-version-check", "check", cwd=REPOSITORY)
    assert checked.returncode == 0, checked.stdout
    recipe = run("make", "--dry-run", "audit", cwd=REPOSITORY).stdout
    assert "scripts/audit.py constraints.txt" in recipe and re.search(r"pip-audit==\d", recipe)
