"""The comparison of several models, and shares of full fine-tuning's score, against figures computed apart."""

import itertools
import shutil

import numpy as np
import pytest
from comparisons import MODEL, settings_of
from handmade import PLAN, make_run, metrics_of, write_mode
from test_compare import ONE, ROWS, SHAPE, compared, data_of, few_resamples, half_widths, mode_of  # noqa: F401

from finegrid.config.definition import Mode
from finegrid.evaluation import statistics
from finegrid.evaluation.compare import compare, compare_task
from finegrid.evaluation.comparison import Shape
from finegrid.files import write_json

MINI = {"mini": MODEL.name}  # reads what is tokenised for the first model


def two_models(folder):
    """Write two models on two tasks, each with full, lora, which has the same errors or one more, and a_b, diverged."""
    for model, task in itertools.product((MODEL, MODEL.model_copy(update={"name": "mini"})), ("imdb", "other")):
        settings = settings_of(task, ("accuracy",))
        make_run(folder, plan=PLAN.model_copy(update={"model": model, "task": settings}))
        plan = PLAN.model_copy(update={"model": model, "task": settings, "mode": Mode(name="lora", train=["head"])})
        worse = 1 if (model.name, task) == ("mini", "other") else 0
        right = {(1024, "3e-4"): 6 - worse}
        cells = [metrics_of(cell, (right.get(cell.setting, 3) + cell.seed) / 8) for cell in plan.cells()]
        write_mode(folder, plan, cells)
    shutil.rmtree(folder / "data" / "mini")
    write_json(folder / "base_model/mini/config.json", {"n_layers": 6, "dim": 384})
    return folder


def test_each_model_on_each_task_is_compared_and_all_their_pairs_are_corrected_together(tmp_path):
    told = compare(two_models(tmp_path), ONE | MINI, ["imdb", "other"], ["full", "lora", "a_b"])
    assert [(task.model.name, task.name, task.title, task.key) for task in told.tasks] == [
        ("bert_tiny", "imdb", "imdb, bert_tiny", "imdb+bert_tiny"),
        ("bert_tiny", "other", "other, bert_tiny", "other+bert_tiny"),
        ("mini", "imdb", "imdb, mini", "imdb+mini"),
        ("mini", "other", "other, mini", "other+mini"),
    ]
    assert [task.shape for task in told.tasks] == [SHAPE, SHAPE, *[Shape(layers=6, width=384)] * 2]
    assert ([model.name for model in told.models], told.several_models, told.several_tasks) == (
        ["bert_tiny", "mini"],
        True,
        True,
    )
    pairs = [pair for task in told.tasks for pair in task.pairs]
    assert [pair.delta for pair in pairs] == [0, 0, 0, -1 / 8]
    assert pairs[-1].p < 1
    assert [pair.p_holm for pair in pairs] == pytest.approx([1, 1, 1, min(1, 4 * pairs[-1].p)])
    assert pairs[0].detectable == statistics.detectable(pairs[0].uncertainty, 4)


def test_of_one_model_a_task_is_its_own_title(tmp_path):
    two_models(tmp_path)
    told = compare(tmp_path, MINI, ["imdb"], ["full"])
    assert [(task.title, task.key) for task in told.tasks] == [("imdb", "imdb")]
    assert (told.several_models, told.several_tasks) == (False, False)


def test_a_shape_without_known_names_is_not_told(tmp_path):
    write_json(make_run(tmp_path) / "base_model/bert_tiny/config.json", {"num_hidden_layers": [1, 2]})
    [task] = compare(tmp_path, ONE, ["imdb"], ["full"]).tasks
    assert task.shape == Shape(layers=None, width=None)


def test_a_missing_cell_is_told_with_its_model(tmp_path):
    two_models(tmp_path)
    for name in ("bs8_lr3e-4_seed1/metrics.json", "best.json"):
        (tmp_path / "cells/mini/imdb/lora" / name).unlink()
    told = compare(tmp_path, ONE | MINI, ["imdb"], ["full", "lora"], partial=True)
    assert [(task.model.name, [mode.name for mode in task.modes]) for task in told.tasks] == [
        ("bert_tiny", ["full", "lora"]),
        ("mini", ["full"]),
    ]
    assert [(each.model, each.task, each.mode, len(each.cells)) for each in told.missing] == [
        ("mini", "imdb", "lora", 1)
    ]


def test_the_share_of_an_accuracy_has_the_interval_of_the_delta_method():
    found = []
    [pair] = compared(settings_of("t", ["accuracy"]), modes=lambda modes: found.extend(modes) or modes).pairs
    noisy, good = (mode.splits["test"].predictions == mode.splits["test"].labels for mode in found)
    share = noisy.mean() / good.mean()
    # A ratio m / f is off by (m - share f) / f: over rows with one more in each direction, as differences have it.
    of_rows = noisy.mean(0) - share * good.mean(0)
    error = np.sqrt(((of_rows - of_rows.mean()) ** 2).sum() + 1) / ROWS
    half = half_widths(noisy.mean(1) - share * good.mean(1), error) / good.mean()
    assert pair.share == pytest.approx(share)
    assert pair.share_interval == pytest.approx((share - half, share + half))


def test_the_share_of_a_resampled_score_has_the_interval_of_the_delta_method():
    found = []
    [pair] = compared(settings_of("t", ["pearson"]), modes=lambda modes: found.extend(modes) or modes).pairs
    splits = [mode.splits["test"] for mode in found]
    noisy, good = (np.array([scores["pearson"] for scores in split.scores]) for split in splits)
    resampled = [statistics.resample("pearson", split.predictions, split.labels).mean(1) for split in splits]
    share = noisy.mean() / good.mean()
    half = half_widths(noisy - share * good, (resampled[0] - share * resampled[1]).std(ddof=1)) / good.mean()
    assert pair.share == pytest.approx(share)
    assert pair.share_interval == pytest.approx((share - half, share + half))


def test_there_is_no_share_where_lower_is_better_or_a_score_is_not_above_zero():
    [pair] = compared(settings_of("t", ["mean_squared_error"])).pairs
    assert (pair.share, pair.share_interval) == (None, None)
    task, labels = settings_of("t", ["matthews"]), np.arange(ROWS) % 2
    right, wrong, always = (
        np.tile(logits, (2, 1, 1)) for logits in (np.eye(2)[labels], np.eye(2)[1 - labels], [[0, 1]] * ROWS)
    )
    for full, other in ((wrong, right), (right, wrong), (always, right), (right, always)):
        modes = [mode_of(name, task, "test", seeds, labels) for name, seeds in (("full", full), ("other", other))]
        [pair] = compare_task(data_of(task, test=ROWS, hidden=0), modes, SHAPE, "t").pairs
        assert (pair.share, pair.share_interval) == (None, None)
