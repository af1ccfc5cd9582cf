"""The table of a run's scores beside published ones, never of one split beside another."""

from finegrid.reporting import footnotes as notes
from finegrid.reporting.layout import Table
from finegrid.evaluation.metrics import shown
from finegrid.evaluation.published import rows_for

OURS = "this run"


def table(comparison: dict, published: list[dict]) -> Table:
    """Return our scores beside published ones of a task and metric, validation and test in columns of their own."""
    records, exact, told = [], [], {}
    for task in comparison["tasks"]:
        theirs = rows_for(published, task)
        for name in dict.fromkeys(row["metric"] for row in theirs):
            head = {"task": task["task"], "metric": shown(name)}
            for mode in task["modes"]:
                chosen = mode["chosen"] or {"validation": {}, "test": None}
                scores = {split: (chosen[split] or {}).get(name) for split in ("validation", "test")}
                ours = {
                    "source": OURS,
                    "mode": mode["mode"],
                    "trainable": mode["trainable"]["total"],
                    **setting(chosen),
                }
                missing = task["test_status"] if mode["chosen"] else "diverged"
                records.append({**head, **spaced(ours), **columns(scores, missing)})
                exact += exact_rows(task["task"], name, ours, scores)
            for source, theirs_of, scores in gathered([row for row in theirs if row["metric"] == name]):
                records.append({**head, **spaced(theirs_of), **columns(scores)})
                exact += exact_rows(task["task"], name, theirs_of, scores, source)
                told[source["title"]] = source
    if not records:
        return Table(
            "published", "Published", "Published scores", [], [], ["Of these tasks no published score is known."]
        )
    model = comparison["model"]
    said = [f"This run: {model['name']} ({model.get('repo', model['source'])}), {notes.seeds(comparison)}"]
    for task in comparison["tasks"]:
        splits = task["data"]["splits"]
        rows = f"{splits['train']['rows']:,} training rows of at most {task['settings']['max_length']} tokens"
        said.append(
            f"{task['task']}: {rows}; validation: {splits['validation']['origin']}; test: {splits['test']['origin']}."
        )
    for title, source in told.items():
        where = ", ".join(source[key] for key in ("address", "read") if key in source)
        said.append(f"{title}: {source['model']}; {source.get('protocol', 'protocol not told')}. Read in: {where}.")
    said.append("Other models, data and test rows than these make other scores: side by side, they are no test.")
    return Table("published", "Published", "This run beside published scores", records, exact, said)


def setting(row: dict) -> dict:
    """Return the learning rate and the batch size of a chosen setting or a published score, None where not told."""
    return {key: row.get(key) for key in ("learning_rate", "batch_size")}


def spaced(facts: dict) -> dict:
    return {key.replace("_", " "): value for key, value in facts.items()}


def gathered(rows: list[dict]):
    """Yield (source, facts, {split: score}), one for the rows of one source, mode and setting."""
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        facts = {"source": row["title"], "mode": row.get("mode"), "trainable": row.get("trainable"), **setting(row)}
        groups.setdefault(tuple(facts.items()), []).append(row)
    for facts, group in groups.items():
        scores = {row["split"]: {"mean": row["value"], "sd": row.get("sd"), "n": row.get("seeds")} for row in group}
        yield group[0], dict(facts), scores


def columns(scores: dict, missing: str | None = None) -> dict:
    """Return the two columns of scores, each with its standard deviation, or `missing` where there is no score."""

    def spelled(score: dict | None) -> str | None:
        if not score:
            return missing
        return f"{score['mean']:.3f}" + (f" (sd {score['sd']:.3f})" if score.get("sd") is not None else "")

    return {split: spelled(scores.get(split)) for split in ("validation", "test")}


def exact_rows(task: str, metric: str, facts: dict, scores: dict, source: dict | None = None) -> list[dict]:
    """Return a .csv row for each split that has a score, with the source of a published one."""
    return [
        {
            **{"task": task, "metric": metric, "split": split, **facts},
            **{"score": score["mean"], "sd": score.get("sd"), "n": score.get("n")},
            **{key: source and source.get(key) for key in ("model", "protocol", "address")},
        }
        for split, score in scores.items()
        if score
    ]
