"""What the numbers of a run say, in sentences, each with the figures that it states.

Where a run has no evidence there is no sentence. A sentence is {"text", "figures": {name: number}}, a section
{"heading", "sentences"}.
"""

from string import Formatter

from finegrid import published
from finegrid.metrics import shown, to_maximise

# Where the learning rates of the study end that found BitFit to fail on small models.
STUDYS_LARGEST = "3e-4"
# Gaps smaller than this are not divided up: their parts would be noise.
SMALLEST_GAP = 0.01


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
                "{difference:+.3f} ({level} % interval {low:+.3f} to {high:+.3f}), with {share:.2%} of the parameters "
                "trained.",
                where="the test split" if pair["split"] == "test" else "validation, by which the settings were chosen,",
                mode=pair["mode"],
                metric=shown(metric),
                score=mode["chosen"][pair["split"]][metric]["mean"],
                full=modes["full"]["chosen"][pair["split"]][metric]["mean"],
                difference=pair["delta"],
                level=95,
                low=pair["interval"][0],
                high=pair["interval"][1],
                share=mode["trainable"]["total"] / mode["parameters"],
            )
        )
        verdict = "That is within noise " if pair["within_noise"] else "That is beyond noise "
        # Three decimals cannot tell a smaller p.
        told = "(corrected p {p:.3f})." if p >= 0.001 else "(corrected p below {p:.3f})."
        sentences.append(sentence(verdict + told, p=max(p, 0.001)))
    return sentences


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
    wide = best(task, modes["bitfit"]) if larger_rates(modes["bitfit"]) else None
    if wide:
        closed["range"] = lead(task, wide, narrow) / gap
        sentences.append(
            sentence(
                "With learning rates up to {largest} it reaches {wide:.3f}: the wider range by itself closes "
                "{share:.0%} of that gap.",
                largest=max(modes["bitfit"]["plan"]["learning_rates"], key=float),
                wide=wide["validation"]["mean"],
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
                "what bitfit loses by its frozen classifier weight is, by itself, {share:.0%} of the gap.",
                rate=STUDYS_LARGEST,
                score=head_narrow["validation"]["mean"],
                share=closed["head"],
            )
        )
    head_wide = head and larger_rates(head) and best(task, head)
    if head_wide and len(closed) == 2:
        both = lead(task, head_wide, narrow) / gap
        sentences.append(
            sentence(
                "Both changes together reach {score:.3f} and close {share:.0%} of the gap.",
                score=head_wide["validation"]["mean"],
                share=both,
            )
        )
        if round(100 * both) != round(100 * closed["range"]) + round(100 * closed["head"]):
            overlap = both < closed["range"] + closed["head"]
            sentences.append(
                sentence(
                    "By themselves they add up to more than that: each does part of what the other does."
                    if overlap
                    else "By themselves they add up to less than that: each needs the other."
                )
            )
    return sentences


def best(task: dict, mode: dict, largest_rate: str | None = None) -> dict | None:
    """Return the best setting of a mode on validation, of those up to a learning rate, if one did not diverge."""
    settings = [
        setting
        for setting in mode["settings"]
        if setting["validation"] and (largest_rate is None or float(setting["learning_rate"]) <= float(largest_rate))
    ]
    return max(settings, key=lambda each: to_maximise(task["metric"], each["validation"]["mean"]), default=None)


def larger_rates(mode: dict) -> bool:
    """Whether a mode was tried at learning rates above the study's."""
    return any(float(rate) > float(STUDYS_LARGEST) for rate in mode["plan"]["learning_rates"])


def lead(task: dict, one: dict, other: dict) -> float:
    """Return how much better one setting is than another, whichever way the metric goes."""
    return to_maximise(task["metric"], one["validation"]["mean"] - other["validation"]["mean"])


def beside_the_published(comparison: dict, task: dict, rows: list[dict]) -> list[dict]:
    """Say where the chosen settings lie beside published scores of the same mode, split and metric."""
    sentences, models = [], set()
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
            low, high = (bound(row["value"] for row in theirs) for bound in (min, max))
            span = "{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else "{low:.3f} to {high:.3f}"
            sources = "one source" if len(theirs) == 1 else "{count} sources"
            sentences.append(
                sentence(
                    "Published {metric} of {mode} on {split}: " + span + " (" + sources + "); here {ours:.3f}.",
                    metric=shown(task["metric"]),
                    mode="full fine-tuning" if mode["mode"] == "full" else mode["mode"],
                    split=split,
                    low=low,
                    high=high,
                    count=len(theirs),
                    ours=ours[task["metric"]]["mean"],
                )
            )
    name = comparison["model"].get("repo", comparison["model"]["name"])
    if sentences and models != {name}:
        sentences.append(
            sentence(
                "The published scores are of {theirs}, this run's of {ours}, and its test rows are: {origin}. So they "
                "stand side by side, and are no test of each other.",
                theirs=" and ".join(sorted(models)),
                ours=name,
                origin=task["data"]["splits"]["test"]["origin"],
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
    chosen = [mode for mode in task["modes"] if mode["chosen"]]
    if chosen:
        count = max(mode["chosen"]["validation"][task["metric"]]["n"] for mode in chosen)
        if count == 1:
            sentences.append(sentence("There is one seed: nothing here tells how much these scores vary with it."))
        elif task["pairs"]:
            sentences.append(
                sentence(
                    "There are {count} seeds; a permutation of so few cannot give a p below {least:.3f}.",
                    count=count,
                    least=2 / 2**count,
                )
            )
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
