"""The comparison of a real small run against the same figures computed apart, and of made-up predictions."""

import json
import sys
from contextlib import nullcontext

import compare
import numpy as np
import pytest
from conftest import edit_result, run
from safetensors.numpy import load_file, save_file
from scipy import stats

from finegrid.config import cell as grid
from finegrid.errors import InputError
from finegrid.files import sha256
from finegrid.evaluation.metrics import score_all


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def comparison(smoke_run) -> dict:
    return read(smoke_run / "results/smoke/comparison.json")


def chosen_runs(folder, task, mode, split):
    best = read(folder / f"results/smoke/cells/{task}/{mode}/best.json")
    folders = [grid.cell_folder(folder / "results/smoke", cell) for cell in best["chosen"]["cells"]]
    return [load_file(each / f"{split}.safetensors") for each in folders]


def test_every_mode_has_its_settings_and_cells(comparison, smoke_run):
    for task in comparison["tasks"]:
        for mode in task["modes"]:
            plan = mode["plan"]
            cells = grid.cells(plan)
            assert [cell["seed"] for cell in mode["cells"]] == [cell["seed"] for cell in cells]
            assert len(mode["settings"]) == len(plan["batch_sizes"]) * len(plan["learning_rates"])
            assert sum(setting["chosen"] for setting in mode["settings"]) == 1
            best = max(mode["settings"], key=lambda setting: setting["validation"]["mean"])
            assert mode["chosen"]["validation"][task["metric"]]["mean"] == best["validation"]["mean"]
            for cell, described in zip(cells, mode["cells"], strict=True):
                trained = grid.cell_folder(smoke_run / "results/smoke", cell) / "trained.safetensors"
                assert described["trained_bytes"] == trained.stat().st_size
                assert described["chosen"] == (described["test"] is not None)
            tested = [cell["test"] for cell in mode["cells"] if cell["chosen"]]
            assert np.mean(tested) == mode["chosen"]["test"][task["metric"]]["mean"]


def test_test_scores_have_wilson_intervals(comparison, smoke_run):
    for task in comparison["tasks"]:
        for mode in task["modes"]:
            told = mode["chosen"]["test"]["accuracy"]
            runs = chosen_runs(smoke_run, task["task"], mode["mode"], "test")
            right = [(each["logits"].argmax(1) == each["labels"]).mean() for each in runs]
            assert told["mean"] == pytest.approx(np.mean(right))
            assert (told["n"], told["interval_method"]) == (len(runs), "Wilson")
            rows = len(runs[0]["labels"])
            exact = stats.binomtest(round(told["mean"] * rows), rows).proportion_ci(method="wilson")
            assert told["interval"] == pytest.approx([exact.low, exact.high])


def test_pairs_are_compared_on_the_same_rows(comparison, smoke_run):
    for task in comparison["tasks"]:
        modes = [mode["mode"] for mode in task["modes"]]
        assert len(task["pairs"]) == len(modes) * (len(modes) - 1) // 2
        assert all(pair["against"] == "full" for pair in task["pairs"][: len(modes) - 1] if pair["mode"] == modes[1])
        for pair in task["pairs"]:
            both = [chosen_runs(smoke_run, task["task"], pair[side], "test") for side in ("mode", "against")]
            right = [[each["logits"].argmax(1) == each["labels"] for each in runs] for runs in both]
            assert pair["delta"] == pytest.approx(np.mean(right[0]) - np.mean(right[1]))
            per_seed = pair["examples"]["per_seed"]
            assert [told["seed"] for told in per_seed] == pair["seeds"]
            for told, ours, theirs in zip(per_seed, *right, strict=True):
                assert told["only_mode"] == (ours & ~theirs).sum()
                assert told["p"] == pytest.approx(
                    stats.binomtest(int((ours & ~theirs).sum()), int((ours ^ theirs).sum())).pvalue
                    if (ours ^ theirs).any()
                    else 1
                )
            assert pair["examples"]["p_holm"] >= pair["examples"]["p"]
            low, high = pair["interval"]
            assert low <= pair["delta"] <= high


def test_predictions_that_are_not_those_of_the_scores_are_refused(finished):
    best = read(finished / "results/smoke/cells/imdb/full/best.json")
    path = grid.cell_folder(finished / "results/smoke", best["chosen"]["cells"][0]) / "test.safetensors"
    tensors = load_file(path)
    tensors["logits"] = -tensors["logits"]
    save_file(tensors, path)
    told = path.with_name("test.json")
    edit_result(told, files={**read(told)["files"], path.name: sha256(path)})
    done = run(
        *(sys.executable, compare.__file__, "results/smoke", "--tasks", "imdb", "--modes", "full"),
        *("--output", "out.json"),
        cwd=finished,
    )
    assert done.returncode == 2
    assert "test.safetensors: its predictions do not have the scores" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match="not the predictions of a split"):
        compare.read_predictions(path, {}, {}, {})


