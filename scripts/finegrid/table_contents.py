"""What each table says, from the comparison of a run (comparison.json): a function for each, which returns a Table."""

from collections.abc import Iterator
from itertools import product
from statistics import mean

from finegrid import table_notes as notes
from finegrid.metrics import METRICS, shown, to_maximise
from finegrid.table import Table

DASH = "–"


def rows_of(comparison: dict) -> Iterator[tuple[dict, dict]]:
    """Go through the modes of every task, with the task."""
    return ((task, mode) for task in comparison["tasks"] for mode in task["modes"])


def validation(comparison: dict) -> Table:
    """Table 1: what validation chose for each mode, and its scores."""
    rows, exact = [], []
    for task in comparison["tasks"]:
        for name, mode in product(task["scores"], task["modes"]):
            chosen = mode["chosen"]
            spread = chosen["validation"][name] if chosen else None
            rows.append(
                {
                    **_names(comparison, task, mode, name),
                    f"validation {_metric(comparison)}": _spread(spread) if chosen else "diverged",
                    "median": _number(spread and spread["median"]),
                    "range": f"{spread['min']:.3f} to {spread['max']:.3f}" if chosen else DASH,
                    "learning rate": chosen["learning_rate"] if chosen else DASH,
                    "batch size": f"{chosen['batch_size']:,}" if chosen else DASH,
                }
            )
            exact.append(
                {
                    **_identity(task, mode, name),
                    **{key: spread[key] if chosen else None for key in ("mean", "sd", "n", "median", "min", "max")},
                    **{key: chosen[key] if chosen else None for key in ("learning_rate", "batch_size")},
                    **_context(comparison, task, mode),
                }
            )
    if _single_seed(comparison):
        rows = [{key: value for key, value in row.items() if key not in ("median", "range")} for row in rows]
    below = [*notes.protocol(comparison), *notes.data(comparison), *notes.warnings(comparison)]
    return Table("table1", "Table 1", f"Best validation {_metric(comparison)} of each mode", rows, below, exact)


def test(comparison: dict) -> Table:
    """Table 2: the test scores of what validation chose, against full fine-tuning (or the first mode)."""
    rows, exact = [], []
    references = {reference(task) for task in comparison["tasks"]}
    to = f"to {references.pop()}" if len(references) == 1 else "to the first mode"
    for task in comparison["tasks"]:
        read = task["test_status"] == "read"
        names = [name for name in task["scores"] if not read or any(name in scores for scores in _tests(task))]
        for name, mode in product(names if read else [task["metric"]], task["modes"]):
            score = ((mode["chosen"] or {}).get("test") or {}).get(name)
            pair = difference(task, mode["mode"], reference(task)) if read else None
            why = "diverged" if not mode["chosen"] else task["test_status"]
            told = pair if name == task["metric"] else None
            rows.append(
                {
                    **_names(comparison, task, mode, name),
                    "parameters": f"{mode['trainable']['total']:,}",
                    f"test {_metric(comparison)}": _spread(score) if score else why,
                    "95 % interval": _interval(score and score["interval"]),
                    f"Δ {to}": _signed(told and told["delta"]),
                    "interval of Δ": _interval(told and told["interval"]),
                    "Holm p": _p(told and told["examples"]["p_holm"]),
                    "verdict": _verdict(told),
                }
            )
            low, high = score["interval"] if score else (None, None)
            exact.append(
                {
                    **_identity(task, mode, name),
                    **{"trainable": mode["trainable"]["total"], "trainable_head": mode["trainable"]["head"]},
                    **{key: score[key] if score else None for key in ("mean", "sd", "n", "median", "min", "max")},
                    **{"low": low, "high": high, "interval_method": score["interval_method"] if score else None},
                    "status": "read" if score else why,
                    **{f"delta_{key}": value for key, value in _exact_pair(told).items()},
                    **_context(comparison, task, mode),
                }
            )
    below = [notes.model(comparison), *notes.tests(comparison), f"Scores: {notes.seeds(comparison)}"]
    if any(row["verdict"] for row in rows):
        below += [f"Δ: difference {to}.", *notes.inference(comparison)]
    else:
        empty = {f"Δ {to}", "interval of Δ", "Holm p", "verdict"}
        rows = [{key: value for key, value in row.items() if key not in empty} for row in rows]
    caption = f"Test {_metric(comparison)} of the setting that validation chose"
    return Table("table2", "Table 2", caption, rows, below, exact)


def _tests(task: dict) -> list[dict]:
    return [mode["chosen"]["test"] for mode in task["modes"] if mode["chosen"] and mode["chosen"]["test"]]


