#!/usr/bin/env python3
"""Compare the modes of a run: every score with how sure it is, and every pair of modes with what tells them apart.

Writes comparison.json, from which tables, figures, discussion and report are made. Modes are compared at the setting
that validation chose for each: on the test split, or on validation where the test labels are hidden. A mode of which
cells are missing is left out, and comparison.json lists these cells.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from finegrid import errors
from finegrid.config import cell as grid
from finegrid.evaluation import statistics
from finegrid.errors import InputError
from finegrid.files import check_sha256, parse_json, read_json, write_json
from finegrid.config.cell import MODE_FOLDER, canonical_json, cell_folder
from finegrid.evaluation.metrics import METRICS, predictions_of, score_all, scored_parts
from finegrid.evaluation.predictions import load_predictions
from finegrid.evaluation.results import all_ok, by_setting, read_cells, read_test
from finegrid.seal import read_sealed

SIGNIFICANT = 0.05


def main() -> None:
    arguments = parse_arguments()
    results = Path(arguments.results)
    missing = [missing_cells(results, parse_json(plan, "plan")) for plan in arguments.incomplete]
    left_out = [(each["task"], each["mode"]) for each in missing]
    tasks, environments = [], []
    for task in arguments.tasks:
        modes = [mode for mode in arguments.modes if (task, mode) not in left_out]
        if not modes:
            continue
        data = read_json(results / "data" / task / "stats.json")
        found = [read_mode(results, task, mode, data) for mode in modes]
        tasks.append(compare_task(data, found))
        environments += [metrics["environment"] for mode in found for metrics in mode["metrics"]]
    if not tasks:
        raise InputError(f"{results}: nothing to compare: of every mode on every task a cell is missing")
    correct_for_multiplicity(tasks)
    plan = found[0]["best"]["plan"]
    write_json(
        arguments.output,
        {
            "run": plan["run"],
            "model": plan["config"]["model"],
            "environments": list({canonical_json(each): each for each in environments}.values()),
            "tasks": tasks,
            **({"missing": missing} if missing else {}),
        },
    )


def missing_cells(results: Path, plan: dict) -> dict:
    """Return the cells of a plan that have no result."""
    planned = grid.cells(plan)
    missing = [cell for cell in planned if not (cell_folder(results, cell) / "metrics.json").exists()]
    return {"task": plan["task"], "mode": plan["mode"], "planned": len(planned), "cells": missing}


def read_mode(results: Path, task: str, mode: str, data: dict) -> dict:
    """Read what one (task, mode) left behind: best.json, all metrics.json, and the chosen cells' predictions."""
    folder = results / MODE_FOLDER.format(task=task, mode=mode)
    best = read_sealed(folder / "best.json")
    if (best["plan"]["task"], best["plan"]["mode"]) != (task, mode):
        raise InputError(f"{folder}/best.json: belongs to {best['plan']['task']}, {best['plan']['mode']}")
    metrics = read_cells(best["plan"], results)
    cells = best["chosen"]["cells"] if best["chosen"] else []
    chosen = [each for each in metrics if each["cell"] in cells]
    tests = [read_test(results, each["cell"]) for each in chosen]
    scores = {
        "validation": [each["validation"]["last"]["scores"] for each in chosen],
        "test": [test["scores"] for test in tests],
    }
    runs = {}
    for split, written in (("validation", chosen), ("test", tests)):
        if data["splits"][split]["rows"]:
            paths = [cell_folder(results, each["cell"]) / f"{split}.safetensors" for each in chosen]
            for path, each in zip(paths, written, strict=True):
                check_sha256(path, each["files"][path.name])
            runs[split] = [
                read_predictions(path, best["plan"]["config"]["task"], data["splits"][split]["parts"], expected)
                for path, expected in zip(paths, scores[split], strict=True)
            ]
    bytes_trained = [(cell_folder(results, each["cell"]) / "trained.safetensors").stat().st_size for each in metrics]
    return {"best": best, "metrics": metrics, "chosen": chosen, "scores": scores, "runs": runs, "bytes": bytes_trained}


