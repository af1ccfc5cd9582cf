"""What a mode reaches when fewer settings are tried: expected best validation score by number of trials."""

import numpy as np
from matplotlib.ticker import MaxNLocator

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import TaskComparison
from finegrid.reporting.figures import style
from finegrid.reporting.sentences import listed


def expected_best(scores: list[float], higher_is_better: bool = True) -> list[float]:
    """Return the expected best of n trials for n = 1 to the number N of scores: [N].

    The trials are drawn with replacement from the scores, so the best of n is at most the i-th worst score with
    probability (i/N)^n (Dodge et al. 2019, "Show Your Work", arXiv:1909.03004, section 3.1).
    """
    from_worst = np.sort(scores) if higher_is_better else np.sort(scores)[::-1]
    count = len(scores)
    at_most = (np.arange(count + 1) / count) ** np.arange(1, count + 1)[:, None]
    return (np.diff(at_most, axis=1) @ from_worst).tolist()


def scores_of(task: TaskComparison) -> dict[str, list[float]]:
    """Return the scores of all settings by mode, leaving out modes where every setting diverged.

    A setting that diverged was a trial, too: it counts as the worst score of any setting of the task.
    """
    every = [setting.validation.mean for mode in task.modes for setting in mode.settings if setting.validation]
    worst = (min if METRICS[task.metric].higher_is_better else max)(every, default=None)
    return {
        mode.name: [setting.validation.mean if setting.validation else worst for setting in mode.settings]
        for mode in task.modes
        if any(setting.validation for setting in mode.settings)
    }


def draw(task: TaskComparison) -> style.Drawing:
    """Draw a curve for every mode that has a score."""
    metric = METRICS[task.metric]
    title = f"{task.title}: expected best validation {metric.display_name} by number of trials (approximate)"
    scores = scores_of(task)
    if not scores:
        return style.only_text(title, f"No trials to draw from: every setting of every mode on {task.title} diverged.")
    best = {mode: expected_best(values, metric.higher_is_better) for mode, values in scores.items()}
    figure = style.new_figure(5.8, 3.9, title, notes(task))
    axes = figure.subplots()
    styles = style.mode_styles([task])
    handles = []
    for mode, curve in best.items():
        numbers = range(1, len(curve) + 1)
        handles += axes.plot(numbers, curve, **styles[mode], linewidth=1.8, markevery=max(1, len(curve) // 12))
    axes.set(xlabel="settings tried", ylabel=style.axis_name("expected best validation", task))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.set_xlim(0.5, max(map(len, best.values())) + 0.5)
    style.legend(axes, handles, list(best), "mode")
    caption = (
        f"Expected best validation {metric.display_name} on {task.title} by the number of settings tried, approximated "
        "by drawing with replacement from the settings of each mode's grid (Dodge et al. 2019)."
    )
    alt = f"Line chart for {task.title}: " + "; ".join(
        f"{mode} is expected to reach {style.number(curve[0])} with one setting"
        + (f" and {style.number(curve[-1])} with {len(curve)}" if len(curve) > 1 else "")
        for mode, curve in best.items()
    )
    return style.Drawing(figure, caption, f"{alt}.")


def notes(task: TaskComparison) -> list[str]:
    """Say what the curves include and what they leave out."""
    lost = [mode.name for mode in task.modes if not mode.chosen]
    partly = [
        mode.name for mode in task.modes if mode.chosen and any(setting.validation is None for setting in mode.settings)
    ]
    lines = ["Approximate: settings are drawn with replacement from the grid that was run."]
    if partly:
        lines.append(f"Diverged settings ({listed(partly)}) count as the worst score of the task.")
    if lost:
        lines.append(f"Not shown, as every setting diverged: {listed(lost)}.")
    return lines
