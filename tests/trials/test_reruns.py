"""What is stale is made again, and then no longer stale; what is damaged is not."""

import shutil

from conftest import CELLS, DATA, EXPORT, MODEL, choose_another, damage, edit_config, error_lines, snakemake
from own_run import OWN_MODEL, SNAKEFILE, USER, planned
from safetensors.numpy import load_file

from finegrid.files import read_json

EXPORTED = f"{EXPORT}/bitfit"


def test_a_row_more_to_test_is_tested_and_trains_nothing(own_run, tmp_path):
    folder = shutil.copytree(own_run, tmp_path / "run", symlinks=True) / USER
    with open(folder / "v1" / "test.csv", "a") as file:
        file.write("one more,1\n")
    metrics = next(folder.glob("results/own/cells/*/length/*/*/metrics.json"))
    before = metrics.read_bytes()
    done = snakemake(folder, *SNAKEFILE, "task_length", config="own.yaml")
    assert done.returncode == 0, done.stderr
    assert metrics.read_bytes() == before
    assert '"rows": 13' in (folder / f"results/own/data/{OWN_MODEL}/length/stats.json").read_text()
    assert planned(folder, "task_length") == {}


def test_a_link_to_other_files_trains_again_and_so_does_the_way_back(own_run, tmp_path):
    folder = shutil.copytree(own_run, tmp_path / "run", symlinks=True) / USER
    link = folder / "latest"
    link.unlink()
    link.symlink_to("v2")
    done = snakemake(folder, *SNAKEFILE, "cells", config="own.yaml")
    assert done.returncode == 0, done.stderr
    assert planned(folder, "cells") == {}
    link.unlink()
    link.symlink_to("v1")
    assert planned(folder, "cells") == {"prepare_training": 1, "finetune": 1}


def test_the_exported_model_follows_the_choice(grown_run, tmp_path):
    folder = shutil.copytree(grown_run, tmp_path / "run")
    metrics = choose_another(folder / CELLS / "bitfit")
    done = snakemake(folder, EXPORTED)
    assert done.returncode == 0, done.stderr
    cell = read_json(folder / EXPORTED / "provenance.json", "cell")
    assert cell == {**metrics["cell"], "seed": cell["seed"]}
    tensors = load_file(folder / EXPORTED / "model.safetensors")
    trained = load_file(folder / CELLS / f"bitfit/confirm/seed{cell['seed']}/trained.safetensors")
    assert all((tensors[name] == trained[name]).all() for name in trained)


def test_a_damaged_input_stops_the_new_cell_and_spoils_nothing(finished):
    damaged = f"{DATA}/train.safetensors"
    before = {path: path.read_bytes() for path in finished.glob(f"{CELLS}/*/*/metrics.json")}
    damage(finished / damaged, "flip")
    edit_config(finished, lambda config: config["modes"].update(bitfit={"learning_rates": ["3e-4", "1e-3", "1e-2"]}))
    done = snakemake(finished, f"{CELLS}/bitfit/bs16_lr1e-2_seed0/metrics.json")
    assert done.returncode != 0
    log = (finished / f"results/smoke/logs/cells/{MODEL}/imdb/bitfit/bs16_lr1e-2_seed0/finetune.log").read_text()
    (line,) = error_lines(log)
    assert f"{damaged}: sha256 is" in line
    assert {path: path.read_bytes() for path in finished.glob(f"{CELLS}/*/*/metrics.json")} == before
