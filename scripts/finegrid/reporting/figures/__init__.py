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
OF_SEVERAL_MODELS = ("ladder",)


def names(models, tasks) -> list[str]:
    """Name the figures of a run in the order in which the report shows them, as `TaskComparison.key` has them."""
    several = len(models) > 1
    keys = [f"{task}+{model}" for model in models for task in tasks] if several else tasks
    return names_of(keys, several)


def names_of(keys, several_models: bool) -> list[str]:
    """Name the figures of each model on each task, by their keys, and those of the whole run."""
    of_tasks = [f"{kind}_{key}" for key in keys for kind in ("heatmap", "curves", "trials")]
    return [*of_tasks, *OF_A_RUN, *(OF_SEVERAL_MODELS if several_models else ())]
