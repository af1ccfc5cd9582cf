"""Notes below the tables: what the numbers are of, and what is not as it should be."""

NO_TEST = {
    "hidden": "its test labels are hidden",
    "no test split": "it has no test split",
}


def counted(number: int, noun: str) -> str:
    """Return `1 text`, `2 texts`, `20,000 texts`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def model(comparison: dict) -> str:
    return f"Model: {comparison['model']['name']} ({comparison['model']['source']})."


def protocol(comparison: dict) -> list[str]:
    """Say what the numbers of a run are: model, data, sample sizes, seeds, and what chose."""
    notes = [model(comparison)]
    for task in comparison["tasks"]:
        splits, settings = task["data"]["splits"], task["settings"]
        sizes = f"{splits['train']['rows']:,} training"
        if splits["test"]["rows"]:
            sizes += f", {splits['validation']['rows']:,} validation and {splits['test']['rows']:,} test rows"
        else:
            sizes += f" and {splits['validation']['rows']:,} validation rows"
        notes.append(
            f"Data: {task['task']} ({settings['source']}), {sizes} of at most {settings['max_length']} tokens. "
            f"Validation: {splits['validation']['origin']}. Test: {test_origin(task)}"
        )
    epochs = {task["training"]["epochs"] for task in comparison["tasks"]}
    spelt = " or ".join(counted(number, "epoch") for number in sorted(epochs))
    return [*notes, f"Training: {spelt}; {seeds(comparison)}", "Validation chooses the learning rate and batch size."]


def test_origin(task: dict) -> str:
    """Say where the test rows come from, and why there are none."""
    splits = task["data"]["splits"]
    hidden = splits["hidden"]["rows"]
    if splits["test"]["rows"]:
        return splits["test"]["origin"] + (f"; the labels of {hidden:,} more are hidden." if hidden else ".")
    return f"none, the labels of its {counted(hidden, 'row')} are hidden." if hidden else "none."


def seeds(comparison: dict) -> str:
    """Say how many seeds there are, and what one cannot show."""
    of_run = sorted({seed for task in comparison["tasks"] for mode in task["modes"] for seed in mode["plan"]["seeds"]})
    if len(of_run) == 1:
        return f"one seed ({of_run[0]}): how far another would lie from it is not known, so take small gaps with care."
    return f"mean ± standard deviation over the seeds {', '.join(map(str, of_run))}; n: how many."


def data(comparison: dict) -> list[str]:
    """Say what is not as it should be in the data: cut, empty and repeated texts."""
    notes = []
    for task in comparison["tasks"]:
        stats, facts = task["data"], []
        if "dropped_training_rows" in stats["source"]:
            dropped = counted(stats["source"]["dropped_training_rows"], "training row")
            facts.append(f"{dropped} left out, for texts that stand in a test split")
        splits = stats["splits"].items()
        cut = [f"{_percent(split['truncated_share'])} of {name}" for name, split in splits if split["truncated_rows"]]
        if cut:
            facts.append(f"{', '.join(cut)} cut to {task['settings']['max_length']} tokens")
        empty = [(name, split["empty_texts"]) for name, split in splits if split["empty_texts"]]
        facts += [f"{counted(number, 'empty text')} in {name}" for name, number in empty]
        for names, number in stats["duplicates"].items():
            if number:
                where = f"in both {names}" if " and " in names else f"more than once in {names}"
                facts.append(f"{counted(number, 'text')} {where}")
        if facts:
            notes.append(f"Data of {task['task']}: {'; '.join(facts)}.")
    return notes


def warnings(comparison: dict) -> list[str]:
    """Say where a better setting may lie beyond the grid, how to extend it, and where cells diverged."""
    edges: dict[tuple[str, str], list[str]] = {}
    diverged = []
    for task in comparison["tasks"]:
        for mode in task["modes"]:
            name = f"{task['task']}, {mode['mode']}" if len(comparison["tasks"]) > 1 else mode["mode"]
            for edge in mode["chosen"]["edges"] if mode["chosen"] else []:
                edges.setdefault((edge["message"], edge["change"]), []).append(name)
            number = sum(cell["status"] == "diverged" for cell in mode["cells"])
            if number:
                diverged.append(f"Diverged: {name}: {number} of {counted(len(mode['cells']), 'cell')}.")
    told = [
        f"Edge of the grid: {'; '.join(names)}: {message}. To extend it: `{change}`"
        for (message, change), names in edges.items()
    ]
    return told + diverged


def _percent(share: float) -> str:
    return f"{share:.1%}" if share >= 0.001 else "less than 0.1%"


def tests(comparison: dict) -> list[str]:
    """Say what the test scores are of, and where there are none."""
    notes = []
    for task in comparison["tasks"]:
        if task["test_status"] == "read":
            rows = counted(task["data"]["splits"]["test"]["rows"], "row")
            notes.append(f"Test of {task['task']}: {rows}, {test_origin(task)}")
        else:
            notes.append(f"No test score of {task['task']}: {NO_TEST[task['test_status']]}.")
    return [*notes, "Test is read for the cells of the chosen setting only, one for each seed."]


def inference(comparison: dict) -> list[str]:
    """Say how intervals and p values come about, task by task where they differ."""
    pairs = [(task["task"], pair) for task in comparison["tasks"] for pair in task["pairs"]]
    if not pairs:
        return []

    def by_kind(kind_of) -> str:
        names: dict[str, list[str]] = {}
        for task, pair in pairs:
            names.setdefault(kind_of(pair), []).append(task)
        if len(names) == 1:
            return next(iter(names))
        return "; ".join(f"{kind} ({', '.join(dict.fromkeys(tasks))})" for kind, tasks in names.items())

    notes = [f"p: {by_kind(lambda pair: pair['examples']['method'])}, on the middle seed; Holm p: of all pairs tested."]
    notes.append(f"95 % interval of a difference: {by_kind(lambda pair: pair['interval_method'])}.")
    notes.append("Within noise: the interval holds 0 or the Holm p is above 0.05.")
    return notes
