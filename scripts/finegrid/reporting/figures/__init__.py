"""The figures of a run, a module for each kind. `names` is what the Snakefile imports: no matplotlib here."""

FORMATS = ["svg", "pdf", "png"]


def names(tasks) -> list[str]:
    """Name the figures of a run in their order, which is also the order in which a report shows them."""
    return [f"{kind}_{task}" for task in tasks for kind in ("heatmap", "curves", "trials")] + [
        "parameters",
        "retention",
    ]