def read_predictions(path, task: dict, parts: dict, scores: dict) -> tuple[np.ndarray, np.ndarray]:
    """Read the predictions [rows] and labels [rows] behind some scores; raise InputError if they are not theirs."""
    logits, labels = load_predictions(path)
    found = score_all(task, logits, labels, parts) if len(labels) == sum(parts.values()) else {}
    # Another processor may add up in another order.
    same = found.keys() == scores.keys() and all(
        math.isclose(found[name], scores[name], abs_tol=1e-6) for name in found
    )
    if not same:
        raise InputError(f"{path}: its predictions do not have the scores of the JSON beside it: {found}, {scores}")
    return predictions_of(logits, task["classes"]), labels


def compare_task(data: dict, found: list[dict]) -> dict:
    """Return all that is told of one task."""
    plan = found[0]["best"]["plan"]
    task = plan["config"]["task"]
    splits = data["splits"]
    read = splits["test"]["rows"] > 0
    parts = {name: splits[name]["parts"] for name in ("validation", "test")}
    split = "test" if read else "validation"
    resampled = {}  # of each mode and score: [resamples, seeds]
    for mode in found:
        for name, metric, rows in scored_parts(task["metrics"], parts[split]):
            if mode["chosen"]:
                labels = mode["runs"][split][0][1][rows]
                predictions = np.stack([predictions[rows] for predictions, _ in mode["runs"][split]])
                key = mode["best"]["plan"]["mode"], name
                exact = metric == "accuracy" or name != task["metrics"][0]  # no p is taken from the draws
                draws = statistics.RESAMPLES if exact else statistics.RESAMPLES_FOR_P
                resampled[key] = statistics.resample(METRICS[metric].function, predictions, labels, draws)
    return {
        "task": plan["task"],
        "settings": task,
        "data": data,
        "training": {name: plan["config"][name] for name in ("epochs", "weight_decay", "warmup", "max_grad_norm")},
        "metric": task["metrics"][0],
        "scores": [name for name, _, _ in scored_parts(task["metrics"], parts["validation"])],
        "test_status": "read" if read else "hidden" if splits["hidden"]["rows"] else "no test split",
        "modes": [describe_mode(mode, task, parts["test"], resampled if read else {}) for mode in found],
        "pairs": compare_pairs(found, task, split, next(scored_parts(task["metrics"], parts[split])), resampled),
    }


def describe_mode(mode: dict, task: dict, test_parts: dict, resampled: dict) -> dict:
    """Return all that is told of one mode on a task."""
    best, metrics, chosen = mode["best"], mode["metrics"], mode["chosen"]
    settings = [
        {
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "chosen": cells[0] in chosen,
            "diverged": sum(each["status"] == "diverged" for each in cells),
            "validation": statistics.spread([each["validation"]["last"]["score"] for each in cells])
            if all_ok(cells)
            else None,
        }
        for (batch_size, learning_rate), cells in by_setting(metrics).items()
    ]
    result = None
    if chosen:
        last, tests = mode["scores"]["validation"], mode["scores"]["test"]
        result = {
            **{key: best["chosen"][key] for key in ("batch_size", "learning_rate", "edges")},
            "validation": {name: statistics.spread([scores[name] for scores in last]) for name in last[0]},
            "test": describe_test(best["plan"]["mode"], task, test_parts, tests, resampled) if resampled else None,
        }
    return {
        "mode": best["plan"]["mode"],
        "plan": best["plan"],
        "trainable": metrics[0]["trainable"],
        "parameters": metrics[0]["total"],
        "settings": settings,
        "cells": [
            describe_cell(
                each, each in chosen, mode["scores"]["test"][chosen.index(each)] if each in chosen else None, size
            )
            for each, size in zip(metrics, mode["bytes"], strict=True)
        ],
        "chosen": result,
    }


def describe_test(mode: str, task: dict, parts: dict, tests: list[dict], resampled: dict) -> dict:
    """Return the test scores of a chosen setting, each with its 95 % interval."""
    told = {}
    for name, metric, rows in scored_parts(task["metrics"], parts):
        told[name] = statistics.spread([scores[name] for scores in tests])
        if metric == "accuracy":
            interval = statistics.wilson(told[name]["mean"], rows.stop - rows.start)
        else:
            interval = statistics.percentile_interval(resampled[mode, name].mean(axis=1))
        told[name] |= {"interval": interval, "interval_method": "Wilson" if metric == "accuracy" else "bootstrap"}
    return told


