"""progress.py beside cells that run, end and are killed."""

import subprocess
import sys

from conftest import BASE_MODEL, DATA, edit_config, run

from finegrid.config.cell import plans
from finegrid.config.resolve import read_configfile, resolve_config
from finegrid.files import write_json
from finegrid.sealed import as_json

CONFIG = "config/smoke.yaml"


def shown(folder) -> str:
    done = run(sys.executable, "scripts/progress.py", "--configfile", CONFIG, "--watch", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout  # not on a terminal: --watch prints once


def test_a_finished_run_leaves_no_sign_and_is_shown_in_one_line(finished):
    assert not list(finished.glob("results/**/progress.json"))
    assert shown(finished) == "4 cells: 4 done, 0 running, 0 waiting\n"


def test_a_cell_that_runs(finished):
    edit_config(finished, lambda config: config.update(training={"epochs": 50}))  # no result is of these settings
    cell = plans(resolve_config(read_configfile(finished / CONFIG), CONFIG))[0].cells()[0]
    write_json(finished / "cell.json", {"cell": as_json(cell)})
    command = ["scripts/finetune.py", "cell.json", "--output", cell.folder("results/smoke")]
    inputs = ["--base-model", BASE_MODEL, "--data", DATA]
    with subprocess.Popen(
        [sys.executable, *command, *inputs], stdout=subprocess.PIPE, text=True, cwd=finished
    ) as process:
        for line in process.stdout:
            if line.startswith("epoch 2 of 50"):
                break
        text = shown(finished)
        process.kill()
    assert text.startswith("4 cells: 0 done, 1 running, 3 waiting\n")
    assert " of 50 " in text and " accuracy 0." in text
    # A killed cell leaves its last sign, which gets old.
    assert shown(finished).startswith("4 cells: 0 done, 1 running, 3 waiting\n")
