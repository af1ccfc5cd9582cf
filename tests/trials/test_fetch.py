"""Fetching from a hub that fails in many ways: the mirror holds the right files, or one line says why it does not."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import REPOSITORY, active, run
from hub_server import REVISION, digest, hub_environment, serve

from finegrid.config.hub_files import MODEL_FILES

MODEL, GLUE = "models/someone/tiny", "datasets/nyu-mll/glue"
WANTED = {MODEL: MODEL_FILES, GLUE: ["mrpc/train-*.parquet"]}
FILES = {
    MODEL: ["config.json", "model.safetensors", "vocab.txt"],
    GLUE: ["mrpc/train-00000-of-00002.parquet", "mrpc/train-00001-of-00002.parquet"],
}
# huggingface_hub waits a second or more before it tries again.
WITHOUT_WAITING = (
    "import runpy, sys, time; time.sleep = lambda _: None;"
    "sys.path.insert(0, 'scripts'); sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)


@pytest.fixture
def server(tmp_path):
    """A hub with a model, among files that nobody wants, and two tasks of one data set."""
    folder = tmp_path / "hub"
    for name in (
        *(f"{MODEL}/{file}" for file in [*FILES[MODEL], "pytorch_model.bin", "modeling_tiny.py", "README.md"]),
        *(f"{GLUE}/{file}" for file in [*FILES[GLUE], "cola/train-00000-of-00001.parquet", "glue.py"]),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"the content of {name}\n" * 50)
    with serve(folder) as server:
        server.folder = folder
        yield server


def command(tmp_path, wanted=None, output="fetched.json") -> list:
    return [
        *("scripts/fetch.py", json.dumps(wanted or WANTED), f"--mirror={tmp_path / 'mirror'}"),
        *(f"--lock={tmp_path / 'lock.json'}", "--output", tmp_path / output),
    ]


def fetch(server, tmp_path, wanted=None, **environment):
    return run(
        *(sys.executable, "-c", WITHOUT_WAITING, *command(tmp_path, wanted)),
        cwd=REPOSITORY,
        **{**hub_environment(server, tmp_path / "cache"), "HF_TOKEN": "", **environment},
    )


def assert_fetched(server, tmp_path, wanted=FILES):
    """Exactly these files are in the mirror, as they are on the server, and pinned."""
    fetched = json.loads((tmp_path / "fetched.json").read_text())
    lock = json.loads((tmp_path / "lock.json").read_text())
    expected = {
        key: {"revision": REVISION, "files": {file: digest(server.folder / key / file) for file in files}}
        for key, files in wanted.items()
    }
    assert fetched == expected
    assert {key: {"revision": lock[key]["revision"], "files": lock[key]["files"]} for key in lock} == expected
    assert files_of(tmp_path / "mirror") == sorted(f"{key}/{file}" for key in wanted for file in wanted[key])
    for key in wanted:
        for file in wanted[key]:
            assert digest(tmp_path / "mirror" / key / file) == expected[key]["files"][file]


def files_of(mirror: Path) -> list[str]:
    paths = (path.relative_to(mirror).as_posix() for path in mirror.rglob("*") if path.is_file())
    return sorted(path for path in paths if path != ".busy")


def assert_one_line(done, *parts: str):
    """The script ended as for bad input: one line says why, no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert all(part in line for part in parts), line


def test_what_is_wanted_comes_and_nothing_else(server, tmp_path):
    done = fetch(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_fetched(server, tmp_path)
    assert not list((tmp_path / "mirror").rglob(".cache"))
    files = {request.rsplit("/", 1)[1] for request in server.requests if "/resolve/" in request}
    assert files == {Path(file).name for key in FILES for file in FILES[key]}
    # No second copy is left in the library's cache.
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "content of" in path.read_text()]
    # The form of the lock file, which users keep under version control.
    lock = json.loads((tmp_path / "lock.json").read_text())
    assert list(lock) == [GLUE, MODEL]
    assert [list(entry) for entry in lock.values()] == [["revision", "patterns", "files"]] * 2
    assert lock[GLUE]["patterns"] == WANTED[GLUE]


def test_what_is_there_is_not_asked_for_again(server, tmp_path):
    assert fetch(server, tmp_path).returncode == 0
    server.requests.clear()
    os.chmod(tmp_path / "mirror", 0o555)
    done = fetch(server, tmp_path)
    os.chmod(tmp_path / "mirror", 0o755)
    assert done.returncode == 0, done.stderr
    assert server.requests == []
    assert_fetched(server, tmp_path)

    # A damaged or missing file is fetched again, and only that.
    (tmp_path / "mirror" / MODEL / "model.safetensors").write_text("damaged")
    (tmp_path / "mirror" / MODEL / "vocab.txt").unlink()
    assert fetch(server, tmp_path).returncode == 0
    assert_fetched(server, tmp_path)
    files = {request.rsplit("/", 1)[1] for request in server.requests if "/resolve/" in request}
    assert files == {"model.safetensors", "vocab.txt"}


