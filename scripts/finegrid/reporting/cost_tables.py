"""The tables of what a mode costs: trainable parameters, and time, throughput, memory and size on disk."""

from statistics import fmean

from finegrid.evaluation.comparison import Comparison, ModeComparison, TaskComparison
from finegrid.records import Cost
from finegrid.reporting.footnotes import plural
from finegrid.reporting.layout import Table
from finegrid.reporting.score_tables import names
from finegrid.reporting.sentences import listed

MIB, KIB = 2**20, 2**10  # bytes


def named(task: TaskComparison, mode: ModeComparison) -> dict[str, str]:
    """Return the first columns of a CSV row."""
    return {"model": task.model.name, "task": task.name, "mode": mode.name}


def parameters(comparison: Comparison) -> Table:
    """Return the table of trainable parameters: in the encoder, in the head, and as a share of all."""
    records, exact = [], []
    for task, mode in comparison.rows():
        share = f"{mode.trainable.total / mode.parameters:.3%}"
        records.append(
            {**names(comparison, task, mode), **dict(mode.trainable), "of all": mode.parameters, "share": share}
        )
        exact.append({**named(task, mode), **dict(mode.trainable), "of_all": mode.parameters})
    notes = ["The head is everything outside the pretrained encoder.", *budgets(comparison)]
    return Table("parameters", "Parameters", "Trainable parameters of each mode", records, exact, notes)


def budgets(comparison: Comparison) -> list[str]:
    """Say which modes were given a number of parameters in place of a size of adapters."""
    given: dict[int, list[str]] = {}
    for name, parameters in {mode.name: mode.plan.mode.parameters for _, mode in comparison.rows()}.items():
        if parameters is not None:
            given.setdefault(parameters, []).append(name)
    each = "; ".join(f"{parameters:,} for {listed(modes)}" for parameters, modes in given.items())
    return [f"Budgets, of which adapters get the nearest size that is not above: {each}."] if each else []


def cost(comparison: Comparison) -> Table:
    """Return the table of what the cells of the chosen setting cost, as means over seeds."""
    records, exact = [], []
    for task, mode in comparison.rows():
        cells = mode.chosen_cells
        if not cells:
            records.append({**names(comparison, task, mode), "training, s": "diverged"})
            exact.append(named(task, mode))
            continue
        mean = {name: fmean(getattr(cell.cost, name) for cell in cells) for name in Cost.model_fields}
        costs, trained = Cost.model_construct(**mean), fmean(cell.trained_bytes for cell in cells)
        records.append(
            {
                **names(comparison, task, mode),
                "training, s": f"{costs.training_seconds:,.1f}",
                "whole job, s": f"{costs.total_seconds:,.1f}",
                "tokens/s": f"{costs.tokens_per_second:,.0f}",
                "peak memory, MiB": f"{costs.peak_memory_bytes / MIB:,.0f}",
                "on disk, KiB": f"{trained / KIB:,.1f}",
            }
        )
        exact.append({**named(task, mode), **mean, "trained_bytes": trained})
    caption = "Cost of training at the chosen setting, means over seeds"
    return Table("cost", "Cost", caption, records, exact, [whole_grid(comparison), ON_DISK])


ON_DISK = "On disk: only the trained parameters."


def whole_grid(comparison: Comparison) -> str:
    """Say what the whole grid cost, and with how many threads."""
    cells = [cell for _, mode in comparison.rows() for cell in (*mode.cells, *mode.confirmations)]
    confirming = sum(len(mode.confirmations) for _, mode in comparison.rows())
    hours = sum(cell.cost.total_seconds for cell in cells) / 3600
    threads = sorted({environment.threads for environment in comparison.environments})
    return (
        f"The whole grid: {plural(len(cells), 'cell')}{f', {confirming:,} of them confirming' if confirming else ''}, "
        f"{hours:.2f} hours of jobs with "
        f"{' or '.join(map(str, threads))} CPU {'thread' if threads == [1] else 'threads'} each. "
        "Jobs that run side by side slow each other down."
    )
