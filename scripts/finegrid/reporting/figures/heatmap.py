"""Every setting of a task: mean validation score by learning rate and batch size, one panel per mode."""

import math

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import ModeComparison, TaskComparison
from finegrid.reporting.figures import style

CELLS_ACROSS = 12  # in a row of panels
COLOURS = "cividis"  # looks the same to readers with colour-blindness
DARK = 0.47  # white text is easier to read below this share of the scale, black text above it
CHOSEN, DIVERGED = "★", "#eeeeee"


def draw(task: TaskComparison) -> style.Drawing:
    """Draw a panel for every mode, all with one scale of colours."""
    wide = max(len(learning_rates(mode)) for mode in task.modes)
    high = max(len(batch_sizes(mode)) for mode in task.modes)
    columns = min(len(task.modes), max(1, CELLS_ACROSS // max(3, wide)))
    rows = math.ceil(len(task.modes) / columns)
    metric = METRICS[task.metric].display_name
    title = f"{task.title}: validation {metric} of every setting"
    titles = [style.wrapped(mode.name, 26) for mode in task.modes]
    row_height = 0.85 + 0.42 * high + style.LINE * max(title.count("\n") for title in titles)
    figure = style.new_figure(columns * (0.5 + 0.74 * max(3, wide)), 1.4 + rows * row_height, title, notes(task))
    grid = figure.subplots(rows, columns, squeeze=False)
    colours = shared_scale(task)
    panels, unused = grid.flat[: len(task.modes)], grid.flat[len(task.modes) :]
    for axes, mode, name in zip(panels, task.modes, titles, strict=True):
        panel(axes, mode, colours)
        axes.set_title(name)
        axes.set(xlim=(0, wide), ylim=(0, high))  # cells have one size in all panels
    for axes in grid[:, 0]:
        axes.set_ylabel("batch\nsize")
    for axes in unused:
        axes.remove()
    if colours:
        shrink = max(0.4, 1 / columns)
        bar = figure.colorbar(colours, ax=panels, location="bottom", aspect=30, pad=0.1 / rows, shrink=shrink)
        bar.set_label(style.axis_name("validation", task, 60).replace("\n", " "), fontsize=9)
        bar.ax.tick_params(labelsize=style.SMALL)
        bar.ax.locator_params(nbins=6)
        bar.ax.grid(False)
    return style.Drawing(figure, *words(task))


def learning_rates(mode: ModeComparison) -> list[str]:
    """Return the learning rates that a mode was tried at, ascending."""
    return sorted({setting.learning_rate for setting in mode.settings}, key=float)


def batch_sizes(mode: ModeComparison) -> list[int]:
    """Return the batch sizes that a mode was tried at, ascending."""
    return sorted({setting.batch_size for setting in mode.settings})


def scores(mode: ModeComparison) -> list[float]:
    """Return the mean validation scores of the settings that did not diverge."""
    return [setting.validation.mean for setting in mode.settings if setting.validation]


def shared_scale(task: TaskComparison) -> ScalarMappable | None:
    """Return colours from the lowest to the highest score of all modes, None if there is no score."""
    found = [score for mode in task.modes for score in scores(mode)]
    if not found:
        return None
    low, high = min(found), max(found)
    margin = 0 if high > low else 0.01 * (abs(low) or 1)
    return ScalarMappable(Normalize(low - margin, high + margin), COLOURS)


def panel(axes, mode: ModeComparison, colours: ScalarMappable | None) -> None:
    """Draw the settings of a mode: learning rates from left to right, batch sizes upwards."""
    across, up = learning_rates(mode), batch_sizes(mode)
    for setting in mode.settings:
        x, y = across.index(setting.learning_rate), up.index(setting.batch_size)
        label = {"ha": "center", "va": "center", "linespacing": 1.0}
        if setting.validation is None:
            axes.add_patch(Rectangle((x, y), 1, 1, facecolor=DIVERGED, hatch="////", edgecolor="#999999"))
            seeds = len(mode.plan.seeds)
            text = f"diverged\n{setting.diverged} of {seeds}" if seeds > 1 else "diverged"
            behind = {"facecolor": DIVERGED, "edgecolor": "none", "pad": 1}
            axes.text(x + 0.5, y + 0.5, text, fontsize=style.SMALL, bbox=behind, **label)
            continue
        score = setting.validation.mean
        ink = "white" if colours.norm(score) < DARK else "black"
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colours.to_rgba(score), edgecolor="white", linewidth=0.6))
        text, weight = style.number(score), "normal"
        if setting.chosen:
            text, weight = f"{CHOSEN} {text}", "bold"
            axes.add_patch(Rectangle((x + 0.05, y + 0.08), 0.9, 0.84, fill=False, edgecolor=ink, linewidth=1.5))
        axes.text(x + 0.5, y + 0.5, text, color=ink, fontsize=9, fontweight=weight, **label)
    axes.set_xlabel("learning rate", loc="left")
    axes.set_xticks([x + 0.5 for x in range(len(across))], across)
    axes.set_yticks([y + 0.5 for y in range(len(up))], [str(size) for size in up])
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def notes(task: TaskComparison) -> list[str]:
    """Say what the marks mean."""
    lines = []
    if any(len(mode.plan.seeds) > 1 for mode in task.modes):
        lines.append("Scores are means over the seeds.")
    if any(mode.chosen for mode in task.modes):
        lines.append(f"{CHOSEN} in a frame: the setting that validation chose.")
    if any(setting.validation is None for mode in task.modes for setting in mode.settings):
        lines.append("Hatched: at least one seed diverged, so the setting cannot be chosen.")
    return lines


def words(task: TaskComparison) -> tuple[str, str]:
    """Return the caption and the alternative text."""
    metric = METRICS[task.metric].display_name
    caption = (
        f"Validation {metric} on {task.title} for every setting of each mode, as a mean over the seeds. A star marks "
        "the setting that validation chose, hatching one where a seed diverged."
    )
    alt = f"Heat maps of validation {metric} on {task.title} by learning rate and batch size. "
    return caption, alt + " ".join(map(in_words, task.modes))


def in_words(mode: ModeComparison) -> str:
    """Say what the panel of a mode shows."""
    found = scores(mode)
    tried = f"{len(mode.settings)} setting{'s' if len(mode.settings) > 1 else ''}"
    if not found:
        return f"{mode.name}: {tried}, all diverged."
    text = f"{mode.name}: {tried}, from {style.number(min(found))} to {style.number(max(found))}"
    if mode.chosen:
        text += f", chosen learning rate {mode.chosen.learning_rate} and batch size {mode.chosen.batch_size}"
    diverged = len(mode.settings) - len(found)
    return text + (f"; {diverged} diverged." if diverged else ".")
