#!/usr/bin/env python3
"""Time the DAG of thousands of cells: Snakemake's dry run, and the comparison and tables from all the cells.

Nothing is trained: the cells' results are written by stand_in.py.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import stand_in
import yaml
from pipeline import SCHEMA, copy_pipeline, large_grid

from finegrid.config import cell as grid
from finegrid.config.definition import complete, plans


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="the grid has 100 cells for each (default: %(default)s)")
    seeds = parser.parse_args().seeds
    config = large_grid(seeds)
    with tempfile.TemporaryDirectory() as folder:
        copy_pipeline(folder)
        Path(folder, "config", "scale.yaml").write_text(yaml.safe_dump(config))
        bin_folder = Path(sys.executable).parent
        dry_run = timed(
            folder, bin_folder / "snakemake", "--dry-run", "--quiet", "all", "--configfile", "config/scale.yaml"
        )

        results = Path(folder, "results", "scale")
        all_plans = plans(complete(config, SCHEMA, "scale"))
        stand_in.write("prepare", json.dumps(all_plans[0]["config"]["task"]), results / "data" / "imdb")
        cells = 0
        for plan in all_plans:
            for cell in grid.cells(plan):
                cells += 1
                content = json.dumps({"cell": cell, "config": plan["config"]})
                stand_in.write("finetune", content, grid.cell_folder(results, cell))
        choice = 0.0
        for plan in all_plans:
            best = results / grid.MODE_FOLDER.format(**plan) / "best.json"
            script = Path(folder, "scripts", "choose.py")
            choice += timed(
                folder,
                sys.executable,
                script,
                grid.canonical_json(plan),
                "--results",
                "results/scale",
                "--output",
                best,
            )
            for cell in json.loads(best.read_text())["chosen"]["cells"]:
                stand_in.write("evaluate", "", grid.cell_folder(results, cell))
        scripts = Path(folder, "scripts")
        compare = timed(
            *(folder, sys.executable, scripts / "compare.py", "results/scale", "--output", "results/comparison.json"),
            *("--tasks", "imdb", "--modes", *config["modes"]),
        )
        tables = timed(
            *(folder, sys.executable, scripts / "tables.py", "results/comparison.json", "--output", "results/tables")
        )
    seconds = {"dry_run_seconds": dry_run, "choice_seconds": choice, "compare_seconds": compare}
    seconds["tables_seconds"] = tables
    print(json.dumps({"cells": cells, **{name: round(value, 2) for name, value in seconds.items()}}, indent=1))


def timed(folder: str, *command) -> float:
    """Run a command and return the seconds it took; fail if it fails."""
    started = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(Path(folder, "scripts"))}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