def test_another_task_of_a_repository_is_added_at_its_locked_revision(server, tmp_path):
    assert fetch(server, tmp_path, {GLUE: WANTED[GLUE]}).returncode == 0
    both = {GLUE: [*WANTED[GLUE], "cola/*.parquet"]}
    done = fetch(server, tmp_path, both)
    assert done.returncode == 0, done.stderr
    assert_fetched(server, tmp_path, {GLUE: ["cola/train-00000-of-00001.parquet", *FILES[GLUE]]})

    # A run that wants less gets less, and takes nothing away.
    server.requests.clear()
    assert fetch(server, tmp_path, {GLUE: WANTED[GLUE]}).returncode == 0
    assert server.requests == []
    assert list(json.loads((tmp_path / "fetched.json").read_text())[GLUE]["files"]) == FILES[GLUE]
    assert len(json.loads((tmp_path / "lock.json").read_text())[GLUE]["files"]) == 3


def test_a_locked_revision_stays_when_the_hub_moves_on(server, tmp_path):
    assert fetch(server, tmp_path).returncode == 0
    server.revision = "f" * 40
    assert fetch(server, tmp_path).returncode == 0, "all is there"
    (tmp_path / "mirror" / MODEL / "vocab.txt").unlink()
    assert_one_line(fetch(server, tmp_path), MODEL, "404")
    assert any(REVISION in request for request in server.requests)

    # Deleted and fetched again, as the README says, it is renewed.
    (tmp_path / "lock.json").unlink()
    assert fetch(server, tmp_path).returncode == 0
    assert {entry["revision"] for entry in json.loads((tmp_path / "fetched.json").read_text()).values()} == {"f" * 40}


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        *(("GET /api/models", 401), ("GET /api/models", 404), ("GET /api/models", 503), ("/tree/", 404)),
        *(
            ("/tree/", 503),
            ("HEAD /someone", 403),
            ("HEAD /someone", 503),
            ("GET /someone", 404),
            ("GET /someone", 503),
        ),
    ],
)
def test_a_refusal_is_one_line_and_leaves_nothing(server, tmp_path, request_, status):
    server.failures = [(request_, status)] * 100
    assert_one_line(fetch(server, tmp_path, {MODEL: MODEL_FILES}), MODEL, "cannot be fetched from the hub", str(status))
    assert not (tmp_path / "lock.json").exists() and not (tmp_path / "fetched.json").exists()
    assert files_of(tmp_path / "mirror") == []


def test_no_server_and_offline_are_told_in_one_line(server, tmp_path):
    server.shutdown()
    server.server_close()
    assert_one_line(fetch(server, tmp_path), MODEL, "cannot be fetched from the hub")
    assert_one_line(fetch(server, tmp_path, HF_HUB_OFFLINE="1"), MODEL, "HF_HUB_OFFLINE")


def test_a_file_that_is_not_what_the_hub_says_is_refused(server, tmp_path):
    server.claims = {"model.safetensors": "0" * 64}
    assert_one_line(fetch(server, tmp_path), MODEL, "model.safetensors", REVISION, "0" * 64)
    assert not (tmp_path / "lock.json").exists()
    assert f"{MODEL}/model.safetensors" not in files_of(tmp_path / "mirror")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_file_that_is_not_what_the_lock_file_says_is_refused(server, tmp_path, file):
    assert fetch(server, tmp_path).returncode == 0
    (tmp_path / "mirror" / MODEL / file).unlink()
    (server.folder / MODEL / file).write_text("tampered with")
    lock = (tmp_path / "lock.json").read_text()
    assert_one_line(fetch(server, tmp_path), "lock.json", MODEL, file, REVISION)
    assert (tmp_path / "lock.json").read_text() == lock
    assert f"{MODEL}/{file}" not in files_of(tmp_path / "mirror")


def test_a_file_that_the_repository_lacks_is_told(server, tmp_path):
    assert_one_line(fetch(server, tmp_path, {GLUE: ["sst2/*.parquet"]}), GLUE, "sst2/*.parquet", REVISION)
    (server.folder / MODEL / "model.safetensors").unlink()
    (server.folder / MODEL / "pytorch_model.bin").unlink()
    assert_one_line(fetch(server, tmp_path), MODEL, "model.safetensors", "pytorch_model.bin")


