"""Disks that are full, read-only or lose bits, and clocks that step: the error is named, and a rerun repairs it."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import (
    CELLS,
    EXPORT,
    MODEL,
    REPOSITORY,
    active,
    damage,
    edit_config,
    error_lines,
    planned_jobs,
    run,
    snakemake,
    without_cost,
)
from handmade import PLAN, make_run
from hub_server import hub_environment, serve

from finegrid.config.cell import Cell
from finegrid.errors import InputError
from finegrid.evaluation.results import read_metrics

CELL = f"{CELLS}/full/bs16_lr3e-4_seed0"
EXPORTED = f"{EXPORT}/full"
DISK_BYTES = 256 * 2**20
# What a job that failed may leave: Snakemake's note of the time, and the cell's own sign that it was begun.
NO_RESULTS = (".snakemake_timestamp", "progress.json")


def mount(*arguments) -> bool:
    return subprocess.run(["mount", *map(str, arguments)], capture_output=True, check=False).returncode == 0


@pytest.fixture
def disk(tmp_path):
    """A small disk of its own, mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if not shutil.which("mount") or not mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder):
        pytest.skip("NO DISK WAS FILLED OR MADE READ-ONLY: mounting one takes root")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def clone_on_disk(clone, disk) -> Path:
    """A fresh copy of the pipeline whose results lie on a disk of their own, and their logs elsewhere."""
    (clone / "results").symlink_to(disk)
    (clone / "logs").mkdir()
    (disk / "smoke").mkdir()
    (disk / "smoke" / "logs").symlink_to(clone / "logs")
    return clone


def fill(disk: Path, left: int) -> Path:
    """Fill a disk but for so many bytes; return the file that does it."""
    file = disk / "filler"
    with open(file, "wb", buffering=0) as stream:
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        os.posix_fallocate(stream.fileno(), 0, free - left)
    return file


def check_equal(folder: Path, expected: Path) -> None:
    """Check that a run has the results of another, cost aside, and no file besides."""

    def files(of: Path) -> set[Path]:
        paths = (path for part in ("cells", "data", "base_model", "tables") for path in of.glob(f"{part}/**/*"))
        return {path.relative_to(of) for path in paths if path.is_file() and path.name != ".snakemake_timestamp"}

    folder, expected = folder / "results" / "smoke", expected / "results" / "smoke"
    assert files(folder) == files(expected)
    for name in files(expected):
        if name.name == "metrics.json":
            assert without_cost(folder / name) == without_cost(expected / name)
        elif name.suffix == ".safetensors" or re.fullmatch(r"table[123]\.md", name.name):
            assert (folder / name).read_bytes() == (expected / name).read_bytes()


def outputs_by_rule(folder: Path) -> dict[str, list[str]]:
    """Return the outputs of each rule that a finished run has gone through, in an order in which they can run."""
    summary = snakemake(folder, "--summary").stdout
    outputs = {}
    for output, _, rule, *_ in (line.split("\t") for line in summary.splitlines()[1:]):
        outputs.setdefault(rule, []).append(output)
    order = [
        *("base_model", "prepare_training", "prepare", "inputs", "plan", "finetune", "select", "evaluate"),
        *("compare", "tables", "figures", "discuss", "report"),
    ]
    assert set(order) == set(outputs)
    return {**{rule: outputs[rule] for rule in order}, "export_model": [EXPORTED]}


