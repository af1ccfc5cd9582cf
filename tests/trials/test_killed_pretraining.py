"""Pretraining the bundled model: what it reads is what it says, and it survives being killed."""

import json
import signal
import subprocess
import sys

import recipe as pretraining
import yaml
from conftest import REPOSITORY, run

from finegrid.files import read_yaml
from finegrid.modeling import bundled
from finegrid.sealed import read_record

SCRIPTS = REPOSITORY / "scripts" / "pretraining"
SMALL = {"texts": 60, "steps": 9, "tokens_per_batch": 1024, "report_steps": 1}


def pretrain(folder, recipe) -> list[str]:
    return [
        *(sys.executable, str(SCRIPTS / "pretrain.py"), str(recipe)),
        *("--checkpoint", str(folder / "checkpoint.pt"), "--output", str(folder / "model")),
    ]


def test_the_texts_of_the_checked_in_model_are_those_of_the_recipe():
    provenance = read_record(pretraining.Provenance, bundled.FOLDER / "provenance.json")
    limit = read_yaml(SCRIPTS / "recipe.yaml")["texts"]
    assert provenance.texts == pretraining.read_texts(pretraining.load_package()[0], limit).stats


def test_killed_pretraining_continues_to_the_same_model(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(read_yaml(SCRIPTS / "recipe.yaml") | SMALL))
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run(*pretrain(whole, recipe), cwd=tmp_path)
    assert done.returncode == 0, done.stderr

    with subprocess.Popen(pretrain(killed, recipe), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if line.startswith("step 3 of 9"):  # its checkpoint, or that of step 2, is there
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "model").exists()

    done = run(*pretrain(killed, recipe), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "continuing after step" in done.stdout
    assert "step 1 of 9" not in done.stdout
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        assert (killed / "model" / name).read_bytes() == (whole / "model" / name).read_bytes()
    losses = [json.loads((folder / "model" / "provenance.json").read_text())["loss"] for folder in (whole, killed)]
    assert losses[0] == losses[1]
