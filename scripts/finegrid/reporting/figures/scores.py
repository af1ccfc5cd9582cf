"""The score by which the figures of a whole run compare modes: the test's where it was read."""


def of_test(task: dict, mode: dict) -> dict | None:
    """Return what the chosen setting of a mode reached on the test split by the metric, None where not read."""
    return (mode["chosen"]["test"] or {}).get(task["metric"]) if mode["chosen"] else None


def of_validation(task: dict, mode: dict) -> dict | None:
    """Return what the chosen setting of a mode reached in validation, None if all settings diverged."""
    return mode["chosen"]["validation"][task["metric"]] if mode["chosen"] else None
