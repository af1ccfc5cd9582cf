"""The comparison of a real small run against its files."""

import numpy as np
import pytest
from conftest import CELLS
from safetensors.numpy import load_file
from scipy import stats

from finegrid.evaluation.comparison import Comparison
from finegrid.sealed import read_record

RESULTS = "results/smoke"


@pytest.fixture(scope="module")
def comparison(smoke_run) -> Comparison:
    return read_record(Comparison, smoke_run / RESULTS / "comparison.json")


def right(run_folder, mode: str) -> np.ndarray:
    """Return which rows of the test split the chosen setting's seeds have right: [seeds, rows]."""
    predictions = load_file(run_folder / CELLS / mode / "chosen/test.safetensors")
    return predictions["logits"].argmax(axis=-1) == predictions["labels"]


def test_every_mode_has_its_settings_and_cells(comparison, smoke_run):
    for task, mode in comparison.rows():
        cells = mode.plan.cells()
        assert [(cell.batch_size, cell.learning_rate, cell.seed) for cell in mode.cells] == [
            (*cell.setting, cell.seed) for cell in cells
        ]
        assert len(mode.settings) == len(mode.plan.batch_sizes) * len(mode.plan.learning_rates)
        [chosen] = [setting for setting in mode.settings if setting.chosen]
        assert chosen.validation.mean == max(setting.validation.mean for setting in mode.settings)
        assert mode.chosen.validation[task.metric].mean == chosen.validation.mean
        for cell, described in zip(cells, mode.cells, strict=True):
            trained = cell.folder(smoke_run / RESULTS) / "trained.safetensors"
            assert described.trained_bytes == trained.stat().st_size
            assert described.chosen == (described.test is not None)


def test_test_scores_are_those_of_the_predictions(comparison, smoke_run):
    for _, mode in comparison.rows():
        score, found = mode.chosen.test["accuracy"], right(smoke_run, mode.name)
        assert (score.n, score.interval_method) == (len(found), "Wilson")
        assert score.mean == pytest.approx(found.mean())
        rows = found.shape[1]
        exact = stats.binomtest(round(score.mean * rows), rows).proportion_ci(method="wilson")
        assert score.interval == pytest.approx((exact.low, exact.high))


def test_pairs_are_compared_on_the_same_rows(comparison, smoke_run):
    for task in comparison.tasks:
        assert len(task.pairs) == len(task.modes) * (len(task.modes) - 1) // 2
        for pair in task.pairs:
            ours, theirs = (right(smoke_run, mode) for mode in (pair.mode, pair.against))
            assert pair.delta == pytest.approx(ours.mean() - theirs.mean())
            assert pair.interval[0] <= pair.delta <= pair.interval[1]
            for each, one, other in zip(pair.mcnemar, ours, theirs, strict=True):
                assert each.only_mode == (one & ~other).sum()
                assert each.only_against == (other & ~one).sum()
