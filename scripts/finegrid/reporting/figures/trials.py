"""What a mode reaches when fewer settings are tried: expected best validation score by number of trials."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from finegrid.reporting.figures import look
from finegrid.evaluation.metrics import shown


def expected_best(scores: list[float], higher_is_better: bool = True) -> list[float]:
    """Return the expected best of n trials for n = 1 to the number N of scores: [N].

    The trials are drawn with replacement from the scores, so the best of n is at most the i-th worst score with
    probability (i/N)^n (Dodge et al. 2019, "Show Your Work", arXiv:1909.03004, section 3.1).
    """
    from_worst = np.sort(scores) if higher_is_better else np.sort(scores)[::-1]
    count = len(scores)
    at_most = (np.arange(count + 1) / count) ** np.arange(1, count + 1)[:, None]
    return (np.diff(at_most, axis=1) @ from_worst).tolist()


def scores_of(task: dict) -> dict[str, list[float]]:
    """Return the scores of each mode's settings that has any.

    A setting that diverged was a trial too: it counts as the worst score that any setting of the task has.
    """
    trials = {
        mode["mode"]: [each["validation"] and each["validation"]["mean"] for each in mode["settings"]]
        for mode in task["modes"]
    }
    every = [score for scores in trials.values() for score in scores if score is not None]
    if not every:
        return {}
    worst = min(every) if look.higher_is_better(task["metric"]) else max(every)
    return {
        mode: [worst if score is None else score for score in scores]
        for mode, scores in trials.items()
        if any(score is not None for score in scores)
    }


def draw(task: dict) -> tuple[Figure, str, str]:
    """Return the figure of a task, its caption and its text for those who cannot see it."""
    name, metric = task["task"], shown(task["metric"])
    title = f"{name}: expected best validation {metric} by number of trials (approximate)"
    trials = scores_of(task)
    if not trials:
        text = f"No trials to draw from: every setting of every mode on {name} diverged."
        return look.only_text(title, text), text, text
    best = {mode: expected_best(scores, look.higher_is_better(task["metric"])) for mode, scores in trials.items()}
    names = [mode["mode"] for mode in task["modes"]]
    width = 5.2 + look.legend_width(list(best), "mode")
    figure = look.new_figure(width, max(3.6, 1.1 + 0.19 * len(best)), title, notes(task, trials))
    axes = figure.subplots()
    handles = []
    for mode, curve in best.items():
        numbers = range(1, len(curve) + 1)
        every = max(1, len(curve) // 12)
        handles += axes.plot(numbers, curve, **look.of_mode(names.index(mode)), linewidth=1.8, markevery=every)
    axes.set(xlabel="settings tried", ylabel=look.axis_name("expected best validation", task["metric"], 34))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, max(map(len, best.values())) + 0.5)
    look.legend(figure, handles, list(best), "mode")
    caption = (
        f"Expected best validation {metric} on {name} by the number of settings tried, approximated by draws with "
        "replacement from the settings of each mode's grid (Dodge et al. 2019)."
    )
    alt = f"Line chart for {name}: " + "; ".join(
        f"{mode} is expected to reach {look.number(curve[0])} with one setting"
        + (f" and {look.number(curve[-1])} with {len(curve)}" if len(curve) > 1 else "")
        for mode, curve in best.items()
    )
    return figure, caption, f"{alt}."


def notes(task: dict, trials: dict) -> list[str]:
    """Say what the curves hold and what they leave out."""
    lost = [mode["mode"] for mode in task["modes"] if mode["mode"] not in trials]
    partly = [
        mode["mode"]
        for mode in task["modes"]
        if mode["mode"] in trials and any(setting["validation"] is None for setting in mode["settings"])
    ]
    lines = ["Approximate: settings are drawn with replacement from the grid that was run."]
    if partly:
        lines.append(f"Diverged settings, of {look.listed(partly)}, count as the worst score of the task.")
    if lost:
        lines.append(f"Not shown, as every setting diverged: {look.listed(lost)}.")
    return lines
