"""How often verdicts are wrong and intervals miss, simulated: rows that are hard for all models, seeds that differ."""

import itertools

import numpy as np
import pytest
from scipy.stats import binom, norm

from finegrid.evaluation import statistics
from finegrid.evaluation.comparison import Uncertainty
from finegrid.evaluation.metrics import score

ACCURACY = 0.85
NOISE = 0.75  # of a regression's predictions, whose labels have a standard deviation of 1
SPREADS = (0.0, 0.005, 0.01, 0.02)  # standard deviations over seeds
RESAMPLES = 40


def most(share: float, runs: int) -> int:
    """Return how many runs something with this probability happens in at most, but for one time in a thousand."""
    return int(binom.ppf(0.999, runs, share))


def fewest(share: float, runs: int) -> int:
    """Return how many runs something with this probability happens in at least, but for one time in a thousand."""
    return int(binom.ppf(0.001, runs, share))


def seed_effects(draw, runs: int, seeds: int, shared: float) -> np.ndarray:
    """Return [runs, 2, seeds] normal numbers, of which those of the two modes have this correlation."""
    common, own = draw.standard_normal((runs, 1, seeds)), draw.standard_normal((runs, 2, seeds))
    return np.sqrt(shared) * common + np.sqrt(1 - shared) * own


def errors(draw, runs: int, seeds: int, rows: int) -> np.ndarray:
    """Return [runs, 2, seeds, rows] normal numbers, of which half the variance is the row's own."""
    hard = draw.standard_normal((runs, 1, 1, rows), np.float32)
    return np.sqrt(0.5) * (hard + draw.standard_normal((runs, 2, seeds, rows), np.float32))


def right_or_wrong(draw, runs: int, seeds: int, rows: int, spread: float, shared=0.0, worse=0.0) -> np.ndarray:
    """Return which rows each seed of two modes has right; the first mode is worse by so much."""
    chance = ACCURACY + spread * seed_effects(draw, runs, seeds, shared) - [[worse], [0]]
    return errors(draw, runs, seeds, rows) < norm.ppf(chance)[..., None]


def difference(right: np.ndarray) -> tuple[float, Uncertainty]:
    """Return the difference in accuracy of two modes, and how certain it is."""
    ours, theirs = right.mean(-1)
    error = statistics.rows_error_of_accuracy(*right)
    return float((ours - theirs).mean()), statistics.uncertainty((ours - theirs).tolist(), error)


def beyond_noise(delta: float, known: Uncertainty) -> bool:
    """Return what `p_value(...) <= 0.05` says, in a tenth of the time."""
    return statistics.half_width(known) <= abs(delta)


def covers(right: np.ndarray) -> bool:
    """Whether the interval of one mode's accuracy holds the truth."""
    known = statistics.uncertainty(right.mean(-1).tolist(), 0.0)
    low, high = statistics.with_seeds(float(right.mean()), statistics.wilson(right), known)
    return low <= ACCURACY <= high


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_equal_modes_are_rarely_told_apart_and_scores_are_covered(seeds):
    draw, runs = np.random.default_rng(seeds), 60
    wrong, covered = {}, {}
    for spread, rows, shared in itertools.product(SPREADS, (500, 1000), (0.0, 0.8)):
        made = right_or_wrong(draw, runs, seeds, rows, spread, shared)
        found = [difference(right) for right in made]
        wrong[spread, rows, shared] = sum(beyond_noise(*each) for each in found)
        assert wrong[spread, rows, shared] <= most(0.06, runs), (spread, rows, shared)
        for delta, known in found[:3]:
            assert (statistics.p_value(delta, known) <= 0.05) == beyond_noise(delta, known)
        covered[spread] = covered.get(spread, 0) + sum(covers(ours) for ours, _ in made)
    for spread in SPREADS:  # of four combinations together
        assert sum(count for setting, count in wrong.items() if setting[0] == spread) <= most(0.06, 4 * runs), spread
        assert covered[spread] >= fewest(0.94, 4 * runs), spread
    assert sum(wrong.values()) <= most(0.06, 16 * runs)
    assert sum(covered.values()) >= fewest(0.94, 16 * runs)


def test_on_many_rows_too():
    draw, runs = np.random.default_rng(25), 60
    made = np.concatenate([right_or_wrong(draw, 1, 3, 25_000, 0.01) for _ in range(runs)])
    assert sum(beyond_noise(*difference(right)) for right in made) <= most(0.06, runs)
    assert sum(covers(ours) for ours, _ in made) >= fewest(0.94, runs)


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_a_clear_difference_is_found(shared):
    draw, runs = np.random.default_rng(5), 200
    made = right_or_wrong(draw, runs, 5, 1000, 0.01, shared, worse=0.05)
    assert sum(beyond_noise(*difference(right)) for right in made) >= fewest(0.95, runs)


@pytest.mark.parametrize("seeds", [2, 3, 5, 10])
def test_what_is_said_to_be_detectable_is_found(seeds):
    draw, runs = np.random.default_rng(seeds), 200
    for spread in (0.0, 0.01, 0.02):
        equal = right_or_wrong(draw, 100, seeds, 1000, spread)
        detectable = float(np.mean([statistics.detectable(difference(right)[1]) for right in equal]))
        made = right_or_wrong(draw, runs, seeds, 1000, spread, worse=detectable)
        found = sum(beyond_noise(*difference(right)) for right in made)
        assert fewest(0.7, runs) <= found <= most(0.97, runs), (spread, detectable, found)


def predicted(draw, metric: str, runs: int, seeds: int, rows: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what two equal modes predict, [runs, 2, seeds, rows], and the labels, [rows]."""
    if metric == "pearson":
        labels = draw.standard_normal(rows)
        noise = NOISE + spread * seed_effects(draw, runs, seeds, 0.0)
        return labels + noise[..., None] * errors(draw, runs, seeds, rows), labels
    labels = np.arange(rows) % 2
    return np.where(right_or_wrong(draw, runs, seeds, rows, spread), labels, 1 - labels), labels


@pytest.mark.parametrize("metric", ["f1", "matthews", "pearson"])
def test_verdicts_on_metrics_that_are_resampled(metric):
    draw, runs, seeds = np.random.default_rng(1), 40, 3
    wrong = 0
    for spread in (0.0, 0.02):
        made, labels = predicted(draw, metric, runs, seeds, 300, spread)
        for both in made:
            scores = score(metric, both[0], labels) - score(metric, both[1], labels)
            means = [statistics.resample(metric, mode, labels, RESAMPLES).mean(1) for mode in both]
            known = statistics.uncertainty(scores.tolist(), float(np.std(means[0] - means[1], ddof=1)))
            wrong += beyond_noise(float(scores.mean()), known)
    assert wrong <= most(0.06, 2 * runs)
