#!/usr/bin/env python3
"""Time whole grids: finegrid by `snakemake --cores all` against loops of transformers' Trainer, see trainer.py.

All train the same cells on the same data, from nothing prepared to the last validation score, in turns.
Prints a Markdown table of medians and writes it, with everything measured, to the output folder.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tabulate

from finegrid.config.cell import plans
from finegrid.config.definition import Config
from finegrid.config.modes import EVERYTHING
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.data.tokens import load_split
from finegrid.errors import InputError
from finegrid.records import Metrics
from finegrid.training import environment
from finegrid.training.product_rate import product_rate

REPOSITORY = Path(__file__).resolve().parent.parent
WORKLOADS = ["benchmarks/imdb128.yaml", "benchmarks/mrpc.yaml", "benchmarks/imdb512.yaml"]
CORES = len(os.sched_getaffinity(0))
# BERT-tiny: weights of its two layers; hidden size times layers.
WEIGHTS, ATTENTION = 2 * (4 * 128 * 128 + 2 * 128 * 512), 128 * 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="*", default=WORKLOADS, help=f"default: {' '.join(WORKLOADS)}")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: %(default)s)")
    parser.add_argument("--output", default="results/benchmarks", help="folder (default: %(default)s)")
    arguments = parser.parse_args()
    rate = CORES * product_rate()
    workloads = []
    for path in arguments.configs:
        try:
            config = resolve_config(read_configfile(REPOSITORY / path), path)
        except InputError as error:  # there is no mirror
            print(f"SKIPPED {error}", flush=True)
            continue
        workloads.append({"config": path, **time_workload(path, config, arguments.repeats, rate)})

    result = {
        "cores": CORES,
        "product_rate_flops": rate,
        "dtype": str(environment.choose_dtype("cpu")),
        "workloads": workloads,
    }
    table = markdown(result)
    print(table)
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "against_trainer.json").write_text(json.dumps(result, indent=1) + "\n")
    (output / "against_trainer.md").write_text(table + "\n")


def time_workload(path: str, config: Config, repeats: int, rate: float) -> dict:
    """Run the contenders in turns; return for each the medians and all that was measured."""
    runs = {"finegrid": [], "Trainer, plain": [], "Trainer, best": []}
    for repeat in range(repeats):
        for name, run in runs.items():
            with tempfile.TemporaryDirectory() as folder:
                if name == "finegrid":
                    run.append(run_finegrid(path, config, folder))
                    work = useful_work(config, folder)
                else:
                    run.append(run_trainer(path, name.split()[1], folder))
            print(f"{path}, run {repeat + 1} of {repeats}, {name}: {run[-1]['seconds']:.1f} s", flush=True)
    result = {}
    for name, run in runs.items():
        seconds = statistics.median(measured["seconds"] for measured in run)
        result[name] = {
            "seconds": seconds,
            "cells_per_hour": len(run[0]["accuracy"]) * 3600 / seconds,
            "tokens_per_second": work["tokens"] / seconds,
            "share_of_product_rate": work["flops"] / seconds / rate,
            "peak_memory_bytes": max(measured["peak_memory_bytes"] for measured in run),
            "accuracy": statistics.mean(run[0]["accuracy"].values()),
            "runs": run,
        }
    return {"cells": len(runs["finegrid"][0]["accuracy"]), **work, "contenders": result}


def run_finegrid(path: str, config: Config, folder: str) -> dict:
    """Run a grid, up to its validation scores, in a fresh copy of the repository."""
    names = ["config", "benchmarks", "models", "profiles", "scripts", "workflow", "Snakefile"]
    for name in names:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy2
        copy(REPOSITORY / name, Path(folder, name))
    command = [Path(sys.executable).parent / "snakemake", "--cores", "all", "--until", "finetune"]
    command += ["--configfile", path, "--config", f"mirror={Path(config.mirror).resolve()}"]
    started = time.perf_counter()
    run(command, folder)
    seconds = time.perf_counter() - started
    results = [Metrics.read(file) for file in sorted(Path(folder, "results").rglob("metrics.json"))]
    return {
        "seconds": seconds,
        "accuracy": {each.cell.folder("").as_posix(): each.validation.last.score for each in results},
        "peak_memory_bytes": max(each.cost.peak_memory_bytes for each in results),
        "startup_seconds": [each.cost.startup_seconds for each in results],
    }


def run_trainer(path: str, kind: str, folder: str) -> dict:
    """Run the cells of a grid by Trainer: plain in one process, at its best in one process per core."""
    processes = CORES if kind == "best" else 1
    script = REPOSITORY / "benchmarks" / "trainer.py"
    commands = [
        [sys.executable, script, path, kind, "--scratch", folder, "--part", part, processes]
        for part in range(processes)
    ]
    started = time.perf_counter()
    with ThreadPoolExecutor(processes) as pool:
        outputs = [json.loads(output.splitlines()[-1]) for output in pool.map(lambda c: run(c, REPOSITORY), commands)]
    seconds = time.perf_counter() - started
    cells = [cell for output in outputs for cell in output["cells"]]
    return {
        "seconds": seconds,
        "accuracy": {each["cell"]: each["accuracy"] for each in cells},
        "peak_memory_bytes": max(output["peak_memory_bytes"] for output in outputs),
        "cell_seconds": [each["seconds"] for each in cells],
    }


def run(command, folder) -> str:
    """Run a command without network; return what it prints, or stop with what it says."""
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environ["PATH"]])
    environ["PYTHONPATH"] = str(REPOSITORY / "scripts")
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def useful_work(config: Config, folder: str) -> dict:
    """Count the tokens that a grid trains on, and the multiplications and additions that they need.

    A product with a weight takes 2 per token and weight, attention 4 per pair of a text's tokens and hidden
    unit, backward twice as much as forward; of frozen weights half of that, as they need no gradient. All tokens
    count in both layers, though the last could do with the first of each text; nothing is counted for padding,
    embeddings, validation or what a step does besides products.
    """
    tokens = flops = 0
    for plan in plans(config):
        split, _ = load_split(
            Path(folder, "results", config.run, "data", config.tokenizer_of(plan.model.name), plan.task.name), "train"
        )
        lengths = split.lengths
        passes = len(plan.cells()) * config.training.epochs
        of_weights = 3 if plan.mode.train == tuple(EVERYTHING) else 2
        tokens += passes * int(lengths.sum())
        flops += passes * int((2 * of_weights * WEIGHTS * lengths + 3 * 4 * ATTENTION * lengths**2).sum())
    return {"tokens": tokens, "flops": flops}


def markdown(result: dict) -> str:
    """Return the table of medians."""
    rows = []
    for workload in result["workloads"]:
        ours = workload["contenders"]["finegrid"]["seconds"]
        for name, measured in workload["contenders"].items():
            rows.append(
                {
                    "grid": f"{workload['config']} ({workload['cells']} cells)",
                    "by": name,
                    "wall time [s]": f"{measured['seconds']:.1f}",
                    "finegrid is quicker": f"{measured['seconds'] / ours:.1f} x",
                    "cells/hour": f"{measured['cells_per_hour']:.0f}",
                    "tokens/s": f"{measured['tokens_per_second']:,.0f}",
                    "peak memory [GiB]": f"{measured['peak_memory_bytes'] / 2**30:.2f}",
                    "of the product rate": f"{measured['share_of_product_rate']:.1%}",
                    "mean validation accuracy": f"{measured['accuracy']:.3f}",
                }
            )
    head = (
        f"Medians; {result['cores']} cores, {result['product_rate_flops'] / 1e9:.0f} Gflop/s in {result['dtype']}.\n\n"
    )
    return head + tabulate.tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True)


if __name__ == "__main__":
    main()
