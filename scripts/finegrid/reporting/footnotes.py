"""What has to be known to read a table: protocol, data, edges of the grid, cells that diverged."""

from finegrid.evaluation.metrics import shown

LISTED = 10  # of the cells that are missing


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 text`, `1,200 texts`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def protocol(comparison: dict) -> list[str]:
    """Say what the numbers are: model, data, sample sizes, seeds, and what chose."""
    model = comparison["model"]
    notes = [f"Model: {model['name']} ({model.get('repo', model['source'])})."]
    for task in comparison["tasks"]:
        splits, settings = task["data"]["splits"], task["settings"]
        hidden = splits["hidden"]["rows"]
        rows_hidden = f"{hidden:,} more" if splits["test"]["rows"] else plural(hidden, "row")
        notes.append(
            f"Data: {task['task']} ({settings['source']}), {splits['train']['rows']:,} training, "
            f"{splits['validation']['rows']:,} validation and {splits['test']['rows']:,} test rows "
            f"of at most {settings['max_length']} tokens. Validation: {splits['validation']['origin']}. "
            f"Test: {splits['test']['origin']}" + (f"; the labels of {rows_hidden} are hidden." if hidden else ".")
        )
    epochs = comparison["tasks"][0]["training"]["epochs"]
    notes.append(f"Training: {plural(epochs, 'epoch')}; {seeds(comparison)}")
    notes.append("Validation chooses the learning rate and batch size; test is read for the chosen cell only.")
    return notes


def seeds(comparison: dict) -> str:
    """Say which seeds there are, and what one of them cannot tell."""
    plan = comparison["tasks"][0]["modes"][0]["plan"]
    orders = plan.get("data_order_seeds")
    if orders:
        return (
            f"seeds {', '.join(map(str, plan['seeds']))}, each with the data orders {', '.join(map(str, orders))}; "
            "scores are means over them."
        )
    if len(plan["seeds"]) == 1:
        return f"seed {plan['seeds'][0]} alone, so that nothing here tells how much scores vary with the seed."
    return f"scores are means over the seeds {', '.join(map(str, plan['seeds']))}."


def data(comparison: dict) -> list[str]:
    """Say what is not as it should be in the data: cut, empty and repeated texts."""
    notes = []
    for task in comparison["tasks"]:
        facts, splits = [], task["data"]["splits"].items()
        cut = [
            f"{plural(split['truncated_rows'], 'text')} of {name} ({percent(split['truncated_rows'] / split['rows'])})"
            for name, split in splits
            if split["truncated_rows"]
        ]
        if cut:
            facts.append(f"{', '.join(cut)} cut to {task['settings']['max_length']} tokens")
        facts += [
            f"{plural(split['empty_texts'], 'empty text')} in {name}" for name, split in splits if split["empty_texts"]
        ]
        facts = [*dropped(task["data"]), *facts, *repeated(task["data"])]
        if facts:
            notes.append(f"Data of {task['task']}: {'; '.join(facts)}.")
    return notes


def dropped(stats: dict) -> list[str]:
    """Say how many training rows a task leaves out, if it does, given its stats.json."""
    if "dropped_training_rows" not in stats["source"]:
        return []
    rows = plural(stats["source"]["dropped_training_rows"], "training row")
    return [f"{rows} left out, as the text stands in a test split"]


def repeated(stats: dict) -> list[str]:
    """Say which splits have texts more than once or in common, given a task's stats.json."""
    return [
        f"{plural(count, 'text')} {'in both' if ' and ' in names else 'more than once in'} {names}"
        for names, count in stats["duplicates"].items()
        if count
    ]


def percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.0005 else "less than 0.1%"


def warnings(comparison: dict) -> list[str]:
    """Say where a better setting may lie beyond the grid, with what would try it, and where cells diverged."""
    notes, edges = [], {}
    several = len(comparison["tasks"]) > 1
    for task in comparison["tasks"]:
        for mode in task["modes"]:
            name = f"{task['task']}, {mode['mode']}" if several else mode["mode"]
            for edge in mode["chosen"]["edges"] if mode["chosen"] else []:
                edges.setdefault((edge["message"], edge["change"]), []).append(name)
            diverged = sum(cell["status"] == "diverged" for cell in mode["cells"])
            if diverged:
                notes.append(f"Diverged: {name}: {diverged:,} of {plural(len(mode['cells']), 'cell')}.")
    extend = [
        f"Edge of the grid: {'; '.join(names)}: {message}; to look beyond: `{change}`."
        for (message, change), names in edges.items()
    ]
    return [*extend, *notes]


def missing(plans: list[dict]) -> list[str]:
    """Say which cells have no result, mode by mode, and what that means."""
    told = []
    for each in plans:
        listed = [setting(cell) for cell in each["cells"][:LISTED]]
        if len(each["cells"]) > LISTED:
            listed.append(f"and {len(each['cells']) - LISTED:,} more")
        told.append(
            f"Missing: {each['task']}, {each['mode']}: {len(each['cells']):,} of {plural(each['planned'], 'cell')} "
            f"({'; '.join(listed)}): no setting of it was chosen, and no test read."
        )
    return told


def setting(cell: dict) -> str:
    """Spell what tells a cell from the others of its mode."""
    order = f", data order {cell['data_order_seed']}" if "data_order_seed" in cell else ""
    return f"batch size {cell['batch_size']}, learning rate {cell['learning_rate']}, seed {cell['seed']}{order}"


def test(comparison: dict) -> list[str]:
    """Say how the intervals of test scores and the differences to other modes are to be read."""
    return [
        "Intervals of 95 %: Wilson's for accuracy, else a bootstrap over the test rows. They tell what another test "
        "split of this size might say; they say nothing of other seeds.",
        *differences(comparison),
    ]


def differences(comparison: dict) -> list[str]:
    """Say how differences of modes are tested."""
    pairs = [pair for task in comparison["tasks"] for pair in task["pairs"]]
    if not pairs:
        return []
    methods = list(dict.fromkeys(pair["examples"]["method"] for pair in pairs))
    several = any(pair["over_seeds"] for pair in pairs)
    of_seeds = " One p stands for all seeds: the middle one, times the number of seeds over its rank (Rüger)." * several
    notes = [
        f"Differences: 95 % interval by {pairs[0]['interval_method']}; p by {' or '.join(methods)}, corrected by Holm "
        f"over {plural(len(pairs), 'comparison')} of this run.{of_seeds} Within noise: the interval holds 0, or the "
        "corrected p is above 0.05."
    ]
    if several:
        count = max(pair["over_seeds"]["n"] for pair in pairs if pair["over_seeds"])
        notes.append(
            f"Permutation over {count} seeds cannot give a p below {2 / 2**count:.3f}, however clear a difference is."
        )
    hidden = [task["task"] for task in comparison["tasks"] if task["pairs"] and task["test_status"] != "read"]
    if hidden:
        notes.append(
            "Compared on validation, on which the settings were chosen, as there are no test labels: "
            f"{', '.join(hidden)}."
        )
    return notes


def metric_shown(comparison: dict) -> str:
    """Return what captions call the score: the metric's name if the tasks share it."""
    metrics = {shown(task["metric"]) for task in comparison["tasks"]}
    return metrics.pop() if len(metrics) == 1 else "score"
