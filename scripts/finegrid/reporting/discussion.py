"""What the numbers of a run say, in sentences, each with the figures that it states; no evidence, no sentence."""

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import Comparison, ModeComparison, Pair, SettingScore, TaskComparison
from finegrid.evaluation.metrics import display_name, signed_score
from finegrid.evaluation.pairs import MANY
from finegrid.evaluation.published import PublishedScore, of_known_size
from finegrid.reporting import ladder
from finegrid.reporting.answer import answer
from finegrid.reporting.beside_published import beside_the_published
from finegrid.reporting.one_answer import learned_nothing
from finegrid.reporting.sentences import Discussion, Section, Sentence, listed, sentence

# The largest learning rate of the original study, which found that BitFit fails on small models.
STUDYS_LARGEST = "3e-4"
# A smaller gap in score is not divided into parts, which would be noise.
SMALLEST_GAP = 0.01


def discuss(comparison: Comparison, published: list[PublishedScore]) -> Discussion:
    """Return the discussion: the answer, and a section for each task that there is something to say about."""
    sections, beside = [], of_known_size(published) if comparison.several_models else published
    for task in comparison.tasks:
        sentences = [
            *distance_from_full(task),
            *explain_the_gap(task),
            *learned_nothing(task),
            *beside_the_published(task, beside),
            *caveats(task),
        ]
        if sentences:
            sections.append(Section(heading=task.title, sentences=sentences))
    return Discussion(answer=answer(comparison), sections=[*sections, *ladder.discuss(comparison)])


def distance_from_full(task: TaskComparison) -> list[Sentence]:
    """Say how far each mode is from full fine-tuning, and whether that is beyond noise; of many, the telling ones."""
    sentences, pairs = [], [pair for pair in task.pairs if pair.against == "full"]
    if len(pairs) >= MANY:
        best_mode = max(pairs, key=lambda pair: signed_score(pair.metric, pair.delta))
        pairs = [pair for pair in pairs if pair is best_mode or pair.verdict == "beyond noise"]
    for pair in pairs:
        mode = task.mode(pair.mode)
        score, full = (task.score(task.mode(name)) for name in (pair.mode, "full"))
        sentences += [
            sentence(
                "With {share:.2%} of the parameters trained, {mode} reaches {score:.3f} {metric} on {where}; full "
                "fine-tuning reaches {full:.3f}.",
                share=mode.trainable.total / mode.parameters,
                mode=pair.mode,
                score=score.mean,
                metric=display_name(pair.metric),
                where="the test split" if pair.split == "test" else "validation, which also chose the settings",
                full=full.mean,
            ),
            judgement(pair, METRICS[task.metric].higher_is_better),
        ]
    return sentences


def judgement(pair: Pair, higher_is_better: bool) -> Sentence:
    """Say how certain a difference is; what the run could have seen of one within noise; of one seed, what it lacks."""
    p = pair.p_holm
    if p is None:
        verdict = (
            ", is that of one seed: over the rows alone the {level:.0%} interval is {low:+.3f} to {high:+.3f}, and "
        )
        verdict += "whether another seed would agree is not assessable."
    else:
        verdict = " ({level:.0%} interval {low:+.3f} to {high:+.3f} over rows and seeds), is {verdict} (corrected p "
        verdict += "{below}{p:.3f})."
    if pair.verdict == "within noise" and pair.detectable is None:
        verdict += " That does not make the modes equal: the seeds differ too much for this run to find any difference."
    elif pair.verdict == "within noise":
        verdict += " That does not make the modes equal: this run finds a true difference of {detectable:.3f} with "
        verdict += "{power:.0%} power."
    return sentence(
        "The difference, {difference:+.3f}" + ("" if higher_is_better else " (lower is better)") + verdict,
        difference=pair.delta,
        level=0.95,
        low=pair.interval[0],
        high=pair.interval[1],
        verdict=pair.verdict,
        below="below " if p is not None and p < 0.001 else "",  # three decimals do not show a smaller p
        p=None if p is None else max(p, 0.001),
        detectable=pair.detectable,
        power=0.8,
    )


