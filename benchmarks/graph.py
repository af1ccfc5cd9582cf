#!/usr/bin/env python3
"""Measure Snakemake itself: the graph of a large grid, and a run that has nothing to do.

Times a dry run of the whole pipeline over many cells, then a first run and further runs, up to the test scores, of a
smaller grid whose scripts are replaced by fake_script.py. Nothing is trained.
"""

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from fake_script import FILES

REPOSITORY = Path(__file__).resolve().parent.parent
SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000, help="of the dry run (default: %(default)s)")
    parser.add_argument("--run-cells", type=int, default=300, help="of the runs (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=5, help="runs with nothing to do (default: %(default)s)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy_pipeline(Path(folder))
        write_grid(Path(folder, "dry_run.yaml"), arguments.cells)
        dry_run = snakemake(folder, "all", "--dry-run", "--quiet", "all", "--configfile", "dry_run.yaml")
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
        write_grid(Path(folder, "run.yaml"), arguments.run_cells)
        first, *second = [
            snakemake(folder, "task_imdb", "--cores", "all", "--configfile", "run.yaml")
            for _ in range(1 + arguments.repeats)
        ]
    result = {
        "dry_run": {"cells": arguments.cells, "seconds": round(dry_run, 1), "peak_memory_bytes": memory},
        "run": {"cells": arguments.run_cells, "first_seconds": round(first, 1), "jobs": "fake"},
        "second_run": {"seconds": round(statistics.median(second), 2), "all": [round(each, 2) for each in second]},
    }
    print(json.dumps(result, indent=1))


def copy_pipeline(folder: Path) -> None:
    """Copy what a run needs of the repository, with fake_script.py in the place of the scripts that it can replace."""
    for name in ("config", "models", "profiles", "scripts", "workflow"):
        shutil.copytree(REPOSITORY / name, folder / name)
    shutil.copy2(REPOSITORY / "Snakefile", folder)
    for name in FILES:
        shutil.copy2(REPOSITORY / "benchmarks" / "fake_script.py", folder / "scripts" / f"{name}.py")


def write_grid(path: Path, cells: int) -> None:
    """Write the configuration of a grid: 100 cells for each seed, so `cells` is a multiple of that."""
    config = {
        "run": path.stem,
        "models": {"none": {"source": "bundled"}},
        "tasks": {"imdb": {"source": "bundled", "max_length": 8}},
        "modes": {"full": {}, "bitfit": {}, "bitfit-head": {}, "linear-probe": {}, "layernorm": {}},
        "batch_sizes": [8, 16, 32, 64, 128],
        "learning_rates": ["1e-3", "3e-4", "1e-4", "3e-5"],
        "seeds": list(range(cells // 100)),
    }
    path.write_text(yaml.safe_dump(config))


def snakemake(folder: str, *arguments: str) -> float:
    """Run Snakemake and return the seconds it took; stop with what it says if it fails."""
    started = time.perf_counter()
    done = subprocess.run([SNAKEMAKE, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
