"""What is kept of full fine-tuning: each mode's score as a share of that of `full`, by task."""

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from finegrid.reporting.figures import look, scores
from finegrid.evaluation.metrics import shown

FULL = "full"
TITLE = "Share of full fine-tuning's score"


def draw(tasks: list[dict]) -> tuple[Figure, str, str]:
    """Return the figure of a run, its caption and its text for those who cannot see it."""
    rows = [(task, *shares(task)) for task in tasks if not why_not(task)]
    reasons = left_out(tasks)
    if not rows:
        text = f"No shares to draw: {look.listed(reasons)}."
        return look.only_text(TITLE, text), text, text
    order = [mode["mode"] for mode in rows[0][0]["modes"]]
    names = [name for name in order if any(name in share for _, _, share in rows)]
    labels = [f"{task['task']}\n({split} {shown(task['metric'])})" for task, split, _ in rows]
    pitch = max(0.55, 0.13 * len(names) + 0.2)  # inches of a task
    left = max(look.text_width(line, 10) for label in labels for line in label.split("\n"))
    notes = ["Dashed: full fine-tuning, 100 %."]
    notes += [f"Left out: {look.listed(reasons)}."] if reasons else []
    lost = [
        f"{mode} on {task['task']}" for task, _, share in rows for mode in order if mode != FULL and mode not in share
    ]
    notes += [f"Not shown, as every setting diverged: {look.listed(lost)}."] if lost else []
    height = max(1.3 + pitch * len(rows), 1.1 + 0.19 * len(names))
    figure = look.new_figure(4.6 + left + look.legend_width(names, "mode"), height, TITLE, notes)
    axes = figure.subplots()
    for row, (_, _, share) in enumerate(rows):
        for rank, name in enumerate(names):
            if name in share:
                lower = (rank - (len(names) - 1) / 2) * 0.13 / pitch
                style = look.of_mode(order.index(name)) | {"linestyle": "none", "markersize": 7}
                axes.plot([100 * share[name]], [row + lower], **style)
    axes.axvline(100, color="black", linewidth=1.2, linestyle="--", zorder=1)
    axes.set_yticks(range(len(rows)), labels)
    axes.set(ylim=(len(rows) - 0.5, -0.5), xlabel="% of full fine-tuning's score")
    axes.margins(x=0.08)
    for row in range(len(rows) - 1):
        axes.axhline(row + 0.5, color="#999999", linewidth=0.7)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0)
    styles = [look.of_mode(order.index(name)) | {"linestyle": "none"} for name in names]
    look.legend(figure, [Line2D([], [], **style) for style in styles], names, "mode")
    caption = (
        "Score of the chosen setting of each mode as a share of full fine-tuning's on the same split of the same task."
    )
    alt = f"Dot plot of shares of full fine-tuning's score. {' '.join(in_words(*row) for row in rows)}"
    return figure, caption, alt + (f" Left out: {look.listed(reasons)}." if reasons else "")


def left_out(tasks: list[dict]) -> list[str]:
    """Name the tasks without shares, those together that have one reason: `a and b (the reason)`."""
    by_reason = {}
    for task in tasks:
        if why_not(task):
            by_reason.setdefault(why_not(task), []).append(task["task"])
    return [f"{look.listed(names)} ({reason})" for reason, names in by_reason.items()]


def why_not(task: dict) -> str:
    """Say why there are no shares of a task; empty if there are."""
    full = next((mode for mode in task["modes"] if mode["mode"] == FULL), None)
    if full is None:
        return f"no mode is called {FULL}"
    if full["chosen"] is None:
        return f"every setting of {FULL} diverged"
    if not look.higher_is_better(task["metric"]):
        return f"of {shown(task['metric'])} lower is better"
    if not any(mode["chosen"] for mode in task["modes"] if mode is not full):
        return f"no mode but {FULL} has a score"
    _, score_of = split_of(task)
    score = score_of(task, full)["mean"]
    return "" if score > 0 else f"{FULL} reaches {look.number(score)}, which is not above 0"


def split_of(task: dict) -> tuple:
    """Return the split whose scores are compared, and what reads them: the test only where it was read of all."""
    if all(scores.of_test(task, mode) for mode in task["modes"] if mode["chosen"]):
        return "test", scores.of_test
    return "validation", scores.of_validation


def shares(task: dict) -> tuple[str, dict[str, float]]:
    """Return the split, and the score of each mode but `full` divided by that of `full`."""
    split, score_of = split_of(task)
    reached = {mode["mode"]: score_of(task, mode)["mean"] for mode in task["modes"] if mode["chosen"]}
    return split, {mode: score / reached[FULL] for mode, score in reached.items() if mode != FULL}


def in_words(task: dict, split: str, share: dict[str, float]) -> str:
    parts = "; ".join(f"{mode} {100 * part:.1f} %" for mode, part in share.items())
    return f"{task['task']}, {split} {shown(task['metric'])}: {parts}."
