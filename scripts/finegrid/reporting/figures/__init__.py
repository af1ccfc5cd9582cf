"""The figures of a run, one module per kind. Snakemake imports this file while it parses, so no matplotlib here."""

from finegrid.config.types import Record

FORMATS = ["svg", "pdf", "png"]


class FigureEntry(Record):
    """A figure in figures.json."""

    name: str  # of its files
    caption: str
    alt: str  # describes the figure to readers who cannot see it
    task: str | None = None  # None if the figure covers all tasks


def names(tasks) -> list[str]:
    """Name the figures of a run in the order in which the report shows them."""
    return [f"{kind}_{task}" for task in tasks for kind in ("heatmap", "curves", "trials")] + [
        "parameters",
        "retention",
    ]
