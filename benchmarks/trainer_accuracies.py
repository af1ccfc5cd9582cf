"""What Trainer reaches with chosen settings of the reference, beside finegrid: reference_by_trainer.json, its table."""

import math

from tabulate import tabulate

from finegrid.config.cell import Cell
from finegrid.errors import InputError
from finegrid.evaluation.comparison import ModeComparison, Spread, Uncertainty
from finegrid.evaluation.statistics import half_width
from finegrid.reporting.layout import interval
from finegrid.sealed import Result


class Trained(Result):
    """One setting, trained by Trainer and by finegrid with the same seed."""

    cell: Cell
    trainer: float  # accuracy on the test split
    finegrid: float
    seeds: Spread  # of finegrid's accuracies with all seeds that are tested
    seconds: float  # of Trainer's training


class AllTrained(Result):
    """reference_by_trainer.json."""

    settings: tuple[Trained, ...] = ()


def cell_of(mode: ModeComparison) -> Cell:
    """Return the cell that is trained again: the chosen setting with the first of the seeds that are tested.

    Raises InputError if that setting has no test score.
    """
    chosen = mode.chosen
    if chosen is None or chosen.test is None:
        raise InputError(f"mode {mode.name}: its chosen setting has no test score")
    return mode.plan.cell(chosen.batch_size, chosen.learning_rate, mode.plan.tested_seeds[0])


def one_more_seed(seeds: Spread) -> tuple[float, float]:
    """Return Student's 95% prediction interval for the accuracy of one more seed on the same rows; needs two seeds."""
    margin = half_width(Uncertainty(seeds=seeds.n, over_seeds=seeds.sd * math.sqrt(1 + 1 / seeds.n), over_rows=0))
    return seeds.mean - margin, seeds.mean + margin


def table(done: AllTrained) -> str:
    """Return both accuracies of each setting as a Markdown table."""
    rows = [
        {
            "mode": each.cell.mode.name,
            "batch size": each.cell.batch_size,
            "learning rate": each.cell.learning_rate,
            "seed": each.cell.seed,
            "Trainer": f"{each.trainer:.4f}",
            "finegrid": f"{each.finegrid:.4f}",
            "mean over seeds": f"{each.seeds.mean:.4f}",
            "95% interval for one more seed": None if each.seeds.sd is None else interval(one_more_seed(each.seeds)),
            "Trainer's hours": f"{each.seconds / 3600:.1f}",
        }
        for each in done.settings
    ]
    sides = ("left", *["right"] * (len(rows[0]) - 1)) if rows else ()
    return tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=sides)
