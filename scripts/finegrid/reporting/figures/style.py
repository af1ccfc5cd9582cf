"""One look for all figures, and files of them whose bytes depend on nothing but what they show."""

import textwrap

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextToPath

from finegrid.reporting.figures import FORMATS
from finegrid.files import replacing
from finegrid.evaluation.metrics import METRICS, shown

DPI = 150
SMALL = 8.5  # points; no text is smaller
LOOK = {
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
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "legend.frameon": False,
    "legend.handlelength": 3.2,
    "lines.markersize": 6,
    "figure.constrained_layout.w_pad": 0.08,  # inches
    "figure.constrained_layout.h_pad": 0.06,
    "hatch.linewidth": 0.8,
    "text.parse_math": False,  # a name with dollar signs is a name
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
# Okabe and Ito's colours without the yellow, which white paper swallows, and without the black, which is for
# text (https://jfly.uni-koeln.de/color/). The numbers of colours, lines and markers have no common divisor, so
# two modes differ in colour, line and marker or, from the 13th on, in at least one of them.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"]
LINES = ["-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 3)), (0, (2, 3))]
MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "h", "*"]


def looking():
    """Give the look as a context, whatever the user's own matplotlibrc says."""
    return style.context(["default", LOOK])


def of_mode(index: int) -> dict:
    """Return colour, line and marker of the mode at this place of the configuration: the same in every figure."""
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": LINES[index % len(LINES)],
        "marker": MARKERS[index % len(MARKERS)],
    }


def save(figure: Figure, folder, name: str) -> None:
    """Write a figure in all formats, each whole or not at all. The ids in the SVG are made from its name."""
    with style.context({"svg.hashsalt": name}):
        for form in FORMATS:
            undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {"Software": None}}[form]
            with replacing(f"{folder}/{name}.{form}") as temporary:
                figure.savefig(temporary, format=form, dpi=DPI, metadata=undated)


def new_figure(width: float, height: float, title: str, notes=()) -> Figure:
    """Return a figure of so many inches, wider where its title asks for it, with small print below."""
    width = max(width, text_width(title, 11, "bold") + 0.2)
    # A character of the small print is about 0.075 inches wide.
    lines = [line for note in notes for line in textwrap.wrap(note, int(width / 0.075), break_on_hyphens=False)]
    figure = Figure(figsize=(width, height + 0.16 * len(lines)), layout="constrained")
    figure.suptitle(title, x=0.1 / width, ha="left", fontsize=11, fontweight="bold")
    if lines:
        figure.supxlabel("\n".join(lines), x=0.1 / width, ha="left", fontsize=SMALL, color="#444444")
    return figure


def only_text(title: str, text: str) -> Figure:
    """Return a figure that says why there is nothing to draw."""
    lines = textwrap.wrap(text, 75, break_on_hyphens=False)
    figure = new_figure(6.4, 1.2 + 0.2 * len(lines), title)
    figure.text(0.5, 0.4, "\n".join(lines), ha="center", va="center", color="#444444")
    return figure


def legend(figure: Figure, handles: list, labels: list[str], title: str) -> None:
    """Put a legend to the right of the axes. Labels are given by themselves: one that starts with '_' counts too."""
    figure.legend(handles, labels, title=title, loc="outside right center", alignment="left")


def legend_width(labels: list[str], title: str) -> float:
    """Return about how many inches `legend` takes."""
    return max(text_width(text, 9) for text in [*labels, title]) + 0.8


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width in inches of one line of text of so many points."""
    font = FontProperties(size=size, weight=weight)
    return TextToPath().get_text_width_height_descent(text, font, ismath=False)[0] / 72


def number(score: float) -> str:
    return f"{score:.3f}" if abs(score) < 100 else f"{score:.4g}"


def axis_name(split: str, metric: str, characters: int = 26) -> str:
    """Name the axis of a score in lines of so many characters: of which split it is, and whether lower is better."""
    lines = textwrap.wrap(f"{split} {shown(metric)}", characters, break_long_words=False)
    return "\n".join([*lines, *([] if higher_is_better(metric) else ["(lower is better)"])])


def higher_is_better(metric: str) -> bool:
    return METRICS[metric.partition(" ")[0]].higher_is_better


def listed(names: list[str]) -> str:
    """Return names as English lists them: `a, b and c`."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
