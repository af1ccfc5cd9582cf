"""The table `published`: a run's own scores beside what others published of the same tasks."""

from finegrid import published
from finegrid import table_notes as notes
from finegrid.metrics import shown
from finegrid.table import Table
from finegrid.table_contents import DASH

THIS_RUN = "this run"


def make(comparison: dict, files=()) -> Table:
    """Return the table; `files` are those that the configuration names beside finegrid's own."""
    theirs = {task["task"]: published.rows_for(task["task"], files) for task in comparison["tasks"]}
    used = [row for task in comparison["tasks"] for row in theirs[task["task"]] if row["metric"] in task["scores"]]
    keys = {key: number for number, key in enumerate(dict.fromkeys(_source(row) for row in used), start=1)}
    rows, exact = [], []
    for task in comparison["tasks"]:
        for metric in task["scores"]:
            matching = [row for row in theirs[task["task"]] if row["metric"] == metric]
            if matching:
                rows += [_our_row(task, mode, metric) for mode in task["modes"]]
                rows += _their_rows(task, metric, matching, keys)
                exact += [_our_exact(comparison, task, mode, metric) for mode in task["modes"]]
                exact += [_their_exact(row) for row in matching]
    tasks = [task for task in comparison["tasks"] if any(row["task"] == task["task"] for row in used)]
    without = [task["task"] for task in comparison["tasks"] if task not in tasks]
    below = [note for task in tasks for note in _differences(comparison, task, used, keys)]
    below += [_told(number, next(row for row in used if _source(row) == key)) for key, number in keys.items()]
    if without:
        below.append(f"Nothing published is known of {', '.join(without)} with the metrics of this run.")
    caption = "Scores of this run and published ones; validation and test are different splits"
    return Table("published", "Published scores", caption, rows, below, exact)


def _source(row: dict) -> tuple:
    """Return what makes two figures come from one source by one protocol, apart from the single row's setting."""
    return row["title"], row["address"], row["read"], row["model"], row["splits"], row["other"]


def _scores(mode: dict, metric: str) -> dict[str, float | None]:
    chosen = mode["chosen"] or {}
    spreads = {split: (chosen.get(split) or {}).get(metric) for split in ("validation", "test")}
    return {split: spread and spread["mean"] for split, spread in spreads.items()}


def _our_row(task: dict, mode: dict, metric: str) -> dict[str, str]:
    scores = _scores(mode, metric)
    missing = "diverged" if not mode["chosen"] else task["test_status"] if task["test_status"] != "read" else DASH
    return {
        **{"task": task["task"], "metric": shown(metric), "source": THIS_RUN, "mode": mode["mode"]},
        "validation": f"{scores['validation']:.3f}" if scores["validation"] is not None else missing,
        "test": f"{scores['test']:.3f}" if scores["test"] is not None else missing,
        "learning rate": mode["chosen"]["learning_rate"] if mode["chosen"] else DASH,
        "batch size": f"{mode['chosen']['batch_size']:,}" if mode["chosen"] else DASH,
        "parameters": f"{mode['trainable']['total']:,}",
    }


def _their_rows(task: dict, metric: str, matching: list[dict], keys: dict) -> list[dict[str, str]]:
    """Return a row for each source, mode and setting, with its validation and test scores in their columns."""
    settings: dict[tuple, dict[str, dict]] = {}
    for row in matching:
        setting = (_source(row), row["mode"], row["learning_rate"], row["batch_size"], row["parameters"])
        settings.setdefault(setting, {})[row["split"]] = row
    return [
        {
            **{"task": task["task"], "metric": shown(metric), "source": f"[{keys[source]}]", "mode": mode},
            **{split: _value(found.get(split)) for split in ("validation", "test")},
            "learning rate": rate or DASH,
            "batch size": f"{size:,}" if size else DASH,
            "parameters": f"{number:,}" if number else DASH,
        }
        for (source, mode, rate, size, number), found in settings.items()
    ]


