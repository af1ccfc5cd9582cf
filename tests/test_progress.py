"""What a person sees of a grid that runs."""

import json
import os
import platform
import subprocess
import sys
import time

import progress
import pytest
from conftest import REPOSITORY, edit_config, edit_result, run

from finegrid.training import progress as signs
from finegrid.config.cell import cell_folder

NOW = 1_000_000.0
CONFIG = "config/smoke.yaml"


@pytest.fixture
def grid_of_four(finished, monkeypatch):
    """The folder of a finished run of four cells, and its configuration as progress.py reads it."""
    monkeypatch.chdir(finished)
    return finished / "results" / "smoke", progress.read_config(CONFIG)


def begin(folder, metrics_path, host="elsewhere", pid=1, **told):
    """Put a sign of life in the place of a cell's result."""
    metrics = json.loads(metrics_path.read_text())
    metrics_path.unlink()
    content = {
        **{"cell": metrics["cell"], "epoch": 1, "epochs": 4, "loss": 0.51234, "metric": "accuracy", "score": 0.75},
        **{"started": NOW - 130, "updated": NOW - 65, "host": host, "pid": pid},
    }
    (metrics_path.parent / "progress.json").write_text(json.dumps(content | told))


def path_of(folder, mode, learning_rate):
    cell = {"task": "imdb", "mode": mode, "batch_size": 16, "learning_rate": learning_rate, "seed": 0}
    return cell_folder(folder, cell) / "metrics.json"


def cost(path, seconds, status="ok"):
    edit_result(path, cost={**json.loads(path.read_text())["cost"], "total_seconds": seconds}, status=status)


def test_a_running_grid(grid_of_four):
    folder, config = grid_of_four
    cost(path_of(folder, "full", "1e-3"), 100)
    begin(folder, path_of(folder, "full", "3e-4"))
    path_of(folder, "bitfit", "1e-3").unlink()
    begin(
        folder,
        path_of(folder, "bitfit", "3e-4"),
        updated=NOW - 7300,
        started=NOW - 7310,
        epoch=0,
        loss=None,
        score=None,
    )
    # full has 3/4 of 100 s to go; of bitfit nothing is known, so two cells of 100 s: 275 s, by one cell.
    assert progress.render(*progress.survey(config), NOW).splitlines() == [
        "4 cells: 1 done, 1 running, 1 stopped before their end, 1 waiting",
        "Time left: about 4 min 35 s if 1 at a time go on running",
        "",
        "task    mode    batch size    learning rate    seed    epoch    loss    validation       silent",
        "------  ------  ------------  ---------------  ------  -------  ------  ---------------  ---------  -------",
        "imdb    full    16            3e-4             0       1 of 4   0.5123  accuracy 0.7500  1 min 5 s",
        "imdb    bitfit  16            3e-4             0       0 of 4                            2 h 1 min  stopped",
    ]


def test_the_time_left_is_that_of_like_cells_and_not_of_diverged_ones(grid_of_four):
    folder, config = grid_of_four
    cost(path_of(folder, "full", "1e-3"), 1000)
    cost(path_of(folder, "full", "3e-4"), 500)
    cost(path_of(folder, "bitfit", "1e-3"), 40)
    begin(folder, path_of(folder, "bitfit", "3e-4"), epoch=2)
    assert "about 20 s if 1" in progress.render(*progress.survey(config), NOW)
    cost(path_of(folder, "bitfit", "1e-3"), 1, "diverged")
    text = progress.render(*progress.survey(config), NOW)
    assert "3 done, 1 of them diverged, 1 running, 0 waiting" in text
    assert "about 6 min 15 s if 1" in text  # half of the mean of the others


def test_nothing_is_known_before_a_cell_is_done(grid_of_four):
    folder, config = grid_of_four
    for path in folder.glob("cells/*/*/*/metrics.json"):
        path.unlink()
    assert progress.render(*progress.survey(config), NOW) == (
        "4 cells: 0 done, 0 running, 4 waiting\nTime left: not known before a cell is done"
    )


