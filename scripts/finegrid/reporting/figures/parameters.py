"""What trainable parameters buy: the score of each mode's chosen setting against how many it trains."""

import itertools
import math

from matplotlib.ticker import NullLocator
from scipy.optimize import isotonic_regression

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import TaskComparison
from finegrid.evaluation.metrics import signed_score
from finegrid.reporting.figures import style

TITLE = "Score against trainable parameters"
COLUMNS = 3  # panels beside each other
# Modes; of more, only those of the Pareto front and full fine-tuning have colours of their own and bars, and each is
# where it belongs, as so many points moved apart would be far from their places.
NAMED = 12
OTHERS = {"color": "#bbbbbb", "marker": ".", "zorder": 1}
APART = 0.025  # as a share of the axis; nearer points hide each other


def draw(tasks: list[TaskComparison]) -> style.Drawing:
    """Draw a panel for every task that has a score."""
    panels = [task for task in tasks if any(map(task.score, task.modes))]
    if not panels:
        return style.only_text(TITLE, "No scores: every setting of every mode on every task diverged.")
    styles = style.mode_styles(tasks)
    kept = {name for task in panels for name in front(task)} | {"full"}
    if len(styles) > NAMED:
        styles = {name: look if name in kept else look | OTHERS for name, look in styles.items()}
    columns = min(COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    titles = [style.wrapped(task.title, 30) for task in panels]
    row_height = 2.6 + style.LINE * max(title.count("\n") for title in titles)
    figure = style.new_figure(3.3 * columns + 0.8, 0.9 + rows * row_height, TITLE, notes(tasks, panels))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, task, title in zip(grid.flat, panels, titles, strict=False):
        panel(axes, task, styles)
        axes.set_title(title)
    for axes in grid.flat[len(panels) :]:
        axes.remove()
    drawn = {mode.name for task in panels for mode in task.modes if task.score(mode)}
    named = {mode: look for mode, look in styles.items() if mode in drawn and not grey(look)}
    style.legend_of_markers(grid[0, -1], named)
    kinds = {True: "filled: test", False: "hollow: validation, which chose the setting"}
    what = "; ".join(kinds[kind] for kind in sorted({task.tested for task in panels}, reverse=True))
    what += f"; bars: 95 % interval {over(panels)}"
    caption = f"Score of the chosen setting of each mode against the number of parameters it trains ({what})."
    alt = "Scatter plots of score against trainable parameters. " + " ".join(map(in_words, panels))
    return style.Drawing(figure, caption, alt)


def panel(axes, task: TaskComparison, styles: dict[str, dict]) -> None:
    """Draw a task: test scores filled, validation scores hollow, each with its interval."""
    totals = logarithms(task)
    low, high = decades_of(totals)
    margin = 0.05 * (high - low)
    places = totals if len(styles) > NAMED else pushed_apart(totals, APART * (high - low))
    fill = {} if task.tested else {"fillstyle": "none", "mew": 1.6}
    scored = list(filter(task.score, task.modes))
    for mode, place in zip(scored, places, strict=True):
        point, score = styles[mode.name] | {"linestyle": "none", "markersize": 7}, task.score(mode)
        below, above = score.mean - score.interval[0], score.interval[1] - score.mean
        bars = None if grey(point) else [[max(0, below)], [max(0, above)]]
        axes.errorbar([10**place], [score.mean], yerr=bars, capsize=3, elinewidth=1.3, **point, **fill)
    best = front(task)
    line = [(10**place, task.score(mode).mean) for mode, place in zip(scored, places, strict=True) if mode.name in best]
    axes.plot(*zip(*sorted(line), strict=True), color="#888888", linewidth=1, linestyle=":", zorder=1)
    ends = (10 ** (min(low, *places) - margin), 10 ** (max(high, *places) + margin))
    axes.set(xscale="log", xlim=ends, xlabel="trainable parameters", ylabel=score_axis(task))
    decades = range(low, high + 1, math.ceil((high - low) / 4))
    axes.set_xticks([10**decade for decade in decades], [short_count(10**decade) for decade in decades])
    axes.xaxis.set_minor_locator(NullLocator())


def grey(look: dict) -> bool:
    """Whether a mode is one of many without a colour of its own."""
    return look.items() >= OTHERS.items()


def front(task: TaskComparison) -> set[str]:
    """Name the modes of which no other has a higher score with as few parameters: the Pareto front."""
    scored = [(mode, signed_score(task.metric, task.score(mode).mean)) for mode in task.modes if task.score(mode)]
    by_size = sorted(scored, key=lambda pair: (pair[0].trainable.total, -pair[1]))
    best, names = -math.inf, set()
    for mode, score in by_size:
        if score > best:
            best = score
            names.add(mode.name)
    return names


def logarithms(task: TaskComparison) -> list[float]:
    """Return how many parameters each mode with a score trains, as powers of ten."""
    return [math.log10(mode.trainable.total) for mode in task.modes if task.score(mode)]


def decades_of(totals: list[float]) -> tuple[int, int]:
    """Return the powers of ten between which all totals, given as logarithms, lie."""
    low = math.floor(min(totals))
    return low, max(low + 1, math.ceil(max(totals)))


def crowded(totals: list[float]) -> bool:
    """Tell whether points must be moved to be seen."""
    low, high = decades_of(totals)
    return any(right - left < APART * (high - low) for left, right in itertools.pairwise(sorted(totals)))


def pushed_apart(places: list[float], gap: float) -> list[float]:
    """Return places at least `gap` apart, in the same order, the nearest in least squares to those given."""
    order = sorted(range(len(places)), key=places.__getitem__)
    moved = isotonic_regression([places[index] - rank * gap for rank, index in enumerate(order)]).x
    return [float(moved[rank] + rank * gap) for rank in sorted(range(len(order)), key=order.__getitem__)]


def score_axis(task: TaskComparison) -> str:
    """Name the axis of a panel's scores."""
    return style.axis_name("test" if task.tested else "validation", task)


def over(tasks: list[TaskComparison]) -> str:
    """Say which sources of chance the intervals cover."""
    one_seed = len(tasks[0].modes[0].plan.tested_seeds) == 1
    return "over rows, not over seeds, as there is one" if one_seed else "over rows and seeds"


def short_count(number: float) -> str:
    """Write a power of ten in short: 10 k."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:g}{letter}"
    return f"{number:g}"


def notes(tasks: list[TaskComparison], panels: list[TaskComparison]) -> list[str]:
    """Say what the marks mean and what is left out."""
    read, lines = {task.tested for task in panels}, [f"Bars: 95 % intervals {over(panels)}."]
    lines.append("Dotted: the Pareto front, the modes that none with as few parameters beats.")
    many = len({mode.name for task in tasks for mode in task.modes}) > NAMED
    if many:
        lines.append("Grey, without bars: the other modes, but for full fine-tuning.")
    if True in read:
        lines.append("Filled: test scores.")
    if False in read:
        lines.append("Hollow: validation scores, which chose the setting.")
    if not many and any(crowded(logarithms(task)) for task in panels):
        lines.append("Points of modes that train nearly as many parameters are moved apart so that none is hidden.")
    return [*lines, *style.diverged(tasks)]


def in_words(task: TaskComparison) -> str:
    """Say what the panel of a task shows."""
    texts = []
    for mode in task.modes:
        found, score = task.score(mode), "diverged"
        if found:
            low, high = map(style.number, found.interval)
            split = "test" if task.tested else "validation"
            score = f"{split} {style.number(found.mean)}, 95 % interval {low} to {high}"
        texts.append(f"{mode.name} trains {mode.trainable.total:,}: {score}")
    best = front(task)
    texts.append(f"on the Pareto front {', '.join(mode.name for mode in task.modes if mode.name in best)}")
    return f"{task.title}, {METRICS[task.metric].display_name}: {'; '.join(texts)}."