def _value(row: dict | None) -> str:
    if row is None:
        return DASH
    return f"{row['value']:.3f}" + ("" if row["sd"] is None else f" ± {row['sd']:.3f}")


def _differences(comparison: dict, task: dict, used: list[dict], keys: dict) -> list[str]:
    """Say of a task in what this run and the published figures are not alike."""
    theirs = [row for row in used if row["task"] == task["task"]]
    splits, settings = task["data"]["splits"], task["settings"]
    rows, origin = splits["test"]["rows"], notes.test_origin(task).rstrip(".")
    tested = f"{rows:,} rows, {origin}" if rows else origin
    facts = [
        f"{splits['train']['rows']:,} training rows of at most {settings['max_length']} tokens, "
        f"{notes.counted(task['training']['epochs'], 'epoch')}",
        f"validation {splits['validation']['rows']:,} rows, {splits['validation']['origin']}",
        f"test {tested}",
    ]
    if settings.get("sample"):
        facts.append("a sample of the data only")
    told = [f"{task['task']}, this run: {'; '.join(facts)}."]
    ours = comparison["model"].get("repo") or comparison["model"]["name"]
    others: dict[str, list[str]] = {}
    for row in theirs:
        if row["model"] and row["model"] != ours:
            others.setdefault(row["model"], []).append(f"[{keys[_source(row)]}]")
    for model, numbers in others.items():
        told.append(f"{task['task']}: {', '.join(dict.fromkeys(numbers))} fine-tuned {model}, this run {ours}.")
    if any(row["split"] == "test" for row in theirs) and "carve_out" in settings:
        told.append(
            f"{task['task']}: the published test scores are of the benchmark's own test split, this run's are not: "
            "they do not compare row by row."
        )
    return told


def _told(number: int, row: dict) -> str:
    """Say what a source is, where it was read, and by what protocol its figures came about."""
    facts = [row["model"], row["splits"]]
    facts += [notes.counted(row["epochs"], "epoch")] if row["epochs"] else []
    facts += [f"at most {row['max_length']} tokens"] if row["max_length"] else []
    facts += [f"mean ± standard deviation of {notes.counted(row['seeds'], 'seed')}"] if row["seeds"] else []
    facts += [row["other"]]
    where = f", {row['address']}" if row["address"] else ""
    protocol = "; ".join(filter(None, facts))
    told = f"[{number}] {row['title']}{where} ({row['read']})" + (f": {protocol}." if protocol else ".")
    return told.replace("`", "'")  # in notes backticks stand around code


def _our_exact(comparison: dict, task: dict, mode: dict, metric: str) -> dict:
    chosen = mode["chosen"] or {}
    return {
        **{"task": task["task"], "metric": metric, "source": THIS_RUN, "mode": mode["mode"]},
        **{"corresponds": mode["mode"], **_scores(mode, metric)},
        "sd": None,
        "learning_rate": chosen.get("learning_rate"),
        "batch_size": chosen.get("batch_size"),
        **{"epochs": task["training"]["epochs"], "seeds": len(mode["plan"]["seeds"])},
        "max_length": task["settings"]["max_length"],
        "parameters": mode["trainable"]["total"],
        "model": comparison["model"].get("repo") or comparison["model"]["name"],
        "splits": f"test {task['data']['splits']['test']['origin']}",
        **{"other": None, "address": None, "read": None},
    }


def _their_exact(row: dict) -> dict:
    return {
        **{"task": row["task"], "metric": row["metric"], "source": row["title"], "mode": row["mode"]},
        "corresponds": row["corresponds"],
        **{split: row["value"] if row["split"] == split else None for split in ("validation", "test")},
        **{key: row[key] for key in ("sd", "learning_rate", "batch_size", "epochs", "seeds", "max_length")},
        **{key: row[key] for key in ("parameters", "model", "splits", "other", "address", "read")},
    }
