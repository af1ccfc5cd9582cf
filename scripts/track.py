#!/usr/bin/env python3
"""Write the cells of a run for TensorBoard and MLflow, for each of the two that is installed.

Writes event files below tensorboard/ and the database mlflow.db into the output folder, which is made anew.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from finegrid import errors
from finegrid.errors import InputError
from finegrid.evaluation.comparison import Comparison
from finegrid.reporting.tracking import PACKAGES, installed, tracked_cells, write_mlflow, write_tensorboard
from finegrid.sealed import read_record

INSTALL = "pip install --constraint constraints.txt '.[track]' in finegrid's folder installs it"


def main() -> None:
    arguments = parse_arguments()
    comparison = read_record(Comparison, arguments.comparison)
    trackers, output = installed(), Path(arguments.output)
    if not trackers:
        raise InputError(f"neither {' nor '.join(PACKAGES)} is installed; {INSTALL}")
    for tracker in PACKAGES.keys() - trackers:
        print(f"{tracker} is not installed, so nothing is written for it; {INSTALL}")

    cells = tracked_cells(comparison)
    # In a folder with a plain name, as MLflow takes its database as an address, in which ? and # have a meaning.
    with tempfile.TemporaryDirectory() as temporary:
        if "tensorboard" in trackers:
            write_tensorboard(cells, Path(temporary, "tensorboard"))
        if "mlflow" in trackers:
            write_mlflow(cells, Path(temporary, "mlflow.db"), comparison.run, artifacts=output / "artifacts")
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        for made in Path(temporary).iterdir():
            shutil.move(made, output)
    if "tensorboard" in trackers:
        print(f"tensorboard --logdir {output / 'tensorboard'}")
    if "mlflow" in trackers:
        print(f"mlflow ui --backend-store-uri sqlite:///{output / 'mlflow.db'}  # mlflow-skinny has no ui")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json of the run")
    parser.add_argument("--output", required=True, help="folder for what is written")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
