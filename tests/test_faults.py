"""Disks that are full, read-only or lose bits, and clocks that step: what is wrong is named, and a rerun mends it."""

import json
import os
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import edit_config, planned_jobs, snakemake, without_cost

from finegrid.errors import InputError
from finegrid.results import read_metrics

CELLS = "results/smoke/cells/imdb"
CELL = f"{CELLS}/full/bs16_lr3e-4_seed0"
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
        paths = (path for part in ("cells", "data", "backbone", "tables") for path in of.glob(f"{part}/**/*"))
        return {path.relative_to(of) for path in paths if path.is_file() and path.name != ".snakemake_timestamp"}

    folder, expected = folder / "results" / "smoke", expected / "results" / "smoke"
    assert files(folder) == files(expected)
    for name in files(expected):
        if name.name == "metrics.json":
            assert without_cost(folder / name) == without_cost(expected / name)
        elif name.suffix == ".safetensors" or re.fullmatch(r"table[123]\.md", name.name):
            assert (folder / name).read_bytes() == (expected / name).read_bytes()


def first_outputs(run: Path) -> dict[str, str]:
    """Return one output of each rule that a finished run has gone through, in the order in which they ran."""
    summary = snakemake(run, "--summary").stdout
    rows = [line.split("\t") for line in summary.splitlines()[1:]]
    outputs = {}
    for row in rows:
        outputs.setdefault(row[2], row[0])
    order = [
        *("backbone", "prepare", "anatomy", "finetune", "choose", "evaluate"),
        *("compare", "tables", "figures", "discuss", "report"),
    ]
    assert set(order) == set(outputs)
    return {**{rule: outputs[rule] for rule in order}, "export": "results/smoke/export/imdb/full/model.safetensors"}


def test_a_full_disk_in_each_rule(smoke_run, clone_on_disk, disk, record_trials):
    # finetune also with room for its sign of life, so that it is the result that finds no place.
    trials = [(rule, target, left) for rule, target in first_outputs(smoke_run).items() for left in (0, 65536)]
    trials = [trial for trial in trials if trial[2] == 0 or trial[0] in ("backbone", "finetune", "evaluate", "export")]
    for index, (rule, target, left) in enumerate(trials):
        before = {path for path in disk.rglob("*") if path.is_file()}
        filler = fill(disk, left)
        done = snakemake(clone_on_disk, target)
        told = done.stdout + done.stderr
        assert done.returncode != 0, rule
        assert f"Error in rule {rule}:" in told, told
        logs = [
            path.read_text() for path in (clone_on_disk / "logs").rglob("*") if path.is_file() and path.stat().st_size
        ]
        assert any(re.search(r"^error: .*results/smoke/.*No space left on device", log, re.M) for log in logs), (
            rule,
            logs,
        )
        assert not any("Traceback" in log for log in logs), (rule, logs)
        filler.unlink()
        after = {path for path in disk.rglob("*") if path.is_file() and path.name not in NO_RESULTS}
        assert after <= before, rule
        if index + 1 == len(trials) or trials[index + 1][0] != rule:
            done = snakemake(clone_on_disk, target)
            assert done.returncode == 0, (rule, done.stderr)
    done = snakemake(clone_on_disk)
    assert done.returncode == 0, done.stderr
    shutil.rmtree(disk / "smoke" / "export")
    check_equal(clone_on_disk, smoke_run)
    record_trials(f"disk full: {len(trials)} times, in {len({rule for rule, _, _ in trials})} rules, named each time")