def test_a_full_disk_in_each_rule(smoke_run, clone_on_disk, disk, record_trials):
    """From the last rule to the first, so that what a rule needs is still there; then one run makes all of it again."""
    shutil.copytree(smoke_run / ".snakemake", clone_on_disk / ".snakemake")
    for path in (smoke_run / "results" / "smoke").iterdir():
        if path.is_dir() and path.name != "logs":
            shutil.copytree(path, disk / "smoke" / path.name)
        elif path.is_file():
            shutil.copy2(path, disk / "smoke")
    outputs = outputs_by_rule(smoke_run)
    trials = 0
    for rule, targets in reversed(outputs.items()):
        for path in (clone_on_disk / target for target in targets):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        # Those that write large files also with room for small ones.
        for left in (0, 65536) if rule in ("base_model", "finetune", "export_model") else (0,):
            for path in (clone_on_disk / "logs").rglob("*.log"):
                path.unlink()
            before = {path for path in disk.rglob("*") if path.is_file()}
            filler = fill(disk, left)
            done = snakemake(clone_on_disk, targets[0])
            told = done.stdout + done.stderr
            assert done.returncode != 0, rule
            assert f"Error in rule {rule}:" in told, told
            logs = [path.read_text() for path in (clone_on_disk / "logs").rglob("*.log")]
            full = [log for log in logs if re.search(r"^error: .*results/smoke/.*No space left on device", log, re.M)]
            if rule == "plan":  # which the shell writes
                assert "No space left on device" in told
            else:
                assert len(full) == 1, (rule, logs)
            assert not any("Traceback" in log for log in logs), (rule, logs)
            filler.unlink()
            after = {path for path in disk.rglob("*") if path.is_file() and path.name not in NO_RESULTS}
            assert after <= before, rule
            trials += 1
    done = snakemake(clone_on_disk, "all", EXPORTED)
    assert done.returncode == 0, done.stderr
    assert planned_jobs(clone_on_disk) == {}
    shutil.rmtree(disk / "smoke" / "export")
    check_equal(clone_on_disk, smoke_run)
    record_trials(f"disk full: {trials} times, in {len(outputs)} rules, named each time")


def test_a_full_disk_where_a_default_run_writes_nothing(disk, tmp_path, record_trials):
    run_folder = make_run(tmp_path / "run")
    (tmp_path / "hub" / "datasets/a/b").mkdir(parents=True)
    (tmp_path / "hub" / "datasets/a/b/train.csv").write_text("text,label\n")
    fill(disk, 0)
    submit = ["submit.py", run_folder, "--model", PLAN.model.name, "--tasks", "imdb", "--mode", "a_b"]
    with serve(tmp_path / "hub") as server:
        wanted = '{"datasets/a/b": ["*.csv"]}'
        fetch = ["fetch.py", wanted, "--lock", tmp_path / "lock.json"]
        for words, told in (
            ([*submit, "--output", disk / "out"], "No space left"),
            ([*fetch, "--mirror", tmp_path / "mirror", "--output", disk / "fetched.json"], "No space left"),
            ([*fetch, "--mirror", disk / "mirror", "--output", tmp_path / "fetched.json"], "No space left"),
        ):
            command = [sys.executable, REPOSITORY / "scripts" / words[0], *words[1:]]
            done = run(*command, cwd=REPOSITORY, **hub_environment(server, tmp_path / "cache"))
            assert done.returncode == 2, done.stdout + done.stderr
            (line,) = error_lines(done.stderr)
            assert str(disk) in line and told in line, done.stderr
    record_trials("disk full: submission, mirror, list of what was fetched, named each time")


