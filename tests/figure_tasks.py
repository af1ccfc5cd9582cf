"""Compared tasks for the tests of figures, from the scores of their settings."""

import itertools

from comparisons import mode_of, task

from finegrid.config.metrics import METRICS

RATES, SIZES = ["1e-4", "3e-4"], [8, 16]
LONG = "a-name-of-exactly-one-hundred-letters_and_hyphens.which-is-the-longest-that-a-configuration-may-hold"


def make_mode(name, scores, metric="accuracy", seeds=(0,), trainable=3330):
    """Return a mode whose settings reach these scores, None where diverged; a seed adds a hundredth each."""
    settings = dict(zip(itertools.product(SIZES, RATES), scores, strict=False))
    known = {setting: score for setting, score in settings.items() if score is not None}
    best = (max if METRICS[metric].higher_is_better else min)(known, key=known.get, default=None)
    of_seeds = {
        setting: None if score is None else [score + seed / 100 for seed in seeds]
        for setting, score in settings.items()
    }
    return mode_of(name, of_seeds, trainable=(trainable - 2, 2), seeds=seeds, chosen=best)


def make_task(modes: dict, name="imdb", metric="accuracy", test="no test split", **common):
    """Return a task with modes by name: their scores, or the keyword arguments of `make_mode`."""
    settings = {mode: values if isinstance(values, dict) else {"scores": values} for mode, values in modes.items()}
    made = [make_mode(mode, **{"metric": metric, **common, **values}) for mode, values in settings.items()]
    return task(name, made, [metric], test=test)
