"""A cell that is killed continues after its last finished epoch and ends in the same files."""

import signal
import subprocess
import sys

import pytest
from conftest import BASE_MODEL, CELLS, DATA, without_cost

from finegrid.config.definition import Training
from finegrid.files import canonical_json
from finegrid.records import Best, Metrics
from finegrid.sealed import as_json


def long(record):
    """Return a cell or a plan with so many epochs that it can be killed between them."""
    return record.model_copy(update={"training": Training(epochs=12)})


@pytest.mark.parametrize(("script", "mode"), [("finetune", "full"), ("finetune", "bitfit"), ("confirm", "full")])
def test_a_killed_cell_continues(script, mode, finished, tmp_path):
    if script == "finetune":
        metrics = Metrics.read(finished / f"{CELLS}/{mode}/bs16_lr3e-4_seed0/metrics.json")
        arguments = [canonical_json(as_json(long(metrics.cell)))]
    else:
        best = Best.read(finished / f"{CELLS}/{mode}/best.json")
        best.model_copy(update={"plan": long(best.plan)}).write(tmp_path / "best.json")
        arguments = [tmp_path / "best.json", "--seed", "7"]

    def command(output):
        folders = ["--base-model", BASE_MODEL, "--data", DATA, "--output", output]
        return [sys.executable, f"scripts/{script}.py", *arguments, *folders]

    undisturbed = subprocess.run(command(tmp_path / "whole"), cwd=finished, check=True, capture_output=True, text=True)
    assert "resuming" not in undisturbed.stdout
    kills = 0
    for epoch in (1, 4, 5):
        with subprocess.Popen(command(tmp_path / "killed"), cwd=finished, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.startswith(f"epoch {epoch} "):
                    process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "metrics.json").exists()
        assert (tmp_path / "killed" / "resume.safetensors").exists()
        assert (tmp_path / "killed" / "progress.json").exists()
    assert kills == 3
    last = subprocess.run(command(tmp_path / "killed"), cwd=finished, check=True, capture_output=True, text=True)
    assert int(last.stdout.split("resuming after epoch ")[1].split()[0]) >= 5
    assert sorted(path.name for path in (tmp_path / "killed").iterdir()) == [
        "metrics.json",
        "trained.safetensors",
        "validation.safetensors",
    ]
    for name in ("validation.safetensors", "trained.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert without_cost(tmp_path / "killed" / "metrics.json") == without_cost(tmp_path / "whole" / "metrics.json")