def describe_cell(metrics: dict, chosen: bool, test: dict | None, trained_bytes: int) -> dict:
    """Return what is told of one cell; `test` are its scores, which a chosen one has where there are labels."""
    last, cell, metric = metrics["validation"]["last"], metrics["cell"], metrics["validation"]["metric"]
    return {
        **{key: value for key, value in cell.items() if key not in ("task", "mode", "model")},
        "status": metrics["status"],
        "chosen": chosen,
        "validation": last and last["score"],
        "test": test and test[metric],
        "validation_loss": last and last["loss"],
        "best_epoch": metrics["validation"]["best"],
        "history": metrics["validation"]["history"],
        "train_loss": metrics["train"]["loss"],
        "cost": metrics["cost"],
        "trained_bytes": trained_bytes,
        "fingerprint": metrics["fingerprint"],
    }


def compare_pairs(found: list[dict], task: dict, split: str, scored: tuple, resampled: dict) -> list[dict]:
    """Compare each mode with those before it, full fine-tuning being the first, by the metric that selects."""
    name, metric, rows = scored
    ordered = sorted(
        (mode for mode in found if mode["chosen"]), key=lambda mode: mode["best"]["plan"]["mode"] != "full"
    )
    pairs = []
    for index, ours in enumerate(ordered):
        for theirs in ordered[:index]:
            modes = [each["best"]["plan"]["mode"] for each in (ours, theirs)]
            labels = ours["runs"][split][0][1][rows]
            scores = [[of_seed[name] for of_seed in each["scores"][split]] for each in (ours, theirs)]
            differences = statistics.resampled_differences(*(resampled[mode, name] for mode in modes))
            names = ("seed", "data_order_seed")
            seeds = [{name: each["cell"][name] for name in names if name in each["cell"]} for each in ours["chosen"]]
            if metric == "accuracy":
                right = [[run[rows] == labels for run, _ in each["runs"][split]] for each in (ours, theirs)]
                per_seed = [
                    {**seed, **statistics.mcnemar_exact(*both)} for seed, *both in zip(seeds, *right, strict=True)
                ]
                examples = {"method": "McNemar, exact", **statistics.combine(per_seed), "per_seed": per_seed}
            else:
                examples = {"method": "paired bootstrap", "p": statistics.bootstrap_p(differences)}
            over_seeds = None
            if len(seeds) > 1:
                p = statistics.permutation_p(*scores)
                over_seeds = {"method": "permutation of seeds", "p": p, "n": len(seeds)}
            pairs.append(
                {
                    "mode": modes[0],
                    "against": modes[1],
                    "metric": name,
                    "seeds": [seed["seed"] for seed in seeds],
                    "split": split,
                    "delta": float(np.mean(scores[0]) - np.mean(scores[1])),
                    "interval": statistics.percentile_interval(differences),
                    "interval_method": "paired bootstrap over examples" + " and seeds" * (len(seeds) > 1),
                    "examples": examples,
                    "over_seeds": over_seeds,
                }
            )
    return pairs


def correct_for_multiplicity(tasks: list[dict]) -> None:
    """Correct the p of all pairs of all tasks by Holm, in place, and say which pairs are within noise."""
    pairs = [pair for task in tasks for pair in task["pairs"]]
    for pair, p in zip(pairs, statistics.holm([pair["examples"]["p"] for pair in pairs]), strict=True):
        pair["examples"]["p_holm"] = p
        low, high = pair["interval"]
        pair["within_noise"] = low <= 0 <= high or p > SIGNIFICANT


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", help="folder of the run")
    parser.add_argument("--tasks", nargs="+", required=True, help="the tasks, in the order in which they are shown")
    parser.add_argument("--modes", nargs="+", required=True, help="the modes, in the order in which they are shown")
    parser.add_argument("--incomplete", nargs="*", default=[], help="plans of the modes that miss cells, as JSON")
    parser.add_argument("--output", required=True, help="path of comparison.json")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