def test_a_killed_fetch_leaves_no_half_file(server, tmp_path):
    server.failures = [("GET /someone/tiny/resolve", "stall")]
    process = subprocess.Popen(
        [sys.executable, *map(str, command(tmp_path))],
        cwd=REPOSITORY,
        env=active(**hub_environment(server, tmp_path / "cache")),
    )
    assert server.stalled.wait(60)
    process.kill()
    process.wait()
    assert not [file for file in files_of(tmp_path / "mirror") if not file.startswith(".fetching/")]
    done = fetch(server, tmp_path)
    assert done.returncode == 0, done.stderr
    assert_fetched(server, tmp_path)
    assert not (tmp_path / "mirror" / ".fetching").exists()


@pytest.mark.parametrize("name", ["../../evil.csv", "{tmp}/evil.csv"])
@pytest.mark.parametrize("listed_by", ["the hub", "the lock file"])
def test_a_name_that_leads_out_of_the_mirror_is_refused(server, tmp_path, name, listed_by):
    name = name.format(tmp=tmp_path)
    wanted = {GLUE: ["**/*.csv", "*.csv"]}
    (server.folder / GLUE / "rows.csv").write_text("a,b\n1,2\n")
    if listed_by == "the hub":
        server.listed = [{"type": "file", "path": name, "size": 8, "oid": "0" * 40}]
    else:
        entry = {"revision": REVISION, "patterns": wanted[GLUE], "files": {name: "0" * 64}}
        (tmp_path / "lock.json").write_text(json.dumps({GLUE: entry}))
    before = {path for path in tmp_path.rglob("*") if server.folder not in path.parents}
    assert_one_line(fetch(server, tmp_path, wanted), repr(name), "is not a path inside a repository")
    new = {path for path in tmp_path.rglob("*") if server.folder not in path.parents} - before
    assert {path.relative_to(tmp_path).parts[0] for path in new} <= {"mirror", "cache", "lock.json.busy"}
    assert files_of(tmp_path / "mirror") == []


@pytest.mark.parametrize("listed", [5, {"type": "file", "path": "a.bin", "size": 1, "oid": "0", "lfs": 5}])
def test_a_malformed_listing_is_told_in_one_line(server, tmp_path, listed):
    server.listed = [listed]
    assert_one_line(fetch(server, tmp_path), MODEL, "cannot be fetched from the hub")


def test_a_malformed_revision_is_refused(server, tmp_path):
    server.revision = "../../main"
    assert_one_line(fetch(server, tmp_path), MODEL, "'../../main' is not a revision")


def test_a_pickle_is_fetched_where_there_are_no_safetensors(server, tmp_path):
    (server.folder / MODEL / "model.safetensors").unlink()
    assert fetch(server, tmp_path).returncode == 0
    assert_fetched(server, tmp_path, FILES | {MODEL: ["config.json", "pytorch_model.bin", "vocab.txt"]})


TOKEN = "hf_AverySecretToken"


def test_the_token_arrives_and_is_written_nowhere(server, tmp_path):
    server.token = TOKEN
    refused = fetch(server, tmp_path)
    assert_one_line(refused, MODEL, "401", "HF_TOKEN")
    done = fetch(server, tmp_path, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert_fetched(server, tmp_path)

    server.token = "another"
    (tmp_path / "mirror" / MODEL / "vocab.txt").unlink()
    refused = fetch(server, tmp_path, HF_TOKEN=TOKEN)
    assert_one_line(refused, "401")
    # No header can hold this one, and the library that refuses it prints it.
    broken = fetch(server, tmp_path, HF_TOKEN=f"{TOKEN}\x01")
    assert_one_line(broken, "HF_TOKEN")
    said = [done.stdout + done.stderr for done in (refused, done, broken)]
    written = [path.read_text() for path in tmp_path.rglob("*") if path.is_file() and server.folder not in path.parents]
    assert len(written) > 4
    assert not any(TOKEN in text for text in [*said, *written])


def test_two_runs_share_a_mirror_and_a_lock_file(server, tmp_path):
    results = {}
    wanted = [{GLUE: WANTED[GLUE]}, {MODEL: WANTED[MODEL], GLUE: ["cola/*.parquet"]}]

    def work(index: int):
        arguments = command(tmp_path, wanted[index], f"{index}.json")
        results[index] = run(sys.executable, *arguments, cwd=REPOSITORY, **hub_environment(server, tmp_path / "cache"))

    with ThreadPoolExecutor() as threads:
        list(threads.map(work, range(2)))
    assert [results[index].returncode for index in range(2)] == [0, 0], results
    assert set(json.loads((tmp_path / "0.json").read_text())) == {GLUE}
    lock = json.loads((tmp_path / "lock.json").read_text())
    assert {key: len(entry["files"]) for key, entry in lock.items()} == {GLUE: 3, MODEL: 3}
    assert len(files_of(tmp_path / "mirror")) == 6


def test_a_file_that_is_not_a_lock_file_is_told(server, tmp_path):
    (tmp_path / "lock.json").write_text('{"models/someone/tiny": ["config.json"]}')
    assert_one_line(fetch(server, tmp_path), "lock.json")
