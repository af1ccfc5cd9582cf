#!/usr/bin/env python3
"""Put in the place of SLURM's commands, has every job done at once: `sbatch` writes what its cells would have written.

Each submission is a line of JSON in the file that SUBMISSIONS names: its first words, its bytes, and its jobs.
"""

import itertools
import json
import os
import re
import sys
from pathlib import Path

import stand_in

from finegrid.config import cell as grid

RESULTS = Path("results", "scale")


def main() -> None:
    command = Path(sys.argv[0]).name
    submissions = Path(os.environ["SUBMISSIONS"])
    if command == "sbatch":
        print(submit(sys.argv[1:], submissions))
    if command == "squeue":
        print("".join(f"{number}|COMPLETED\n" for number in range(1, count(submissions) + 1)), end="")
    if command == "scontrol":
        print("MinJobAge = 3600 sec")


def count(submissions: Path) -> int:
    return len(submissions.read_text().splitlines()) if submissions.exists() else 0


def submit(words: list[str], submissions: Path) -> int:
    """Do the jobs of one submission, and write it down; return its number."""
    (wrapped,) = [word for word in words if word.startswith("--wrap=")]
    jobs = re.findall(r"'(\w+):(task=[^']*)'", wrapped)
    for rule, wildcards in jobs:
        do(rule, dict(pair.split("=", 1) for pair in wildcards.split(",")))
    options = dict(itertools.pairwise(words))
    written = {
        "rules": sorted({rule for rule, _ in jobs}),
        "jobs": len(jobs),
        "bytes": sum(map(len, words)) + len(words),
        "minutes": int(options["-t"]),
        "megabytes": int(options["--mem"]),
        "processors": int(next(word for word in words if word.startswith("--cpus-per-task=")).split("=")[1]),
    }
    with submissions.open("a") as file:
        file.write(json.dumps(written) + "\n")
    return count(submissions)


def do(rule: str, job: dict) -> None:
    """Write what one cell would have written."""
    plan = json.loads(Path("plans.json").read_text())[job["mode"]]
    cell = grid.cell(plan, int(job["batch_size"]), job["learning_rate"], int(job["seed"]))
    folder = grid.cell_folder(RESULTS, cell)
    stand_in.write(rule, grid.canonical_json({"cell": cell, "config": plan["config"]}), folder)
    log = Path(RESULTS, "logs", folder.relative_to(RESULTS), f"{rule}.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("epoch 1 of 1: validation accuracy 0.5000\n")
    if rule == "finetune":
        benchmark = Path(RESULTS, "benchmarks", f"{folder.relative_to(RESULTS)}.tsv")
        benchmark.parent.mkdir(parents=True, exist_ok=True)
        benchmark.write_text("s\n1\n")


if __name__ == "__main__":
    main()
