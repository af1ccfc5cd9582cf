"""What trainable parameters buy: the score of each mode's chosen setting against how many it trains."""

import itertools
import math
import textwrap

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from scipy.optimize import isotonic_regression

from finegrid.reporting.figures import look, scores
from finegrid.evaluation.metrics import shown

TITLE = "Score against trainable parameters"
WIDTH, HEIGHT, COLUMNS = 3.1, 2.7, 3  # of a panel, inches; panels beside each other
APART = 0.025  # of a panel's width: nearer points hide each other


def draw(tasks: list[dict]) -> tuple[Figure, str, str]:
    """Return the figure of a run, its caption and its text for those who cannot see it."""
    panels = [task for task in tasks if any(mode["chosen"] for mode in task["modes"])]
    if not panels:
        text = "No scores: every setting of every mode on every task diverged."
        return look.only_text(TITLE, text), text, text
    names = list(dict.fromkeys(mode["mode"] for task in panels for mode in task["modes"] if mode["chosen"]))
    order = [mode["mode"] for mode in panels[0]["modes"]]
    columns = min(COLUMNS, len(panels))
    lines = math.ceil(len(panels) / columns)
    width = WIDTH * max(columns, 1.5) + look.legend_width(names, "mode")
    figure = look.new_figure(width, max(0.4 + HEIGHT * lines, 1.1 + 0.19 * len(names)), TITLE, notes(tasks, panels))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, task in zip(grid, panels, strict=False):
        panel(axes, task)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    styles = [look.of_mode(order.index(name)) | {"linestyle": "none"} for name in names]
    look.legend(figure, [Line2D([], [], **style) for style in styles], names, "mode")
    read = {bool(scores.of_test(task, mode)) for task in panels for mode in task["modes"] if mode["chosen"]}
    kinds = {True: "filled: test, with its 95 % interval", False: "hollow: validation, which chose the setting"}
    what = "; ".join(text for kind, text in kinds.items() if kind in read)
    caption = f"Score of the chosen setting of each mode against the number of parameters it trains ({what})."
    return figure, caption, "Scatter plots of score against trainable parameters. " + " ".join(map(in_words, panels))


def panel(axes, task: dict) -> None:
    """Draw a task: test scores filled with their interval, validation scores hollow without."""
    modes = [(index, mode) for index, mode in enumerate(task["modes"]) if mode["chosen"]]
    totals = logarithms(task)
    low, high = decades_of(totals)
    margin = 0.05 * (high - low)
    places = pushed_apart(totals, APART * (high - low))
    for (index, mode), place in zip(modes, places, strict=True):
        style = look.of_mode(index) | {"linestyle": "none", "markersize": 7}
        test = scores.of_test(task, mode)
        if test:
            low_end, high_end = test["interval"]
            bars = [[max(0, test["mean"] - low_end)], [max(0, high_end - test["mean"])]]
            axes.errorbar([10**place], [test["mean"]], yerr=bars, capsize=3, elinewidth=1.3, **style)
        else:
            axes.plot([10**place], [scores.of_validation(task, mode)["mean"]], **style, fillstyle="none", mew=1.6)
    axes.set(xscale="log", xlim=(10 ** (low - margin), 10 ** (high + margin)), title=textwrap.fill(task["task"], 28))
    axes.set(xlabel="trainable parameters", ylabel=score_axis(task))
    decades = range(low, high + 1, math.ceil((high - low) / 4))
    axes.set_xticks([10**decade for decade in decades], [count(10**decade) for decade in decades])
    axes.xaxis.set_minor_locator(NullLocator())


def logarithms(task: dict) -> list[float]:
    """Return how many parameters each mode with a score trains, as powers of ten."""
    return [math.log10(mode["trainable"]["total"]) for mode in task["modes"] if mode["chosen"]]


def crowded(totals: list[float]) -> bool:
    """Tell whether points must be moved to be seen."""
    low, high = decades_of(totals)
    return any(right - left < APART * (high - low) for left, right in itertools.pairwise(sorted(totals)))


def decades_of(totals: list[float]) -> tuple[int, int]:
    """Return the powers of ten between which all totals, given as logarithms, lie."""
    low = math.floor(min(totals))
    return low, max(low + 1, math.ceil(max(totals)))


def pushed_apart(places: list[float], gap: float) -> list[float]:
    """Return places at least `gap` apart, in the same order, the nearest in least squares to those given."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = isotonic_regression([places[index] - rank * gap for rank, index in enumerate(order)]).x
    return [float(moved[rank] + rank * gap) for rank in sorted(range(len(order)), key=order.__getitem__)]


def score_axis(task: dict) -> str:
    """Say what the scores are of: the test, validation, or of some modes the one and of some the other."""
    read = {scores.of_test(task, mode) is not None for mode in task["modes"] if mode["chosen"]}
    if len(read) > 1:
        return f"{look.axis_name('filled: test', task['metric'])}\nhollow: validation"
    return look.axis_name("test" if True in read else "validation", task["metric"])


def count(number: float) -> str:
    """Write a power of ten short: 10 k."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def notes(tasks: list[dict], panels: list[dict]) -> list[str]:
    """Say what the marks mean and what is left out."""
    modes = [(task, mode) for task in panels for mode in task["modes"] if mode["chosen"]]
    lines = []
    if any(scores.of_test(*pair) for pair in modes):
        lines.append("Filled: test scores with their 95 % interval.")
    if not all(scores.of_test(*pair) for pair in modes):
        lines.append("Hollow: validation scores, on which the setting was chosen; they have no interval.")
    if any(crowded(logarithms(task)) for task in panels):
        lines.append(
            "Points that would hide each other, of modes that train nearly as many parameters, are moved apart."
        )
    lost = [f"{mode['mode']} on {task['task']}" for task in tasks for mode in task["modes"] if not mode["chosen"]]
    return [*lines, f"Not shown, as every setting diverged: {look.listed(lost)}."] if lost else lines


def in_words(task: dict) -> str:
    """Say of a task what its panel shows."""
    texts = []
    for mode in task["modes"]:
        test = scores.of_test(task, mode)
        if test:
            low, high = map(look.number, test["interval"])
            score = f"test {look.number(test['mean'])}, 95 % interval {low} to {high}"
        elif mode["chosen"]:
            score = f"validation {look.number(scores.of_validation(task, mode)['mean'])}"
        else:
            score = "diverged"
        texts.append(f"{mode['mode']} trains {mode['trainable']['total']:,}: {score}")
    return f"{task['task']}, {shown(task['metric'])}: {'; '.join(texts)}."
