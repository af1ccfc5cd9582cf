"""How the chosen cells of a task learned: validation score and training loss by epoch, one line per mode."""

from collections import defaultdict
from statistics import fmean

from matplotlib.ticker import MaxNLocator

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import CellScore, ModeComparison, TaskComparison
from finegrid.reporting.figures import style
from finegrid.reporting.sentences import listed


def draw(task: TaskComparison) -> style.Drawing:
    """Draw the validation score and, beside it, the training loss."""
    metric = METRICS[task.metric].display_name
    title = f"{task.title}: learning curves of the chosen cells"
    modes = [mode for mode in task.modes if mode.chosen]
    lost = [mode.name for mode in task.modes if not mode.chosen]
    if not modes:
        return style.only_text(title, f"No curves: every setting of every mode on {task.title} diverged.")
    seeds = max(len(mode.chosen_cells) for mode in modes)
    notes = ["Bold: mean over the seeds; thin: each seed."] if seeds > 1 else ["One seed."]
    notes += [f"Not shown, as every setting diverged: {listed(lost)}."] if lost else []
    figure = style.new_figure(7.4, 3.5, title, notes)
    score_axes, loss_axes = figure.subplots(1, 2)
    styles = style.mode_styles([task])
    handles = [lines(score_axes, loss_axes, mode, styles[mode.name]) for mode in modes]
    epochs = max(cell.history[-1].epoch for mode in modes for cell in mode.chosen_cells)
    for axes, text in ((score_axes, style.axis_name("validation", task, 40)), (loss_axes, "training loss")):
        axes.set(xlabel="epoch", title=text, xlim=(0, epochs * 1.03))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    labels = [f"{mode.name} ({mode.chosen.learning_rate}, {mode.chosen.batch_size})" for mode in modes]
    style.legend(loss_axes, handles, labels, "mode (learning rate, batch size)")
    caption = (
        f"Validation {metric} after each epoch, and training loss, of the setting that validation chose for each mode "
        f"on {task.title}. Bold lines are means over the seeds, thin lines single seeds."
    )
    described = "; ".join(in_words(mode) for mode in modes)
    alt = f"Line charts for {task.title}. Validation {metric} by epoch: {described}. Beside it the training loss."
    return style.Drawing(figure, caption, alt)


def lines(score_axes, loss_axes, mode: ModeComparison, mode_style: dict):
    """Draw a mode's curves on both axes; return the line for the legend."""
    for axes, curve_of in ((loss_axes, loss_curve), (score_axes, score_curve)):
        curves = [curve_of(cell) for cell in mode.chosen_cells]
        if len(curves) > 1:
            for curve in curves:
                axes.plot(*zip(*curve, strict=True), color=mode_style["color"], linewidth=0.7, alpha=0.5)
        mean = mean_curve(curves)
        every = max(1, len(mean) // 6)
        handle = axes.plot(*zip(*mean, strict=True), **mode_style, linewidth=2.2, markevery=every)[0]
    return handle


def score_curve(cell: CellScore) -> list[tuple[float, float]]:
    """Return [(epoch, validation score)]."""
    return [(epoch.epoch, epoch.score) for epoch in cell.history]


def loss_curve(cell: CellScore) -> list[tuple[float, float]]:
    """Return [(epoch, training loss)]: steps as fractions of epochs, so batch sizes can be compared."""
    last_step, _ = cell.train_loss[-1]
    per_epoch = last_step / cell.history[-1].epoch
    return [(step / per_epoch, float("nan") if loss is None else loss) for step, loss in cell.train_loss]


def mean_curve(curves) -> list[tuple[float, float]]:
    """Average the curves of the seeds at each x."""
    at = defaultdict(list)
    for curve in curves:
        for x, y in curve:
            at[x].append(y)
    return [(x, fmean(at[x])) for x in sorted(at)]


def in_words(mode: ModeComparison) -> str:
    """Say where a mode's mean curve begins and ends."""
    (first, start), *_, (last, end) = [*(curve := mean_curve(map(score_curve, mode.chosen_cells))), curve[-1]]
    return f"{mode.name} from {style.number(start)} after epoch {first} to {style.number(end)} after epoch {last}"
