"""The tables of scores: validation, test, learning rates, pairs of modes, and retention of full fine-tuning's score."""

from finegrid.evaluation.comparison import (
    ChosenScore,
    Comparison,
    IntervalSpread,
    ModeComparison,
    Pair,
    Spread,
    TaskComparison,
)
from finegrid.evaluation.metrics import display_name, signed_score
from finegrid.reporting import footnotes
from finegrid.reporting.layout import Table, bounds, interval
from finegrid.reporting.retention import retained


def names(comparison: Comparison, task: TaskComparison, mode: ModeComparison, metric: str | None = None) -> dict:
    """Return the first columns of a row: the mode, and the task and the metric where they differ between rows."""
    scores = {name for each in comparison.tasks for name in each.scores}
    return {
        **where(comparison, task),
        "mode": mode.name,
        **({"metric": display_name(metric)} if metric and len(scores) > 1 else {}),
    }


def where(comparison: Comparison, task: TaskComparison) -> dict[str, str]:
    """Return the model and the task, where they differ between rows."""
    return {
        **({"model": task.model.name} if comparison.several_models else {}),
        **({"task": task.name} if comparison.several_tasks else {}),
    }


def validation(comparison: Comparison) -> Table:
    """Return Table 1: the best validation score of each mode and the setting that reached it."""
    records, exact = [], []
    for task, mode in comparison.rows():
        chosen = mode.chosen
        for name in task.scores:
            score = chosen.validation[name] if chosen else None
            setting = {
                "learning rate": chosen.learning_rate if chosen else None,
                "batch size": chosen.batch_size if chosen else None,
            }
            records.append({**names(comparison, task, mode, name), **spread(score, "diverged"), **setting})
            facts = {**context(comparison, task, mode, name), **(dict(score) if score else {}), **setting}
            exact.append({**facts, "edges": edges(chosen)})
    caption = f"Best validation {footnotes.metric_name(comparison)} of each mode"
    notes = [*footnotes.protocol(comparison), *footnotes.data(comparison), *footnotes.warnings(comparison)]
    return Table("table1", "Table 1", caption, records, exact, notes)


def spread(score: Spread | None, missing: str) -> dict:
    """Return the columns of a score over seeds; with one seed, only the score."""
    if score is None:
        return {"seeds": None, "mean": missing}
    columns = {"seeds": score.n, "mean": score.mean}
    if score.n > 1:
        columns |= {"sd": score.sd, "median": score.median, "range": f"{score.min:.3f} to {score.max:.3f}"}
    return columns


def test(comparison: Comparison) -> Table:
    """Return Table 2: the test score of the chosen setting, its interval, and the difference to full fine-tuning."""
    records, exact = [], []
    for task, mode in comparison.rows():
        pair = task.to_full(mode)
        scores = mode.chosen.test if mode.chosen else None
        missing = "diverged" if task.score(mode) is None else task.test_status
        for name, score in (scores or {task.metric: None}).items():
            to_full = pair if pair and pair.split == "test" and name == pair.metric else None
            record = {
                **names(comparison, task, mode, name),
                "trainable": mode.trainable.total,
                **test_score(score, missing),
            }
            if task.mode("full"):
                record |= {
                    "difference to full": difference(to_full) if to_full else None,
                    **({"p, Holm": p_value(to_full.p_holm) if to_full else None} if judged(task) else {}),
                    "verdict": to_full.verdict if to_full else None,
                }
            records.append(record)
            exact.append(
                {
                    **context(comparison, task, mode, name),
                    **{f"trainable_{part}": count for part, count in mode.trainable},
                    **({"test": missing} if score is None else {}),
                    **(
                        {**score.model_dump(exclude={"interval"}), **bounds(score.interval, "interval")}
                        if score
                        else {}
                    ),
                    **(pair_numbers(to_full) if to_full else {}),
                }
            )
    caption = f"Test {footnotes.metric_name(comparison)} of the setting that validation chose"
    notes = [*footnotes.protocol(comparison), *footnotes.data(comparison), *footnotes.test(comparison)]
    notes += footnotes.unconfirmed(comparison)
    return Table("table2", "Table 2", caption, records, exact, notes)


def test_score(score: IntervalSpread | None, missing: str) -> dict:
    """Return the columns of a test score."""
    if score is None:
        return {"seeds": None, "mean": missing, "95% interval": None}
    columns = {"seeds": score.n, "mean": score.mean, **({"sd": score.sd} if score.n > 1 else {})}
    return {**columns, "95% interval": interval(score.interval)}


def difference(pair: Pair) -> str:
    """Return a difference with its interval."""
    return f"{pair.delta:+.3f} {interval(pair.interval)}"


def judged(task: TaskComparison) -> bool:
    """Whether there are verdicts: with one seed there are none."""
    return any(pair.p is not None for pair in task.pairs)


