"""What the numbers of a run say, in sentences, each with the figures that it states.

Where a run has no evidence there is no sentence. A sentence is {"text", "figures": {name: number}}, a section
{"heading", "sentences"}.
"""

from string import Formatter

from finegrid.evaluation import published
from finegrid.evaluation.metrics import METRICS, shown, to_maximise

# Where the learning rates of the study end that found BitFit to fail on small models.
STUDYS_LARGEST = "3e-4"
# Differences in score smaller than this are not divided up: their parts would be noise.
SMALLEST_GAP = 0.01
# The p above which compare.py calls a pair within noise.
SIGNIFICANT = 0.05


def discuss(comparison: dict, published_rows: list[dict]) -> list[dict]:
    """Return the discussion: a section for each task of which there is something to say."""
    sections = []
    for task in comparison["tasks"]:
        sentences = [
            *how_far_behind(task),
            *what_explains_the_gap(task),
            *beside_the_published(comparison, task, published_rows),
            *what_to_beware_of(task),
        ]
        if sentences:
            sections.append({"heading": task["task"], "sentences": sentences})
    return sections


def sentence(template: str, **values) -> dict:
    """Return a sentence; its figures are the numbers that its text states, in full."""
    stated = [name for _, name, _, _ in Formatter().parse(template) if name]
    figures = {name: values[name] for name in stated if isinstance(values[name], (int, float))}
    return {"text": template.format(**values), "figures": figures}


def how_far_behind(task: dict) -> list[dict]:
    """Say of each mode how far it is from full fine-tuning, and whether that is beyond noise."""
    sentences = []
    modes = {mode["mode"]: mode for mode in task["modes"]}
    for pair in task["pairs"]:
        if pair["against"] != "full":
            continue
        mode, metric, p = modes[pair["mode"]], pair["metric"], pair["examples"]["p_holm"]
        sentences.append(
            sentence(
                "On {where} {mode} has {metric} {score:.3f} and full fine-tuning {full:.3f}, a difference of "
                "{difference:+.3f}{direction} ({level} % interval {low:+.3f} to {high:+.3f}), with {share:.2%} of the "
                "parameters trained.",
                where="the test split" if pair["split"] == "test" else "validation, by which the settings were chosen,",
                mode=pair["mode"],
                metric=shown(metric),
                score=mode["chosen"][pair["split"]][metric]["mean"],
                full=modes["full"]["chosen"][pair["split"]][metric]["mean"],
                difference=pair["delta"],
                direction="" if METRICS[task["metric"]].higher_is_better else ", where lower is better",
                level=95,
                low=pair["interval"][0],
                high=pair["interval"][1],
                share=mode["trainable"]["total"] / mode["parameters"],
            )
        )
        sentences.append(
            sentence(
                "That is {verdict} noise (corrected p {below}{p:.3f}{unless}).",
                verdict="within" if pair["within_noise"] else "beyond",
                below="below " if p < 0.001 else "",  # three decimals cannot tell a smaller p
                p=max(p, 0.001),
                unless=disagreement(pair),
            )
        )
    return sentences


def disagreement(pair: dict) -> str:
    """Say what the interval shows where it and p do not say the same: beyond noise is what both find."""
    low, high = pair["interval"]
    holds_zero, small = low <= 0 <= high, pair["examples"]["p_holm"] <= SIGNIFICANT
    if small and holds_zero:
        return ", but the interval holds zero"
    return "" if small or holds_zero else ", though the interval does not hold zero"


