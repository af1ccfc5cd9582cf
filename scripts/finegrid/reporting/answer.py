"""The answer of a run in one sentence, with which the report begins."""

from finegrid.evaluation.comparison import Comparison, ModeComparison, Pair, TaskComparison
from finegrid.evaluation.metrics import display_name, signed_score
from finegrid.evaluation.pairs import MANY
from finegrid.reporting.footnotes import plural
from finegrid.reporting.sentences import Sentence, listed, mode_in_words, sentence


def answer(comparison: Comparison) -> Sentence | None:
    """Return what the modes reach on the task or, of several tasks, on how many each keeps up; None without a score."""
    tasks = [task for task in comparison.tasks if any(map(task.score, task.modes))]
    if len(comparison.tasks) == 1:
        return of_task(tasks[0]) if tasks else None
    return over_tasks(tasks)


def of_task(task: TaskComparison) -> Sentence:
    """Return the score of each mode: that of full fine-tuning first, then from the best to the worst.

    Many modes are counted by their verdicts instead, if there is full fine-tuning to compare them with.
    """
    modes = sorted(
        filter(task.score, task.modes),
        key=lambda mode: (mode.name != "full", -signed_score(task.metric, task.score(mode).mean)),
    )
    if len(modes) > MANY and modes[0].name == "full":
        return of_many(task, modes[0], modes[1:])
    parts, values = [], {}
    for index, mode in enumerate(modes):
        values |= {
            f"mode{index}": mode_in_words(mode.name),
            f"score{index}": task.score(mode).mean,
            f"share{index}": mode.trainable.total / mode.parameters,
        }
        verb_and_metric = ("reaches ", " {metric}") if index == 0 else ("", "")
        part = "{mode#} " + "{score#:.3f}".join(verb_and_metric)
        if mode.name != "full":
            training = "{share#:.2%} of the parameters trained" if "{share" not in "".join(parts) else "{share#:.2%}"
            part += f" ({training}{distance(task, mode)})"
        values[f"distance{index}"] = abs(pair.delta) if (pair := task.to_full(mode)) else None
        parts.append(part.replace("#", str(index)))
    diverged = [mode.name for mode in task.modes if not mode.chosen]
    unconfirmed = [mode.name for mode in task.modes if mode.chosen and not task.score(mode)]
    not_assessable = any(pair and pair.p is None for pair in map(task.to_full, task.modes))
    return sentence(
        "On {where}, "
        + listed(parts)
        + ("; {diverged} diverged at every setting" if diverged else "")
        + ("; {unconfirmed} diverged with a confirming seed" if unconfirmed else "")
        + (f"; {NOT_ASSESSABLE}" if not_assessable else "")
        + ".",
        where=f"the test split of {task.title}" if task.tested else f"validation rows of {task.title}",
        metric=display_name(task.metric),
        diverged=listed(diverged),
        unconfirmed=listed(unconfirmed),
        **values,
    )


def of_many(task: TaskComparison, full: ModeComparison, others: list[ModeComparison]) -> Sentence:
    """Return the scores of full fine-tuning and of the best other mode, and how the others compare with it.

    `others` are sorted, the best first. Modes beyond noise are named; of one seed nothing is said of them.
    """
    parts, values = [], {}
    found = {mode.name: beside_full(pair) for mode in others if (pair := task.to_full(mode)) and pair.p is not None}
    for index, verdict in enumerate(VERDICTS):
        names = [name for name, each in found.items() if each == verdict]
        if names:
            named = "" if verdict == "within noise of it" else f" ({listed(names)})"
            parts.append(f"{{count{index}}} {'is' if len(names) == 1 else 'are'} {verdict}{named}")
            values[f"count{index}"] = len(names)
    best = others[0]
    counted = f"Of {{others}} other modes, {listed(parts)}." if parts else f"Of the others: {NOT_ASSESSABLE}."
    if list(found.values()) == ["within noise of it"] * len(others):
        counted = "All {others} other modes are within noise of it."
    diverged = [mode.name for mode in task.modes if not task.score(mode)]
    return sentence(
        "On {where}, full fine-tuning reaches {full:.3f} {metric}; the best of the others is {best}, which reaches "
        "{score:.3f} ({share:.2%} of the parameters trained). "
        + counted
        + (" {diverged} diverged." if diverged else ""),
        where=f"the test split of {task.title}" if task.tested else f"validation rows of {task.title}",
        full=task.score(full).mean,
        metric=display_name(task.metric),
        best=best.name,
        score=task.score(best).mean,
        share=best.trainable.total / best.parameters,
        others=len(others),
        diverged=listed(diverged),
        **values,
    )


def distance(task: TaskComparison, mode: ModeComparison) -> str:
    """Say how far a mode is from full fine-tuning, with its number as the placeholder {distance#}."""
    pair = task.to_full(mode)
    if pair is None:
        return ""
    if pair.verdict == "within noise":
        return ", a difference within noise"
    if not pair.delta:
        return ", as good"
    noise = ", beyond noise" if pair.verdict == "beyond noise" else ""
    return f", {{distance#:.3f}} {'better' if better(pair) else 'worse'}{noise}"


def better(pair: Pair) -> bool:
    """Whether the first mode of a pair has the better score."""
    return signed_score(pair.metric, pair.delta) > 0


# How a mode may do beside full fine-tuning, in the order in which the answer counts.
VERDICTS = ("worse beyond noise", "within noise of it", "better beyond noise")
NOT_ASSESSABLE = "with one seed, whether the modes differ is not assessable"
OF_ONE_SEED = ("lower", "the same", "higher")  # a score says no more


def over_tasks(tasks: list[TaskComparison]) -> Sentence | None:
    """Count the tasks on which each mode is worse than full fine-tuning, as good within noise, or better.

    None if no mode is compared with full fine-tuning.
    """
    verdicts: dict[str, list[str]] = {}
    pairs = [pair for task in tasks for pair in task.pairs if pair.against == "full"]
    for pair in pairs:
        verdicts.setdefault(pair.mode, []).append(beside_full(pair))
    if not verdicts:
        return None
    one_seed = pairs[0].p is None
    verb, caveat = ("scores", f"; {NOT_ASSESSABLE}") if one_seed else ("is", "")
    parts, values = [], {}
    for index, (mode, found) in enumerate(verdicts.items()):
        counts = []
        for verdict in (*VERDICTS, *OF_ONE_SEED):
            if verdict in found:
                name = f"count{index}_{len(counts)}"
                values[name] = found.count(verdict)
                counts.append(f"{verdict} on {{{name}}}")
        values |= {f"mode{index}": mode, f"tasks{index}": len(found)}
        parts.append(f"{{mode{index}}} {verb} {listed(counts)} of {{tasks{index}}} {compared_on(tasks, len(found))}")
    return sentence("Compared with full fine-tuning, " + "; ".join(parts) + caveat + ".", **values)


def compared_on(tasks: list[TaskComparison], count: int) -> str:
    """Name what modes are compared on: tasks, models, or pairs of them."""
    several_models = len({task.model for task in tasks}) > 1
    several_tasks = len({task.name for task in tasks}) > 1
    if several_models and several_tasks:
        return f"{'pair' if count == 1 else 'pairs'} of model and task"
    return plural(count, "model" if several_models else "task").split()[1]


def beside_full(pair: Pair) -> str:
    """Say how a mode does beside full fine-tuning."""
    if pair.verdict == "within noise":
        return "within noise of it"
    if pair.p is None:
        return OF_ONE_SEED[1 + (pair.delta > 0) - (pair.delta < 0)]
    return ("better" if better(pair) else "worse") + " beyond noise"
