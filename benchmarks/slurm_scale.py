#!/usr/bin/env python3
"""Send thousands of cells through profiles/slurm to a SLURM that has every job done at once.

Real are Snakemake, its executor plugin and the profile; SLURM's commands and the training are stand-ins. Prints how
many submissions there were and how large, what they asked of the cluster, what Snakemake took, and the files left.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from pipeline import FAKED, REPOSITORY, SCHEMA, copy_pipeline, large_grid

from finegrid.config.definition import complete, plans

COMMANDS = ("sbatch", "squeue", "sacct", "sacctmgr", "sshare", "sinfo", "scontrol", "scancel")
# As profiles/slurm has it, and as its comments say.
WAYS = {
    "jobs": [],
    "groups": [
        *("--groups", "finetune=cells", "--group-components", "cells=16"),
        *("--set-resource-scopes", "cells_at_once=local", "--resources", "cells_at_once=4"),
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, default="groups", help="how cells are sent (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=100, help="the grid has 100 cells for each (default: %(default)s)")
    arguments = parser.parse_args()
    config = large_grid(arguments.seeds)
    with tempfile.TemporaryDirectory() as folder:
        copy_pipeline(folder, FAKED)
        Path(folder, "config", "scale.yaml").write_text(yaml.safe_dump(config))
        all_plans = {plan["mode"]: plan for plan in plans(complete(config, SCHEMA, "scale"))}
        Path(folder, "plans.json").write_text(json.dumps(all_plans))
        Path(folder, "bin").mkdir()
        for name in COMMANDS:
            Path(folder, "bin", name).symlink_to(REPOSITORY / "benchmarks" / "stand_in_slurm.py")
        seconds = send(folder, WAYS[arguments.way])
        submissions = [json.loads(line) for line in Path(folder, "submissions").read_text().splitlines()]
        print(json.dumps({"way": arguments.way, **count(Path(folder), submissions), "seconds": seconds}, indent=1))


def send(folder: str, way: list[str]) -> float:
    """Run the grid up to its last cell and return the seconds that it took; fail if it fails."""
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([f"{folder}/bin", str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": f"{folder}/scripts",
        "SUBMISSIONS": f"{folder}/submissions",
    }
    started = time.perf_counter()
    done = subprocess.run(
        [
            *("snakemake", "cells", "--profile", "profiles/slurm", "--configfile", "config/scale.yaml"),
            *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"),
            *("--seconds-between-status-checks", "1", "--max-status-checks-per-second", "10", *way),
        ],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(done.stdout[-5000:] + done.stderr[-5000:])
    return round(time.perf_counter() - started, 1)


def count(folder: Path, submissions: list[dict]) -> dict:
    """Return what was submitted, what it asked for, and what was left in results/ and in .snakemake/."""
    training = [each for each in submissions if each["rules"] == ["finetune"]]
    asked = [each["minutes"] / 60 for each in training]  # of wall time
    files = {name: sum(path.is_file() for path in (folder / name).rglob("*")) for name in ("results", ".snakemake")}
    return {
        "cells": sum(each["jobs"] for each in training),
        "submissions": len(training),
        "largest_submission_bytes": max(each["bytes"] for each in training),
        "processor_hours_asked": round(sum(h * each["processors"] for h, each in zip(asked, training, strict=True))),
        "gigabyte_hours_asked": round(
            sum(h * each["megabytes"] / 1000 for h, each in zip(asked, training, strict=True))
        ),
        "one_job": {key: max(each[key] for each in training) for key in ("processors", "megabytes", "minutes")},
        **{f"files_in_{name.strip('.')}": number for name, number in files.items()},
        "snakemake_peak_memory_mebibytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
    }


if __name__ == "__main__":
    main()
