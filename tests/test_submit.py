"""What GLUE's server takes: the files' names, their header and how each task's labels are spelled."""

import json
import zipfile

import numpy as np
import pytest
from conftest import edit_result
from handmade import make_run
from safetensors.numpy import save_file
from submit import main, spell

from finegrid.errors import InputError
from finegrid.files import sha256
from finegrid.config.cell import cell_folder
from finegrid.evaluation.results import read_test
from finegrid.config.tasks import TASKS

NUMBERS, ENTAILED = ["0", "1"], ["entailment", "not_entailment"]
# As on the page of the benchmark's server; rows are those of the official test files, with the header.
OFFICIAL = {
    "cola": (["CoLA"], NUMBERS),
    "sst2": (["SST-2"], NUMBERS),
    "mrpc": (["MRPC"], NUMBERS),
    "stsb": (["STS-B"], None),
    "qqp": (["QQP"], NUMBERS),
    "mnli": (["MNLI-m", "MNLI-mm", "AX"], ["entailment", "neutral", "contradiction"]),
    "qnli": (["QNLI"], ENTAILED),
    "rte": (["RTE"], ENTAILED),
    "wnli": (["WNLI"], NUMBERS),
}


@pytest.mark.parametrize("task", OFFICIAL)
def test_names_and_labels_are_the_server_s(task):
    names, labels = OFFICIAL[task]
    assert list(TASKS[task]["files"]["hidden"]) == names
    if labels is None:
        assert spell(np.array([-0.25, 2.34567, 5.5]), TASKS[task]) == ["0.000", "2.346", "5.000"]
    else:
        assert spell(np.arange(len(labels)), TASKS[task]) == labels


def test_glue_has_nine_tasks():
    assert set(TASKS) == {"imdb", *OFFICIAL}


@pytest.fixture
def two_parts(tmp_path):
    """A run whose one task has two hidden parts; every cell of the mode a_b diverged."""
    folder = make_run(tmp_path)
    for path in folder.glob("cells/imdb/*/*/test.json"):
        test = json.loads(path.read_text())
        # The second seed is the better one; its predictions are the other class.
        logits = np.eye(2, dtype=np.float32)[[test["cell"]["seed"]] * 5]
        save_file({"logits": logits}, path.with_name("hidden.safetensors"))
        data = {"hidden": {"parts": {"one": 3, "two": 2}}}
        edit_result(path, data=data, files={"hidden.safetensors": sha256(path.with_name("hidden.safetensors"))})
    return folder


@pytest.mark.parametrize(("mode", "files"), [("full", {"one": 3, "two": 2}), ("a_b", {})])
def test_the_best_seed_speaks_and_all_files_are_in_the_archive(two_parts, mode, files, monkeypatch, capsys):
    output = two_parts / "out"
    arguments = ["submit.py", str(two_parts), "--tasks", "imdb", "--mode", mode, "--output", str(output)]
    monkeypatch.setattr("sys.argv", arguments)
    main()
    with zipfile.ZipFile(output / "submission.zip") as archive:
        assert archive.namelist() == [f"{name}.tsv" for name in files]
        for name, rows in files.items():
            content = archive.read(f"{name}.tsv").decode()
            assert content == "index\tprediction\n" + "".join(f"{row}\tpos\n" for row in range(rows))
            assert (output / f"{name}.tsv").read_text() == content
    assert ("left out" in capsys.readouterr().out) == (not files)
    first = (output / "submission.zip").read_bytes()
    main()
    assert (output / "submission.zip").read_bytes() == first


def test_a_test_result_of_an_earlier_training_is_refused(tmp_path):
    folder = make_run(tmp_path)
    cell = json.loads((folder / "cells/imdb/full/best.json").read_text())["chosen"]["cells"][0]
    path = cell_folder(folder, cell) / "test.json"
    edit_result(path, fingerprint="f" * 64)
    with pytest.raises(InputError, match="does not belong to the metrics"):
        read_test(folder, cell)