def what_explains_the_gap(task: dict) -> list[dict]:
    """Say how much of bitfit's gap at the study's learning rates the range and the frozen classifier explain."""
    modes = {mode["mode"]: mode for mode in task["modes"]}
    if not {"full", "bitfit"} <= modes.keys():
        return []
    full, narrow = best(task, modes["full"]), best(task, modes["bitfit"], STUDYS_LARGEST)
    if full is None or narrow is None:
        return []
    gap = lead(task, full, narrow)
    of_range = {"rate": STUDYS_LARGEST, "metric": shown(task["metric"])}
    sentences = [
        sentence(
            "At learning rates up to {rate}, where the study's end, bitfit reaches {metric} {narrow:.3f} on "
            "validation, {gap:.3f} {side} full fine-tuning's {full:.3f}.",
            **of_range,
            narrow=narrow["validation"]["mean"],
            gap=abs(gap),
            side="behind" if gap >= 0 else "ahead of",
            full=full["validation"]["mean"],
        )
    ]
    if gap < SMALLEST_GAP:
        return sentences
    closed = {}
    wide = wider(task, modes["bitfit"])
    if wide:
        setting, largest = wide
        closed["range"] = lead(task, setting, narrow) / gap
        sentences.append(
            sentence(
                "With learning rates up to {largest} it reaches {wide:.3f}: the wider range by itself closes "
                + portion(closed["range"])
                + " of that gap.",
                largest=largest,
                wide=setting["validation"]["mean"],
                share=closed["range"],
            )
        )
    head = modes.get("bitfit-head")
    head_narrow = head and best(task, head, STUDYS_LARGEST)
    if head_narrow:
        closed["head"] = lead(task, head_narrow, narrow) / gap
        sentences.append(
            sentence(
                "With the classifier's weight trained, too, and learning rates up to {rate}, biases reach {score:.3f}: "
                "what bitfit loses by its frozen classifier weight is, by itself, "
                + portion(closed["head"])
                + " of the gap.",
                rate=STUDYS_LARGEST,
                score=head_narrow["validation"]["mean"],
                share=closed["head"],
            )
        )
    head_wide = head and wider(task, head)
    if head_wide and len(closed) == 2:
        setting, _ = head_wide
        both = lead(task, setting, narrow) / gap
        sentences.append(
            sentence(
                "Both changes together reach {score:.3f} and close " + portion(both) + " of the gap.",
                score=setting["validation"]["mean"],
                share=both,
            )
        )
        overlap = sum(closed.values()) - both
        # A change that closes nothing by itself has no part in a sum; a small remainder would be noise.
        if min(closed.values()) > 0 and abs(overlap) * gap >= SMALLEST_GAP:
            sentences.append(
                sentence(
                    "By themselves they add up to more than that: each does part of what the other does."
                    if overlap > 0
                    else "By themselves they add up to less than that: each needs the other."
                )
            )
    return sentences


def portion(share: float) -> str:
    """Return the words, or the place of the figure `share`, for how much of a gap is closed."""
    return "none" if share < 0 else "all" if share > 1 else "{share:.0%}"


def best(task: dict, mode: dict, largest_rate: str | None = None) -> dict | None:
    """Return the best setting of a mode on validation, of those up to a learning rate, if one did not diverge."""
    settings = [
        setting
        for setting in mode["settings"]
        if setting["validation"] and (largest_rate is None or float(setting["learning_rate"]) <= float(largest_rate))
    ]
    return max(settings, key=lambda each: to_maximise(task["metric"], each["validation"]["mean"]), default=None)


def wider(task: dict, mode: dict) -> tuple[dict, str] | None:
    """Return a mode's best setting and its largest learning rate, if one above the study's did not diverge."""
    rates = [setting["learning_rate"] for setting in mode["settings"] if setting["validation"]]
    largest = max(rates, key=float, default=STUDYS_LARGEST)
    return (best(task, mode), largest) if float(largest) > float(STUDYS_LARGEST) else None


def lead(task: dict, one: dict, other: dict) -> float:
    """Return how much better one setting is than another, whichever way the metric goes."""
    return to_maximise(task["metric"], one["validation"]["mean"] - other["validation"]["mean"])


