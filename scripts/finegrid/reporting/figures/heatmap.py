"""Every setting of a task: mean validation score by learning rate and batch size, a panel per mode."""

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from finegrid.reporting.figures import look
from finegrid.evaluation.metrics import shown

# Inches.
CELL_WIDTH, CELL_HEIGHT = 0.74, 0.42
LEFT, RIGHT, ABOVE, BELOW = 0.7, 0.1, 0.34, 0.56  # of a panel: tick labels and names
HEAD, FOOT = 0.35, 0.85  # of the figure: the title; the key and the colour bar
WIDEST_ROW = 10.5
COLOURS = "cividis"  # made to look the same to the colour-blind
CHOSEN, DIVERGED = "★", "#eeeeee"


def draw(task: dict) -> tuple[Figure, str, str]:
    """Return the figure of a task, its caption and its text for those who cannot see it."""
    metric = shown(task["metric"])
    title = f"{task['task']}: validation {metric} of every setting"
    rows = in_rows(task["modes"])
    heights = [ABOVE + BELOW + CELL_HEIGHT * max(len(batch_sizes(mode)) for mode in row) for row in rows]
    width = max(7.0, look.text_width(title, 11, "bold") + 0.2, *(sum(map(panel_width, row)) for row in rows))
    height = HEAD + sum(heights) + FOOT
    figure = Figure(figsize=(width, height))
    figure.text(0.1 / width, 1 - 0.1 / height, title, va="top", fontsize=11, fontweight="bold")
    colours = shared_scale(task)
    top = height - HEAD
    for row, row_height in zip(rows, heights, strict=True):
        left = 0.0
        for mode in row:
            columns, lines = len(learning_rates(mode)), len(batch_sizes(mode))
            size = (CELL_WIDTH * columns, CELL_HEIGHT * lines)
            corner = (left + LEFT, top - ABOVE - size[1])
            axes = figure.add_axes((corner[0] / width, corner[1] / height, size[0] / width, size[1] / height))
            panel(axes, mode, colours, first=not left)
            left += panel_width(mode)
        top -= row_height
    key(figure, task, colours, width, height)
    return figure, *words(task)


def in_rows(modes: list[dict]) -> list[list[dict]]:
    """Share the modes out among rows that are no wider than a page."""
    rows, width = [], WIDEST_ROW + 1
    for mode in modes:
        if width + panel_width(mode) > WIDEST_ROW:
            rows.append([])
            width = 0
        rows[-1].append(mode)
        width += panel_width(mode)
    return rows


def panel_width(mode: dict) -> float:
    return LEFT + RIGHT + max(CELL_WIDTH * len(learning_rates(mode)), look.text_width(mode["mode"], 10, "bold"))


def learning_rates(mode: dict) -> list[str]:
    return sorted({setting["learning_rate"] for setting in mode["settings"]}, key=float)


def batch_sizes(mode: dict) -> list[int]:
    return sorted({setting["batch_size"] for setting in mode["settings"]})


def shared_scale(task: dict) -> ScalarMappable | None:
    """Return the colours from the lowest to the highest score of all modes, None if there is no score."""
    scores = [each["validation"]["mean"] for mode in task["modes"] for each in mode["settings"] if each["validation"]]
    if not scores:
        return None
    low, high = min(scores), max(scores)
    margin = 0 if high > low else 0.01 * (abs(low) or 1)
    return ScalarMappable(Normalize(low - margin, high + margin), COLOURS)


