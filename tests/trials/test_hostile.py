"""A whole run with hostile names, texts and a hostile repository: all are shown as text, and nothing of them is run."""

import csv
import glob
import html.parser
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY, run
from hub_server import hub_environment, serve

# Where any text is allowed: of shells, Snakemake, HTML, Markdown, LaTeX and spreadsheets.
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
    """Give a clone a configuration of hostile names and texts wherever they are allowed; return its name."""
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
        "models": {"tiny": {"source": "hub", "repo": "someone/tiny"}},
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
    shutil.copytree(REPOSITORY / "models" / "bundled-bert-tiny", repository)
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
    assert "it answers 403" in (clone / "results/hostile/logs/fetch/model/tiny.log").read_text()
    done = snakemake("all", "export")
    assert done.returncode == 0, done.stdout + done.stderr

    # Nothing was run, and nothing was written where it should not be.
    assert not [path for path in [*clone.rglob("pwned*"), *Path.cwd().glob("pwned*")]]
    mine = {MIRROR, f"published {SHELL}.yaml", next(clone.glob("data*")).name}
    places = {path.name for path in clone.iterdir()} - {path.name for path in REPOSITORY.iterdir()}
    assert places - {".snakemake", "results"} == mine

    # The token is in no file.
    written = [path for path in [*clone.rglob("*"), *(tmp_path / "cache").rglob("*")] if path.is_file()]
    assert {"tiny.log", "c " + SHELL + ".lock.json", "report.html"} <= {path.name for path in written}
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]
    assert not any(TOKEN in text for each in (refused, done) for text in (each.stdout, each.stderr))

    # Every text is shown as text.
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
    with zipfile.ZipFile(results / "submissions" / "tiny" / "a-b" / "submission.zip") as archive:
        assert archive.namelist() == ["own.task-1.tsv"]
    assert "class" in (results / "export/tiny/own.task-1/a-b/README.md").read_text()

    # No target leads out of the run.
    for target in ("export/tiny/own.task-1/../../../../../evil/config.json", "fetched/../../../evil.json"):
        outside = snakemake(f"results/hostile/{target}", "--dry-run")
        assert outside.returncode != 0 and "MissingRuleException" in outside.stderr + outside.stdout
    assert not (clone / "evil").exists()
