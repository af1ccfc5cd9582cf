"""What each mode keeps of full fine-tuning's score, by the size of the model."""

from matplotlib.ticker import NullLocator

from finegrid.evaluation.comparison import TaskComparison
from finegrid.reporting.figures import style
from finegrid.reporting.figures.parameters import over, short_count
from finegrid.reporting.ladder import size
from finegrid.reporting.retention import share_of_full

TITLE = "Share of full fine-tuning's score by size of the model"
NOT_DRAWN = (
    "Not drawn: metrics where lower is better, scores that are not above 0, and models on which full fine-tuning shows "
    "no more than the same answer for every row would reach."
)
APART = 1.03  # neighbouring modes are moved apart by this factor, so that bars do not hide each other


def draw(tasks: list[TaskComparison]) -> style.Drawing:
    """Draw a panel for each task, in it a line for each mode over the models, the smallest first."""
    names = list(dict.fromkeys(task.name for task in tasks))
    points = {name: shares([task for task in tasks if task.name == name]) for name in names}
    points = {name: modes for name, modes in points.items() if modes}
    if not points:
        return style.only_text(TITLE, "No shares to draw: no mode has a score beside full fine-tuning's.")
    styles = style.mode_styles(tasks)
    notes = ["Dashed: full fine-tuning, 100 %.", f"Bars: 95 % intervals {over(tasks)}."]
    if any(task.to_full(mode) and not share_of_full(task, mode) for task in tasks for mode in task.modes):
        notes.append(NOT_DRAWN)
    figure = style.new_figure(3.6 * len(points) + 1.2, 3.4, TITLE, notes)
    sizes = sorted({parameters for modes in points.values() for found in modes.values() for parameters, _ in found})
    panels = figure.subplots(1, len(points), squeeze=False, sharex=True).flat
    for axes, (name, modes) in zip(panels, points.items(), strict=True):
        for rank, (mode, found) in enumerate(modes.items()):
            places = [parameters * APART ** (rank - (len(modes) - 1) / 2) for parameters, _ in found]
            values = [100 * pair.share for _, pair in found]
            bars = [
                [100 * (pair.share - pair.share_interval[0]) for _, pair in found],
                [100 * (pair.share_interval[1] - pair.share) for _, pair in found],
            ]
            axes.errorbar(places, values, yerr=bars, capsize=3, elinewidth=1.3, **styles[mode] | {"markersize": 7})
        axes.axhline(100, color="black", linewidth=1.2, linestyle="--", zorder=1)
        axes.set(xscale="log", xlabel="parameters of the model", ylabel="% of full fine-tuning's score")
        axes.set_xticks(sizes, [short_count(float(f"{parameters:.2g}")) for parameters in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.margins(x=0.15)
        axes.set_title(style.wrapped(name, 30))
    drawn = {mode for modes in points.values() for mode in modes}
    style.legend_of_markers(figure.axes[-1], {mode: look for mode, look in styles.items() if mode in drawn})
    caption = "Score of each mode as a share of full fine-tuning's, against the number of parameters of the model."
    return style.Drawing(figure, caption, "Line charts of shares by size. " + " ".join(map(in_words, points.items())))


def shares(models: list[TaskComparison]) -> dict[str, list[tuple]]:
    """Return for each mode the number of parameters of every model with the pair that has its share."""
    found = {}
    for task in sorted(models, key=size):
        for mode in task.modes:
            if pair := share_of_full(task, mode):
                found.setdefault(mode.name, []).append((size(task), pair))
    return found


def in_words(panel: tuple[str, dict[str, list[tuple]]]) -> str:
    """Say what the panel of a task shows."""
    name, modes = panel
    texts = [
        f"{mode}: " + ", ".join(f"{100 * pair.share:.1f} % at {parameters:,} parameters" for parameters, pair in found)
        for mode, found in modes.items()
    ]
    return f"{name}: {'; '.join(texts)}."