def panel(axes, mode: dict, colours: ScalarMappable | None, first: bool) -> None:
    """Draw the settings of a mode, learning rates from left to right and batch sizes upwards."""
    across, up = learning_rates(mode), batch_sizes(mode)
    for setting in mode["settings"]:
        x, y = across.index(setting["learning_rate"]), up.index(setting["batch_size"])
        if setting["validation"] is None:
            fill = {"facecolor": DIVERGED, "hatch": "////", "edgecolor": "#999999", "linewidth": 0.6}
            text, ink = "diverged", "black"
            seeds = len(mode["cells"]) // len(mode["settings"])  # with their data orders
            if seeds > 1:
                text += f"\n{setting['diverged']} of {seeds}"
            behind = {"facecolor": DIVERGED, "edgecolor": "none", "pad": 1}
        else:
            colour = colours.to_rgba(setting["validation"]["mean"])
            fill, ink, behind = {"facecolor": colour, "edgecolor": "white", "linewidth": 0.6}, readable_on(colour), None
            text = (f"{CHOSEN} " if setting["chosen"] else "") + look.number(setting["validation"]["mean"])
        axes.add_patch(Rectangle((x, y), 1, 1, **fill))
        size = look.SMALL if setting["validation"] is None else 9
        weight = "bold" if setting["chosen"] else "normal"
        label = {"ha": "center", "va": "center", "linespacing": 1.0, "fontsize": size, "fontweight": weight}
        axes.text(x + 0.5, y + 0.5, text, color=ink, bbox=behind, **label)
        if setting["chosen"]:
            frame = {"fill": False, "edgecolor": ink, "linewidth": 1.5}
            axes.add_patch(Rectangle((x + 0.05, y + 0.08), 0.9, 0.84, **frame))
    axes.set(xlim=(0, len(across)), ylim=(0, len(up)), title=mode["mode"], xlabel="learning rate")
    axes.set_xticks([x + 0.5 for x in range(len(across))], across)
    axes.set_yticks([y + 0.5 for y in range(len(up))], [str(size) for size in up])
    if first:
        axes.set_ylabel("batch size" if len(up) > 1 else "batch\nsize")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def readable_on(colour) -> str:
    """Return black or white, whichever contrasts more, by the relative luminance of WCAG 2.2."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) else "white"


def key(figure: Figure, task: dict, colours: ScalarMappable | None, width: float, height: float) -> None:
    """Put what the marks mean at the foot, and the scale of the colours."""
    handles, labels, metric = [], [], f"validation {shown(task['metric'])}"
    if any(mode["chosen"] for mode in task["modes"]):
        handles.append(Rectangle((0, 0), 1, 1, fill=False, edgecolor="black", linewidth=1.5))
        labels.append(f"{CHOSEN} chosen by validation")
    if any(setting["validation"] is None for mode in task["modes"] for setting in mode["settings"]):
        handles.append(Rectangle((0, 0), 1, 1, facecolor=DIVERGED, hatch="////", edgecolor="#999999", linewidth=0))
        labels.append("diverged, never chosen")
    figure.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0, 0.2 / height), borderaxespad=0.6, handlelength=2
    )
    if colours:
        bar = figure.add_axes(((width - 3.6) / width, 0.64 / height, 3.3 / width, 0.14 / height))
        figure.colorbar(colours, cax=bar, orientation="horizontal")
        several = any(len(mode["cells"]) > len(mode["settings"]) for mode in task["modes"])
        remarks = ["mean over seeds"] * several + ["lower is better"] * (not look.higher_is_better(task["metric"]))
        bar.set_xlabel(f"{metric}\n({'; '.join(remarks)})" if remarks else metric, fontsize=9)
        bar.tick_params(labelsize=look.SMALL)
        bar.locator_params(nbins=5)
        bar.grid(False)


def words(task: dict) -> tuple[str, str]:
    metric = shown(task["metric"])
    caption = (
        f"Mean validation {metric} over the seeds of every setting of each mode on {task['task']}; a star marks the "
        "setting that validation chose, hatching one where a seed diverged."
    )
    alt = f"Heat maps of validation {metric} on {task['task']} by learning rate and batch size. "
    return caption, alt + " ".join(map(in_words, task["modes"]))


def in_words(mode: dict) -> str:
    """Say of a mode what its panel shows."""
    scores = [setting["validation"]["mean"] for setting in mode["settings"] if setting["validation"]]
    tried = f"{len(mode['settings'])} setting{'s' if len(mode['settings']) > 1 else ''}"
    if not scores:
        return f"{mode['mode']}: {tried}, all diverged."
    text = f"{mode['mode']}: {tried}, from {look.number(min(scores))} to {look.number(max(scores))}"
    chosen, diverged = mode["chosen"], len(mode["settings"]) - len(scores)
    if chosen:
        text += f", chosen learning rate {chosen['learning_rate']} and batch size {chosen['batch_size']}"
    return text + (f"; {diverged} diverged." if diverged else ".")
