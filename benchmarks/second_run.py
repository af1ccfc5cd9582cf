#!/usr/bin/env python3
"""Time a `snakemake` that has nothing to do, over a finished grid of 360 cells.

The scripts that train, and the report, are replaced by stand_in.py: what is timed is Snakemake's reading of the DAG,
on which training has no bearing.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pipeline import FAKED, copy_pipeline

SNAKEMAKE = [str(Path(sys.executable).parent / "snakemake"), "--cores", "all", "--configfile", "config/bench.yaml"]
RUNS = 5

CONFIG = """
run: bench
model: {name: none, source: embedded}
tasks: {imdb: {source: embedded, max_length: 8}}
modes: {full: {}, bitfit: {}, bitfit-head: {}}
batch_sizes: [8, 16, 32, 64, 128]
learning_rates: [3e-4, 1e-4, 5e-5, 3e-5]
seeds: [0, 1, 2, 3, 4, 5]
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy_pipeline(folder, FAKED)
        Path(folder, "config", "bench.yaml").write_text(CONFIG)

        first = timed(folder)
        seconds = [timed(folder) for _ in range(RUNS)]
        files = sum(len(names) for _, _, names in os.walk(Path(folder, "results")))
    result = {
        "cells": 360,
        "files": files,
        "first_run_seconds": round(first, 2),
        "second_run_seconds": {"median": round(statistics.median(seconds), 2), "all": [round(s, 2) for s in seconds]},
    }
    print(json.dumps(result, indent=1))


def timed(folder: str) -> float:
    """Run Snakemake and return the seconds it took; fail if it fails."""
    started = time.perf_counter()
    done = subprocess.run(SNAKEMAKE, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