def test_another_processor_may_round_otherwise(smoke_run):
    best = read(smoke_run / "results/smoke/cells/imdb/full/best.json")
    folder = grid.cell_folder(smoke_run / "results/smoke", best["chosen"]["cells"][0])
    task, told = best["plan"]["config"]["task"], read(folder / "test.json")
    parts, scores = told["data"]["test"]["parts"], told["scores"]
    for change, refused in ((1e-12, False), (0.01, True)):
        changed = {name: score + change for name, score in scores.items()}
        with pytest.raises(InputError, match="do not have the scores") if refused else nullcontext():
            compare.read_predictions(folder / "test.safetensors", task, parts, changed)


METRICS_OF = {"classes": ["0", "1"], "metrics": ["f1", "accuracy"]}, {"classes": None, "metrics": ["pearson"]}


def mode_of(name: str, task: dict, split: str, seeds: list[np.ndarray], labels: np.ndarray) -> dict:
    """Return what `read_mode` would of one setting with the logits of some seeds."""
    parts = {split: len(labels)}
    scores = [score_all(task, logits, labels, parts) for logits in seeds]
    metrics = [
        {
            "cell": {"task": "t", "mode": name, "batch_size": 8, "learning_rate": "3e-4", "seed": seed, "model": "m"},
            "status": "ok",
            "validation": {"metric": task["metrics"][0], "last": last, "best": last, "history": [last]},
            "trainable": {"total": 1},
            "total": 2,
            "train": {"loss": []},
            "cost": {},
            "fingerprint": "0",
        }
        for seed, last in enumerate(
            {"epoch": 1, "score": each[task["metrics"][0]], "scores": each, "loss": 0.5} for each in scores
        )
    ]
    config = {"task": task, "epochs": 4, "weight_decay": 0, "warmup": 0, "max_grad_norm": 1.0}
    chosen = {"batch_size": 8, "learning_rate": "3e-4", "edges": []}
    predictions = [logits[:, 0] if task["classes"] is None else logits.argmax(1) for logits in seeds]
    return {
        "best": {"plan": {"task": "t", "mode": name, "config": config}, "chosen": chosen},
        "metrics": metrics,
        "chosen": metrics,
        "scores": {"validation": scores, "test": scores if split == "test" else [None] * len(scores)},
        "runs": {split: [(each, labels) for each in predictions]},
        "bytes": [10] * len(seeds),
    }


@pytest.mark.parametrize("task", METRICS_OF)
@pytest.mark.parametrize("split", ["test", "validation"])
def test_other_metrics_are_resampled_and_hidden_tests_fall_back_on_validation(task, split):
    draw = np.random.default_rng(3)
    labels = draw.integers(0, 2, 150) if task["classes"] else draw.normal(size=150)
    width = 2 if task["classes"] else 1
    target = np.eye(2)[labels] if task["classes"] else labels[:, None]
    noisy, good = ([target + draw.normal(scale=scale, size=(150, width)) for _ in range(3)] for scale in (2.0, 0.3))
    rows = {"validation": 150, "test": 150 * (split == "test"), "hidden": 9}
    data = {"splits": {name: {"rows": count, "parts": {name: count} if count else {}} for name, count in rows.items()}}
    found = [mode_of("noisy", task, split, noisy, labels), mode_of("full", task, split, good, labels)]
    told = compare.compare_task(data, found)
    compare.correct_for_multiplicity([told])
    [pair] = told["pairs"]
    assert (pair["mode"], pair["against"], pair["split"]) == ("noisy", "full", split)
    assert pair["examples"]["method"] == "paired bootstrap"
    assert pair["interval"][0] < pair["delta"] < pair["interval"][1] < 0
    assert pair["over_seeds"] == {"method": "permutation of seeds", "p": pytest.approx(0.25), "n": 3}
    assert not pair["within_noise"]
    assert told["test_status"] == ("read" if split == "test" else "hidden")
    if split == "test":
        test = told["modes"][0]["chosen"]["test"][task["metrics"][0]]
        assert test["interval_method"] == "bootstrap"
        assert test["interval"][0] < test["mean"] < test["interval"][1]
    else:
        assert told["modes"][0]["chosen"]["test"] is None


def test_where_all_diverged_there_is_nothing_to_compare():
    labels = np.arange(20) % 2
    found = [mode_of(name, METRICS_OF[0], "test", [np.eye(2)[labels]], labels) for name in ("full", "other")]
    found[1]["best"]["chosen"], found[1]["chosen"], found[1]["scores"] = None, [], {"validation": [], "test": []}
    found[1]["metrics"][0] |= {"status": "diverged"}
    found[1]["metrics"][0]["validation"] |= {"last": None, "best": None}
    splits = {name: {"rows": 20, "parts": {name: 20}} for name in ("validation", "test", "hidden")}
    told = compare.compare_task({"splits": splits}, found)
    assert told["pairs"] == []
    assert told["modes"][1]["chosen"] is None
    assert told["modes"][1]["settings"][0] | {"chosen": False} == {
        **{"batch_size": 8, "learning_rate": "3e-4", "chosen": False, "diverged": 1, "validation": None}
    }
