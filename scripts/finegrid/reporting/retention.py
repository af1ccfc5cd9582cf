"""What a mode retains of full fine-tuning's score, where a share of it means something."""

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import ModeComparison, Pair, TaskComparison
from finegrid.evaluation.metrics import display_name
from finegrid.reporting.one_answer import shown_to_learn


def retained(task: TaskComparison) -> tuple[str, dict[str, float | None] | None]:
    """Return the split and each mode's share of full fine-tuning's score on it; or why there are none, and None."""
    full = task.mode("full")
    if full is None:
        return "no full fine-tuning", None
    whole = task.score(full)
    if whole is None:
        return "full fine-tuning diverged", None
    if not METRICS[task.metric].higher_is_better:
        return f"for {display_name(task.metric)}, lower is better", None
    if whole.mean <= 0:
        return "full fine-tuning's score is not above 0", None
    if not shown_to_learn(task, full):
        return "full fine-tuning shows no more than the same answer for every row", None
    scores = {mode.name: task.score(mode) for mode in task.modes}
    shares = {name: score.mean / whole.mean if score else None for name, score in scores.items()}
    return "test" if task.tested else "validation", shares


def share_of_full(task: TaskComparison, mode: ModeComparison) -> Pair | None:
    """Return the comparison with full fine-tuning that has the share of its score, if there is one.

    A share of a score that shows no learning would mean nothing, so there is none.
    """
    pair = task.to_full(mode)
    return pair if pair and pair.share is not None and shown_to_learn(task, task.mode("full")) else None