def p_value(p: float | None) -> str | None:
    """Format a p-value for display."""
    if p is None:
        return None
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def pair_numbers(pair: Pair) -> dict:
    """Return the exact numbers of a comparison of two modes."""
    return {
        "difference": pair.delta,
        **bounds(pair.interval, "difference"),
        "error_over_seeds": pair.uncertainty.over_seeds,
        "error_over_rows": pair.uncertainty.over_rows,
        "p": pair.p,
        "p_holm": pair.p_holm,
        "detectable": pair.detectable,
        "verdict": pair.verdict,
        "mcnemar_p": pair.mcnemar_p,
    }


def learning_rates(comparison: Comparison) -> Table:
    """Return Table 3: at each learning rate, the score of the best batch size."""
    rates = {rate for _, mode in comparison.rows() for rate in mode.plan.learning_rates}
    records = [
        {
            **names(comparison, task, mode, task.metric),
            **{rate: best_at(task, mode, rate) for rate in sorted(rates, key=float)},
        }
        for task, mode in comparison.rows()
    ]
    caption = f"Best validation {footnotes.metric_name(comparison)} at each learning rate"
    notes = [footnotes.seeds(comparison), *footnotes.warnings(comparison)]
    return Table("table3", "Table 3", caption, records, records, notes)


def best_at(task: TaskComparison, mode: ModeComparison, rate: str) -> float | str | None:
    """Return a mode's best score at a learning rate, 'diverged', or None if it was not tried at that rate."""
    settings = [setting for setting in mode.settings if setting.learning_rate == rate]
    scores = [setting.validation.mean for setting in settings if setting.validation]
    best = max(scores, key=lambda score: signed_score(task.metric, score), default="diverged")
    return best if settings else None


def pairs(comparison: Comparison) -> Table:
    """Return the table of all pairs of modes: the difference, its uncertainty, the verdict, and what it rests on."""
    records, exact = [], []
    for task in comparison.tasks:
        for pair in task.pairs:
            both = {
                **where(comparison, task),
                **{"mode": pair.mode, "against": pair.against, "split": pair.split},
            }
            assessed = {"p": p_value(pair.p), "p, Holm": p_value(pair.p_holm), "detectable": pair.detectable}
            records.append(
                {
                    **both,
                    "difference": f"{pair.delta:+.3f}",
                    "95% interval": interval(pair.interval),
                    **(assessed if judged(task) else {}),
                    "verdict": pair.verdict,
                    **({MCNEMAR: p_value(pair.mcnemar_p)} if pair.mcnemar else {}),
                }
            )
            exact.append(
                {"model": task.model.name, "task": task.name, **both, "metric": pair.metric, **pair_numbers(pair)}
            )
    caption = f"Differences in {footnotes.metric_name(comparison)} between modes"
    notes = footnotes.differences(comparison) or ["There is no pair of modes to compare."]
    notes += footnotes.trained_models(comparison)
    return Table("pairs", "Pairs of modes", caption, records, exact, notes)


# What McNemar's test is about: these rows and these trained models, not the modes.
MCNEMAR = "McNemar's p, these models"


def retention(comparison: Comparison) -> Table:
    """Return the table of how much of full fine-tuning's score each mode retains, by task."""
    records, exact, left_out = [], [], []
    for task in comparison.tasks:
        split, shares = retained(task)
        if shares is None:
            left_out.append(f"{task.title} ({split})")
            continue
        texts = {mode: "diverged" if share is None else f"{share:.1%}" for mode, share in shares.items()}
        named = {**where(comparison, task), "task": task.name, "split": split}
        records.append({**named, **texts})
        exact += [{"model": task.model.name, **named, "mode": mode, "share": share} for mode, share in shares.items()]
    notes = ["Each mode's mean score as a share of full fine-tuning's, both at the settings that validation chose."]
    notes += [f"Left out: {', '.join(left_out)}."] if left_out else []
    return Table("retention", "Retention", "Share of full fine-tuning's score retained", records, exact, notes)


def context(comparison: Comparison, task: TaskComparison, mode: ModeComparison, metric: str) -> dict:
    """Return what the notes of the other formats say, as columns of a CSV row."""
    splits = task.data.splits
    return {
        "model": task.model.name,
        "task": task.name,
        "mode": mode.name,
        "metric": metric,
        "source": task.task.source,
        "train_rows": splits.train.rows,
        "validation_rows": splits.validation.rows,
        "test_rows": splits.test.rows,
        "test_split": splits.test.origin,
        "seeds": " ".join(map(str, mode.plan.seeds)),
        "confirming_seeds": " ".join(map(str, mode.plan.confirming_seeds)),
    }


def edges(chosen: ChosenScore | None) -> str | None:
    """Return the warnings of a chosen setting at the edge of the grid."""
    return "; ".join(edge.message for edge in chosen.edges) if chosen else None
