"""A cell that is killed goes on after its last finished epoch, as if nothing had been."""

import copy
import json
import signal
import subprocess
import sys

import pytest
import torch
from conftest import without_cost
from hypothesis import given
from hypothesis import strategies as st
from test_engine import tiny_model, tiny_split

from finegrid.training import loop as engine
from finegrid.training.fast import features
from finegrid.training import resume
from finegrid.modeling import classifier as models

SETTINGS = {"batch_size": 5, "learning_rate": 1e-2, "epochs": 4, "weight_decay": 0, "warmup": 0.1}
SETTINGS |= {"max_grad_norm": 1.0, "seed": 1, "device": "cpu", "dtype": torch.float32}
MODES = {
    "full": {"train": [".*"]},
    "bitfit": {"train": [r".*\.bias"]},
    "frozen": {"train": ["head"]},
    "random": {"train": [".*"], "random": {"parameters": 300, "seed": 0}},
    "lora": {"train": ["head"], "peft": {"peft_type": "LORA", "r": 2, "target_modules": ["query"]}},
}


def start(mode: str, unpadded: bool):
    """Return a model in a mode, and what it trains on; the same each time."""
    model = tiny_model(dropout=0.1, unpadded=unpadded)
    models.apply_mode(model, MODES[mode], seed=0)
    if not features.suffice(model):
        return model, tiny_split()
    return features.Head(model), features.extract(model, tiny_split(), "cpu", torch.float32)


@pytest.mark.parametrize("unpadded", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_training_goes_on_bit_for_bit(mode, unpadded, tmp_path):
    model, split = start(mode, unpadded)
    whole = []
    for epoch in engine.train(model, split, **SETTINGS):
        engine.predict(model, split, "cpu", torch.float32)  # as a cell does between its epochs
        whole.append(epoch.losses)
        resume.save(tmp_path / f"{len(whole)}", epoch.state, {"history": len(whole)}, "cell")
    for done in (1, 2, 3):
        state, found = resume.load(tmp_path / f"{done}", "cell")
        assert found == {"history": done}
        again, split = start(mode, unpadded)
        torch.rand(done)  # another process has drawn other numbers
        assert [epoch.losses for epoch in engine.train(again, split, **SETTINGS, state=state)] == whole[done:]
        for name, parameter in model.state_dict().items():
            assert torch.equal(parameter, again.state_dict()[name]), name


@pytest.fixture
def kept(tmp_path):
    model, split = start("bitfit", False)
    path = tmp_path / "resume.safetensors"
    epoch = next(engine.train(model, split, **SETTINGS))
    resume.save(path, epoch.state, {"history": []}, "cell")
    return path


def test_what_is_of_other_settings_is_not_gone_on_from(kept, capsys):
    assert resume.load(kept, "another cell") == (None, None)
    assert f"{kept}: of other settings" in capsys.readouterr().out
    kept.unlink()
    assert resume.load(kept, "cell") == (None, None)
    assert capsys.readouterr().out == ""


def test_what_is_damaged_is_named_and_not_gone_on_from(kept, capsys):
    content = kept.read_bytes()

    @given(st.integers(0, len(content) * 8 - 1))
    def flipped(bit):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        kept.write_bytes(damaged)
        assert resume.load(kept, "cell") == (None, None)
        assert capsys.readouterr().out.startswith(f"{kept}: ")

    @given(st.integers(0, len(content) - 1))
    def truncated(length):
        kept.write_bytes(content[:length])
        assert resume.load(kept, "cell") == (None, None)
        assert f"{kept}: damaged" in capsys.readouterr().out

    flipped()
    truncated()


@pytest.mark.parametrize("mode", ["full", "bitfit"])
def test_a_killed_cell_goes_on(mode, finished, tmp_path):
    metrics = json.loads((finished / f"results/smoke/cells/imdb/{mode}/bs16_lr3e-4_seed0/metrics.json").read_text())
    cell = copy.deepcopy({"cell": metrics["cell"], "config": metrics["config"]})
    cell["config"]["epochs"] = 12

    def command(output):
        folders = ["--backbone", "results/smoke/backbone", "--data", "results/smoke/data/imdb", "--output", output]
        return [sys.executable, "scripts/finetune.py", json.dumps(cell), *folders]

    undisturbed = subprocess.run(command(tmp_path / "whole"), cwd=finished, check=True, capture_output=True, text=True)
    assert "going on" not in undisturbed.stdout
    kills = 0
    for epoch in (1, 4, 5):
        with subprocess.Popen(command(tmp_path / "killed"), cwd=finished, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line.startswith(f"epoch {epoch} "):
                    process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "metrics.json").exists()
        assert (tmp_path / "killed" / "resume.safetensors").exists()
    assert kills == 3
    last = subprocess.run(command(tmp_path / "killed"), cwd=finished, check=True, capture_output=True, text=True)
    assert int(last.stdout.split("going on after epoch ")[1].split()[0]) >= 5
    assert not list((tmp_path / "killed").glob("*resume*"))
    for name in ("validation.safetensors", "trained.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert without_cost(tmp_path / "killed" / "metrics.json") == without_cost(tmp_path / "whole" / "metrics.json")
