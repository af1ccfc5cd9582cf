"""Footnotes of the tables: protocol, data, edges of the grid, diverged and missing cells, tests of differences."""

from collections import Counter
from collections.abc import Sequence

from finegrid.config.cell import Cell
from finegrid.evaluation.comparison import Comparison, MissingCells
from finegrid.evaluation.metrics import display_name
from finegrid.records import DataStats
from finegrid.reporting.sentences import listed

LISTED = 10  # missing cells, or files, named in a note


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 text`, `1,200 texts`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def protocol(comparison: Comparison) -> list[str]:
    """Say what the numbers are of: the model, the data, the training, and how settings are chosen."""
    return [
        *model_and_data(comparison),
        f"Training: {plural(comparison.tasks[0].training.epochs, 'epoch')}.",
        seeds(comparison),
        "Validation chose the learning rate and the batch size; only the chosen setting was tested.",
    ]


def model_and_data(comparison: Comparison) -> list[str]:
    """Name the models, and the rows of each task, each with where it comes from."""
    models = [f"{model.name} ({model.where or model.source})" for model in comparison.models]
    notes = [f"Model{'s' * comparison.several_models}: {', '.join(models)}."]
    for task in {task.name: task for task in comparison.tasks}.values():
        splits, hidden = task.data.splits, task.data.splits.hidden.rows
        rows_hidden = f"{hidden:,} more" if splits.test.rows else plural(hidden, "row")
        notes.append(
            f"Data: {task.name} ({task.task.source}): {splits.train.rows:,} training, {splits.validation.rows:,} "
            f"validation and {splits.test.rows:,} test rows of at most {task.task.max_length} tokens. "
            f"Validation rows: {splits.validation.origin}. Test rows: {splits.test.origin}"
            + (f"; the labels of {rows_hidden} are hidden." if hidden else ".")
            + labels(task.data)
        )
    return notes


def labels(stats: DataStats) -> str:
    """Say how the labels of the data were matched with the classes."""
    if stats.source.labels is None:  # a regression
        return ""
    if stats.source.labels == "as positions":
        return f" Labels are positions 0 to {stats.task.num_labels - 1} in the list of classes."
    return f" Labels are matched {stats.source.labels}."


def seeds(comparison: Comparison) -> str:
    """Say which seeds there are, what they are for, and what a single one cannot show."""
    plan = comparison.tasks[0].modes[0].plan
    if plan.confirming_seeds:
        chose, confirmed = with_noun(plan.seeds, "seed"), with_noun(plan.confirming_seeds, "confirming seed")
        return f"Seeds: {chose} chose the settings. Modes are compared by {confirmed}, which had no say in the choice."
    if len(plan.seeds) == 1:
        return (
            f"Seeds: one ({plan.seeds[0]}), so nothing here shows how much scores vary from seed to seed. "
            "`confirm: {seeds: [...]}` in the configuration trains the chosen settings with more."
        )
    return f"Seeds: scores are means over {with_noun(plan.seeds, 'seed')}."


def with_noun(values: Sequence[int], noun: str) -> str:
    """Name some values: `seed 0`, `seeds 0 and 1`."""
    return f"{noun}{'s' * (len(values) != 1)} {listed(list(map(str, values)))}"


def data(comparison: Comparison) -> list[str]:
    """Report what is wrong with the data: truncated, empty and repeated texts. Models that read it share a note."""
    found: dict[tuple[str, str], list[str]] = {}
    for task in comparison.tasks:
        facts, splits = [], task.data.splits.items()
        truncated = [
            f"{split.truncated_rows:,} in {name} ({percent(split.truncated_share)})"
            for name, split in splits
            if split.truncated_rows
        ]
        if truncated:
            facts.append(f"texts truncated to {task.task.max_length} tokens: {', '.join(truncated)}")
        facts += [f"{plural(split.empty_texts, 'empty text')} in {name}" for name, split in splits if split.empty_texts]
        facts = [*dropped(task.data), *facts, *repeated(task.data)]
        if facts:
            found.setdefault((task.name, "; ".join(facts)), []).append(task.title)
    models = Counter(task.name for task in comparison.tasks)
    return [
        f"Data issues in {name if len(titles) == models[name] else '; '.join(titles)}: {facts}."
        for (name, facts), titles in found.items()
    ]


def dropped(stats: DataStats) -> list[str]:
    """Say which training rows, rows without a label and files named again a task leaves out."""
    source, facts = stats.source, []
    if source.dropped_training_rows is not None:
        rows = plural(source.dropped_training_rows, "training row")
        facts.append(f"{rows} left out because the text is also in a test split")
    if source.unlabelled_rows is not None:
        rows = plural(sum(source.unlabelled_rows.values()), "row")
        each = ", ".join(f"{count:,} in {name}" for name, count in source.unlabelled_rows.items() if count)
        facts.append(f"{rows} left out because there is no label" + (f" ({each})" if each else ""))
    if source.repeated:
        first = ", ".join(source.repeated[:LISTED])
        more = f" and {len(source.repeated) - LISTED:,} more" if len(source.repeated) > LISTED else ""
        facts.append(f"named more than once, read once: {first}{more}")
    return facts


def repeated(stats: DataStats) -> list[str]:
    """Say which splits repeat texts or share some with another split."""
    return [
        f"{plural(count, 'text')} {'in both' if ' and ' in names else 'more than once in'} {names}"
        for names, count in stats.duplicates.items()
        if count
    ]


def percent(share: float) -> str:
    """Format a share that is above 0."""
    return f"{share:.1%}" if share >= 0.0005 else "less than 0.1%"


def warnings(comparison: Comparison) -> list[str]:
    """Say where a better setting may lie beyond the grid and how to extend it, and where cells diverged."""
    notes, edges = [], {}
    for task, mode in comparison.rows():
        name = f"{task.title}, {mode.name}" if len(comparison.tasks) > 1 else mode.name
        for edge in mode.chosen.edges if mode.chosen else ():
            edges.setdefault((edge.message, edge.change), []).append(name)
        diverged = sum(cell.status == "diverged" for cell in mode.cells)
        if diverged:
            notes.append(f"Diverged: {name}: {diverged:,} of {plural(len(mode.cells), 'cell')}.")
    chosen = sum(1 for _, mode in comparison.rows() if mode.chosen)
    extend = [
        f"Edge of the grid: {'all modes' if len(names) == chosen > 1 else '; '.join(names)}: {message}. To extend the "
        f"grid: `{change}`."
        for (message, change), names in edges.items()
    ]
    return [*extend, *notes, *unconfirmed(comparison)]


def unconfirmed(comparison: Comparison) -> list[str]:
    """Say where the chosen setting diverged with a confirming seed."""
    notes = []
    for task, mode in comparison.rows():
        name = f"{task.title}, {mode.name}" if len(comparison.tasks) > 1 else mode.name
        seeds = [cell.seed for cell in mode.confirmations if cell.status == "diverged"]
        if seeds:
            notes.append(
                f"Diverged: {name}: the chosen setting with {with_noun(seeds, 'confirming seed')}, so it is not "
                "tested or compared."
            )
    return notes


def of_plan(comparison: Comparison, plan: MissingCells, between: str = ", ") -> str:
    """Name the task and the mode of a plan and, of several models, the model."""
    models = {task.model.name for task in comparison.tasks} | {each.model for each in comparison.missing}
    return between.join([*([plan.model] if len(models) > 1 else []), plan.task, plan.mode])


def missing(comparison: Comparison) -> list[str]:
    """List the cells that have no result, mode by mode, and say what follows from that."""
    notes = []
    for plan in comparison.missing:
        settings = [setting(cell) for cell in plan.cells[:LISTED]]
        if len(plan.cells) > LISTED:
            settings.append(f"and {len(plan.cells) - LISTED:,} more")
        notes.append(
            f"Missing: {of_plan(comparison, plan)}: {len(plan.cells):,} of {plural(plan.planned, 'cell')} "
            f"({'; '.join(settings)}), so no setting was chosen or tested."
        )
    return notes


def setting(cell: Cell) -> str:
    """Return what distinguishes a cell from the others of its mode."""
    return f"batch size {cell.batch_size}, learning rate {cell.learning_rate}, seed {cell.seed}"


def test(comparison: Comparison) -> list[str]:
    """Say how to read the intervals of test scores, and the differences to other modes."""
    return [
        f"95% intervals of scores: {SOURCES[one_seed(comparison)]}. The part over rows is Wilson's for accuracy, a "
        "bootstrap's otherwise.",
        *differences(comparison),
    ]


# What intervals are over, by whether there is only one seed.
SOURCES = {
    True: "over the rows of the split only, as one seed does not show how much a score varies from seed to seed",
    False: "over both sources of chance, the rows of the split and the seeds",
}


def one_seed(comparison: Comparison) -> bool:
    """Whether modes are compared with one seed."""
    return len(comparison.tasks[0].modes[0].plan.tested_seeds) == 1


def differences(comparison: Comparison) -> list[str]:
    """Say how the differences between modes are judged, and what the run could have seen."""
    pairs = [pair for task in comparison.tasks for pair in task.pairs]
    notes = unlike(comparison)
    if not pairs:
        return notes
    if one_seed(comparison):
        notes.append(f"Differences between modes: 95% intervals {SOURCES[True]}. So no verdict is given.")
    else:
        notes.append(
            f"Differences between modes: 95% intervals {SOURCES[False]}; p inverts the interval; Holm's correction "
            f"covers {plural(len(pairs), 'comparison')} in this run. Beyond noise: the corrected p is at most 0.05."
        )
    within = [pair.detectable for pair in pairs if pair.verdict == "within noise" and pair.detectable is not None]
    if within:
        low, high = min(within), max(within)
        span = f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"
        notes.append(
            f"Within noise does not mean equal: such a comparison finds a true difference of {span} with 80% power, "
            "and misses smaller ones more often."
        )
    untested = [task.title for task in comparison.tasks if task.pairs and not task.tested]
    if untested:
        notes.append(
            "Without test labels, modes are compared on validation, which also chose their settings: "
            f"{', '.join(untested)}."
        )
    return notes


def unlike(comparison: Comparison) -> list[str]:
    """Say where modes that are compared were not computed on the same device in the same precision."""
    notes = []
    for task in comparison.tasks:
        found = {mode.name: mode.computed_on for mode in task.modes}
        if len({on for computed_on in found.values() for on in computed_on}) > 1:
            each = "; ".join(f"{mode}: {' and '.join(computed_on)}" for mode, computed_on in found.items())
            notes.append(
                f"Not like with like: cells of {task.title} ran on different devices or in different precisions "
                f"({each})."
            )
    return notes


def trained_models(comparison: Comparison) -> list[str]:
    """Say what McNemar's test is about, where there is one."""
    pairs = [pair for task in comparison.tasks for pair in task.pairs if pair.mcnemar]
    if not pairs:
        return []
    combined = (
        " The p-values of the seeds are combined by Rüger's method: the middle one, times the number of seeds over its "
        "rank."
    ) * any(len(pair.mcnemar) > 1 for pair in pairs)
    return [
        "McNemar's exact test is a statement about these trained models on rows like these, not about the modes: "
        f"another seed trains other models.{combined}"
    ]


def metric_name(comparison: Comparison) -> str:
    """Return what captions call the score: the metric's name if all tasks share it."""
    metrics = {display_name(task.metric) for task in comparison.tasks}
    return metrics.pop() if len(metrics) == 1 else "score"
