"""The figures of a run, one module per kind. Snakemake imports this file while it parses, so no matplotlib here."""

from finegrid.config.types import Record

FORMATS = ["svg", "pdf", "png"]


class FigureEntry(Record):
    """A figure in figures.json."""

    name: str  # of its files
    caption: str
    alt: str  # describes the figure to readers who cannot see it
    task: str | None = None  # None if the figure covers all tasks


OF_A_RUN = ("parameters", "retention")


def names(models, tasks) -> list[str]:
    """Name the figures of a run in the order in which the report shows them, as `TaskComparison.key` has them."""
    keys = tasks if len(models) == 1 else [f"{task}_{model}" for model in models for task in tasks]
    return [*names_of_tasks(keys), *OF_A_RUN]


def names_of_tasks(keys) -> list[str]:
    """Name the figures of each model on each task."""
    return [f"{kind}_{key}" for key in keys for kind in ("heatmap", "curves", "trials")]
