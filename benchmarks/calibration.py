#!/usr/bin/env python3
"""How often a verdict is wrong, and how often an interval holds the truth: ours, and what people do instead.

Two modes that are equal are trained and tested many times over, in simulation: on rows of which some are harder than
others for both modes, with seeds that make a model better or worse. "Beyond noise" is then wrong. Prints two tables as
Markdown and writes all figures as JSON. The whole takes about an hour on one core.
"""

import argparse
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats
from tabulate import tabulate

from finegrid.evaluation import statistics
from finegrid.evaluation.metrics import score

ACCURACY, DIFFERENCE = 0.85, 0.05
SEEDS, ROWS = (2, 3, 5, 10), (500, 1000, 25_000)
SPREADS = (0.0, 0.005, 0.01, 0.02)  # standard deviation of a score over seeds
SHARED = (0.0, 0.8)  # correlation of the two modes' seeds
HARD_ROWS = 0.5  # share of the variance of being right that is the row's, for both modes and all seeds
METRICS = ("accuracy", "f1", "matthews", "pearson")
NOISE = 0.75  # of a regression's predictions beside labels of standard deviation 1
RESAMPLES = 100
LEAST_REPEATS = 60  # on the largest split of the metrics that need a bootstrap


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", nargs="+", choices=METRICS, default=METRICS, help="default: all")
    parser.add_argument("--rows", nargs="+", type=int, choices=ROWS, default=ROWS, help="of the split; default: all")
    parser.add_argument("--repeats", type=int, default=1000, help="of each combination (default: %(default)s)")
    parser.add_argument("--output", default="benchmarks/results/calibration.json", help="default: %(default)s")
    arguments = parser.parse_args()
    path = Path(arguments.output)
    found = json.loads(path.read_text()) if path.exists() else []
    found = [row for row in found if row["metric"] not in arguments.metrics or row["rows"] not in arguments.rows]
    for metric, *setting in itertools.product(arguments.metrics, arguments.rows, SEEDS, SPREADS, SHARED):
        found.append(simulate(metric, *setting, arguments.repeats))
        print(json.dumps(found[-1]), flush=True)
    path.parent.mkdir(exist_ok=True)
    path.write_text("[\n" + ",\n".join(map(json.dumps, found)) + "\n]\n")
    print(f"\n{methods(found)}\n\n{metrics(found)}")


def simulate(metric: str, rows: int, seeds: int, spread: float, shared: float, repeats: int) -> dict:
    """Return how often a method is wrong for two equal modes, and how often ours finds a difference in accuracy."""
    if metric != "accuracy":
        repeats = max(LEAST_REPEATS, round(repeats * min(1, 250 / rows)))
    generator = np.random.default_rng([METRICS.index(metric), rows, seeds, round(spread * 1000), round(shared * 10)])
    truth = true_score(metric)
    # The others are compared on accuracy, on splits that a bootstrap goes through quickly.
    wrong: dict[str, int] = dict.fromkeys(METHODS if metric == "accuracy" and rows <= 1000 else ["ours"], 0)
    covered, found = 0, 0
    for _ in range(repeats):
        ours, theirs, labels = draw(generator, metric, rows, seeds, spread, shared, 0.0)
        for name in wrong:
            wrong[name] += METHODS[name](metric, ours, theirs, labels)
        low, high = interval(metric, ours, labels)
        covered += low <= truth <= high
        if metric == "accuracy":
            found += by_rows_and_seeds(metric, *draw(generator, metric, rows, seeds, spread, shared, DIFFERENCE))
    return {
        **{"metric": metric, "rows": rows, "seeds": seeds, "spread": spread, "shared": shared, "repeats": repeats},
        "wrong": {name: count / repeats for name, count in wrong.items()},
        **({"power": found / repeats} if metric == "accuracy" else {}),
        "coverage": covered / repeats,
    }


def draw(generator, metric: str, rows: int, seeds: int, spread: float, shared: float, difference: float) -> tuple:
    """Return what two modes predict, [seeds, rows] each, and the labels [rows]."""
    common, own = generator.normal(size=seeds), generator.normal(size=(2, seeds))
    of_seed = spread * (np.sqrt(shared) * common + np.sqrt(1 - shared) * own)
    hard = generator.standard_normal(rows, np.float32)
    noise = generator.standard_normal((2, seeds, rows), np.float32)
    noise = np.sqrt(HARD_ROWS) * hard + np.sqrt(1 - HARD_ROWS) * noise
    if metric == "pearson":
        labels = generator.standard_normal(rows)
        # Near the noise of NOISE, the correlation changes by -NOISE / (1 + NOISE^2)^(3/2) of a change in the noise.
        slope = NOISE / (1 + NOISE**2) ** 1.5
        return (*(labels + (NOISE - of_seed / slope)[..., None] * noise), labels)
    right = noise < stats.norm.ppf(ACCURACY + of_seed + np.array([[difference], [0]]))[..., None]
    labels = generator.integers(0, 2, rows)
    return (*np.where(right, labels, 1 - labels), labels)