def learning_rates(comparison: dict) -> Table:
    """Table 3: the best validation score, over batch sizes, at each learning rate."""
    rates = sorted({rate for _, mode in rows_of(comparison) for rate in mode["plan"]["learning_rates"]}, key=float)
    rows, exact = [], []
    for task, mode in rows_of(comparison):
        best: dict[str, float | None] = {}
        for rate in mode["plan"]["learning_rates"]:
            tried = [setting["validation"] for setting in mode["settings"] if setting["learning_rate"] == rate]
            scores = [spread["mean"] for spread in tried if spread]
            best[rate] = max(scores, key=lambda score, metric=task["metric"]: to_maximise(metric, score), default=None)
        told = {rate: _number(best[rate], "diverged") if rate in best else "" for rate in rates}
        rows.append({**_names(comparison, task, mode, task["metric"]), **told})
        exact.append(
            {
                **_identity(task, mode, task["metric"]),
                **{rate: best.get(rate) for rate in rates},
                **_context(comparison, task, mode),
            }
        )
    below = [notes.model(comparison), f"Of each learning rate the best batch size; {notes.seeds(comparison)}"]
    caption = f"Best validation {_metric(comparison)} at each learning rate"
    return Table("table3", "Table 3", caption, rows, below, exact)


def pairs(comparison: dict) -> Table:
    """Every pair of modes: the difference, and whether it is more than noise."""
    found = [(task, pair) for task in comparison["tasks"] for pair in task["pairs"]]
    several_splits = len({pair["split"] for _, pair in found}) > 1
    rows, exact = [], []
    for task, pair in found:
        over_seeds = pair["over_seeds"] or {}
        rows.append(
            {
                **_names(comparison, task, pair, pair["metric"]),
                "against": pair["against"],
                **({"split": pair["split"]} if several_splits else {}),
                "difference": _signed(pair["delta"]),
                "95 % interval": _interval(pair["interval"]),
                "p": _p(pair["examples"]["p"]),
                "Holm p": _p(pair["examples"]["p_holm"]),
                "seeds' p": _p(over_seeds.get("p")),
                "verdict": _verdict(pair),
            }
        )
        exact.append(
            {
                **{"task": task["task"], "mode": pair["mode"], "against": pair["against"], "metric": pair["metric"]},
                "split": pair["split"],
                **_exact_pair(pair),
                "seeds_method": over_seeds.get("method"),
            }
        )
    split = "either split, as each row says" if several_splits else found[0][1]["split"] if found else "test"
    below = notes.inference(comparison) if found else ["There are no two modes with a score to compare."]
    if found:
        permuted = next((pair["over_seeds"] for _, pair in found if pair["over_seeds"]), None)
        if permuted:
            least = 2 ** (1 - permuted["n"])
            many = f"{permuted['method']}; of {permuted['n']} seeds it cannot be below {least:.2g}"
        else:
            many = "not to be had of one seed"
        below.append(f"Seeds' p: {many}.")
    if any(pair["split"] == "validation" for _, pair in found):
        below.append("Validation also chose the settings that are compared on it here, so it flatters them.")
    caption = f"Differences between modes, {_metric(comparison)} on {split}"
    return Table("pairs", "Pairs of modes", caption, rows, below, exact)


def retention(comparison: dict) -> Table:
    """Which share of full fine-tuning's score each mode keeps, tasks beside each other."""
    modes = list(dict.fromkeys(mode["mode"] for _, mode in rows_of(comparison)))
    kept = {(task["task"], mode["mode"]): _kept(task, mode) for task, mode in rows_of(comparison)}
    tasks = [task["task"] for task in comparison["tasks"]]
    rows = [
        {"mode": mode, **{task: _share(kept[task, mode]) if (task, mode) in kept else "" for task in tasks}}
        for mode in modes
    ]
    exact = []
    for task, mode in rows_of(comparison):
        split, scores = _compared(task)
        exact.append(
            {
                **{"task": task["task"], "mode": mode["mode"], "metric": task["metric"], "split": split},
                **{
                    "score": scores.get(mode["mode"]),
                    "full": scores.get("full"),
                    "kept": kept[task["task"], mode["mode"]],
                },
            }
        )
    of_splits: dict[str, list[str]] = {}
    for task in comparison["tasks"]:
        of_splits.setdefault(_compared(task)[0], []).append(f"{task['task']} ({shown(task['metric'])})")
    below = [f"On {split}: {', '.join(names)}." for split, names in of_splits.items()]
    below += [f"{DASH} {task['task']}: {why}." for task in comparison["tasks"] if (why := _why_none_kept(task))]
    if any(
        None in (kept[task["task"], mode["mode"]],) and not _why_none_kept(task) for task, mode in rows_of(comparison)
    ):
        below.append(f"{DASH} elsewhere: every setting of the mode diverged.")
    return Table("retention", "Retention", "Share of full fine-tuning's score that each mode keeps", rows, below, exact)


