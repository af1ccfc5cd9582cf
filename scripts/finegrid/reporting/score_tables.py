"""The tables of scores: validation, test, learning rates, pairs of modes, what each mode retains of full fine-tuning.

Each function takes the comparison (see compare.py) and returns a Table.
"""

from finegrid.reporting import footnotes as notes
from finegrid.reporting.layout import Table
from finegrid.evaluation.metrics import METRICS, shown, to_maximise

NO_SCORE = {"hidden": "hidden", "no test split": "no test split"}


def rows_of(comparison: dict):
    """Yield each task with each of its modes."""
    for task in comparison["tasks"]:
        for mode in task["modes"]:
            yield task, mode


def names(comparison: dict, task: dict, mode: dict, metric: str | None = None) -> dict:
    """Return the first columns of a row: the task and the metric where they are not the same in all rows."""
    scores = {name for each in comparison["tasks"] for name in each["scores"]}
    return {
        **({"task": task["task"]} if len(comparison["tasks"]) > 1 else {}),
        "mode": mode["mode"],
        **({"metric": shown(metric)} if metric and len(scores) > 1 else {}),
    }


def validation(comparison: dict) -> Table:
    """Return Table 1: the best validation score of each mode, over seeds, and the setting that reached it."""
    records, exact = [], []
    for task, mode in rows_of(comparison):
        chosen = mode["chosen"]
        for name in task["scores"]:
            setting = {
                key.replace("_", " "): chosen[key] if chosen else None for key in ("learning_rate", "batch_size")
            }
            score = chosen["validation"][name] if chosen else None
            records.append({**names(comparison, task, mode, name), **spread(score, "diverged"), **setting})
            exact.append({**context(comparison, task, mode, name), **(score or {}), **setting, **edges(chosen)})
    caption = f"Best validation {notes.metric_shown(comparison)} of each mode"
    told = [*notes.protocol(comparison), *notes.data(comparison), *notes.warnings(comparison)]
    return Table("table1", "Table 1", caption, records, exact, told)


def spread(score: dict | None, missing: str) -> dict:
    """Return the columns of a score over seeds: of one seed only the score."""
    if score is None:
        return {"seeds": None, "mean": missing}
    columns = {"seeds": score["n"], "mean": score["mean"]}
    if score["n"] > 1:
        bounds = f"{score['min']:.3f} to {score['max']:.3f}"
        columns |= {"sd": score["sd"], "median": score["median"], "range": bounds}
    return columns


def test(comparison: dict) -> Table:
    """Return Table 2: the test score of the chosen setting, its interval, and the difference to full fine-tuning."""
    records, exact = [], []
    for task, mode in rows_of(comparison):
        scores = mode["chosen"] and mode["chosen"]["test"]
        missing = NO_SCORE.get(task["test_status"], "diverged") if mode["chosen"] else "diverged"
        pair = next((pair for pair in task["pairs"] if (pair["mode"], pair["against"]) == (mode["mode"], "full")), None)
        for name in scores or [task["metric"]]:
            score = scores and scores[name]
            against_full = pair if pair and pair["split"] == "test" and name == pair["metric"] else None
            record = {
                **names(comparison, task, mode, name),
                "trainable": mode["trainable"]["total"],
                **{key: value for key, value in spread(score, missing).items() if key in ("seeds", "mean", "sd")},
                "95 % interval": interval(score["interval"]) if score else None,
            }
            if any(each["mode"] == "full" for each in task["modes"]):
                record["difference to full"] = difference(against_full) if against_full else None
                record["p, Holm"] = p_shown(against_full["examples"]["p_holm"]) if against_full else None
            records.append(record)
            bounds = dict(zip(("interval_low", "interval_high"), score["interval"], strict=True)) if score else {}
            exact.append(
                {
                    **context(comparison, task, mode, name),
                    **{f"trainable_{key}": value for key, value in mode["trainable"].items()},
                    **({"test": task["test_status"]} if scores is None and mode["chosen"] else {}),
                    **{key: value for key, value in (score or {}).items() if key != "interval"},
                    **bounds,
                    **(pair_numbers(against_full) if against_full else {}),
                }
            )
    caption = f"Test {notes.metric_shown(comparison)} of the cell that validation chose"
    told = [*notes.protocol(comparison), *notes.data(comparison), *notes.test(comparison)]
    return Table("table2", "Table 2", caption, records, exact, told)


def interval(bounds: list[float]) -> str:
    return f"[{bounds[0]:.3f}, {bounds[1]:.3f}]"


def difference(pair: dict) -> str:
    """Return a difference with its interval, and that it is within noise if it is."""
    return f"{pair['delta']:+.3f} {interval(pair['interval'])}" + ", within noise" * pair["within_noise"]


