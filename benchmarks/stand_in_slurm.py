#!/usr/bin/env python3
"""Put in the place of SLURM's commands, has every job done at once: `sbatch` writes what its cells would have written.

Each submission is a line of JSON in the file that SUBMISSIONS names: its first words, its bytes, and its jobs.
"""

import base64
import itertools
import json
import os
import re
import sys
import zlib
from pathlib import Path

import stand_in

from finegrid import grid

RESULTS = Path("results", "scale")
LARGEST_ARRAY = 1001  # SLURM's default


def main() -> None:
    command = Path(sys.argv[0]).name
    submissions = Path(os.environ["SUBMISSIONS"])
    if command == "sbatch":
        print(submit(sys.argv[1:], submissions))
    if command == "squeue":
        for line in submissions.read_text().splitlines():
            print("".join(f"{number}|COMPLETED\n" for number in json.loads(line)["numbers"]), end="")
    if command == "scontrol":
        print(f"MaxArraySize = {LARGEST_ARRAY}\nMinJobAge = 3600 sec")


def submit(words: list[str], submissions: Path) -> int:
    """Do the jobs of one submission, and write it down; return its number."""
    (wrapped,) = [word for word in words if word.startswith("--wrap=")]
    commands, (first, last) = [wrapped], (1, 1)
    for word in words:
        if word.startswith("--array="):
            first, last = map(int, word.removeprefix("--array=").split("-"))
            if last >= LARGEST_ARRAY:
                sys.exit("sbatch: error: Batch job submission failed: Invalid job array specification")
            payload = re.search(r"--slurm-jobstep-array-execs=(\S*)", wrapped).group(1).strip("'\"")
            compressed = json.loads(base64.b64decode(payload)).values()
            commands += [zlib.decompress(bytes.fromhex(each)).decode() for each in compressed]
    jobs = [job for command in commands for job in re.findall(r"'(\w+):(task=[^']*)'", command)]
    for rule, wildcards in jobs:
        do(rule, dict(pair.split("=", 1) for pair in wildcards.split(",")))
    number = len(submissions.read_text().splitlines()) + 1 if submissions.exists() else 1
    numbers = [f"{number}_{task}" for task in range(first, last + 1)] if len(commands) > 1 else [str(number)]
    options = dict(itertools.pairwise(words))
    written = {
        "numbers": numbers,
        "rules": sorted({rule for rule, _ in jobs}),
        "jobs": len(jobs),
        "bytes": sum(map(len, words)) + len(words),
        "minutes": int(options["-t"]),
        "megabytes": int(options["--mem"]),
        "processors": int(next(word for word in words if word.startswith("--cpus-per-task=")).split("=")[1]),
    }
    with submissions.open("a") as file:
        file.write(json.dumps(written) + "\n")
    return number


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
