"""A comparison of odd cases, written by hand: hidden labels, no test split, lower is better, names of markup."""

from comparisons import changed, comparison, mode, task

from finegrid.evaluation.comparison import Comparison, TaskComparison

ODD_NAME = "50%_of|{$x$}\\~^#&"


def odd() -> Comparison:
    """Return several tasks and metrics: hidden labels, no test split, lower is better, all diverged, odd names."""
    modes = [
        changed(mode(name, score, seeds=(3,)), "plan.mode.name", odd_name)
        for name, score, odd_name in (("a", 0.7, "<b>x</b>"), ("b", 0.6, "*`a`*"))
    ]
    tasks = [
        task("mrpc", [mode("full", 0.8), mode("bitfit", 0.795)], ["accuracy", "f1"]),
        task("stsb", [mode("full", 0.2), mode("bitfit", 0.1)], ["pearson", "spearman"], test="hidden"),
        task("error", [mode("full", 0.2), mode("bitfit", 0.3)], ["mean_squared_error"]),
        task("gone", [mode("full", None), mode("bitfit", 0.3)]),
        renamed(task("odd", modes, test="no test split"), ODD_NAME),
    ]
    return comparison(tasks)


def renamed(task: TaskComparison, name: str) -> TaskComparison:
    """Return a task under a name that no configuration may have."""
    return changed(changed(task, "task.name", name), "title", name)
