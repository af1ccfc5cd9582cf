"""The scores by which the figures of a whole run compare modes."""

from finegrid.evaluation.comparison import IntervalSpread, ModeComparison, Spread, TaskComparison


def of_test(task: TaskComparison, mode: ModeComparison) -> IntervalSpread | None:
    """Return the test score of a mode's chosen setting by the metric that selects; None if there is none."""
    return mode.chosen.test[task.metric] if mode.chosen and mode.chosen.test else None


def of_validation(task: TaskComparison, mode: ModeComparison) -> Spread | None:
    """Return the validation score of a mode's chosen setting by the metric that selects; None if all diverged."""
    return mode.chosen.validation[task.metric] if mode.chosen else None
