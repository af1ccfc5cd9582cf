"""What is kept of full fine-tuning: each mode's score as a share of that of `full`, by task."""

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import TaskComparison
from finegrid.reporting.figures import style
from finegrid.reporting.retention import retained
from finegrid.reporting.sentences import listed

FULL = "full"
TITLE = "Share of full fine-tuning's score"


def draw(tasks: list[TaskComparison]) -> style.Drawing:
    """Draw a row for every task that has shares, in it a point for every mode."""
    rows = [(task, *shares(task)) for task in tasks if not why_not(task)]
    reasons = left_out(tasks)
    if not rows:
        return style.only_text(TITLE, f"No shares to draw: {listed(reasons)}.")
    drawn = {name for _, _, share in rows for name in share}
    styles = {mode: look for mode, look in style.mode_styles(tasks).items() if mode in drawn}
    notes = ["Dashed: full fine-tuning, 100 %."]
    notes += [f"Left out: {listed(reasons)}."] if reasons else []
    notes += style.diverged([task for task, _, _ in rows])
    labels = [row_label(task, split) for task, split, _ in rows]
    lines = max(label.count("\n") for label in labels) + 1
    pitch = max(0.25 + style.LINE * lines, 0.13 * len(styles) + 0.2)  # inches for a task
    figure = style.new_figure(6.4, 1.4 + pitch * len(rows), TITLE, notes)
    axes = figure.subplots()
    for row, (_, _, share) in enumerate(rows):
        for rank, (mode, look) in enumerate(styles.items(), start=1):
            if mode in share:
                place = row - 0.5 + rank / (len(styles) + 1)
                axes.plot([100 * share[mode]], [place], **look | {"linestyle": "none", "markersize": 7})
    axes.axvline(100, color="black", linewidth=1.2, linestyle="--", zorder=1)
    axes.set_yticks(range(len(rows)), labels)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="% of full fine-tuning's score")
    axes.margins(x=0.08)
    for row in range(len(rows) - 1):
        axes.axhline(row + 0.5, color="#999999", linewidth=0.7)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    style.legend_of_markers(axes, styles)
    caption = (
        "Score of the chosen setting of each mode as a share of full fine-tuning's on the same split of each task."
    )
    alt = f"Dot plot of shares of full fine-tuning's score. {' '.join(in_words(*row) for row in rows)}"
    return style.Drawing(figure, caption, alt + (f" Left out: {listed(reasons)}." if reasons else ""))


def left_out(tasks: list[TaskComparison]) -> list[str]:
    """Name the tasks without shares, those of one reason together: `a and b (the reason)`."""
    by_reason = {}
    for task in tasks:
        if reason := why_not(task):
            by_reason.setdefault(reason, []).append(task.title)
    return [f"{listed(names)} ({reason})" for reason, names in by_reason.items()]


def why_not(task: TaskComparison) -> str:
    """Say why a task has no shares; empty if it has."""
    reason, found = retained(task)
    if found is None:
        return reason
    return "" if shares(task)[1] else "no other mode has a score"


def shares(task: TaskComparison) -> tuple[str, dict[str, float]]:
    """Return the split, and the score of each mode but `full` divided by that of `full`."""
    split, found = retained(task)
    return split, {name: share for name, share in found.items() if name != FULL and share is not None}


def row_label(task: TaskComparison, split: str) -> str:
    """Name a row: the task, and below it what is compared."""
    return f"{style.wrapped(task.title, 26)}\n({split} {METRICS[task.metric].display_name})"


def in_words(task: TaskComparison, split: str, share: dict[str, float]) -> str:
    """Say what the row of a task shows."""
    parts = "; ".join(f"{mode} {100 * part:.1f} %" for mode, part in share.items())
    return f"{task.title}, {split} {METRICS[task.metric].display_name}: {parts}."
