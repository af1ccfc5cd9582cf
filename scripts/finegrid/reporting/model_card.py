"""The model card of an exported model: what it is, its scores, and the grid that it was chosen from."""

from huggingface_hub import EvalResult, ModelCardData
from tabulate import tabulate

from finegrid.config.cell import Plan
from finegrid.evaluation.metrics import display_name
from finegrid.evaluation.results import ModeResults, by_setting
from finegrid.evaluation.selection import all_ok, mean_score
from finegrid.records import Best, Evaluation, Metrics
from finegrid.reporting.markdown import escape


def model_card(mode: ModeResults, metrics: Metrics) -> str:
    """Return the README.md of the folder of an exported cell, given all results of its mode."""
    best, cells, evaluation = mode.best, mode.cells, mode.evaluation
    cell, task, rows = metrics.cell, metrics.cell.task, metrics.data
    metric, name, mode_name, model = map(
        escape, (display_name(task.metrics[0]), task.name, cell.mode.name, cell.model.name)
    )
    predicts = "classes " + ", ".join(map(escape, task.classes)) if task.classes else "predicts a number"
    example = '{"text": "One text.", "text_pair": "Another."}' if task.pair else '"A text."'
    edges = [edge.message for edge in best.chosen.edges]
    note = f"\nEdge of the grid: {'; '.join(edges)}.\n" if edges else ""
    return f"""---
{front_matter(metrics, evaluation)}
---
# {model}, fine-tuned on {name} ({mode_name})

The setting of {mode_name} that is best on validation, out of a grid trained with finegrid; of its seeds, the best one.
provenance.json records every setting.

```python
from transformers import pipeline

predict = pipeline("text-classification", model="path/to/this/folder", truncation=True)
print(predict({example}))
```

- **Task**: {name}, {"pairs of texts" if task.pair else "texts"} of at most {task.max_length} tokens; {predicts}.
- **Mode**: {mode_name}, which trains {metrics.trainable.total:,} of {metrics.total:,} parameters, \
{metrics.trainable.head:,} of them in the head.
- **Training**: learning rate {cell.learning_rate}, batch size {cell.batch_size}, epochs {cell.training.epochs}, \
{exported_seed(cell.seed, best.plan)}; {rows.train.rows:,} rows.
- **Validation**: {metric} {metrics.validation.last.score:.3f} on {rows.validation.rows:,} rows.
- **Test**: {tested(metrics, evaluation)}.
- **Seeds**: {over_seeds(best.plan)}

## The grid

Validation {metric} after the last epoch, {averaged(best.plan)}; the chosen setting is in bold.

{grid_table(best, cells)}
{note}
## Limits

It was trained on {rows.train.rows:,} rows of one task, so expect less of it on other kinds of text.
Its validation score is optimistic, because the validation rows also chose its settings.
"""


def front_matter(metrics: Metrics, evaluation: Evaluation) -> str:
    """Return the card's metadata as the YAML that the hub reads, with a model-index."""
    cell, task = metrics.cell, metrics.cell.task
    scores = {"validation": metrics.validation.last.score, "test": test_score(metrics, evaluation)}
    return ModelCardData(
        base_model=cell.model.repo or cell.model.name,
        library_name="transformers",
        pipeline_tag="text-classification",
        datasets=[task.repo] if task.repo else None,
        metrics=[task.metrics[0]],
        model_name=f"{cell.model.name}-{task.name}-{cell.mode.name}",
        eval_results=[
            EvalResult(
                task_type="text-classification",
                dataset_type=task.repo or task.name,
                dataset_name=f"{task.name}, as finegrid splits it",
                dataset_split=split,
                metric_type=task.metrics[0],
                metric_value=score,
            )
            for split, score in scores.items()
            if score is not None
        ],
    ).to_yaml()


def test_score(metrics: Metrics, evaluation: Evaluation) -> float | None:
    """Return the test score of the exported model by the metric that selects; None if it was not tested."""
    [scores] = [cell.scores for cell in evaluation.cells if cell.seed == metrics.cell.seed]
    return scores and scores[metrics.cell.task.metrics[0]]


def tested(metrics: Metrics, evaluation: Evaluation) -> str:
    """State the test score, or why there is none."""
    score, splits = test_score(metrics, evaluation), evaluation.data
    if score is None:
        return "the labels are hidden, so there is no score" if splits.hidden.rows else "there is no test split"
    metric = escape(display_name(metrics.cell.task.metrics[0]))
    return f"{metric} {score:.3f} on {splits.test.rows:,} rows ({escape(splits.test.origin)})"


def grid_table(best: Best, cells: list[Metrics]) -> str:
    """Return the mean score over the seeds of every learning rate (rows) at every batch size (columns)."""
    plan, settings = best.plan, by_setting(cells)

    def text(batch_size: int, rate: str) -> str:
        seeds = settings[batch_size, rate]
        score = f"{mean_score(seeds):.3f}" if all_ok(seeds) else "diverged"
        return f"**{score}**" if (batch_size, rate) == (best.chosen.batch_size, best.chosen.learning_rate) else score

    return tabulate(
        [[rate, *(text(size, rate) for size in plan.batch_sizes)] for rate in plan.learning_rates],
        headers=["learning rate", *(f"batch size {size}" for size in plan.batch_sizes)],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=["right"] * (1 + len(plan.batch_sizes)),
    )


def exported_seed(seed: int, plan: Plan) -> str:
    """Say which seed the exported model has, and out of how many."""
    count, kind = len(plan.tested_seeds), "confirming seeds" if plan.confirming_seeds else "seeds"
    return f"seed {seed}" + (f" (the best of {count} {kind} on validation)" if count > 1 else "")


def over_seeds(plan: Plan) -> str:
    """Say what one model's scores do not show."""
    if len(plan.tested_seeds) == 1:
        return "one, so how much these scores vary from seed to seed is not assessable."
    count = len(plan.tested_seeds)
    return f"these scores are one model's; the run's tables have the mean over {count} seeds, with its interval."


def averaged(plan: Plan) -> str:
    """Say which seeds the scores of a plan's settings are means over."""
    seeds = ", ".join(map(str, plan.seeds))
    return f"mean over seeds {seeds}" if len(plan.seeds) > 1 else f"seed {seeds}"