def test_a_disk_that_turns_read_only(smoke_run, clone_on_disk, disk, record_trials):
    assert snakemake(clone_on_disk, f"{CELL}/metrics.json").returncode == 0
    assert mount("-o", "remount,ro", disk)
    done = snakemake(clone_on_disk)
    assert done.returncode != 0
    assert "results/smoke: cannot be written: no permission to write in results/smoke\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert mount("-o", "remount,rw", disk)
    # And in the middle of a run: as soon as no file is open for writing.
    with subprocess.Popen(
        ["snakemake", "--cores", "1", "--configfile", "config/smoke.yaml"],
        cwd=clone_on_disk,
        env=active(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if line.startswith("Finished jobid"):
                break
        while not mount("-o", "remount,ro", disk) and process.poll() is None:
            pass
        told = process.stderr.read()
    assert process.returncode != 0
    assert "Read-only file system" in told
    assert mount("-o", "remount,rw", disk)
    done = snakemake(clone_on_disk)
    assert done.returncode == 0, done.stderr
    check_equal(clone_on_disk, smoke_run)
    record_trials("disk read-only: before a run and within one")


def test_a_damaged_file_of_a_result_is_named_and_made_again(finished, record_trials):
    mode = finished / CELLS / "full"
    best = json.loads((mode / "best.json").read_text())["chosen"]
    cell = mode / f"bs{best['batch_size']}_lr{best['learning_rate']}_seed0"
    chosen = mode / "chosen"
    readers = {
        **{chosen / name: "compare" for name in ("test.json", "validation.safetensors", "test.safetensors")},
        **{cell / name: "evaluate" for name in ("metrics.json", "validation.safetensors", "trained.safetensors")},
        mode / "best.json": "evaluate",
    }
    before = {path: path.read_bytes() for path in readers}
    result = without_cost(cell / "metrics.json")
    logs = finished / "results/smoke/logs"
    made = {"compare": (finished / "results/smoke/comparison.json", logs / "compare.log")}
    made["evaluate"] = (chosen / "test.json", logs / f"cells/{MODEL}/imdb/full/evaluate.log")
    for path, rule in readers.items():
        output, log = made[rule]
        # Snakemake does not see the damage, as the file's time is that of before.
        damage(path, "flip")
        assert snakemake(finished, output.relative_to(finished), "--forcerun", rule).returncode != 0, path
        (line,) = error_lines(log.read_text())
        assert f"error: {path.relative_to(finished)}: " in line
        assert "sha256" in line or "not JSON" in line
        path.write_bytes(before[path])
    for path in readers:
        path.unlink(missing_ok=True)  # what the rule that failed had made is gone already
    done = snakemake(finished, "results/smoke/comparison.json")
    assert done.returncode == 0, done.stderr
    for path, content in before.items():
        if path.suffix == ".safetensors":
            assert path.read_bytes() == content
    assert without_cost(cell / "metrics.json") == result
    record_trials(f"damaged file of a result: {len(readers)} times, each named and made again")


def test_no_changed_bit_of_a_result_is_read_as_another_result(smoke_run, tmp_path, record_trials):
    chance, path = random.Random(0), tmp_path / "metrics.json"
    whole = (smoke_run / CELL / "metrics.json").read_bytes()
    expected = json.loads(whole)
    cell = Cell.model_validate(expected["cell"])
    path.write_bytes(whole)
    unharmed = read_metrics(path, cell)
    refused = 0
    for _ in range(2000):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            assert read_metrics(path, cell) == unharmed  # 1e-05 and 1E-05 are the same
        except InputError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > 1900
    for _ in range(200):
        path.write_bytes(whole[: chance.randrange(len(whole) - 2)])
        with pytest.raises(InputError):
            read_metrics(path, cell)
    record_trials(f"metrics.json: 2000 single bits changed, {refused} refused and the others of no effect; 200 cuts")


def shift(folder: Path, seconds: float) -> None:
    """Move the times of all files below a folder, as a clock that was wrong would have set them."""
    for path in folder.rglob("*"):
        status = path.lstat()
        times = (status.st_atime_ns + int(seconds * 1e9), status.st_mtime_ns + int(seconds * 1e9))
        os.utime(path, ns=times, follow_symlinks=False)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_steps_between_two_runs(finished, seconds, record_trials):
    cells = {path: path.read_bytes() for path in finished.glob(f"{CELLS}/*/*/metrics.json")}
    shift(finished / "results", seconds)
    assert planned_jobs(finished) == {}
    edit_config(finished, lambda config: config["modes"].update(bitfit={"learning_rates": ["3e-4", "1e-3", "1e-2"]}))
    assert planned_jobs(finished)["finetune"] == 1
    if seconds > 0:
        # The clock was set back, so what is there is of the future, of which Snakemake tells.
        done = snakemake(finished)
        assert done.returncode != 0
        assert "clock skew" in done.stderr
        done = run("find", "results", "-exec", "touch", "--reference", "Snakefile", "{}", "+", cwd=finished)
        assert done.returncode == 0, done.stderr
        assert planned_jobs(finished)["finetune"] == 1
    done = snakemake(finished)
    assert done.returncode == 0, done.stderr
    again = planned_jobs(finished)
    assert again == {}, again
    assert {path: path.read_bytes() for path in cells} == cells
    record_trials(f"clock: a step of {seconds:+} s between two runs, no result lost or made again")
