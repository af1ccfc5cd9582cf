"""Fetching from a hub that fails in every way: what is in the mirror is right, or one line says why it is not."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest
from conftest import REPOSITORY, run
from hub_server import ENDLESS, REVISION, digest, hub_environment, serve
from huggingface_hub.utils._xet_progress_reporting import XetDownloadProgressReporter

from finegrid.data import download
from finegrid.data import mirror as hub
from finegrid.errors import InputError

MODEL, GLUE = "models/someone/tiny", "datasets/nyu-mll/glue"
WANTED = {MODEL: hub.MODEL_FILES, GLUE: ["mrpc/train-*.parquet"]}
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
    """A hub with a model, beside files that nobody wants, and two tasks of one data set."""
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


def fetch(server, tmp_path, wanted=None, **environment):
    command = ["fetch.py", json.dumps(wanted or WANTED), "--mirror", tmp_path / "mirror"]
    command += ["--lock", tmp_path / "lock.json", "--output", tmp_path / "fetched.json"]
    command[0] = REPOSITORY / "scripts" / "fetch.py"
    return run(
        *(sys.executable, "-c", WITHOUT_WAITING, *command),
        cwd=REPOSITORY,
        **{**hub_environment(server, tmp_path / "cache"), "HF_TOKEN": "", **environment},
    )


def assert_fetched(server, tmp_path, wanted=FILES):
    """Just these files are in the mirror, as they are on the server, and pinned."""
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
    asked = "\n".join(server.requests)
    assert not any(name in asked for name in ("pytorch_model.bin", ".py", "README.md", "cola"))
    # No second copy is left, neither in the mirror nor in the cache.
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and "content of" in path.read_text()]


def test_what_is_there_is_not_asked_for_again(server, tmp_path):
    assert fetch(server, tmp_path).returncode == 0
    server.requests.clear()
    os.chmod(tmp_path / "mirror", 0o555)
    done = fetch(server, tmp_path)
    os.chmod(tmp_path / "mirror", 0o755)
    assert done.returncode == 0, done.stderr
    assert server.requests == []
    assert_fetched(server, tmp_path)

    # What was damaged or lost comes again, and only that.
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

    # A run that wants less sees less, and takes nothing away.
    server.requests.clear()
    assert fetch(server, tmp_path, {GLUE: WANTED[GLUE]}).returncode == 0
    assert server.requests == []
    assert list(json.loads((tmp_path / "fetched.json").read_text())[GLUE]["files"]) == FILES[GLUE]
    assert len(json.loads((tmp_path / "lock.json").read_text())[GLUE]["files"]) == 3


def test_a_locked_revision_stays_where_the_hub_moves_on(server, tmp_path):
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


def test_what_fails_for_a_while_is_asked_again(server, tmp_path):
    requests = ("GET /api/models", "HEAD /someone", "GET /someone", "GET /datasets")
    server.failures = [(request, status) for request in requests for status in (429, 500, 503)]
    server.failures += [("GET /someone", "cut"), ("GET /someone", "short"), ("GET /datasets", "cut")]
    done = fetch(server, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not server.failures
    assert_fetched(server, tmp_path)


@pytest.mark.parametrize("failure", [429, 503])
@pytest.mark.parametrize("request_", ["GET /api/models", "HEAD /someone", "GET /someone"])
def test_what_fails_for_good_is_told_after_a_handful_of_tries(server, tmp_path, failure, request_):
    server.failures = [(request_, failure)] * 100
    assert_one_line(fetch(server, tmp_path), MODEL, str(failure))
    tries = 100 - len(server.failures)
    assert 4 <= tries <= 8
    assert not (tmp_path / "lock.json").exists() and not (tmp_path / "fetched.json").exists()
    assert MODEL + "/config.json" not in files_of(tmp_path / "mirror")


@pytest.mark.parametrize(
    ("request_", "status"),
    [("GET /api/models", 401), ("GET /api/models", 404), ("HEAD /someone", 403), ("GET /someone", 404)],
)
def test_what_is_refused_is_told_at_once(server, tmp_path, request_, status):
    server.failures = [(request_, status)] * 100
    assert_one_line(fetch(server, tmp_path), MODEL, str(status))
    assert len(server.failures) == 99
    assert not (tmp_path / "lock.json").exists()


def test_no_server_is_told_in_one_line(server, tmp_path):
    server.shutdown()
    server.server_close()
    assert_one_line(fetch(server, tmp_path), MODEL, "cannot be fetched from the hub")
    assert_one_line(fetch(server, tmp_path, HF_HUB_OFFLINE="1"), MODEL, "HF_HUB_OFFLINE")


def test_what_the_hub_describes_otherwise_is_refused(server, tmp_path):
    server.claims = {"model.safetensors": "0" * 64}
    assert_one_line(fetch(server, tmp_path), MODEL, "model.safetensors", REVISION, "0" * 64)
    assert not (tmp_path / "lock.json").exists()
    assert f"{MODEL}/model.safetensors" not in files_of(tmp_path / "mirror")


@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_what_was_locked_otherwise_is_refused(server, tmp_path, file):
    assert fetch(server, tmp_path).returncode == 0
    (tmp_path / "mirror" / MODEL / file).unlink()
    (server.folder / MODEL / file).write_text("tampered with")
    lock = (tmp_path / "lock.json").read_text()
    assert_one_line(fetch(server, tmp_path), "lock.json", MODEL, file, REVISION)
    assert (tmp_path / "lock.json").read_text() == lock
    assert f"{MODEL}/{file}" not in files_of(tmp_path / "mirror")


def test_what_is_not_in_the_repository_is_told(server, tmp_path):
    assert_one_line(fetch(server, tmp_path, {GLUE: ["sst2/*.parquet"]}), GLUE, "sst2/*.parquet", REVISION)
    (server.folder / MODEL / "model.safetensors").unlink()
    (server.folder / MODEL / "pytorch_model.bin").unlink()
    assert_one_line(fetch(server, tmp_path), MODEL, "model.safetensors", "pytorch_model.bin")


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (10**15, f"{10**15 + 600:,} bytes are to be fetched"),
        (None, "does not tell its size, but None"),
        ("1", "does not tell its size, but '1'"),
        (-1, "does not tell its size, but -1"),
    ],
)
def test_what_there_is_no_room_or_no_size_for_is_refused_before_anything_is_fetched(server, tmp_path, size, told):
    (server.folder / MODEL / "config.json").write_text("{" + " " * 299)
    (server.folder / MODEL / "vocab.txt").write_text("v" * 300)
    server.sizes = {"model.safetensors": size}
    assert_one_line(fetch(server, tmp_path), MODEL, told)
    assert not any("/resolve/" in request for request in server.requests)
    assert files_of(tmp_path / "mirror") == []


@pytest.mark.parametrize(("change", "told"), [(1, "550 bytes came"), (-1, "more came than")])
def test_a_file_of_another_size_than_listed_is_refused(server, tmp_path, change, told):
    text = "c" * 550
    (server.folder / MODEL / "config.json").write_text(text)  # of which the hub tells no sha256
    server.sizes = {"config.json": len(text) + change}
    assert_one_line(fetch(server, tmp_path), f"{MODEL}: revision {REVISION}: config.json", told)
    assert files_of(tmp_path / "mirror") == [] and not (tmp_path / "lock.json").exists()


def test_a_download_without_end_is_cut_off(server, tmp_path):
    server.failures = [("GET /someone", "endless")]
    assert_one_line(fetch(server, tmp_path), MODEL, "config.json", "more came than")
    assert 0 < server.sent < ENDLESS
    assert files_of(tmp_path / "mirror") == []
    assert not (tmp_path / "mirror" / ".fetching").exists()


def test_over_xet_the_bytes_of_the_file_count_and_not_those_on_the_way():
    class Report:
        total_bytes, total_bytes_completion_rate, total_transfer_bytes_completion_rate = 100, 1.0, 1.0

        def __init__(self, written: int, moved: int):
            self.total_bytes_completed, self.total_transfer_bytes_completed = written, moved

    with XetDownloadProgressReporter(
        reconstruction_desc="x", total=100, log_level=30, tqdm_class=download._limit("x.bin", 100)
    ) as reporter:
        reporter.update_progress(Report(60, 500))
        reporter.update_progress(Report(100, 900))
        with pytest.raises(InputError, match=r"x\.bin: more came than the 100 bytes"):
            reporter.update_progress(Report(101, 900))


@pytest.mark.parametrize(
    "name",
    ["../../evil.csv", "../../../evil.csv", "{tmp}/evil.csv", "a/../../../../evil.csv", "a\\..\\evil.csv", "a\n.csv"],
)
@pytest.mark.parametrize("listed_by", ["the hub", "the lock file"])
def test_a_name_that_leads_out_of_the_mirror_is_refused(server, tmp_path, name, listed_by):
    name = name.format(tmp=tmp_path)
    wanted = {GLUE: ["**/*.csv", "*.csv"]}
    (server.folder / GLUE / "rows.csv").write_text("a,b\n1,2\n")
    if listed_by == "the hub":
        server.listed = [{"rfilename": name, "size": 8}]
    else:
        entry = {"revision": REVISION, "patterns": wanted[GLUE], "files": {name: "0" * 64}}
        (tmp_path / "lock.json").write_text(json.dumps({GLUE: entry}))
    before = {path for path in tmp_path.rglob("*") if server.folder not in path.parents}
    assert_one_line(fetch(server, tmp_path, wanted), repr(name), "is no path inside a repository")
    new = {path for path in tmp_path.rglob("*") if server.folder not in path.parents} - before
    assert {path.relative_to(tmp_path).parts[0] for path in new} <= {"mirror", "cache", "lock.json.busy"}
    assert files_of(tmp_path / "mirror") == []


@pytest.mark.parametrize("listed", [5, {}, {"rfilename": "a.bin", "lfs": 5}])
def test_a_listing_of_another_form_is_told_in_one_line(server, tmp_path, listed):
    server.listed = [listed]
    assert_one_line(fetch(server, tmp_path), MODEL, "cannot be fetched from the hub")


def test_a_revision_that_is_none_is_refused(server, tmp_path):
    server.revision = "../../main"
    assert_one_line(fetch(server, tmp_path), MODEL, "'../../main' is no revision")


def test_a_repository_with_a_pickle_alone_gives_that(server, tmp_path):
    (server.folder / MODEL / "model.safetensors").unlink()
    assert fetch(server, tmp_path).returncode == 0
    assert_fetched(server, tmp_path, FILES | {MODEL: ["config.json", "pytorch_model.bin", "vocab.txt"]})


TOKEN = "hf_AverySecretToken"


def test_the_token_arrives_and_is_written_nowhere(server, tmp_path):
    server.token = TOKEN
    refused = fetch(server, tmp_path)
    assert_one_line(refused, MODEL, "401", "HF_TOKEN")
    server.failures = [("GET /api/models", 503), ("HEAD /someone", 503), ("GET /someone", "cut")]
    done = fetch(server, tmp_path, HF_TOKEN=TOKEN)
    assert done.returncode == 0, done.stderr
    assert_fetched(server, tmp_path)

    server.token = "another"
    (tmp_path / "mirror" / MODEL / "vocab.txt").unlink()
    refused = fetch(server, tmp_path, HF_TOKEN=TOKEN)
    assert_one_line(refused, "401")
    # One that no header can hold is in the words of the library that refuses it.
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
        command = ["scripts/fetch.py", json.dumps(wanted[index]), "--mirror", tmp_path / "mirror"]
        command += ["--lock", tmp_path / "lock.json", "--output", tmp_path / f"{index}.json"]
        results[index] = run(sys.executable, *command, cwd=REPOSITORY, **hub_environment(server, tmp_path / "cache"))

    threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[index].returncode for index in range(2)] == [0, 0], results
    assert set(json.loads((tmp_path / "0.json").read_text())) == {GLUE}
    lock = json.loads((tmp_path / "lock.json").read_text())
    assert {key: len(entry["files"]) for key, entry in lock.items()} == {GLUE: 3, MODEL: 3}
    assert len(files_of(tmp_path / "mirror")) == 6


def test_a_file_that_is_no_lock_file_is_told(server, tmp_path):
    (tmp_path / "lock.json").write_text('{"models/someone/tiny": ["config.json"]}')
    assert_one_line(fetch(server, tmp_path), "lock.json")


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("data/*.csv", {"data/a.csv"}),
        ("*.csv", {"c.csv"}),
        ("**/*.csv", {"c.csv", "data/a.csv", "data/deep/b.csv"}),
        ("data/**/?.csv", {"data/a.csv", "data/deep/b.csv"}),
        ("**/*", {"c.csv", "data/a.csv", "data/deep/b.csv"}),
    ],
)
def test_patterns_match_a_listing_as_they_match_a_folder(tmp_path, pattern, matching):
    names = ["c.csv", "data/a.csv", "data/deep/b.csv", "data/load.py"]
    for name in names:
        (tmp_path / "datasets" / "a" / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "datasets" / "a" / "b" / name).touch()
    assert set(hub.select("here", "datasets/a/b", names, [pattern])) == matching
    assert hub.repository("datasets", "a/b", [pattern], tmp_path)[1]["files"].keys() == matching


def test_a_mirror_with_other_files_than_fetched_is_refused(server, tmp_path):
    assert fetch(server, tmp_path).returncode == 0
    arguments = ("models", "someone/tiny", hub.MODEL_FILES, tmp_path / "mirror", tmp_path / "fetched.json")
    folder, entry = hub.repository(*arguments)
    assert entry == json.loads((tmp_path / "fetched.json").read_text())[MODEL]
    for file, content, message in (
        ("vocab.txt", None, "missing"),
        ("vocab.txt", "other", "not the file"),
        ("tokenizer.json", "foreign", "no file of the revision"),
    ):
        before = (folder / file).read_bytes() if (folder / file).exists() else None
        if content is None:
            (folder / file).unlink()
        else:
            (folder / file).write_text(content)
        with pytest.raises(InputError, match=f"{file}: is {message}"):
            hub.repository(*arguments)
        if before is not None:
            (folder / file).write_bytes(before)