def explain_the_gap(task: TaskComparison) -> list[Sentence]:
    """Say how much of bitfit's gap at the study's learning rates is due to their range and to the frozen classifier."""
    full, bitfit, head = (task.mode(name) for name in ("full", "bitfit", "bitfit-head"))
    best_full = full and best(task, full, STUDYS_LARGEST)
    narrow = bitfit and best(task, bitfit, STUDYS_LARGEST)
    if not best_full or not narrow:
        return []
    gap = lead(task, best_full, narrow)
    sentences = [
        sentence(
            "At learning rates up to {rate}, the largest in the original study, bitfit reaches {narrow:.3f} {metric} "
            "on validation, {gap:.3f} {side} full fine-tuning ({full:.3f}).",
            rate=STUDYS_LARGEST,
            metric=display_name(task.metric),
            narrow=narrow.validation.mean,
            gap=abs(gap),
            side="behind" if gap >= 0 else "ahead of",
            full=best_full.validation.mean,
        )
    ]
    if gap < SMALLEST_GAP:
        return sentences
    closed = []
    if wide := wider(task, bitfit):
        setting, largest = wide
        closed.append(lead(task, setting, narrow) / gap)
        sentences.append(
            sentence(
                "With learning rates up to {largest}, it reaches {wide:.3f}: the wider range alone closes "
                f"{portion(closed[-1])} of that gap.",
                largest=largest,
                wide=setting.validation.mean,
                share=closed[-1],
            )
        )
    if head and (with_head := best(task, head, STUDYS_LARGEST)):
        closed.append(lead(task, with_head, narrow) / gap)
        sentences.append(
            sentence(
                "If the classifier's weight trains too, it reaches {score:.3f} at learning rates up to {rate}: "
                f"freezing that weight alone accounts for {portion(closed[-1])} of the gap.",
                rate=STUDYS_LARGEST,
                score=with_head.validation.mean,
                share=closed[-1],
            )
        )
    if head and len(closed) == 2 and (both := wider(task, head)):
        sentences += of_both(both[0].validation.mean, lead(task, both[0], narrow) / gap, closed, gap)
    return sentences


def of_both(score: float, share: float, alone: list[float], gap: float) -> list[Sentence]:
    """Say what both changes together close of a gap, and how that compares to what each closes alone."""
    sentences = [
        sentence(
            f"Both changes together reach {{score:.3f}} and close {portion(share)} of the gap.",
            score=score,
            share=share,
        )
    ]
    overlap = sum(alone) - share
    # A change that closes nothing alone has no part in a sum, and a small remainder would be noise.
    if min(alone) > 0 and abs(overlap) * gap >= SMALLEST_GAP:
        sentences.append(
            sentence(
                "The two shares add up to more than that: the effects overlap."
                if overlap > 0
                else "The two shares add up to less than that: each change helps the other."
            )
        )
    return sentences


def portion(share: float) -> str:
    """Return how much of a gap is closed, in words or as the placeholder of the figure `share`."""
    return "none" if share < 0 else "all" if share > 1 else "{share:.0%}"


def best(task: TaskComparison, mode: ModeComparison, largest_rate: str | None = None) -> SettingScore | None:
    """Return a mode's best setting on validation, with learning rates up to one; None if all diverged."""
    settings = [
        setting
        for setting in mode.settings
        if setting.validation and (largest_rate is None or float(setting.learning_rate) <= float(largest_rate))
    ]
    return max(settings, key=lambda setting: signed_score(task.metric, setting.validation.mean), default=None)


def wider(task: TaskComparison, mode: ModeComparison) -> tuple[SettingScore, str] | None:
    """Return a mode's best setting and its largest learning rate, if one above the study's did not diverge."""
    rates = [setting.learning_rate for setting in mode.settings if setting.validation]
    largest = max(rates, key=float, default=STUDYS_LARGEST)
    return (best(task, mode), largest) if float(largest) > float(STUDYS_LARGEST) else None


def lead(task: TaskComparison, one: SettingScore, other: SettingScore) -> float:
    """Return how much better one setting is than another, whichever direction of the metric is better."""
    return signed_score(task.metric, one.validation.mean - other.validation.mean)


def caveats(task: TaskComparison) -> list[Sentence]:
    """Say which choices are at the edge of the grid, how few seeds there are, and how many cells diverged."""
    sentences = []
    for axis in ("learning rate", "batch size"):
        at_edge = [
            mode.name
            for mode in task.modes
            if mode.chosen and any(edge.axis == axis and edge.side != "only" for edge in mode.chosen.edges)
        ]
        if at_edge:
            sentences.append(
                sentence(
                    "The {axis} chosen for {modes} is at the edge of the grid, so a better one may lie beyond it.",
                    axis=axis,
                    modes=listed(at_edge) if len(at_edge) <= MANY else f"{len(at_edge)} of {len(task.modes)} modes",
                )
            )
    sentences += number_of_seeds(task)
    cells = [cell for mode in task.modes for cell in (*mode.cells, *mode.confirmations)]
    diverged = sum(cell.status == "diverged" for cell in cells)
    if diverged:
        sentences.append(
            sentence("Training diverged in {diverged} of {cells} cells.", diverged=diverged, cells=len(cells))
        )
    return sentences


def number_of_seeds(task: TaskComparison) -> list[Sentence]:
    """Say how many seeds a chosen setting has, and what a single one cannot show."""
    plan = next((mode.plan for mode in task.modes if mode.chosen), None)
    if plan is None:
        return []
    count = len(plan.tested_seeds)
    if count == 1:
        return [sentence("With one seed, nothing here shows how much these scores vary from seed to seed.")]
    kind = "confirming seeds, which had no say in the choice of settings" if plan.confirming_seeds else "seeds"
    return [sentence(f"Scores are means over {{count}} {kind}.", count=count)]
