"""A comparison written by hand, as compare.py would write it, for the tests of what is made from one."""

from finegrid.evaluation import statistics

SPLITS = {
    "train": {"rows": 20_000, "origin": "official training split", "truncated_rows": 500, "empty_texts": 0},
    "validation": {"rows": 5_000, "origin": "20% held out of it", "truncated_rows": 0, "empty_texts": 2},
    "test": {"rows": 25_000, "origin": "official test split", "truncated_rows": 0, "empty_texts": 1},
    "hidden": {"rows": 0, "origin": "none", "truncated_rows": 0, "empty_texts": 0},
}


def comparison(tasks: list[dict] | None = None) -> dict:
    """Return the comparison of a run."""
    return {
        "run": "golden",
        "model": {"name": "bert_tiny", "source": "embedded"},
        "environments": [
            {"torch": "2.13.0", "device": "cpu", "threads": 1, "dtype": "bfloat16", "batches": "unpadded"}
        ],
        "tasks": [task()] if tasks is None else tasks,
    }


def task(name="imdb", modes: list[dict] | None = None, metrics=("accuracy",), test="read", **settings) -> dict:
    """Return one task: by default full fine-tuning, bitfit 0.25 below it, and a mode that diverged everywhere."""
    modes = [mode("full"), mode("bitfit", 0.63, trainable=(3072, 2)), mode("a_b", None)] if modes is None else modes
    for each in modes:
        if each["chosen"]:
            scores = {metric: each["chosen"]["validation"]["first"] for metric in metrics}
            each["chosen"]["validation"] = scores
            of_test = [
                {**spread, "interval": [spread["mean"] - 0.004, spread["mean"] + 0.004], "interval_method": "Wilson"}
                for spread in scores.values()
            ]
            each["chosen"]["test"] = dict(zip(metrics, of_test, strict=True)) if test == "read" else None
    splits = {key: dict(value) for key, value in SPLITS.items()}
    if test != "read":
        splits["test"] |= {"rows": 0, "origin": "none", "empty_texts": 0}
        splits["hidden"] |= {"rows": 100 if test == "hidden" else 0}
    ok = [each for each in modes if each["chosen"]]
    return {
        "task": name,
        "settings": {"name": name, "source": "embedded", "max_length": 128, "metrics": list(metrics), **settings},
        "data": {
            "splits": splits,
            "source": {},
            "duplicates": {"train": 7, "validation": 1, "train and test": 123, "train and validation": 0},
        },
        "training": {"epochs": 4, "weight_decay": 0, "warmup": 0, "max_grad_norm": 1.0},
        "metric": metrics[0],
        "scores": list(metrics),
        "test_status": test,
        "modes": modes,
        "pairs": [
            pair(ours, theirs, metrics[0], "test" if test == "read" else "validation")
            for index, ours in enumerate(ok)
            for theirs in ok[:index]
        ],
    }


def mode(name: str, score: float | None = 0.88, trainable=(4_385_920, 258), seeds=(0, 1, 2), rates=("3e-4", "1e-3")):
    """Return one mode: a score that falls by 0.02 with the learning rate and differs by 0.01 between seeds, or None."""
    settings, cells = [], []
    for index, rate in enumerate(rates):
        of_seeds = [
            None if score is None else round(score - 0.02 * index + 0.01 * seed, 3) for seed in range(len(seeds))
        ]
        setting = {"batch_size": 16, "learning_rate": rate}
        chosen = score is not None and index == 0
        settings.append(
            {
                **setting,
                "chosen": chosen,
                "diverged": 0 if score is not None else len(seeds),
                "validation": None if score is None else statistics.spread(of_seeds),
            }
        )
        for seed, value in zip(seeds, of_seeds, strict=True):
            epoch = {"epoch": 4, "score": value, "scores": {}, "loss": 0.5}
            cells.append(
                {
                    **setting,
                    "seed": seed,
                    "status": "diverged" if value is None else "ok",
                    "chosen": chosen,
                    "validation": value,
                    "validation_loss": None if value is None else 0.5,
                    "best_epoch": None if value is None else epoch,
                    "history": [] if value is None else [{**epoch, "epoch": 3, "score": value - 0.01}, epoch],
                    "train_loss": [[10, 0.7], [20, None if value is None else 0.5]],
                    "cost": {
                        "startup_seconds": 2.5,
                        "training_seconds": 300.0 + seed,
                        "total_seconds": 305.0 + seed,
                        "tokens": 1_000_000,
                        "tokens_per_second": 3333.3,
                        "peak_memory_bytes": 2**29,
                    },
                    "trained_bytes": 4 * sum(trainable),
                    "fingerprint": "0" * 64,
                }
            )
    edges = [
        {
            "of": "learning rate",
            "side": "smallest",
            "message": f"learning rate {rates[0]} is the smallest tried",
            "change": f"modes.{name}.learning_rates: [1e-4, {', '.join(rates)}]",
        }
    ]
    best = None if score is None else statistics.spread([cell["validation"] for cell in cells[: len(seeds)]])
    return {
        "mode": name,
        "plan": {"batch_sizes": [16], "learning_rates": list(rates), "seeds": list(seeds)},
        "trainable": {"encoder": trainable[0], "head": trainable[1], "total": sum(trainable)},
        "parameters": 4_386_178,
        "settings": settings,
        "cells": cells,
        "chosen": best
        and {"batch_size": 16, "learning_rate": rates[0], "edges": edges, "validation": {"first": best}, "test": None},
    }


def pair(ours: dict, theirs: dict, metric: str, split: str, noise=0.01) -> dict:
    """Return the comparison of two modes: within noise if they lie within it."""
    delta = round(ours["chosen"]["validation"][metric]["mean"] - theirs["chosen"]["validation"][metric]["mean"], 6)
    seeds = ours["plan"]["seeds"]
    p = 0.4 if abs(delta) < noise else 0.0001
    return {
        "mode": ours["mode"],
        "against": theirs["mode"],
        "metric": metric,
        "seeds": seeds,
        "split": split,
        "delta": delta,
        "interval": [round(delta - noise, 6), round(delta + noise, 6)],
        "interval_method": "paired bootstrap over examples" + " and seeds" * (len(seeds) > 1),
        "examples": {"method": "McNemar, exact", "seed": 0, "only_mode": 12, "only_against": 80, "p": p, "p_holm": p},
        "over_seeds": {"method": "permutation of seeds", "p": 0.25, "n": len(seeds)} if len(seeds) > 1 else None,
        "within_noise": abs(delta) < noise,
    }
