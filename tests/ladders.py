"""Comparisons of several models, written by hand."""

from comparisons import changed, comparison, mode, task

from finegrid.config.model import Model
from finegrid.evaluation.comparison import Comparison, Shape, TaskComparison
from finegrid.reporting.discussion import discuss


def of_model(task: TaskComparison, name: str, parameters: int, layers=2, width=128, **where) -> TaskComparison:
    """Return a task as compared for another model, in a run of several; `where` are fields of Model."""
    model = Model(**{"name": name, "source": "mirror" if where else "bundled", **where})
    modes = [changed(changed(mode, "plan.model", model), "parameters", parameters) for mode in task.modes]
    shape = Shape(layers=layers, width=width)
    new = {"model": model, "title": f"{task.name}, {name}", "shape": shape, "modes": tuple(modes)}
    return task.model_copy(update=new)


def ladder() -> Comparison:
    """Return three models of one series on one task, the largest first: bitfit keeps 60, 75 and 90 % of full's score.

    A third mode is as good as full fine-tuning with the middle one, and diverged with the largest.
    """
    rungs = []
    for name, (layers, width, parameters, full, bitfit, third) in {
        "mini": (4, 256, 11_171_074, 0.89, 0.80, None),
        "tiny": (2, 128, 4_386_178, 0.79, 0.47, 0.39),
        "small": (3, 192, 7_000_000, 0.79, 0.59, 0.79),
    }.items():
        modes = [mode("full", full), mode("bitfit", bitfit, trainable=(3072, 2)), mode("a_b", third)]
        repo = f"google/bert_uncased_L-{layers}_H-{width}_A-{width // 64}"
        rungs.append(of_model(task(modes=modes), name, parameters, layers, width, repo=repo))
    return comparison(rungs)


def models(shares: dict[str, list[float]], where=None, **fields) -> list[TaskComparison]:
    """Return models m0, m1, ..., each twice as large as the one before, on which modes have these shares of full's 0.5.

    `where` are their repositories.
    """
    count = len(next(iter(shares.values())))
    made = []
    for index in range(count):
        modes = [mode("full", 0.49), *(mode(name, 0.5 * of_mode[index] - 0.01) for name, of_mode in shares.items())]
        repo = {"repo": where[index]} if where else {}
        made.append(of_model(task(modes=modes, **fields), f"m{index}", 1_000_000 * 2**index, **repo))
    return made


def said(made: list[TaskComparison]) -> list[str]:
    """Return what the discussion says of the models' sizes."""
    sections = {section.heading: section for section in discuss(comparison(made), []).sections}
    return [sentence.text for sentence in sections["Size of the model"].sentences]
