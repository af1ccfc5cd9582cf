"""The model card of an exported model: what it is, what it scores, and the grid that it won."""

from huggingface_hub import EvalResult, ModelCardData
from tabulate import tabulate

from finegrid.reporting.markdown import escape
from finegrid.evaluation.metrics import shown
from finegrid.evaluation.results import all_ok, by_setting, score


def chosen_card(best: dict, cells: list[dict], metrics: dict, test: dict) -> str:
    """Return the README.md of the exported folder.

    `best` is best.json, `cells` the metrics.json of every cell of its plan, `metrics` and `test` the
    metrics.json and test.json of the exported cell. A test score of None means that the labels are hidden.
    """
    cell, config, plan = metrics["cell"], metrics["config"], best["plan"]
    task, rows = config["task"], metrics["data"]
    metric = escape(shown(task["metrics"][0]))
    name, mode, model = (escape(cell[key]) for key in ("task", "mode", "model"))
    seed, mean = tell_seeds(cell, plan)
    pair = len(task["text"]) > 1
    texts = "pairs of texts" if pair else "texts"
    answers = "classes " + ", ".join(map(escape, task["classes"])) if task["classes"] else "the answer is a number"
    example = '{"text": "One text.", "text_pair": "Another."}' if pair else '"A text."'
    if test["score"] is None:
        tested = "the labels are hidden, so there is no score"
    else:
        split = test["data"]["test"]
        tested = f"{metric} {test['score']:.3f} on {split['rows']:,} rows ({escape(split['origin'])})"
    edges = [edge["message"] for edge in best["chosen"]["edges"]]
    note = f"\nEdge of the grid: {'; '.join(edges)}.\n" if edges else ""
    return f"""---
{front_matter(metrics, test)}
---
# {model}, fine-tuned on {name} ({mode})

The {mode} model that validation chose from a grid of learning rates, batch sizes and seeds, run by finegrid.
provenance.json holds every setting.

```python
from transformers import pipeline

predict = pipeline("text-classification", model="path/to/this/folder", truncation=True)
print(predict({example}))
```

- **Task**: {name}, {texts} of at most {task["max_length"]} tokens; {answers}.
- **Mode**: {mode}, which trains {metrics["trainable"]["total"]:,} of {metrics["total"]:,} parameters, \
{metrics["trainable"]["head"]:,} of these in the head.
- **Training**: learning rate {cell["learning_rate"]}, batch size {cell["batch_size"]}, epochs {config["epochs"]}, \
{seed}; {rows["train"]["rows"]:,} rows.
- **Validation**: {metric} {metrics["validation"]["last"]["score"]:.3f} on {rows["validation"]["rows"]:,} rows.
- **Test**: {tested}.

## The grid

Validation {metric} after the last epoch, {mean}; the chosen setting is in bold.

{grid_table(best, cells)}
{note}
## Limits

It has learned from {rows["train"]["rows"]:,} rows of one task, so expect less of it on texts of another kind.
The validation rows chose its settings, so its validation score flatters it.
"""


def front_matter(metrics: dict, test: dict) -> str:
    """Return the card's metadata as YAML, as the hub reads it, with a model-index."""
    cell, task, model = metrics["cell"], metrics["config"]["task"], metrics["config"]["model"]
    metric, repo = task["metrics"][0], task.get("repo")
    scores = {"validation": metrics["validation"]["last"]["score"], "test": test["score"]}
    return ModelCardData(
        base_model=model.get("repo", model["name"]),
        library_name="transformers",
        pipeline_tag="text-classification",
        datasets=[repo] if repo else None,
        metrics=[metric],
        model_name=f"{cell['model']}-{cell['task']}-{cell['mode']}",
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=repo or cell["task"],
                dataset_name=f"{cell['task']}, as finegrid splits it",
                dataset_split=split,
                metric_type=metric,
                metric_value=value,
            )
            for split, value in scores.items()
            if value is not None
        ],
    ).to_yaml()


def grid_table(best: dict, cells: list[dict]) -> str:
    """Return the mean score over the seeds of every learning rate (rows) at every batch size (columns)."""
    plan, chosen = best["plan"], best["chosen"]
    settings = by_setting(cells)

    def spell(batch_size: int, rate: str) -> str:
        seeds = settings[batch_size, rate]
        text = f"{score(seeds)[0]:.3f}" if all_ok(seeds) else "diverged"
        return f"**{text}**" if (batch_size, rate) == (chosen["batch_size"], chosen["learning_rate"]) else text

    return tabulate(
        [[rate, *(spell(size, rate) for size in plan["batch_sizes"])] for rate in plan["learning_rates"]],
        headers=["learning rate", *(f"batch size {size}" for size in plan["batch_sizes"])],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right"] * (1 + len(plan["batch_sizes"])),
    )


def tell_seeds(cell: dict, plan: dict) -> tuple[str, str]:
    """Say which seed drew a cell, as the best of its plan's, and over which seeds its plan's scores are means."""
    seed, seeds, several = f"seed {cell['seed']}", ", ".join(map(str, plan["seeds"])), len(plan["seeds"]) > 1
    if orders := plan.get("data_order_seeds"):
        seed += f" with data order {cell['data_order_seed']}"
        seeds += f", each with the data orders {', '.join(map(str, orders))}"
        several = several or len(orders) > 1
    return (f"{seed}, the best on validation of {seeds}", f"means over the seeds {seeds}") if several else (seed, seed)