def parameters(comparison: dict) -> Table:
    """How many parameters train, and which share of all that is."""
    exact = [
        {
            **{"task": task["task"], "mode": mode["mode"], **mode["trainable"], "parameters": mode["parameters"]},
            "share": mode["trainable"]["total"] / mode["parameters"],
        }
        for task, mode in rows_of(comparison)
    ]
    kinds = {(row["mode"], row["encoder"], row["head"], row["parameters"]) for row in exact}
    alike = len(kinds) == len({row["mode"] for row in exact})  # then the rows of one task say it for all
    shown_rows = [row for row in exact if row["task"] == exact[0]["task"]] if alike else exact
    rows = [
        {
            **({} if alike else {"task": row["task"]}),
            "mode": row["mode"],
            **{key: f"{row[key]:,}" for key in ("encoder", "head", "total")},
            "share of all": _share(row["share"]),
        }
        for row in shown_rows
    ]
    models = " or ".join(f"{number:,}" for number in sorted({row["parameters"] for row in exact}))
    below = [notes.model(comparison), f"All parameters of the model: {models}."]
    return Table("parameters", "Parameters", "Parameters that train", rows, below, exact)


def cost(comparison: dict) -> Table:
    """What the chosen cells cost, as means over their seeds, and the whole grid."""
    rows, exact = [], []
    for task, mode in rows_of(comparison):
        cells = [cell for cell in mode["cells"] if cell["chosen"]]
        costs = {key: _mean([cell["cost"][key] for cell in cells]) for key in mode["cells"][0]["cost"]}
        size = _mean([cell["trained_bytes"] for cell in cells])
        grid_seconds = sum(cell["cost"]["total_seconds"] for cell in mode["cells"])
        rows.append(
            {
                **_names(comparison, task, mode),
                "training": _scaled(costs["training_seconds"], 1, " s"),
                "in all": _scaled(costs["total_seconds"], 1, " s"),
                "tokens/s": _scaled(costs["tokens_per_second"], 1),
                "memory": _scaled(costs["peak_memory_bytes"], 2**20, " MiB"),
                "on disk": _scaled(size, 2**10, " KiB"),
                "whole grid": f"{grid_seconds:,.0f} s",
            }
        )
        exact.append(
            {
                **{"task": task["task"], "mode": mode["mode"], **costs, "trained_bytes": size},
                **{"grid_cells": len(mode["cells"]), "grid_seconds": grid_seconds},
            }
        )
    total = sum(row["grid_seconds"] for row in exact)
    number = notes.counted(sum(row["grid_cells"] for row in exact), "cell")
    below = [
        "Of the chosen setting's cells, as means over their seeds: training, the whole process (start and validation "
        "too), training tokens per second, peak memory, and the size of the file of all that trained.",
        f"Whole grid: the processes of all its cells one after the other; of the run {total:,.0f} s in {number}.",
        *(f"Measured on {_machine(environment)}." for environment in comparison["environments"]),
    ]
    return Table("cost", "Cost", "What the chosen setting of each mode cost, and its whole grid", rows, below, exact)


def grid(comparison: dict) -> list[dict]:
    """Return the whole grid in tidy form: one row per cell, one column per fact."""
    return [
        {
            **{"task": task["task"], "mode": mode["mode"]},
            **{key: cell[key] for key in ("batch_size", "learning_rate", "seed")},
            **({"data_order_seed": cell["data_order_seed"]} if "data_order_seed" in cell else {}),
            **{"model": comparison["model"]["name"], "status": cell["status"], "metric": task["metric"]},
            "validation_last_epoch": cell["validation"],
            "validation_best_epoch": (cell["best_epoch"] or {}).get("score"),
            "best_epoch": (cell["best_epoch"] or {}).get("epoch"),
            "validation_loss": cell["history"][-1]["loss"] if cell["validation"] is not None else None,
            "chosen": cell["chosen"],
            "test": cell.get("test"),
            **{f"trainable_{part}": mode["trainable"][part] for part in ("encoder", "head")},
            **{"trainable": mode["trainable"]["total"], "parameters": mode["parameters"]},
            **{f"{split}_rows": task["data"]["splits"][split]["rows"] for split in ("train", "validation")},
            **cell["cost"],
            "trained_bytes": cell["trained_bytes"],
            "fingerprint": cell["fingerprint"],
        }
        for task, mode in rows_of(comparison)
        for cell in mode["cells"]
    ]


def reference(task: dict) -> str:
    """Name the mode that others are held against: full fine-tuning, where it is run."""
    modes = [mode["mode"] for mode in task["modes"]]
    return "full" if "full" in modes else modes[0]


