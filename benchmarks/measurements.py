"""What against_trainer.py measures, as typed objects, and the tables of it in Markdown. Nothing here imports torch."""

import re
import statistics
from pathlib import Path
from typing import Literal

import tabulate

from finegrid.files import write_text
from finegrid.sealed import Result

Contender = Literal["finegrid", "Trainer"]
CONTENDERS: tuple[Contender, ...] = ("finegrid", "Trainer")


class Machine(Result):
    """What measurements have to share to be compared."""

    processor: str
    cores: int
    dtype: str  # of matrix products
    torch: str
    transformers: str


class Run(Result):
    """A whole grid by one contender."""

    seconds: float  # from nothing prepared to the last validation score
    training_seconds: float  # of all cells together, validation after each epoch included; without start-up
    peak_memory_bytes: int  # of the largest process
    accuracy: float  # on validation after the last epoch: mean over the cells


class Turn(Result):
    """One run of each contender, in the order of CONTENDERS."""

    product_rate: float  # floating-point operations per second of one core when all are busy, just before
    finegrid: Run
    Trainer: Run


class Work(Result):
    """What a grid has to compute, whoever does: see useful_work.py."""

    cells: int
    tokens: int  # trained on, by all cells and epochs
    training_flops: int
    validation_flops: int


class Workload(Result):
    """The turns of a grid."""

    config: str  # path of its configuration
    title: str
    identity: str  # sha256 of what was run: code and configuration
    work: Work
    turns: tuple[Turn, ...]

    @property
    def product_rate(self) -> float:
        """The floating-point operations per second of one core: the most of the turns, as others only lower it."""
        return max(turn.product_rate for turn in self.turns)

    def runs(self, name: Contender) -> list[Run]:
        """List the runs of a contender."""
        return [getattr(turn, name) for turn in self.turns]

    def seconds(self, name: Contender) -> float:
        """Return the median wall time."""
        return statistics.median(run.seconds for run in self.runs(name))

    @property
    def ratio(self) -> float:
        """How many times as long Trainer takes: the ratio of the medians."""
        return self.seconds("Trainer") / self.seconds("finegrid")

    def share(self, name: Contender, cores: int) -> float:
        """Return what share of the cores' product rate goes into training's useful operations, over the wall time."""
        return self.work.training_flops / self.seconds(name) / cores / self.product_rate

    def share_in_training(self, name: Contender) -> float:
        """Return that share within the training of cells, which have a core each: validation counts, start-up not."""
        seconds = statistics.median(run.training_seconds for run in self.runs(name))
        return (self.work.training_flops + self.work.validation_flops) / seconds / self.product_rate


class Measurements(Result):
    """against_trainer.json."""

    machine: Machine
    workloads: tuple[Workload, ...] = ()

    def replaced(self, workload: Workload) -> "Measurements":
        """Return these measurements with those of a workload in place of its earlier ones, or at the end."""
        found = {each.config: each for each in self.workloads} | {workload.config: workload}
        return self.model_copy(update={"workloads": tuple(found.values())})


def machine_line(measured: Measurements) -> str:
    """Describe the machine, and how often each grid ran."""
    machine = measured.machine
    rates = sorted(round(workload.product_rate / 1e9) for workload in measured.workloads)
    rate = f"{rates[0]}" if rates[0] == rates[-1] else f"{rates[0]} to {rates[-1]}"
    turns = min(len(workload.turns) for workload in measured.workloads)
    runs = f"Medians of {turns} alternating runs" if turns > 1 else "One run"
    return (
        f"{runs} of each grid on {machine.cores} cores of {machine.processor}. A core does {rate} Gflop/s in products "
        f"of {machine.dtype}; torch {machine.torch}, transformers {machine.transformers}."
    )


def full_table(measured: Measurements) -> str:
    """Return the table of everything, a row for each contender of each grid."""
    rows = []
    for workload in measured.workloads:
        for name in CONTENDERS:
            ours = name == "finegrid"
            rows.append(
                {
                    "grid": f"{workload.title} ({workload.work.cells} cells)" if ours else "",
                    "by": name,
                    "wall time": f"{workload.seconds(name):.0f} s",
                    "times as long": "" if ours else f"{workload.ratio:.1f} x",
                    "tokens/s": f"{workload.work.tokens / workload.seconds(name):,.0f}",
                    "peak memory": f"{max(run.peak_memory_bytes for run in workload.runs(name)) / 2**30:.2f} GiB",
                    "accuracy": f"{statistics.mean(run.accuracy for run in workload.runs(name)):.3f}",
                    "of product rate": f"{workload.share(name, measured.machine.cores):.1%}",
                    "in training": f"{workload.share_in_training(name):.1%}",
                }
            )
    alignment = ("left", "left", *["right"] * 7)
    return tabulate.tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=alignment)


def short_table(measured: Measurements) -> str:
    """Return the table of wall times, a row for each grid."""
    rows = [
        {
            "whole grid": workload.title,
            **{name: f"{workload.seconds(name):.0f} s" for name in CONTENDERS},
            "times as long": f"{workload.ratio:.1f}",
        }
        for workload in measured.workloads
    ]
    alignment = ("left", "right", "right", "right")
    return tabulate.tabulate(rows, headers="keys", tablefmt="pipe", disable_numparse=True, colalign=alignment)


def page(measured: Measurements) -> str:
    """Return against_trainer.md."""
    return f"{machine_line(measured)}\n\n{full_table(measured)}\n"


def with_table(text: str, table: str) -> str:
    """Return a page with a table in place of the one whose first column has the same name.

    Raises ValueError unless the page has exactly one.
    """
    first = re.escape(table.split("|")[1].strip())
    changed, count = re.subn(rf"(?m)^\| {first} +\|.*\n(?:\|.*\n)*", lambda _: table + "\n", text)
    if count != 1:
        raise ValueError(f"{count} tables whose first column is {first!r}; expected one")
    return changed


def with_page(text: str, page: str) -> str:
    """Return docs/speed.md with against_trainer.md between its markers."""
    start, end = "<!-- against_trainer.md -->\n", "<!-- end -->\n"
    before, _, rest = text.partition(start)
    return f"{before}{start}\n{page}\n{end}{rest.partition(end)[2]}"


def update_documentation(measured: Measurements, repository: Path) -> None:
    """Write the tables into README.md and docs/speed.md."""
    for name, change, content in (
        ("README.md", with_table, short_table(measured)),
        ("docs/speed.md", with_page, page(measured)),
    ):
        path = repository / name
        write_text(path, change(path.read_text(encoding="utf-8"), content))
