"""What one answer for every row reaches, and the modes that show no more than that."""

from collections.abc import Sequence

import numpy as np

from finegrid.evaluation.comparison import ModeComparison, TaskComparison
from finegrid.evaluation.metrics import OF_TABLES, display_name
from finegrid.evaluation.pairs import MANY
from finegrid.records import SplitStats
from finegrid.reporting.sentences import Sentence, listed, mode_in_words, sentence


def learned_nothing(task: TaskComparison) -> list[Sentence]:
    """Name the modes whose interval reaches down to the score of one answer for every row; of none say nothing."""
    found = [mode.name for mode in task.modes if not shown_to_learn(task, mode)]
    if not found:
        return []
    learn = "it learns" if len(found) == 1 else "they learn"
    modes = "{modes}" if len(found) <= MANY else "{count} modes"
    return [
        sentence(
            f"The same answer for every row reaches {{constant:.3f}} {{metric}}, and the {{level:.0%}} interval of "
            f"{modes} reaches down to that, so this run does not show that {learn} the task.",
            constant=of_one_answer(task),
            level=0.95,
            metric=display_name(task.metric),
            modes=listed([mode_in_words(name) for name in found]),
            count=len(found),
        )
    ]


def shown_to_learn(task: TaskComparison, mode: ModeComparison) -> bool:
    """Whether a mode's interval lies above the score of one answer for every row; True if either is not known."""
    constant, score = of_one_answer(task), task.score(mode)
    return constant is None or score is None or score.interval[0] > constant


def of_one_answer(task: TaskComparison) -> float | None:
    """Return the best score of one answer for every row of the split on which a task's modes are compared."""
    split = task.data.splits.test if task.tested else task.data.splits.validation
    return score_of_one_answer(task.metric, split, task.task.classes)


def score_of_one_answer(metric: str, split: SplitStats, classes: Sequence[str]) -> float | None:
    """Return the best score of one answer for every row of a split; of a regression there are no classes.

    Correlations with a constant count as 0, as in `evaluation.metrics`. None where it is not known: of a mean squared
    error, and of a split in parts, whose labels are counted together.
    """
    if metric in ("pearson", "spearman"):
        return 0.0
    if metric not in OF_TABLES or not split.labels or len(split.parts) != 1:
        return None
    rows = np.array([split.labels.get(name, 0) for name in classes])
    # One confusion table [classes, classes] for each class that may be the answer.
    tables = rows[:, None] * np.eye(len(rows), dtype=int)[:, None, :]
    return float(OF_TABLES[metric](tables).max())
