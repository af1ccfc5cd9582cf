"""Models of several sizes beside each other: what each mode keeps of full fine-tuning's score, by size."""

import math
import re
from itertools import pairwise

from finegrid.evaluation.comparison import Comparison, Pair, TaskComparison
from finegrid.evaluation.metrics import display_name
from finegrid.reporting import footnotes
from finegrid.reporting.layout import Table, bounds, interval
from finegrid.reporting.one_answer import shown_to_learn
from finegrid.reporting.retention import share_of_full
from finegrid.reporting.sentences import Section, Sentence, listed, sentence

FEW = 3  # models, which are points and not a trend


def rungs(comparison: Comparison) -> dict[str, list[TaskComparison]]:
    """Return the models of each task by size, the smallest first."""
    found: dict[str, list[TaskComparison]] = {}
    for task in comparison.tasks:
        found.setdefault(task.name, []).append(task)
    return {name: sorted(models, key=size) for name, models in found.items()}


def size(task: TaskComparison) -> int:
    """Return the number of parameters of a task's model."""
    return task.modes[0].parameters


def table(comparison: Comparison) -> Table:
    """Return the table of every model's size, scores, shares of full fine-tuning's and preferred learning rates."""
    records, exact = [], []
    for models in rungs(comparison).values():
        for task in models:
            for mode in task.modes:
                score, pair = task.score(mode), share_of_full(task, mode)
                about = {
                    **({"task": task.name} if comparison.several_tasks else {}),
                    "model": task.model.name,
                    "layers": task.shape.layers,
                    "width": task.shape.width,
                    "parameters": mode.parameters,
                    "mode": mode.name,
                    "split": "test" if task.tested else "validation",
                }
                setting = {"learning rate": mode.chosen.learning_rate if mode.chosen else None}
                shown = {
                    "score": score.mean if score else "diverged",
                    "95% interval": interval(score.interval) if score else None,
                }
                share = {
                    "share of full": f"{pair.share:.1%}" if pair else None,
                    "its interval": f"{pair.share_interval[0]:.1%} to {pair.share_interval[1]:.1%}" if pair else None,
                }
                records.append({**about, **shown, **share, **setting})
                exact.append(
                    {
                        **about,
                        "task": task.name,
                        "trainable": mode.trainable.total,
                        **({"score": score.mean, **bounds(score.interval, "score")} if score else {}),
                        **({"share": pair.share, **bounds(pair.share_interval, "share")} if pair else {}),
                        **setting,
                    }
                )
    metric = footnotes.metric_name(comparison)
    caption = f"{metric[0].upper()}{metric[1:]} by size of the model, and as a share of full fine-tuning's"
    return Table("ladder", "Ladder", caption, records, exact, notes(comparison))


def notes(comparison: Comparison) -> list[str]:
    """Say how to read the shares."""
    return [
        "Share of full: a mode's mean score divided by full fine-tuning's, at the settings that validation chose for "
        f"each; intervals {footnotes.SOURCES[footnotes.one_seed(comparison)]}.",
        *not_learned(comparison),
        *differences(comparison),
    ]


def not_learned(comparison: Comparison) -> list[str]:
    """Name the tasks and models on which full fine-tuning shows no more than the same answer for every row would."""
    found = [task.title for task in comparison.tasks if (full := task.mode("full")) and not shown_to_learn(task, full)]
    if not found:
        return []
    return [
        f"No share is given for {'; '.join(found)}: full fine-tuning itself shows no more than the same answer for "
        "every row would reach."
    ]


def differences(comparison: Comparison) -> list[str]:
    """Say which models differ in more than size."""
    families = {family(task) for task in comparison.tasks}
    if len(families) == 1:
        return []
    models = listed([model.name for model in comparison.models])
    return [
        f"{models} differ in more than size, such as in what they were pretrained on, so a difference between them "
        "need not come from size."
    ]


def family(task: TaskComparison) -> str:
    """Return what models of one series share: a repository's name without its numbers."""
    return re.sub(r"\d+", "#", task.model.repo or task.model.name)


def discuss(comparison: Comparison) -> list[Section]:
    """Say of each mode whether its share of full fine-tuning's score grows with the size of the model."""
    if not comparison.several_models:
        return []
    sentences, points = [], []
    for name, models in rungs(comparison).items():
        for mode in dict.fromkeys(mode.name for task in models for mode in task.modes if mode.name != "full"):
            found = with_share(models, mode)
            if len(found) < 2:
                continue
            sentences.append(of_mode(name if comparison.several_tasks else "", mode, models, found))
            growth = trend([pair.share for _, pair in found])
            if len(found) < FEW:
                points = [growth]  # the same for each mode, so it is said once, at the end
            else:
                sentences.append(growth)
    notes = [Sentence(text=note, figures={}) for note in (*not_learned(comparison), *differences(comparison))]
    sentences += [*points, *notes]
    return [Section(heading="Size of the model", sentences=sentences)] if sentences else []


def with_share(models: list[TaskComparison], mode: str) -> list[tuple[TaskComparison, Pair]]:
    """Return the models on which a mode has a share of full fine-tuning's score, with the pair that has it."""
    pairs = [(task, share_of_full(task, own)) for task in models if (own := task.mode(mode))]
    return [(task, pair) for task, pair in pairs if pair]


def of_mode(where: str, mode: str, models: list[TaskComparison], found: list[tuple[TaskComparison, Pair]]) -> Sentence:
    """Say what a mode keeps of full fine-tuning's score on the smallest and the largest model that are found."""
    (small, first), (large, last) = found[0], found[-1]
    lost = [task.model.name for task in models if (own := task.mode(mode)) and not task.score(own)]
    apart = first.share_interval[1] < last.share_interval[0] or last.share_interval[1] < first.share_interval[0]
    one_seed = first.p is None
    overlap = "; their intervals do not overlap" if apart else "; their intervals overlap"
    if one_seed:
        overlap = "; with one seed, whether they differ is not assessable"
    return sentence(
        ("On {where}, " if where else "")
        + "{mode} reaches {first:.1%} of full fine-tuning's {metric} with {small} ({small_size:,} parameters) and "
        "{last:.1%} with {large} ({large_size:,})" + overlap + ("; it diverged with {lost}" if lost else "") + ".",
        where=where,
        mode=mode,
        first=first.share,
        metric=display_name(first.metric),
        small=small.model.name,
        small_size=size(small),
        last=last.share,
        large=large.model.name,
        large_size=size(large),
        lost=listed(lost),
    )


def trend(shares: list[float]) -> Sentence:
    """Say whether shares grow with size, as strongly as the number of models allows."""
    count = len(shares)
    if count < FEW:
        return sentence("{count} models are {count} points, not a trend.", count=count)
    signs = {(after > before) - (after < before) for before, after in pairwise(shares)}
    chance = 2 / math.factorial(count)  # either direction would have been told
    if signs in ({1}, {-1}):
        direction = "grows" if signs == {1} else "shrinks"
        return sentence(
            f"The share {direction} from each model to the next larger one; by chance alone, the shares of {{count}} "
            "models would rise or fall all the way with a probability of {chance:.3f}.",
            count=count,
            chance=chance,
        )
    return sentence("Over {count} models the share does not grow from each one to the next.", count=count)
