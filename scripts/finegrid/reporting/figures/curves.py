"""How the chosen cells of a task learned: validation score and training loss by epoch, a line per mode."""

from collections import defaultdict
from statistics import fmean

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from finegrid.reporting.figures import look
from finegrid.evaluation.metrics import shown

LEGEND = "mode (learning rate, batch size)"


def draw(task: dict) -> tuple[Figure, str, str]:
    """Return the figure of a task, its caption and its text for those who cannot see it."""
    name, metric = task["task"], shown(task["metric"])
    title = f"{name}: learning curves of the chosen cells"
    caption = (
        f"Validation {metric} after each epoch and training loss of the setting that validation chose of each mode on "
        f"{name}: bold the mean over the seeds, thin each seed."
    )
    shown_modes = [(index, mode) for index, mode in enumerate(task["modes"]) if mode["chosen"]]
    lost = [mode["mode"] for mode in task["modes"] if not mode["chosen"]]
    if not shown_modes:
        text = f"No curves: every setting of every mode on {name} diverged."
        return look.only_text(title, text), text, text
    labels = [
        f"{mode['mode']} ({mode['chosen']['learning_rate']}, {mode['chosen']['batch_size']})" for _, mode in shown_modes
    ]
    seeds = max(len(chosen_cells(mode)) for _, mode in shown_modes)
    notes = ["Bold: mean over the seeds; thin: each seed."] if seeds > 1 else ["One seed."]
    notes += [f"Not shown, as every setting diverged: {look.listed(lost)}."] if lost else []
    width = 7.4 + look.legend_width(labels, LEGEND)
    figure = look.new_figure(width, max(3.5, 1.1 + 0.19 * len(labels)), title, notes)
    score_axes, loss_axes = figure.subplots(1, 2)
    handles = [lines(score_axes, loss_axes, mode, look.of_mode(index)) for index, mode in shown_modes]
    epochs = max(len(cell["history"]) for _, mode in shown_modes for cell in chosen_cells(mode))
    for axes, text in (
        (score_axes, look.axis_name("validation", task["metric"], 40)),
        (loss_axes, "training loss"),
    ):
        axes.set(xlabel="epoch", title=text, xlim=(0, epochs * 1.03))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    look.legend(figure, handles, labels, LEGEND)
    alt = f"Line charts for {name}. Validation {metric} by epoch: " + "; ".join(
        f"{mode['mode']} from {look.number(curve[0][1])} after epoch {curve[0][0]:g} to {look.number(curve[-1][1])} "
        f"after epoch {curve[-1][0]:g}"
        for mode, curve in ((mode, mean_curve(map(score_curve, chosen_cells(mode)))) for _, mode in shown_modes)
    )
    return figure, caption, alt + ". Beside it the training loss."


def lines(score_axes, loss_axes, mode: dict, style: dict):
    """Draw a mode's curves on both axes; return the line for the legend."""
    for axes, curve_of in ((loss_axes, loss_curve), (score_axes, score_curve)):
        curves = [curve_of(cell) for cell in chosen_cells(mode)]
        if len(curves) > 1:
            for curve in curves:
                axes.plot(*zip(*curve, strict=True), color=style["color"], linewidth=0.7, alpha=0.5)
        mean = mean_curve(curves)
        every = max(1, len(mean) // 6)
        handle = axes.plot(*zip(*mean, strict=True), **style, linewidth=2.2, markevery=every)[0]
    return handle


def chosen_cells(mode: dict) -> list[dict]:
    return [cell for cell in mode["cells"] if cell["chosen"]]


def score_curve(cell: dict) -> list[tuple[float, float]]:
    """Return [(epoch, validation score)]."""
    return [(epoch["epoch"], epoch["score"]) for epoch in cell["history"]]


def loss_curve(cell: dict) -> list[tuple[float, float]]:
    """Return [(epoch, training loss)]: steps as shares of epochs, so that batch sizes can be compared."""
    steps = cell["train_loss"][-1][0] / len(cell["history"])
    return [(step / steps, float("nan") if loss is None else loss) for step, loss in cell["train_loss"]]


def mean_curve(curves) -> list[tuple[float, float]]:
    """Average curves, those of the seeds, at each x."""
    at = defaultdict(list)
    for curve in curves:
        for x, y in curve:
            at[x].append(y)
    return [(x, fmean(at[x])) for x in sorted(at)]
