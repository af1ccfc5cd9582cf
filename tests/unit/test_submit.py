"""What GLUE's server takes: the files' names, their header and how each task's labels are spelled."""

import zipfile

import numpy as np
import pytest
from comparisons import split
from conftest import edit_result
from handmade import make_run
from submit import main, spell

from finegrid.config.definition import Task
from finegrid.config.tasks import TASKS
from finegrid.errors import InputError

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
    settings = Task(name=task, source="hub", max_length=128, **TASKS[task])
    if labels is None:
        assert spell(np.array([-0.25, 2.34567, 5.5]), settings) == ["0.000", "2.346", "5.000"]
    else:
        assert spell(np.arange(len(labels)), settings) == labels


def test_glue_has_nine_tasks():
    assert set(TASKS) == {"imdb", *OFFICIAL}


def test_a_users_own_task_spells_its_classes_or_plain_numbers():
    own = {"name": "own", "source": "files", "text": ["text"], "label": "label", "max_length": 128}
    assert spell(np.array([1, 0]), Task(**own, classes=["no", "yes"], metrics=["accuracy"])) == ["yes", "no"]
    numbers = Task(**own, regression=True, metrics=["pearson"])
    assert spell(np.array([-0.25, 5.5]), numbers) == ["-0.250", "5.500"]


HIDDEN = split(5, "hidden labels").model_copy(update={"parts": {"one": 3, "two": 2}})


@pytest.fixture
def two_parts(tmp_path):
    """A run whose one task has two hidden parts; every cell of the mode a_b diverged."""
    return make_run(tmp_path, hidden=HIDDEN)


def submit(folder, mode, monkeypatch) -> None:
    arguments = ["submit.py", folder, "--model", "bert_tiny", "--tasks", "imdb", "--mode", mode]
    monkeypatch.setattr("sys.argv", [*map(str, arguments), "--output", str(folder / "out")])
    main()


@pytest.mark.parametrize(("mode", "files"), [("full", {"one": 3, "two": 2}), ("a_b", {})])
def test_the_best_seed_speaks_and_all_files_are_in_the_archive(two_parts, mode, files, monkeypatch, capsys):
    output = two_parts / "out"
    submit(two_parts, mode, monkeypatch)
    with zipfile.ZipFile(output / "submission.zip") as archive:
        assert archive.namelist() == [f"{name}.tsv" for name in files]
        for name, rows in files.items():
            content = archive.read(f"{name}.tsv").decode()
            # The second seed is the better one, and predicts pos for every row.
            assert content == "index\tprediction\n" + "".join(f"{row}\tpos\n" for row in range(rows))
            assert (output / f"{name}.tsv").read_text() == content
    told = "" if files else "imdb: left out, as a_b diverged\n"
    assert capsys.readouterr().out == told
    first = (output / "submission.zip").read_bytes()
    submit(two_parts, mode, monkeypatch)
    assert (output / "submission.zip").read_bytes() == first


@pytest.mark.parametrize(("confirming", "predicted"), [({10: 5, 11: 3}, "neg"), ({10: 3, 11: 5}, "pos")])
def test_the_best_confirming_seed_speaks(tmp_path, confirming, predicted, monkeypatch):
    folder = make_run(tmp_path, hidden=HIDDEN, confirming=confirming)
    submit(folder, "full", monkeypatch)
    assert (folder / "out/two.tsv").read_text() == f"index\tprediction\n0\t{predicted}\n1\t{predicted}\n"


def test_a_mode_of_which_a_confirming_seed_diverged_is_left_out(tmp_path, monkeypatch, capsys):
    submit(make_run(tmp_path, hidden=HIDDEN, confirming={10: 5, 11: None}), "full", monkeypatch)
    assert capsys.readouterr().out == "imdb: left out, as full diverged\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["submission.zip"]


def test_a_test_result_of_an_earlier_training_is_refused(two_parts, monkeypatch):
    edit_result(two_parts / "cells/bert_tiny/imdb/full/bs1024_lr3e-4_seed0/metrics.json", fingerprint="f" * 64)
    with pytest.raises(InputError, match=r"test\.json: does not belong to .*best\.json and the metrics"):
        submit(two_parts, "full", monkeypatch)


def test_damaged_predictions_are_refused(two_parts, monkeypatch):
    path = two_parts / "cells/bert_tiny/imdb/full/chosen/hidden.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"hidden\.safetensors: sha256 is .* expected"):
        submit(two_parts, "full", monkeypatch)