def test_a_disk_that_turns_read_only(smoke_run, clone_on_disk, disk, record_trials):
    assert snakemake(clone_on_disk, f"{CELL}/metrics.json").returncode == 0
    assert mount("-o", "remount,ro", disk)
    done = snakemake(clone_on_disk)
    assert done.returncode != 0
    assert "error: results/smoke: cannot be written: no permission to write in results/smoke\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert mount("-o", "remount,rw", disk)
    # And in the middle of a run: as soon as no file is open for writing.
    environment = {**os.environ, "PATH": os.pathsep.join([os.path.dirname(os.sys.executable), os.environ["PATH"]])}
    with subprocess.Popen(
        ["snakemake", "--cores", "1", "--configfile", "config/smoke.yaml"],
        cwd=clone_on_disk,
        env=environment,
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
    snakemake(clone_on_disk, "--unlock")
    done = snakemake(clone_on_disk, "--rerun-incomplete")
    assert done.returncode == 0, done.stderr
    check_equal(clone_on_disk, smoke_run)
    record_trials("disk read-only: before a run and within one")


def damage(path: Path, how: str) -> None:
    """Change one bit in the middle of a file, or cut its second half, unseen by its time."""
    status, content = path.stat(), bytearray(path.read_bytes())
    half = len(content) // 2
    if how == "cut":
        del content[half:]
    else:
        content[half] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("how", ["flip", "cut"])
def test_a_damaged_file_of_a_result_is_named(finished, how, record_trials):
    chosen = [path.parent for path in finished.glob(f"{CELLS}/*/*/test.json")]
    other = next(path.parent for path in finished.glob(f"{CELLS}/*/*/metrics.json") if path.parent not in chosen)
    before = {name: (finished / f"results/smoke/tables/{name}.md").read_bytes() for name in ("table1", "table2")}
    names = ("metrics.json", "validation.safetensors", "test.safetensors", "test.json", "trained.safetensors")
    damaged = [(chosen[0] / name, "evaluate" if name.startswith("trained") else "compare") for name in names]
    for path, rule in [*damaged, (other / "metrics.json", "compare")]:
        damage(path, how)
        target = (
            chosen[0].relative_to(finished) / "test.json" if rule == "evaluate" else "results/smoke/comparison.json"
        )
        # Of the damage Snakemake knows nothing, as the file's time is that of before.
        done = snakemake(finished, target, "--forcerun", rule)
        assert done.returncode != 0
        (log,) = (
            (finished / "results/smoke/logs").rglob(f"{rule}.log")
            if rule == "compare"
            else [finished / "results/smoke/logs" / chosen[0].relative_to(finished / "results/smoke") / "evaluate.log"]
        )
        (line,) = [line for line in log.read_text().splitlines() if line.startswith("error: ")]
        assert f"error: {path.relative_to(finished)}: " in line
        assert "sha256" in line or "not JSON" in line
        path.unlink()
        done = snakemake(finished)
        assert done.returncode == 0, done.stderr
    for name, content in before.items():
        assert (finished / f"results/smoke/tables/{name}.md").read_bytes() == content
    record_trials(f"damaged file of a result, {how}: {len(damaged) + 1}, each named and made again")


def test_no_changed_bit_of_a_result_is_read_as_another_result(smoke_run, tmp_path, record_trials):
    chance, path = random.Random(0), tmp_path / "metrics.json"
    whole = (smoke_run / CELL / "metrics.json").read_bytes()
    expected = json.loads(whole)
    refused = 0
    for _ in range(2000):
        content = bytearray(whole)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            assert read_metrics(path, expected["cell"], expected["config"]) == expected  # 1e-05 and 1E-05 are the same
        except InputError as error:
            assert str(path) in str(error)
            assert "\n" not in str(error)
            refused += 1
    assert refused > 1900
    for _ in range(200):
        path.write_bytes(whole[: chance.randrange(len(whole) - 2)])
        with pytest.raises(InputError):
            read_metrics(path, expected["cell"], expected["config"])
    record_trials(f"metrics.json: 2000 single bits changed, {refused} refused and the others of no effect; 200 cuts")


def shift(folder: Path, seconds: float) -> None:
    """Move the times of all files below a folder, as a clock that was wrong would have set them."""
    for path in folder.rglob("*"):
        status = path.lstat()
        times = (status.st_atime_ns + int(seconds * 1e9), status.st_mtime_ns + int(seconds * 1e9))
        os.utime(path, ns=times, follow_symlinks=False)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_that_steps_between_two_runs(finished, seconds):
    shift(finished / "results", seconds)
    assert planned_jobs(finished) == {}
    edit_config(finished, lambda config: config["modes"].update(bitfit={"learning_rates": ["3e-4", "1e-3", "1e-2"]}))
    assert planned_jobs(finished)["finetune"] == 1
    done = snakemake(finished)
    assert done.returncode == 0, done.stderr
    again = planned_jobs(finished)
    assert again == {}, again
