"""How far a cell is: progress.json in its folder, which scripts/progress.py reads.

It exists from the start of a cell until metrics.json does. Light to import, as the first one is written before torch
is there.
"""

import time
from pathlib import Path

from finegrid.config.cell import Cell
from finegrid.config.types import Record
from finegrid.files import write_json
from finegrid.records import EpochScore, Progress
from finegrid.sealed import as_json


class Found(Record):
    """What a training has found so far."""

    history: tuple[EpochScore, ...] = ()
    curve: tuple[tuple[int, float | None], ...] = ()  # see `loss.loss_curve`
    tokens: int = 0
    seconds: float = 0.0  # of training, those of earlier, killed runs of the cell included

    @property
    def steps(self) -> int:
        """Steps so far."""
        return self.curve[-1][0] if self.curve else 0

    def after(self, score: EpochScore | None, curve: list[tuple[int, float | None]], tokens: int, seconds: float):
        """Return what has been found after one more epoch; of one that diverged there is no score."""
        return Found(
            history=self.history if score is None else (*self.history, score),
            curve=(*self.curve, *curve),
            tokens=self.tokens + tokens,
            seconds=seconds,
        )


def write(folder: Path, cell: Cell, found: Found, seconds: float) -> None:
    """Write progress.json of a cell that has been running for these seconds, start-up included."""
    now = time.time()
    progress = Progress(
        cell=cell,
        epoch=len(found.history),
        loss=found.curve[-1][1] if found.curve else None,
        score=found.history[-1].score if found.history else None,
        started=round(now - seconds, 3),
        updated=round(now, 3),
    )
    write_json(folder / "progress.json", as_json(progress))


def remove(folder: Path) -> None:
    """Remove progress.json, once metrics.json tells the whole story."""
    (folder / "progress.json").unlink(missing_ok=True)