def true_score(metric: str) -> float:
    """Return the mean over seeds and rows of what `draw` draws."""
    if metric == "pearson":
        return 1 / np.sqrt(1 + NOISE**2)
    return 2 * ACCURACY - 1 if metric == "matthews" else ACCURACY  # of balanced classes F1 is the accuracy


def interval(metric: str, predictions: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Return the interval of a single score, as `compare.py` does."""
    scores = score(metric, predictions, labels)
    if metric == "accuracy":
        over_rows = statistics.wilson(predictions == labels)
    else:
        over_rows = statistics.percentile_interval(statistics.resample(metric, predictions, labels, RESAMPLES).mean(1))
    return statistics.with_seeds(scores.mean(), over_rows, statistics.uncertainty(scores.tolist(), 0.0))


def by_rows_and_seeds(metric: str, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray) -> bool:
    """Return the verdict of `pairs.py`."""
    scores = score(metric, ours, labels) - score(metric, theirs, labels)
    if metric == "accuracy":
        error = statistics.rows_error_of_accuracy(ours == labels, theirs == labels)
    else:
        both = (statistics.resample(metric, each, labels, RESAMPLES).mean(1) for each in (ours, theirs))
        error = float(np.std(next(both) - next(both), ddof=1))
    return statistics.p_value(scores.mean(), statistics.uncertainty(scores.tolist(), error)) <= 0.05


def by_mcnemar(metric: str, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray) -> bool:
    """Test the rows of the first seed alone."""
    return statistics.mcnemar_exact(0, ours[0] == labels, theirs[0] == labels).p <= 0.05


def by_t_test(metric: str, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray) -> bool:
    """Test the seeds' scores alone, in pairs."""
    differences = score(metric, ours, labels) - score(metric, theirs, labels)
    return bool(np.ptp(differences)) and stats.ttest_1samp(differences, 0).pvalue <= 0.05


def by_bootstrap(metric: str, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray) -> bool:
    """Resample rows and, in pairs, seeds; percentile interval."""
    both = (statistics.resample(metric, each, labels, 2 * RESAMPLES) for each in (ours, theirs))
    differences = next(both) - next(both)
    drawn = np.random.default_rng(1).integers(len(ours), size=differences.shape)
    low, high = statistics.percentile_interval(np.take_along_axis(differences, drawn, 1).mean(1))
    return not low <= 0 <= high


def by_stratified_bootstrap(metric: str, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray) -> bool:
    """Resample each mode's seeds within a task, as rliable does (Agarwal et al., 2021); percentile interval."""
    generator, seeds = np.random.default_rng(1), len(ours)
    means = [
        score(metric, each, labels)[generator.integers(seeds, size=(2000, seeds))].mean(1) for each in (ours, theirs)
    ]
    low, high = statistics.percentile_interval(means[0] - means[1])
    return not low <= 0 <= high


METHODS: dict[str, Callable[..., bool]] = {
    "ours": by_rows_and_seeds,
    "McNemar, one seed": by_mcnemar,
    "t-test over seeds": by_t_test,
    "bootstrap, rows and seeds": by_bootstrap,
    "rliable's bootstrap": by_stratified_bootstrap,
}


def methods(found: list[dict]) -> str:
    """Return the table of the methods: wrong verdicts on accuracy, and power on 1,000 rows."""
    lines = []
    for seeds, spread in itertools.product(SEEDS, SPREADS):
        same = [row for row in found if (row["metric"], row["seeds"], row["spread"]) == ("accuracy", seeds, spread)]
        if not same:
            continue
        mean = {name: np.mean([row["wrong"][name] for row in same if name in row["wrong"]]) for name in METHODS}
        power = np.mean([row["power"] for row in same if row["rows"] == 1000])
        lines.append([seeds, spread, *(f"{100 * share:.1f}%" for share in mean.values()), f"{100 * power:.0f}%"])
    headers = ["seeds", "sd over seeds", *METHODS, f"ours finds {DIFFERENCE}"]
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=["right"] * len(headers))


def metrics(found: list[dict]) -> str:
    """Return the table of our verdicts and intervals by metric and number of seeds."""
    lines = []
    for metric, seeds in itertools.product(METRICS, SEEDS):
        same = [row for row in found if (row["metric"], row["seeds"]) == (metric, seeds)]
        if not same:
            continue
        repeats = np.array([row["repeats"] for row in same])
        wrong = np.array([row["wrong"]["ours"] for row in same])
        covered = np.array([row["coverage"] for row in same])
        lines.append(
            [
                *(metric, seeds, f"{repeats.sum():,}"),
                f"{100 * np.average(wrong, weights=repeats):.1f}%",
                f"{100 * wrong.max():.1f}%",
                f"{100 * np.average(covered, weights=repeats):.1f}%",
                f"{100 * covered.min():.1f}%",
            ]
        )
    headers = ["metric", "seeds", "runs", "wrong", "wrong at worst", "covered", "covered at worst"]
    return tabulate(lines, headers, tablefmt="pipe", disable_numparse=True, colalign=["left", *["right"] * 6])


if __name__ == "__main__":
    main()