def beside_the_published(comparison: dict, task: dict, rows: list[dict]) -> list[dict]:
    """Say where the chosen settings lie beside published scores of the same mode, split and metric."""
    sentences, models, splits = [], set(), set()
    for mode in task["modes"]:
        for split in ("validation", "test"):
            theirs = [
                row
                for row in published.rows_for(rows, task)
                if (row.get("mode"), row["split"], row["metric"]) == (mode["mode"], split, task["metric"])
            ]
            ours = mode["chosen"] and mode["chosen"][split]
            if not theirs or not ours:
                continue
            models |= {row["model"] for row in theirs}
            splits.add(split)
            count = len({row["title"] for row in theirs})
            low, high = (bound(row["value"] for row in theirs) for bound in (min, max))
            span = "{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else "{low:.3f} to {high:.3f}"
            sources = "one source" if count == 1 else "{count} sources"
            sentences.append(
                sentence(
                    "Published {metric} of {mode} on {split}: " + span + " (" + sources + "); here {ours:.3f}.",
                    metric=shown(task["metric"]),
                    mode="full fine-tuning" if mode["mode"] == "full" else mode["mode"],
                    split=split,
                    low=low,
                    high=high,
                    count=count,
                    ours=ours[task["metric"]]["mean"],
                )
            )
    if not sentences:
        return []
    name = comparison["model"].get("repo", comparison["model"]["name"])
    read = "test" if "test" in splits else "validation"
    origin, sample = task["data"]["splits"][read]["origin"], task["settings"].get("sample")
    # Rows held out to validate do not tell runs apart: published ones were mostly held out, too.
    if models != {name} or sample or (read == "test" and not origin.startswith("official")):
        sentences.append(
            sentence(
                "The published scores are of {theirs}, this run's of {ours}, and its {split} rows are: "
                + ("{rows:,} drawn from the {origin}" if sample and read in sample else "{origin}")
                + "{trained}. So they stand side by side, and are no test of each other.",
                theirs=" and ".join(sorted(models)),
                ours="the same model" if models == {name} else name,
                split=read,
                rows=task["data"]["splits"][read]["rows"],
                origin=origin,
                trained="; the rows it trained on are a sample" if sample and "train" in sample else "",
            )
        )
    return sentences


def what_to_beware_of(task: dict) -> list[dict]:
    """Say which choices lie at the edge of the grid, that seeds are few, and how many cells diverged."""
    sentences = []
    for of in ("learning rate", "batch size"):
        at_edge = [
            mode["mode"]
            for mode in task["modes"]
            if mode["chosen"] and any(edge["of"] == of and edge["side"] != "only" for edge in mode["chosen"]["edges"])
        ]
        if at_edge:
            sentences.append(
                sentence(
                    "The {of} chosen for {modes} lies at the edge of the grid: a better one may lie beyond.",
                    of=of,
                    modes=", ".join(at_edge),
                )
            )
    plans = [mode["plan"] for mode in task["modes"] if mode["chosen"]]
    if plans:
        sentences += how_many_seeds(task, plans[0])
    diverged = [cell for mode in task["modes"] for cell in mode["cells"] if cell["status"] == "diverged"]
    if diverged:
        sentences.append(
            sentence(
                "Of {cells} cells {diverged} diverged.",
                cells=sum(len(mode["cells"]) for mode in task["modes"]),
                diverged=len(diverged),
            )
        )
    return sentences


def how_many_seeds(task: dict, plan: dict) -> list[dict]:
    """Say how many runs a chosen setting has, and what they cannot tell."""
    seeds, orders = len(plan["seeds"]), len(plan.get("data_order_seeds", [None]))
    count = seeds * orders
    if count == 1:
        return [sentence("There is one seed: nothing here tells how much these scores vary with it.")]
    if not task["pairs"]:
        return []
    counted = "There are {count} seeds"
    if orders > 1:
        counted = "Each setting ran {count} times (seeds: {seeds}, orders of the data with each: {orders})"
    least = 2 / 2**count  # of an exact two-sided permutation test
    few = "; a permutation of so few cannot give a p below {least:.3f}." if least > SIGNIFICANT else "."
    return [sentence(counted + few, count=count, seeds=seeds, orders=orders, least=least)]