def p_shown(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def pair_numbers(pair: dict) -> dict:
    """Return the exact numbers of a comparison of two modes."""
    return {
        "difference": pair["delta"],
        "difference_low": pair["interval"][0],
        "difference_high": pair["interval"][1],
        "test_of_examples": pair["examples"]["method"],
        "p": pair["examples"]["p"],
        "p_holm": pair["examples"]["p_holm"],
        "p_over_seeds": pair["over_seeds"] and pair["over_seeds"]["p"],
        "within_noise": pair["within_noise"],
    }


def learning_rates(comparison: dict) -> Table:
    """Return Table 3: the score of the best batch size at each learning rate."""
    rates = {rate for _, mode in rows_of(comparison) for rate in mode["plan"]["learning_rates"]}
    records = []
    for task, mode in rows_of(comparison):
        record = names(comparison, task, mode, task["metric"])
        for rate in sorted(rates, key=float):
            settings = [each for each in mode["settings"] if each["learning_rate"] == rate]
            scores = [each["validation"]["mean"] for each in settings if each["validation"]]
            best = max(scores, key=lambda score, task=task: to_maximise(task["metric"], score), default="diverged")
            record[rate] = best if settings else None
        records.append(record)
    caption = f"Best validation {notes.metric_shown(comparison)} at each learning rate"
    told = [notes.seeds(comparison).capitalize(), *notes.warnings(comparison)]
    return Table("table3", "Table 3", caption, records, records, told)


def pairs(comparison: dict) -> Table:
    """Return the table of all pairs of modes: how far apart, how sure, and by which test."""
    records, exact = [], []
    for task in comparison["tasks"]:
        for pair in task["pairs"]:
            of_task = {"task": task["task"]} if len(comparison["tasks"]) > 1 else {}
            both = {**of_task, "mode": pair["mode"], "against": pair["against"], "split": pair["split"]}
            seeds = pair["over_seeds"]
            records.append(
                {
                    **both,
                    "difference": f"{pair['delta']:+.3f}",
                    "95 % interval": interval(pair["interval"]),
                    "p": p_shown(pair["examples"]["p"]),
                    "p, Holm": p_shown(pair["examples"]["p_holm"]),
                    **({"p over seeds": p_shown(seeds["p"])} if seeds else {}),
                    "verdict": "within noise" if pair["within_noise"] else "beyond noise",
                }
            )
            exact.append({**both, "metric": pair["metric"], **pair_numbers(pair)})
    caption = f"Differences in {notes.metric_shown(comparison)} between modes"
    told = notes.differences(comparison) or ["There are no two modes to compare."]
    return Table("pairs", "Pairs of modes", caption, records, exact, told)


def retention(comparison: dict) -> Table:
    """Return the table of what each mode retains of full fine-tuning's score, by task."""
    records, exact, left_out = [], [], []
    for task in comparison["tasks"]:
        split, shares = retained(task)
        if shares is None:
            left_out.append(f"{task['task']}: {split}")
            continue
        record = {"task": task["task"], "split": split}
        record |= {mode: "diverged" if share is None else f"{100 * share:.1f} %" for mode, share in shares.items()}
        records.append(record)
        exact += [
            {"task": task["task"], "split": split, "mode": mode, "share": share} for mode, share in shares.items()
        ]
    told = ["The mean score of each mode as a share of that of full fine-tuning, at the setting chosen for each."]
    told += [f"Left out: {'; '.join(left_out)}."] if left_out else []
    return Table("retention", "Retention", "Share of full fine-tuning's score retained", records, exact, told)


def retained(task: dict) -> tuple[str, dict[str, float | None] | None]:
    """Return the split and each mode's share of full fine-tuning's score on it; or why there is none, and None."""
    full = next((mode for mode in task["modes"] if mode["mode"] == "full"), None)
    if full is None:
        return "full fine-tuning is not among the modes", None
    if full["chosen"] is None:
        return "full fine-tuning diverged", None
    metric = task["metric"]
    if not METRICS[metric].higher_is_better:
        return f"of {shown(metric)} less is better", None
    split = "test" if task["test_status"] == "read" else "validation"
    whole = full["chosen"][split][metric]["mean"]
    if whole <= 0:
        return "full fine-tuning's score is not above 0", None
    return split, {
        mode["mode"]: mode["chosen"] and mode["chosen"][split][metric]["mean"] / whole for mode in task["modes"]
    }


def context(comparison: dict, task: dict, mode: dict, metric: str) -> dict:
    """Return what the notes of the other formats say, as columns of a .csv row."""
    splits = task["data"]["splits"]
    return {
        "task": task["task"],
        "mode": mode["mode"],
        "metric": metric,
        "model": comparison["model"]["name"],
        "source": task["settings"]["source"],
        **{f"{name}_rows": splits[name]["rows"] for name in ("train", "validation", "test")},
        "test_split": splits["test"]["origin"],
        **{key: " ".join(map(str, mode["plan"][key])) for key in ("seeds", "data_order_seeds") if key in mode["plan"]},
    }


def edges(chosen: dict | None) -> dict:
    return {"edges": "; ".join(edge["message"] for edge in chosen["edges"]) if chosen else None}
