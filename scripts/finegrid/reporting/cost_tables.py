"""The tables of what a mode costs: parameters that train; time, tokens a second, memory, size on disk."""

from statistics import fmean

from finegrid.reporting.layout import Table
from finegrid.reporting.footnotes import plural
from finegrid.reporting.score_tables import names, rows_of

MIB, KIB = 2**20, 2**10


def parameters(comparison: dict) -> Table:
    """Return the table of trainable parameters: in the encoder, in the head, and as a share of all."""
    records, exact = [], []
    for task, mode in rows_of(comparison):
        trainable, total = mode["trainable"], mode["parameters"]
        record = {**names(comparison, task, mode), **trainable, "of all": total}
        records.append({**record, "share": f"{100 * trainable['total'] / total:.3f} %"})
        exact.append({"task": task["task"], "mode": mode["mode"], **trainable, "of_all": total})
    told = ["The head is all that lies outside the pretrained encoder."]
    return Table("parameters", "Parameters", "Trainable parameters of each mode", records, exact, told)


def cost(comparison: dict) -> Table:
    """Return the table of what the chosen cells cost, as means over seeds."""
    records, exact = [], []
    for task, mode in rows_of(comparison):
        chosen = [cell for cell in mode["cells"] if cell["chosen"]]
        if not chosen:
            records.append({**names(comparison, task, mode), "training, s": "diverged"})
            exact.append({"task": task["task"], "mode": mode["mode"]})
            continue
        costs = {key: fmean(cell["cost"][key] for cell in chosen) for key in chosen[0]["cost"]}
        trained = fmean(cell["trained_bytes"] for cell in chosen)
        records.append(
            {
                **names(comparison, task, mode),
                "training, s": f"{costs['training_seconds']:,.1f}",
                "whole job, s": f"{costs['total_seconds']:,.1f}",
                "tokens/s": f"{costs['tokens_per_second']:,.0f}",
                "peak memory, MiB": f"{costs['peak_memory_bytes'] / MIB:,.0f}",
                "on disk, KiB": f"{trained / KIB:,.1f}",
            }
        )
        exact.append({"task": task["task"], "mode": mode["mode"], **costs, "trained_bytes": trained})
    cells = [cell for _, mode in rows_of(comparison) for cell in mode["cells"]]
    hours = sum(cell["cost"]["total_seconds"] for cell in cells) / 3600
    threads = sorted({environment["threads"] for environment in comparison["environments"]})
    told = [
        f"The whole grid: {plural(len(cells), 'cell')}, {hours:.2f} hours of jobs; CPU threads of a job: "
        f"{' or '.join(map(str, threads))}. Jobs that ran side by side slow each other down.",
        "On disk: the parameters that trained, and no others.",
    ]
    return Table("cost", "Cost", "Cost of the chosen cells, means over seeds", records, exact, told)
