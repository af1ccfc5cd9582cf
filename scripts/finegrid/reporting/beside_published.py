"""A task's scores beside published ones, in sentences."""

from finegrid.evaluation.comparison import ModeComparison, TaskComparison
from finegrid.evaluation.metrics import display_name
from finegrid.evaluation.published import PublishedScore, rows_for
from finegrid.reporting.sentences import Sentence, mode_in_words, sentence


def beside_the_published(task: TaskComparison, published: list[PublishedScore]) -> list[Sentence]:
    """Put the chosen settings, and those of the sources, beside published scores of the same mode, split and metric."""
    sentences, used = [], []
    for mode in task.modes:
        for split in ("validation", "test"):
            ours = mode.chosen and getattr(mode.chosen, split)
            theirs = [
                score
                for score in rows_for(published, task)
                if (score.mode, score.split, score.metric) == (mode.name, split, task.metric)
            ]
            if not theirs or not ours:
                continue
            used += theirs
            low, high = (bound(score.value for score in theirs) for bound in (min, max))
            count = len({score.title for score in theirs})
            span = "{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else "{low:.3f} to {high:.3f}"
            sources = "one source" if count == 1 else "{count} sources"
            sentences.append(
                sentence(
                    f"Published {{metric}} of {{mode}} on {{split}}: {span} ({sources}); this run: {{ours:.3f}}.",
                    metric=display_name(task.metric),
                    mode=mode_in_words(mode.name),
                    split=split,
                    low=low,
                    high=high,
                    count=count,
                    ours=ours[task.metric].mean,
                )
            )
            if split == "validation":
                sentences += at_published_settings(mode, theirs)
    return [*sentences, *published_protocol(task, used)] if used else []


def at_published_settings(mode: ModeComparison, theirs: list[PublishedScore]) -> list[Sentence]:
    """Put our validation score at the learning rate and batch size of a published one beside it, like with like."""
    ours = {(setting.batch_size, setting.learning_rate): setting for setting in mode.settings}
    sentences = []
    for score in theirs:
        setting = ours.get((score.batch_size, score.learning_rate))
        if setting and setting.validation and not setting.chosen:
            sentences.append(
                sentence(
                    'At batch size {batch_size} and learning rate {rate}, where "{title}" reports {theirs:.3f}, this '
                    "run reaches {ours:.3f} on validation.",
                    batch_size=score.batch_size,
                    rate=score.learning_rate,
                    title=score.title,
                    theirs=score.value,
                    ours=setting.validation.mean,
                )
            )
    return sentences


def published_protocol(task: TaskComparison, used: list[PublishedScore]) -> list[Sentence]:
    """Say how this run differs from the published scores that it is put beside, if it does."""
    ours, models = task.model.repo or task.model.name, {score.model for score in used}
    split = "test" if any(score.split == "test" for score in used) else "validation"
    rows, sampled = getattr(task.data.splits, split), task.task.sample.sizes if task.task.sample else {}
    # Validation rows that are held out do not count as a difference: most published ones are held out, too.
    if models == {ours} and not sampled and (split == "validation" or rows.origin.startswith("official")):
        return []
    return [
        sentence(
            "The published scores are for {theirs}, this run's for {ours} ("
            + ("a sample of {rows:,} {split} rows, {origin}" if split in sampled else "{split} rows: {origin}")
            + "{trained}), so they are for orientation only.",
            theirs=" and ".join(sorted(models)),
            ours="the same model" if models == {ours} else ours,
            split=split,
            rows=rows.rows,
            origin=rows.origin,
            trained="; a sample of the training rows" if "train" in sampled else "",
        )
    ]