def test_a_result_of_other_settings_is_not_done(grid_of_four):
    _, config = grid_of_four
    config["training"]["epochs"] = 3
    waiting, _, done = progress.survey(config)
    assert (len(waiting), done) == (4, [])


def test_a_process_of_this_machine_is_looked_for(grid_of_four):
    sign = {"host": platform.node(), "updated": 0, "started": 0, "epoch": 0}
    gone = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(gone, 0)
    assert not progress.is_lost({**sign, "pid": os.getpid()}, NOW)
    assert progress.is_lost({**sign, "pid": gone}, NOW)


def test_a_silent_cell_with_long_epochs_is_not_given_up():
    sign = {"host": "elsewhere", "pid": 1, "started": 0, "updated": 7200, "epoch": 1}
    assert not progress.is_lost(sign, 7200 + 3 * 7200)
    assert progress.is_lost(sign, 7200 + 3 * 7200 + 1)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3725, "1 h 2 min"), (90000, "1 d 1 h")]
)
def test_duration(seconds, text):
    assert progress.duration(seconds) == text


def test_what_training_writes_is_what_is_read(grid_of_four):
    folder, config = grid_of_four
    path = path_of(folder, "full", "3e-4")
    metrics = json.loads(path.read_text())
    path.unlink()
    signs.tell(path.parent, metrics["cell"], metrics["config"], 0, [], [])
    [first] = progress.survey(config)[1]
    assert (first["epoch"], first["loss"], first["score"]) == (0, None, None)
    signs.tell(path.parent, metrics["cell"], metrics["config"], 9, [{"score": 0.5}], [[1, 0.9], [2, 0.7]])
    [second] = progress.survey(config)[1]
    assert (second["epoch"], second["loss"], second["score"], second["metric"]) == (1, 0.7, 0.5, "accuracy")
    assert second["updated"] - second["started"] == pytest.approx(9, abs=0.01)
    signs.end(path.parent)
    assert progress.survey(config)[1] == []


def test_a_finished_run_leaves_no_sign_and_is_told_in_one_line(finished):
    assert not list(finished.glob("results/**/progress.json"))
    # Not on a terminal: --watch prints once.
    done = run("python", "scripts/progress.py", "--configfile", CONFIG, "--watch", cwd=finished)
    assert (done.returncode, done.stdout) == (0, "4 cells: 4 done, 0 running, 0 waiting\n"), done.stderr


def test_a_cell_that_runs_and_then_is_killed(finished, monkeypatch):
    monkeypatch.chdir(finished)
    edit_config(finished, lambda config: config["training"].update(epochs=50))  # no result is of these settings
    config = progress.read_config(CONFIG)
    path = path_of(finished / "results" / "smoke", "full", "3e-4")
    settings = json.loads(path.read_text())
    settings["config"]["epochs"] = 50
    (finished / "cell.json").write_text(json.dumps(settings))
    command = ["scripts/finetune.py", "cell.json", "--output", path.parent]
    inputs = ["--backbone", "results/smoke/backbone", "--data", "results/smoke/data/imdb"]
    with subprocess.Popen([sys.executable, *command, *inputs], stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("epoch 2 of 50"):
                break
        told = run("python", "scripts/progress.py", "--configfile", CONFIG, cwd=finished)
        [cell] = progress.survey(config)[1]
        process.kill()
    assert "4 cells: " in told.stdout
    assert " 1 running, " in told.stdout
    assert cell["epoch"] >= 1
    assert cell["loss"] > 0
    text = progress.render(*progress.survey(config), time.time())
    assert "4 cells: 0 done, 0 running, 1 stopped before their end, 3 waiting" in text


def test_a_missing_configuration_is_told(finished):
    done = run("python", "scripts/progress.py", "--configfile", "config/none.yaml", cwd=finished)
    assert (done.returncode, done.stderr) == (2, "error: config/none.yaml: no such file\n")


def test_it_does_without_torch():
    code = "import sys; sys.path.insert(0, 'scripts'); import progress; sys.exit('torch' in sys.modules)"
    assert run("python", "-c", code, cwd=REPOSITORY).returncode == 0
