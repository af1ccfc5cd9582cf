"""A cell's sign of life while it trains: progress.json in its folder, which scripts/progress.py reads.

It is there from the start of a cell until its metrics.json is; where only it is left, the cell was killed.
"""

import os
import platform
import time
from pathlib import Path

from finegrid.files import write_json


def tell(folder, cell: dict, config: dict, seconds: float, history: list[dict], curve: list[list]) -> None:
    """Write progress.json of a cell that has run for these seconds, and has this validation history and loss curve.

    `loss` is the training loss at the end of the last epoch, `score` that epoch's validation score, both null before
    the first epoch is over; `started` and `updated` are in seconds since 1970.
    """
    now = time.time()
    progress = {
        "cell": cell,
        "epoch": len(history),
        "epochs": config["epochs"],
        "loss": curve[-1][1] if curve else None,
        "metric": config["task"]["metrics"][0],
        "score": history[-1]["score"] if history else None,
        "started": round(now - seconds, 3),
        "updated": round(now, 3),
        "host": platform.node(),
        "pid": os.getpid(),
    }
    write_json(Path(folder, "progress.json"), progress)


def end(folder) -> None:
    """Remove progress.json: metrics.json says it all."""
    Path(folder, "progress.json").unlink(missing_ok=True)