def difference(task: dict, mode: str, against: str) -> dict | None:
    """Return the pair of two modes, turned round if it is listed the other way."""
    for pair in task["pairs"]:
        if (pair["mode"], pair["against"]) == (mode, against):
            return pair
        if (pair["mode"], pair["against"]) == (against, mode):
            low, high = pair["interval"]
            return {**pair, "mode": mode, "against": against, "delta": -pair["delta"], "interval": [-high, -low]}
    return None


def _names(comparison: dict, task: dict, mode: dict, metric: str | None = None) -> dict[str, str]:
    """Return the columns that say of what a row is; the task and the metric where there are several."""
    return {
        **({"task": task["task"]} if len(comparison["tasks"]) > 1 else {}),
        "mode": mode["mode"],
        **({"metric": shown(metric)} if metric and _metric(comparison) == "score" else {}),
    }


def _identity(task: dict, mode: dict, metric: str) -> dict:
    return {"task": task["task"], "mode": mode["mode"], "metric": metric}


def _metric(comparison: dict) -> str:
    """Name the metric of all scores, or `score` where there are several."""
    names = {name for task in comparison["tasks"] for name in task["scores"]}
    return shown(names.pop()) if len(names) == 1 else "score"


def _context(comparison: dict, task: dict, mode: dict) -> dict:
    """Return what the notes of the other formats say, as columns of a .csv row."""
    splits = task["data"]["splits"]
    return {
        **{"model": comparison["model"]["name"], "data": f"{task['task']} ({task['settings']['source']})"},
        **{f"{name}_rows": splits[name]["rows"] for name in ("train", "validation", "test")},
        "test_split": splits["test"]["origin"],
        "seeds": " ".join(map(str, mode["plan"]["seeds"])),
        "note": "; ".join(edge["message"] for edge in mode["chosen"]["edges"]) if mode["chosen"] else "",
    }


def _exact_pair(pair: dict | None) -> dict:
    low, high = pair["interval"] if pair else (None, None)
    over_seeds = (pair and pair["over_seeds"]) or {}
    return {
        **{"delta": pair and pair["delta"], "low": low, "high": high},
        "interval_method": pair and pair["interval_method"],
        **{key: pair and pair["examples"][key] for key in ("method", "p", "p_holm")},
        "seeds_p": over_seeds.get("p"),
        "within_noise": pair and pair["within_noise"],
    }


def _compared(task: dict) -> tuple[str, dict[str, float]]:
    """Return the split on which modes are compared, test where it was read, and each mode's mean score on it."""
    split = "test" if task["test_status"] == "read" else "validation"
    chosen = {mode["mode"]: mode["chosen"][split] for mode in task["modes"] if mode["chosen"]}
    return split, {mode: scores[task["metric"]]["mean"] for mode, scores in chosen.items() if scores}


def _kept(task: dict, mode: dict) -> float | None:
    scores = _compared(task)[1]
    if _why_none_kept(task) or mode["mode"] not in scores:
        return None
    return scores[mode["mode"]] / scores["full"]


def _why_none_kept(task: dict) -> str | None:
    """Say why a share of full fine-tuning's score means nothing in a task."""
    scores = _compared(task)[1]
    if not any(mode["mode"] == "full" for mode in task["modes"]):
        return "the mode full was not run"
    if "full" not in scores:
        return "every setting of full diverged"
    if not METRICS[task["metric"]].higher_is_better:
        return f"{shown(task['metric'])} is better when it is lower"
    return None if scores["full"] > 0 else f"full's score is {scores['full']:.3f}, not above 0"


def _single_seed(comparison: dict) -> bool:
    return all(len(mode["plan"]["seeds"]) == 1 for _, mode in rows_of(comparison))


def _spread(spread: dict) -> str:
    sd = "" if spread["sd"] is None else f" ± {spread['sd']:.3f}"
    return f"{spread['mean']:.3f}{sd} (n={spread['n']})"


def _interval(interval: list[float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:.3f}, {interval[1]:.3f}]"


def _number(value: float | None, missing: str = DASH) -> str:
    return missing if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "" if value is None else f"{value:+.3f}"


def _p(p: float | None) -> str:
    return "" if p is None else "<0.001" if p < 0.001 else f"{p:.3f}"


def _verdict(pair: dict | None) -> str:
    return "" if pair is None else "within noise" if pair["within_noise"] else "beyond noise"


def _share(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.3g} %"


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if value is not None]
    return mean(known) if known else None


def _scaled(value: float | None, unit: int, name: str = "") -> str:
    return DASH if value is None else f"{value / unit:,.0f}{name}"


def _machine(environment: dict) -> str:
    facts = [f"{environment[key]}" for key in ("device", "dtype") if key in environment]
    threads = environment.get("threads")
    return ", ".join([*facts, *([notes.counted(threads, "thread")] if threads else [])])
