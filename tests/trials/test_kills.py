"""The grid under kill -9: at whatever moment, a rerun ends in the results of an undisturbed run."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from conftest import BASE_MODEL, CELLS, DATA, active, copy_pipeline, edit_config, run, snakemake, without_cost
from safetensors import safe_open

from finegrid.records import Best, Metrics

SNAKEMAKE = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config/smoke.yaml"]
KILLS = {"snakemake and its jobs": 12, "snakemake alone": 3, "a cell": 24}


def kill_within(command, folder: Path, seconds: float, group: bool) -> bool:
    """Start a command and kill -9 it, or all of its group, after so many seconds; say whether it was still running."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env=active(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


def check_nothing_is_torn(folder: Path) -> int:
    """Read all files of a run that are under their final names; return how many there were."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")]
    read = 0
    for path in paths:
        if ".making-" in str(path):
            continue
        if path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".safetensors":
            with safe_open(path, framework="np") as file:
                assert list(file.keys()) is not None
        else:
            continue
        read += 1
    return read


def test_kills_at_random_moments(smoke_run, tmp_path, record_trials):
    chance = random.Random(0)
    clone = copy_pipeline(tmp_path / "clone")
    kills, read = dict.fromkeys(KILLS, 0), 0
    while any(kills[name] < KILLS[name] for name in ("snakemake and its jobs", "snakemake alone")):
        name = chance.choice([name for name in KILLS if kills[name] < KILLS[name] and name != "a cell"])
        shutil.rmtree(clone / ".snakemake" / "locks", ignore_errors=True)  # as --unlock does
        if kill_within(SNAKEMAKE, clone, chance.uniform(0.5, 7), group=name != "snakemake alone"):
            kills[name] += 1
        read += check_nothing_is_torn(clone / "results")
        if (clone / "results/smoke/report.html").exists():  # the whole from the start again
            shutil.rmtree(clone / "results/smoke")
    assert snakemake(clone, "--unlock").returncode == 0
    done = snakemake(clone)
    assert done.returncode == 0, done.stdout + done.stderr

    cell, again = f"{CELLS}/full/bs16_lr3e-4_seed0", clone / "results" / "again"
    command = [
        *(sys.executable, "scripts/finetune.py", smoke_run / cell / "metrics.json", "--output", again),
        *("--base-model", BASE_MODEL, "--data", DATA),
    ]
    while kills["a cell"] < KILLS["a cell"]:
        kills["a cell"] += kill_within(command, clone, chance.uniform(0, 3.5), group=True)
        if again.exists():
            read += check_nothing_is_torn(again)
        if (again / "metrics.json").exists():
            shutil.rmtree(again)
    assert run(*command, cwd=clone).returncode == 0
    for name in ("trained.safetensors", "validation.safetensors"):
        assert (again / name).read_bytes() == (smoke_run / cell / name).read_bytes()

    for path in smoke_run.glob(f"{CELLS}/*/*/*"):
        ours = clone / path.relative_to(smoke_run)
        if path.name == "metrics.json":
            assert without_cost(ours) == without_cost(path)
        elif path.suffix == ".safetensors":
            assert ours.read_bytes() == path.read_bytes()
    for path in smoke_run.glob("results/smoke/tables/table[123].md"):
        assert (clone / path.relative_to(smoke_run)).read_bytes() == path.read_bytes()
    left = [path for path in (clone / "results").rglob("*") if path.name.startswith((".", "resume", "progress"))]
    assert [path for path in left if path.name != ".snakemake_timestamp"] == []
    told = ", ".join(f"{count} of {name}" for name, count in kills.items())
    record_trials(f"kill -9: {told}; {read} files read after them, none torn")


def test_a_killed_confirmation_of_another_choice_leaves_the_former_until_it_is_made(grown_run, tmp_path):
    clone = shutil.copytree(grown_run, tmp_path / "run")
    best, seed1 = clone / CELLS / "full/best.json", clone / CELLS / "full/confirm/seed1"
    former = Metrics.read(seed1 / "metrics.json")
    rates = [rate for rate in ("3e-4", "1e-3") if rate != former.cell.learning_rate]
    edit_config(clone, lambda config: config["modes"].update(full={"learning_rates": rates}))
    command = [*SNAKEMAKE, "--", seed1.relative_to(clone) / "metrics.json"]
    with subprocess.Popen(
        command,
        cwd=clone,
        env=active(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr:
            if "confirming the chosen setting of full, seed 1" in line:
                os.killpg(process.pid, signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    assert Best.read(best).chosen.learning_rate == rates[0]
    assert Metrics.read(seed1 / "metrics.json") == former
    shutil.rmtree(clone / ".snakemake" / "locks")
    done = run(*command, cwd=clone)
    assert done.returncode == 0, done.stdout + done.stderr
    made = [sys.executable, "scripts/confirm.py", best, "--seed", "1", "--output", tmp_path / "undisturbed"]
    assert run(*made, "--base-model", BASE_MODEL, "--data", DATA, cwd=clone).returncode == 0
    assert without_cost(seed1 / "metrics.json") == without_cost(tmp_path / "undisturbed/metrics.json")
    for name in ("trained.safetensors", "validation.safetensors"):
        assert (seed1 / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_in_a_folder_of_any_name_two_at_once_are_told_apart(smoke_run, tmp_path):
    clone = copy_pipeline(tmp_path / "it's $(touch owned) & grüße 日本")
    first = subprocess.Popen(
        SNAKEMAKE,
        cwd=clone,
        env=active(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in first.stdout:
        if "Select jobs to execute" in line:  # it has the lock
            break
    assert snakemake(clone, "--dry-run").returncode == 0  # which takes no lock
    for _ in range(2):
        second = snakemake(clone)
        assert second.returncode != 0
        assert "cannot be locked" in second.stdout + second.stderr
    told, _ = first.communicate()
    assert first.returncode == 0, told
    metrics = f"{CELLS}/full/bs16_lr3e-4_seed0/metrics.json"
    assert without_cost(clone / metrics) == without_cost(smoke_run / metrics)
    assert not list(tmp_path.rglob("owned"))


def test_a_cell_out_of_memory_is_told_and_hides_nothing(clone):
    # The kernel ends what is out of memory by SIGKILL; so does this, in the cells of one learning rate.
    script = clone / "scripts" / "finetune.py"
    text = script.read_text()
    mark = "    # Model:"
    assert mark in text
    dies = 'if cell.learning_rate == "1e-3" and cell.mode.name == "full":'
    dies = f"    {dies}\n        import os\n\n        os.kill(os.getpid(), 9)\n"
    script.write_text(text.replace(mark, dies + mark))
    done = snakemake(clone)
    assert done.returncode != 0
    assert "bs16_lr1e-3_seed0" in done.stdout + done.stderr
    cells = {path.parent.name for path in (clone / CELLS / "full").glob("*/metrics.json")}
    assert cells == {"bs16_lr3e-4_seed0"}
    # Nothing is selected of the incomplete mode, and no table is made that could hide it; the other mode is complete.
    assert not (clone / CELLS / "full" / "best.json").exists()
    assert (clone / CELLS / "bitfit" / "best.json").exists()
    assert not (clone / "results/smoke/tables").exists()
    told = f"1 of 4 cells have no result, so nothing is compared:\n  {CELLS}/full/bs16_lr1e-3_seed0\n"
    assert told in done.stderr
    compared = snakemake(clone, "partial")
    assert compared.returncode == 0, compared.stderr
    tables = clone / "results/smoke/partial/tables"
    for table in tables.glob("*.md"):
        said = table.read_text()
        assert "INCOMPLETE, without imdb full" in said, table
        assert "1 of 2 cells (batch size 16, learning rate 1e-3, seed 0)" in said, table
    assert "| bitfit " in (tables / "table2.md").read_text()
    assert "| full " not in (tables / "table2.md").read_text()
    assert "bundled-bert-tiny,imdb,full,16,1e-3,0,missing" in (tables / "grid.csv").read_text()
    assert not list(clone.glob(f"{CELLS}/full/chosen/*"))
    script.write_text(text)
    done = snakemake(clone)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / "results/smoke/tables/table2.md").exists()
