"""The common style of all figures, and how they are saved: the same comparison gives the same bytes."""

import textwrap
from typing import NamedTuple

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import TaskComparison
from finegrid.files import replacing
from finegrid.reporting.figures import FORMATS
from finegrid.reporting.sentences import listed

DPI = 150
SMALL = 8.5  # points; no text is smaller
LINE = 0.17  # inches of a line of text
STYLE = {
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.7,
    "figure.titlesize": 11,
    "figure.titleweight": "bold",
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.markersize": 6,
    "figure.constrained_layout.w_pad": 0.08,  # inches
    "figure.constrained_layout.h_pad": 0.06,
    "hatch.linewidth": 0.8,
    "savefig.bbox": "tight",  # the page grows to hold a long legend or title
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/) without yellow, which is too faint on white, and without
# black, which is for text. The numbers of colours, lines and markers have no common divisor, so the first six modes
# differ in all three and no two of the first 462 look the same.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
LINES = ["-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (2, 3))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "*"]


class Drawing(NamedTuple):
    """A figure with its caption and a description for readers who cannot see it."""

    figure: Figure
    caption: str
    alt: str


def applied():
    """Return a context in which figures have this style, whatever the user's matplotlibrc says."""
    return style.context(["default", STYLE])


def mode_styles(tasks: list[TaskComparison]) -> dict[str, dict]:
    """Return the colour, line and marker of every mode: the same in each figure, as all tasks have the same modes."""
    modes = dict.fromkeys(mode.name for task in tasks for mode in task.modes)
    return {
        mode: {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": LINES[index % len(LINES)],
            "marker": MARKERS[index % len(MARKERS)],
        }
        for index, mode in enumerate(modes)
    }


def save(figure: Figure, folder, name: str) -> None:
    """Write a figure in all formats, each file whole or not at all. The ids in the SVG derive from its name."""
    with style.context({"svg.hashsalt": name}):
        for form in FORMATS:
            undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}[form]
            with replacing(f"{folder}/{name}.{form}") as temporary:
                figure.savefig(temporary, format=form, dpi=DPI, metadata=undated)


def new_figure(width: float, height: float, title: str, notes=()) -> Figure:
    """Return a figure of so many inches, and more for the lines of a title above and of notes in small print below."""
    title, notes = wrapped(title, 80), "\n".join(wrapped(note, 100) for note in notes)
    figure = Figure(figsize=(width, height + LINE * (title.count("\n") + notes.count("\n"))), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left")
    if notes:
        figure.supxlabel(notes, x=0.01, ha="left", fontsize=SMALL, color="#444444")
    return figure


def only_text(title: str, text: str) -> Drawing:
    """Return a figure that says why there is nothing to draw."""
    figure = new_figure(6.4, 1.6, title)
    figure.text(0.01, 0.7, wrapped(text, 80), va="top", color="#444444")
    return Drawing(figure, text, text)


def legend(axes, handles: list, labels: list[str], title: str) -> None:
    """Put a legend to the right of the axes, in further columns where it is long.

    It belongs to the figure, so constrained layout leaves the axes their width and the saved page grows instead.
    Labels are passed by themselves, as matplotlib drops an artist's own label if it begins with '_'.
    """
    axes.figure.legend(
        handles,
        [wrapped(label, 45) for label in labels],
        title=title,
        loc="upper left",
        bbox_to_anchor=(1.02, 1.02),
        bbox_transform=axes.transAxes,
        alignment="left",
        ncols=1 + (len(labels) - 1) // 12,
    )


def legend_of_markers(axes, styles: dict[str, dict]) -> None:
    """Put a legend to the right of axes that show modes as single points."""
    handles = [Line2D([], [], **style | {"linestyle": "none"}) for style in styles.values()]
    legend(axes, handles, list(styles), "mode")


def wrapped(text: str, characters: int) -> str:
    """Return text in lines of at most so many characters."""
    return textwrap.fill(text, characters)


def number(score: float) -> str:
    """Return a score as figures show it."""
    return f"{score:.3f}" if abs(score) < 100 else f"{score:.4g}"


def axis_name(split: str, task: TaskComparison, characters: int = 26) -> str:
    """Name the axis of a task's score: which split it is of, and whether lower is better."""
    metric = METRICS[task.metric]
    name = wrapped(f"{split} {metric.display_name}", characters)
    return name if metric.higher_is_better else f"{name}\n(lower is better)"


def diverged(tasks: list[TaskComparison]) -> list[str]:
    """Say which modes are not shown, as every setting, or a seed of the chosen one, diverged."""
    lost = [f"{mode.name} on {task.title}" for task in tasks for mode in task.modes if not task.score(mode)]
    return [f"Not shown, as they diverged: {listed(lost)}."] if lost else []
