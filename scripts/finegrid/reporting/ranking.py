"""The modes by score, and which of them are within noise of each other."""

from finegrid.evaluation.comparison import Comparison, ModeComparison, TaskComparison
from finegrid.evaluation.metrics import signed_score
from finegrid.reporting import footnotes
from finegrid.reporting.layout import Table, bounds, interval
from finegrid.reporting.score_tables import judged, where

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def table(comparison: Comparison) -> Table:
    """Return the modes of each task, the best first; modes that share a letter are within noise of each other."""
    records, exact = [], []
    for task in comparison.tasks:
        ranked = by_score(task)
        groups = within_noise(task, [mode.name for mode in ranked])
        for mode in ranked:
            score = task.score(mode)
            about = {"mode": mode.name, "trainable": mode.trainable.total}
            group = {"within noise": groups[mode.name]} if groups else {}
            shown = {"score": score.mean, "95% interval": interval(score.interval)}
            records.append({**where(comparison, task), **about, **shown, **group})
            named = {"model": task.model.name, "task": task.name}
            exact.append({**named, **about, "score": score.mean, **bounds(score.interval, "score"), **group})
    tested = all(task.tested for task in comparison.tasks)
    notes = [] if tested else ["Without test labels, scores are of validation, which also chose the settings."]
    if any(judged(task) and all_compared(task) for task in comparison.tasks):
        notes.append(
            "Modes that share a letter are within noise of each other (letters by Piepho, 2004, from all pairs of the "
            "run, corrected by Holm's method)."
        )
    if any(judged(task) and not all_compared(task) for task in comparison.tasks):
        notes.append(
            "So many modes are compared only with one of them, which the last column names; p is corrected by Holm's "
            "method. Two modes that are within noise of it may still differ from each other."
        )
    caption = f"Modes by {'test ' * tested}{footnotes.metric_name(comparison)}, the best first"
    return Table("ranking", "Ranking", caption, records, exact, notes)


def by_score(task: TaskComparison) -> list[ModeComparison]:
    """Return the modes of a task that have a score, the best first."""
    scored = [mode for mode in task.modes if task.score(mode)]
    return sorted(scored, key=lambda mode: -signed_score(task.metric, task.score(mode).mean))


def all_compared(task: TaskComparison) -> bool:
    """Whether all pairs of the modes that have a score were compared."""
    count = len(by_score(task))
    return len(task.pairs) == count * (count - 1) // 2


def within_noise(task: TaskComparison, names: list[str]) -> dict[str, str]:
    """Say for each mode which it is within noise of: by letters or, of many modes, by the one compared with."""
    if not judged(task):
        return {}
    if all_compared(task):
        return shared_letters(names, beyond_noise(task))
    with_one = {pair.mode: f"of {pair.against}" if pair.verdict == "within noise" else "no" for pair in task.pairs}
    return {name: with_one.get(name, "") for name in names}


def beyond_noise(task: TaskComparison) -> list[tuple[str, str]]:
    """Return the pairs of modes that differ beyond noise."""
    return [(pair.mode, pair.against) for pair in task.pairs if pair.verdict == "beyond noise"]


def shared_letters(names: list[str], different: list[tuple[str, str]]) -> dict[str, str]:
    """Give names letters such that two share one unless they are different.

    Piepho (2004), An algorithm for a letter-based representation of all-pairwise comparisons: one group of all names is
    split at each pair that is different, and groups that lie in another are dropped.
    """
    groups = [frozenset(names)]
    for one, other in different:
        halves = []
        for group in groups:
            halves += [group - {one}, group - {other}] if {one, other} <= group else [group]
        halves = list(dict.fromkeys(halves))
        groups = [group for group in halves if not any(group < larger for larger in halves)]
    groups.sort(key=lambda group: [names.index(name) for name in sorted(group, key=names.index)])
    return {name: " ".join(letter(i) for i, group in enumerate(groups) if name in group) for name in names}


def letter(number: int) -> str:
    """Return a, b, ..., z, a2, b2, ..."""
    again, place = divmod(number, len(LETTERS))
    return LETTERS[place] + (str(again + 1) if again else "")
