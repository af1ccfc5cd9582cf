"""The comparison of results written by hand against the same figures computed apart."""

from dataclasses import replace

import numpy as np
import pytest
from comparisons import MODEL, TRAINING, changed, settings_of, split
from handmade import metrics_of
from scipy import stats

from finegrid.config.cell import Plan
from finegrid.config.definition import Mode, Task
from finegrid.evaluation import pairs, statistics
from finegrid.evaluation.compare import compare_task
from finegrid.evaluation.comparison import Shape, TaskComparison
from finegrid.evaluation.metrics import predictions_of, score_all
from finegrid.evaluation.pairs import judged
from finegrid.evaluation.results import ModeResults, SplitPredictions, chosen_cells
from finegrid.evaluation.selection import select
from finegrid.records import DataSource, DataStats, EvaluatedCell, Evaluation, Metrics, Splits

ROWS = 150
SHAPE = Shape(layers=2, width=128)
ONE = {MODEL.name: MODEL.name}  # the model, which reads data of its own tokenizer


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Resample less often."""
    monkeypatch.setattr(statistics.resample, "__defaults__", (100,))


def plan_of(mode: str, task: Task, seeds: int) -> Plan:
    return Plan(
        run="golden",
        model=MODEL,
        task=task,
        mode=Mode(name=mode, train=["head"]),
        training=TRAINING,
        batch_sizes=[8],
        learning_rates=["3e-4"],
        learning_rates_key=f"modes.{mode}.learning_rates",
        seeds=range(seeds),
    )


def mode_of(name: str, task: Task, of_split: str, seeds: list[np.ndarray], labels: np.ndarray) -> ModeResults:
    """Return the results of one setting whose seeds have these logits [rows, outputs] on a split."""
    plan = plan_of(name, task, len(seeds))
    scores = [score_all(task, logits, labels, {of_split: len(labels)}) for logits in seeds]
    cells = [
        metrics_of(cell, of_seed[task.metrics[0]], scores=of_seed)
        for cell, of_seed in zip(plan.cells(), scores, strict=True)
    ]
    best = select(plan, cells)
    evaluated = [
        EvaluatedCell(seed=seed, fingerprint="0", scores=of_seed if of_split == "test" else None)
        for seed, of_seed in enumerate(scores)
    ]
    chosen = chosen_cells(best, cells)
    return ModeResults(
        best=best,
        cells=cells,
        chosen=chosen,
        tested=chosen,
        evaluation=Evaluation(plan=plan, status="ok", chosen=best.chosen, cells=evaluated),
        splits={of_split: SplitPredictions(predictions_of(np.stack(seeds), task), labels, scores)},
    )


def diverged(mode: ModeResults) -> ModeResults:
    """Return the results of a mode as if every seed had diverged."""
    cells = [metrics_of(metrics.cell, None) for metrics in mode.cells]
    evaluation = Evaluation(plan=mode.plan, status="diverged")
    return ModeResults(select(mode.plan, cells), cells, [], [], evaluation)


def data_of(task: Task, test: int, hidden: int) -> DataStats:
    rows = {"train": ROWS, "validation": ROWS, "test": test, "hidden": hidden}
    splits = {name: split(count, "made up", name=name) for name, count in rows.items()}
    return DataStats(task=task, source=DataSource(), splits=Splits(**splits), duplicates={})


def compared(task: Task, of_split="test", modes=None) -> TaskComparison:
    """Compare two made-up modes of three seeds: `noisy`, and `full`, which is much better."""
    draw = np.random.default_rng(3)
    labels = draw.normal(size=ROWS) if task.regression else draw.integers(0, 2, ROWS)
    target = labels[:, None] if task.regression else np.eye(2)[labels]
    noisy, good = ([target + draw.normal(scale=scale, size=target.shape) for _ in range(3)] for scale in (2.0, 0.3))
    found = [mode_of("noisy", task, of_split, noisy, labels), mode_of("full", task, of_split, good, labels)]
    data = data_of(task, test=ROWS if of_split == "test" else 0, hidden=9)
    [told] = judged([compare_task(data, modes(found) if modes else found, SHAPE, "t")])
    return told


def half_widths(scores: np.ndarray, over_rows: float) -> float:
    """Return half of the interval of a mean over seeds, given the standard error over rows."""
    over_seeds = scores.std(ddof=1) / np.sqrt(len(scores))
    return np.hypot(stats.t.ppf(0.975, len(scores) - 1) * over_seeds, stats.norm.ppf(0.975) * over_rows)


def test_accuracy_has_intervals_over_rows_and_seeds_and_mcnemars_test():
    task = settings_of("t", ["accuracy"])
    found = []
    told = compared(task, modes=lambda modes: found.extend(modes) or modes)
    right = [mode.splits["test"].predictions == mode.splits["test"].labels for mode in found]
    for mode, ours in zip(told.modes, right, strict=True):
        test = mode.chosen.test["accuracy"]
        assert (test.n, test.interval_method) == (3, "Wilson")
        assert test.mean == pytest.approx(ours.mean())
        z, share = stats.norm.ppf(0.975), ours.mean()
        rows = min(3 * ROWS, share * (1 - share) * ROWS / ours.mean(0).var())
        half = z * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
        middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
        seeds = half_widths(ours.mean(1), 0)
        assert test.interval[0] == pytest.approx(share - np.hypot(seeds, share - (middle - half)))
        assert test.interval[1] == pytest.approx(min(1, share + np.hypot(seeds, middle + half - share)))
    [pair] = told.pairs
    noisy, good = right
    assert (pair.mode, pair.against, pair.split, pair.seeds) == ("noisy", "full", "test", (0, 1, 2))
    assert pair.delta == pytest.approx(noisy.mean() - good.mean())
    of_rows = noisy.mean(0) - good.mean(0)
    error = np.sqrt(((of_rows - of_rows.mean()) ** 2).sum() + 1) / ROWS
    half = half_widths(noisy.mean(1) - good.mean(1), error)
    assert pair.interval == pytest.approx((pair.delta - half, pair.delta + half))
    p = []
    for each, ours, theirs in zip(pair.mcnemar, noisy, good, strict=True):
        assert (each.only_mode, each.only_against) == ((ours & ~theirs).sum(), (theirs & ~ours).sum())
        p.append(stats.binomtest(int((ours & ~theirs).sum()), int((ours ^ theirs).sum())).pvalue)
        assert each.p == pytest.approx(p[-1])
    assert pair.mcnemar_p == pytest.approx(sorted(p)[1] * 3 / 2)
    assert pair.p == pair.p_holm < 0.05  # the only pair
    assert 0 < pair.detectable < abs(pair.delta)
    assert pair.verdict == "beyond noise"


@pytest.mark.parametrize(("many", "expected"), [(3, ["a full", "b full", "b a"]), (2, ["a full", "b full"])])
def test_many_modes_are_compared_with_full_fine_tuning_only(many, expected, monkeypatch):
    monkeypatch.setattr(pairs, "MANY", many)
    task, draw, labels = settings_of("t", ["accuracy"]), np.random.default_rng(3), np.arange(ROWS) % 2
    found = [mode_of(name, task, "test", list(draw.normal(size=(2, ROWS, 2))), labels) for name in ("a", "full", "b")]
    told = compare_task(data_of(task, test=ROWS, hidden=9), found, SHAPE, "t")
    assert [f"{pair.mode} {pair.against}" for pair in told.pairs] == expected


@pytest.mark.parametrize(
    ("metrics", "of_split"), [(["f1", "accuracy"], "test"), (["pearson"], "test"), (["pearson"], "validation")]
)
def test_other_metrics_are_resampled_and_hidden_tests_fall_back_on_validation(metrics, of_split):
    found = []
    told = compared(settings_of("t", metrics), of_split, modes=lambda modes: found.extend(modes) or modes)
    [pair] = told.pairs
    assert (pair.mode, pair.against, pair.metric, pair.split) == ("noisy", "full", metrics[0], of_split)
    assert (pair.mcnemar, pair.mcnemar_p) == ((), None)
    splits = [mode.splits[of_split] for mode in found]
    noisy, good = (np.array([scores[metrics[0]] for scores in split.scores]) for split in splits)
    resampled = [statistics.resample(metrics[0], split.predictions, split.labels).mean(1) for split in splits]
    half = half_widths(noisy - good, (resampled[0] - resampled[1]).std(ddof=1))
    assert pair.delta == pytest.approx(noisy.mean() - good.mean())
    assert pair.interval == pytest.approx((pair.delta - half, pair.delta + half))
    assert pair.verdict == "beyond noise"
    assert told.test_status == ("read" if of_split == "test" else "hidden")
    chosen = told.modes[0].chosen
    scores = chosen.test if of_split == "test" else chosen.compared_validation
    assert (chosen.compared_validation if of_split == "test" else chosen.test) is None
    assert list(scores) == metrics
    assert told.score(told.modes[0]) == scores[metrics[0]]
    assert scores[metrics[0]].interval_method == "bootstrap"
    low, high = np.quantile(resampled[0], [0.025, 0.975])
    mean, seeds = noisy.mean(), half_widths(noisy, 0)
    expected = mean - np.hypot(seeds, mean - low), mean + np.hypot(seeds, high - mean)
    assert scores[metrics[0]].interval == pytest.approx(expected)
    tested = [cell.validation if of_split == "test" else None for cell in told.modes[0].cells]
    assert [cell.test for cell in told.modes[0].cells] == tested


def test_of_lower_is_better_metrics_the_difference_keeps_its_sign():
    [pair] = compared(settings_of("t", ["mean_squared_error"])).pairs
    assert 0 < pair.interval[0] < pair.delta


def test_a_mode_against_itself_is_within_noise():
    [pair] = compared(settings_of("t", ["accuracy"]), modes=lambda modes: [modes[0], modes[0]]).pairs
    assert (pair.delta, pair.p_holm, pair.mcnemar_p, pair.verdict) == (0, 1, 1, "within noise")
    assert pair.uncertainty.over_seeds == 0 < pair.uncertainty.over_rows


def test_one_seed_gives_no_verdict_however_clear_the_difference():
    task, labels = settings_of("t", ["accuracy"]), np.arange(ROWS) % 2
    logits = {"full": np.eye(2)[labels], "other": np.eye(2)[1 - labels]}
    found = [mode_of(name, task, "test", [of_seed], labels) for name, of_seed in logits.items()]
    [told] = judged([compare_task(data_of(task, test=ROWS, hidden=0), found, SHAPE, "t")])
    [pair] = told.pairs
    assert (pair.delta, pair.verdict) == (-1, "one seed: not assessable")
    assert (pair.p, pair.p_holm, pair.detectable, pair.uncertainty.over_seeds) == (None, None, None, None)
    half = stats.norm.ppf(0.975) / ROWS  # every row says the same
    assert pair.interval == pytest.approx((-1 - half, -1 + half))
    assert told.score(told.modes[0]).interval == pytest.approx(statistics.wilson(np.ones((1, ROWS), bool)))


def test_a_diverged_mode_is_in_no_pair():
    told = compared(settings_of("t", ["accuracy"]), modes=lambda modes: [diverged(modes[0]), modes[1]])
    assert told.pairs == ()
    [gone, full] = told.modes
    assert gone.chosen is None and full.chosen is not None
    [setting] = gone.settings
    assert (setting.chosen, setting.diverged, setting.validation) == (False, 3, None)
    assert [(cell.status, cell.chosen, cell.validation, cell.test) for cell in gone.cells] == [
        ("diverged", False, None, None)
    ] * 3


def test_holm_corrects_over_all_tasks():
    pair = compared(settings_of("t", ["accuracy"])).pairs[0]
    pairs = [pair.model_copy(update={"p": p}) for p in (0.04, 0.01, 0.02, None)]
    told = compared(settings_of("t", ["accuracy"]))
    tasks = judged([told.model_copy(update={"pairs": tuple(some)}) for some in (pairs[:1], pairs[1:])])
    found = [pair for task in tasks for pair in task.pairs]
    assert [each.p_holm for each in found[:3]] == pytest.approx([0.04, 0.03, 0.04])
    assert {each.verdict for each in found[:3]} == {"beyond noise"}
    assert found[3] == pairs[3]
    assert found[0].detectable == statistics.detectable(pair.uncertainty, 4) > pair.detectable
    few = judged([told.model_copy(update={"pairs": (pairs[0], pairs[0])})])[0].pairs
    assert [(each.p_holm, each.verdict) for each in few] == [(pytest.approx(0.08), "within noise")] * 2


def test_unlike_devices_and_precisions_are_told_by_mode():
    made = compared(
        settings_of("t", ["accuracy"]),
        modes=lambda modes: [modes[0], replace(modes[1], cells=[*map(on_a_gpu, modes[1].cells)])],
    )
    assert [mode.computed_on for mode in made.modes] == [("cpu, bfloat16",), ("cuda, float32",)]


def on_a_gpu(metrics: Metrics) -> Metrics:
    return changed(changed(metrics, "environment.device", "cuda"), "environment.dtype", "float32")


def test_the_comparison_is_made_of_what_the_cells_say():
    told = compared(settings_of("t", ["accuracy"]))
    cell = told.modes[0].cells[0]
    metrics: Metrics = metrics_of(plan_of("noisy", told.task, 3).cells()[0], cell.validation)
    assert (cell.history, cell.best_epoch) == (metrics.validation.history, metrics.validation.best)
    assert (cell.train_loss, cell.cost, cell.validation_loss) == (metrics.train_loss, metrics.cost, 0.5)
