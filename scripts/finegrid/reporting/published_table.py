"""The table of a run's scores beside published ones, with validation and test scores in columns of their own."""

from typing import NamedTuple

from finegrid.evaluation.comparison import Comparison, TaskComparison
from finegrid.evaluation.metrics import display_name
from finegrid.evaluation.published import PublishedScore, of_known_size, rows_for
from finegrid.reporting import footnotes
from finegrid.reporting.layout import Table
from finegrid.reporting.score_tables import where


class Score(NamedTuple):
    """A mean over n seeds; None where a source does not say."""

    mean: float
    sd: float | None = None
    n: int | None = None


class Row(NamedTuple):
    """One mode at one setting, of this run or of a source; None where a source does not say."""

    source: str
    mode: str | None
    trainable: int | None
    learning_rate: str | None
    batch_size: int | None
    validation: Score | None
    test: Score | None
    missing: str | None = None  # shown in place of a score
    published: PublishedScore | None = None  # a score of the source; None: of this run


def table(comparison: Comparison, published: list[PublishedScore]) -> Table:
    """Return our scores beside the published ones of each task and metric.

    Beside several models, a published score whose model's size is unknown stands once, after the task's first model.
    """
    records, exact, sources, told = [], [], {}, set()
    for task in comparison.tasks:
        scores = [score for score in rows_for(published, task) if score not in told]
        if comparison.several_models:
            told |= set(scores) - set(of_known_size(scores))
        for metric in dict.fromkeys(score.metric for score in scores):
            for row in [*ours(task, metric), *theirs([score for score in scores if score.metric == metric])]:
                named = {**where(comparison, task), "task": task.name, "metric": display_name(metric)}
                if row.published and row.published in told:
                    named["model"] = row.published.model
                records.append({**named, **as_shown(row)})
                exact += exact_rows(task, metric, row)
        sources |= {score.title: score for score in scores}
    if not records:
        return Table(
            "published", "Published", "Published scores", [], [], ["No published scores are known for these tasks."]
        )
    notes = [
        *footnotes.model_and_data(comparison),
        footnotes.seeds(comparison),
        *map(about_source, sources.values()),
        "Published scores may come from other models, data or test rows: they are for orientation only.",
    ]
    return Table("published", "Published", "This run beside published scores", records, exact, notes)


def ours(task: TaskComparison, metric: str) -> list[Row]:
    """Return this run's row of each mode."""
    rows = []
    for mode in task.modes:
        validation, test, setting = None, None, (None, None)
        if mode.chosen:
            setting = mode.chosen.learning_rate, mode.chosen.batch_size
            validation, test = (
                Score(scores[metric].mean, scores[metric].sd, scores[metric].n) if scores and metric in scores else None
                for scores in (mode.chosen.validation, mode.chosen.test)
            )
        missing = task.test_status if task.score(mode) else "diverged"
        rows.append(Row("this run", mode.name, mode.trainable.total, *setting, validation, test, missing))
    return rows


def theirs(scores: list[PublishedScore]) -> list[Row]:
    """Return published rows, one for the scores of one source, mode and setting."""
    groups: dict[tuple, dict[str, PublishedScore]] = {}
    for score in scores:
        facts = score.title, score.mode, score.trainable, score.learning_rate, score.batch_size
        groups.setdefault(facts, {})[score.split] = score
    return [
        Row(
            *facts,
            *(
                Score(by_split[split].value, by_split[split].sd, by_split[split].seeds) if split in by_split else None
                for split in ("validation", "test")
            ),
            published=next(iter(by_split.values())),
        )
        for facts, by_split in groups.items()
    ]


def as_shown(row: Row) -> dict:
    """Return a row of the table."""

    def text(score: Score | None) -> str | None:
        if score is None:
            return row.missing
        return f"{score.mean:.3f}" + (f" (sd {score.sd:.3f})" if score.sd is not None else "")

    return {
        "source": row.source,
        "mode": row.mode,
        "trainable": row.trainable,
        "learning rate": row.learning_rate,
        "batch size": row.batch_size,
        "validation": text(row.validation),
        "test": text(row.test),
    }


def exact_rows(task: TaskComparison, metric: str, row: Row) -> list[dict]:
    """Return a CSV row for each split that has a score, with the source of a published one."""
    return [
        {
            **{"task": task.name, "metric": metric, "split": split, "source": row.source, "mode": row.mode},
            **{"trainable": row.trainable, "learning_rate": row.learning_rate, "batch_size": row.batch_size},
            **{"score": score.mean, "sd": score.sd, "n": score.n},
            "model": row.published.model if row.published else task.model.name,
            **{name: getattr(row.published, name, None) for name in ("protocol", "address")},
        }
        for split, score in (("validation", row.validation), ("test", row.test))
        if score
    ]


def about_source(score: PublishedScore) -> str:
    """Say what a source's scores are of, and where they were read."""
    where = f"{score.address}, {score.read}" if score.address else score.read
    return f"{score.title}: {score.model}; {score.protocol or 'protocol not stated'}. Source: {where}."
