#!/usr/bin/env python3
"""Time whole grids: finegrid by `snakemake --cores all` against loops of transformers' Trainer, see trainer.py.

Both train the same cells on the same data, from nothing prepared to the last validation score, in turns. Run it in the
repository's folder. Results are written after each turn: killed, it continues where it was, unless what it runs has
changed. At the end the tables in README.md and docs/speed.md are those of the results.
"""

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from measurements import Machine, Measurements, Run, Turn, Workload, full_table, page, update_documentation
from random_models import make_models
from transformers.utils import logging
from useful_work import count_work

from finegrid import errors
from finegrid.code_hash import code_hash
from finegrid.config.definition import Config
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.errors import InputError
from finegrid.files import fingerprint, write_json, write_text
from finegrid.records import Metrics
from finegrid.sealed import as_json, read_record
from finegrid.training import environment
from finegrid.training.product_rate import product_rate

REPOSITORY = Path(__file__).resolve().parent.parent
OUTPUT = "benchmarks/results"
WORKLOADS = {
    "benchmarks/mrpc.yaml": "MRPC, BERT-tiny",
    "benchmarks/imdb512.yaml": "IMDb, 512 tokens, BERT-tiny",
    "benchmarks/distilbert.yaml": "IMDb, 512 tokens, DistilBERT",
    "benchmarks/roberta.yaml": "IMDb, 512 tokens, RoBERTa",
    "benchmarks/minilm.yaml": "IMDb, 128 tokens, MiniLM-L6",
    "config/config.yaml": "the default: IMDb, 64 tokens, BERT-tiny",
}
CORES = len(os.sched_getaffinity(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=list(WORKLOADS), help=f"default: {' '.join(WORKLOADS)}")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--output", default=OUTPUT, help="folder (default: %(default)s)")
    arguments = parser.parse_args()
    logging.disable_progress_bar()
    results = Path(arguments.output, "against_trainer.json")
    measured = earlier_results(results)
    for path in arguments.configs:
        given = read_configfile(path)
        make_models(given)
        try:
            config = resolve_config(given, path)
        except InputError as error:  # there is no mirror
            print(f"SKIPPED {error}", flush=True)
            continue
        for workload in measure(path, config, measured, arguments.repeats):
            measured = measured.replaced(workload)
            write_json(results, as_json(measured))
    if not measured.workloads:
        raise InputError("nothing was measured")
    print(full_table(measured))
    write_text(results.with_suffix(".md"), page(measured))
    if arguments.output == OUTPUT:
        update_documentation(measured, REPOSITORY)


def earlier_results(path: Path) -> Measurements:
    """Return what an earlier run measured, or nothing. Raises InputError if that was on another machine."""
    machine = this_machine()
    if not path.exists():
        return Measurements(machine=machine)
    earlier = read_record(Measurements, path)
    if earlier.machine != machine:
        raise InputError(f"{path}: measured with {earlier.machine}, this is {machine}; delete the file to start anew")
    return earlier


def this_machine() -> Machine:
    """Describe this machine."""
    processor = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        processor = found[1] if found else processor
    dtype = str(environment.choose_dtype("cpu")).removeprefix("torch.")
    versions = {package: version(package) for package in ("torch", "transformers")}
    return Machine(processor=processor, cores=CORES, dtype=dtype, **versions)


def measure(path: str, config: Config, earlier: Measurements, repeats: int):
    """Run the contenders in turns, as often as is missing; yield the workload after each turn."""
    scripts = [(REPOSITORY / "benchmarks" / name).read_text() for name in ("trainer.py", "random_models.py")]
    identity = fingerprint([code_hash("finetune"), as_json(config), *scripts])
    known = [each for each in earlier.workloads if (each.config, each.identity) == (path, identity)]
    turns = known[0].turns if known else ()
    while len(turns) < repeats:
        rate = product_rate()
        with tempfile.TemporaryDirectory() as folder:
            ours, cells = run_finegrid(path, config, Path(folder))
            theirs, same_cells = run_trainer(path, config, Path(folder))
            if cells != same_cells:
                raise InputError(f"{path}: Trainer trained {sorted(same_cells)}, finegrid {sorted(cells)}")
            work = count_work(config, Path(folder, "results", config.run))
        turns = (*turns, Turn(product_rate=rate, finegrid=ours, Trainer=theirs))
        seconds = f"finegrid {ours.seconds:.1f} s, Trainer {theirs.seconds:.1f} s"
        print(f"{path}, run {len(turns)} of {repeats}: {seconds}", flush=True)
        yield Workload(config=path, title=WORKLOADS.get(path, path), identity=identity, work=work, turns=turns)


def run_finegrid(path: str, config: Config, folder: Path) -> tuple[Run, set[str]]:
    """Run a grid, up to its validation scores, in a fresh copy of the repository; return its cells, too."""
    for name in ("config", "benchmarks", "models", "profiles", "scripts", "workflow", "Snakefile"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy2
        copy(REPOSITORY / name, folder / name)
    for model in config.models.values():
        if model.folder:
            shutil.copytree(model.folder, folder / model.folder)
    command = [Path(sys.executable).parent / "snakemake", "--cores", "all", "--until", "finetune"]
    command += ["--configfile", path, "--config", f"mirror={Path(config.mirror).resolve()}"]
    started = time.perf_counter()
    run(f"{path}: finegrid", command, folder)
    seconds = time.perf_counter() - started
    results = [Metrics.read(file) for file in sorted(Path(folder, "results").rglob("metrics.json"))]
    if any(each.status != "ok" for each in results):
        raise InputError(f"{path}: finegrid: a cell diverged")
    measured = Run(
        seconds=seconds,
        training_seconds=sum(each.cost.training_seconds for each in results),
        peak_memory_bytes=max(each.cost.peak_memory_bytes for each in results),
        accuracy=statistics.mean(each.validation.last.scores["accuracy"] for each in results),
    )
    return measured, {each.cell.folder("").as_posix() for each in results}


def run_trainer(path: str, config: Config, folder: Path) -> tuple[Run, set[str]]:
    """Run the cells of a grid by Trainer, in one process per core, from the base model of finegrid's run."""
    (model,) = config.models
    base_model = folder / "results" / config.run / "base_model" / model
    command = [sys.executable, REPOSITORY / "benchmarks" / "trainer.py", path, "--base-model", base_model]
    command += ["--scratch", folder / "scratch"]
    started = time.perf_counter()
    with ThreadPoolExecutor(CORES) as pool:
        outputs = list(pool.map(lambda _: run(f"{path}: Trainer", command, REPOSITORY), range(CORES)))
    seconds = time.perf_counter() - started
    parts = [json.loads(output.splitlines()[-1]) for output in outputs]
    cells = [cell for part in parts for cell in part["cells"]]
    measured = Run(
        seconds=seconds,
        training_seconds=sum(cell["training_seconds"] for cell in cells),
        peak_memory_bytes=max(part["peak_memory_bytes"] for part in parts),
        accuracy=statistics.mean(cell["accuracy"] for cell in cells),
    )
    return measured, {cell["cell"] for cell in cells}


def run(what: str, command: list, folder: Path) -> str:
    """Run a command without network; return what it prints. Raises InputError, after all it says, if it fails."""
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
    environ["PYTHONPATH"] = str(REPOSITORY / "scripts")
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr, flush=True)
        raise InputError(f"{what} failed with exit status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    errors.run(main)
