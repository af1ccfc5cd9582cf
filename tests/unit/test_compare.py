"""The comparison of results written by hand against the same figures computed apart."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from compare import main
from comparisons import MODEL, TRAINING, changed, settings_of, split
from handmade import LABELS, PLAN, make_run, metrics_of, write_mode
from scipy import stats

from finegrid.config.cell import Plan
from finegrid.config.definition import Mode, Task
from finegrid.errors import InputError
from finegrid.evaluation import statistics
from finegrid.evaluation.compare import compare, compare_task
from finegrid.evaluation.comparison import Comparison, Shape, TaskComparison
from finegrid.evaluation.metrics import predictions_of, score_all
from finegrid.evaluation.pairs import judged
from finegrid.evaluation.results import ModeResults, SplitPredictions, chosen_cells
from finegrid.evaluation.selection import select
from finegrid.files import write_json
from finegrid.records import DataSource, DataStats, EvaluatedCell, Evaluation, Metrics, Splits
from finegrid.sealed import read_record

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


def test_every_setting_and_cell_of_a_run_is_described(tmp_path):
    told = compare(make_run(tmp_path), ONE, ["imdb"], ["full", "a_b"])
    [task] = told.tasks
    [full, gone] = task.modes
    assert (told.run, told.models, len(told.environments), told.missing) == ("golden", [MODEL], 1, ())
    assert (task.name, task.metric, task.scores, task.test_status) == ("imdb", "accuracy", ("accuracy",), "read")
    assert full.plan == PLAN
    assert [(cell.batch_size, cell.learning_rate, cell.seed) for cell in full.cells] == [
        (*cell.setting, cell.seed) for cell in PLAN.cells()
    ]
    assert [setting.chosen for setting in full.settings] == [False, False, True, False]
    assert [setting.validation.mean for setting in full.settings] == [5.5 / 8, 4.5 / 8, 6.5 / 8, 5.5 / 8]
    assert full.chosen.validation["accuracy"].mean == 6.5 / 8
    assert full.chosen.test["accuracy"].mean == 5.5 / 8
    assert [cell.test for cell in full.cells if cell.chosen] == [5 / 8, 6 / 8]
    assert all((cell.test is not None) == cell.chosen for cell in full.cells)
    assert {cell.trained_bytes for cell in full.cells} == {17_544_712}
    assert gone.chosen is None and {cell.status for cell in gone.cells} == {"diverged"}
    assert full.confirmations == () and full.computed_on == ("cpu, bfloat16",)


def test_confirming_seeds_are_tested_and_compared_and_the_grid_s_seeds_choose(tmp_path):
    make_run(tmp_path, confirming={7: 4, 8: 6, 9: 5})
    plan = PLAN.model_copy(update={"mode": Mode(name="lora", train=["head"]), "confirming_seeds": (7, 8, 9)})
    cells = [metrics_of(cell, 6 / 8) for cell in plan.cells()]
    confirmations = [metrics_of(plan.cell(8, "3e-4", seed), rows / 8) for seed, rows in ((7, 3), (8, 3), (9, 3))]
    write_mode(tmp_path, plan, cells, confirmations=confirmations)
    [task] = compare(tmp_path, ONE, ["imdb"], ["full", "lora"]).tasks
    full = task.mode("full")
    assert full.chosen.validation["accuracy"].mean == 6.5 / 8
    score = task.score(full)
    assert score == full.chosen.test["accuracy"]
    assert (score.n, score.mean, score.min, score.max) == (3, 4 / 8, 3 / 8, 5 / 8)
    assert [(cell.seed, cell.validation, cell.test, cell.chosen) for cell in full.confirmations] == [
        (7, 4 / 8, 3 / 8, True),
        (8, 6 / 8, 5 / 8, True),
        (9, 5 / 8, 4 / 8, True),
    ]
    assert {cell.test for cell in full.cells} == {None}  # the grid's seeds are not tested
    [pair] = task.pairs
    assert (pair.mode, pair.against, pair.seeds) == ("lora", "full", (7, 8, 9))
    assert pair.delta == pytest.approx(2 / 8 - 4 / 8)
    assert [test.seed for test in pair.mcnemar] == [7, 8, 9]


def test_a_confirming_seed_that_diverged_leaves_its_mode_uncompared(tmp_path):
    make_run(tmp_path, confirming={7: 4, 8: None})
    plan = PLAN.model_copy(update={"mode": Mode(name="lora", train=["head"]), "confirming_seeds": (7, 8)})
    confirmations = [metrics_of(plan.cell(8, "3e-4", seed), 3 / 8) for seed in (7, 8)]
    write_mode(tmp_path, plan, [metrics_of(cell, 6 / 8) for cell in plan.cells()], confirmations=confirmations)
    [task] = compare(tmp_path, ONE, ["imdb"], ["full", "lora", "a_b"]).tasks
    full, lora, gone = task.modes
    assert task.pairs == ()
    assert task.score(full) is full.chosen.test is full.chosen.compared_validation is None
    assert full.chosen.validation["accuracy"].mean == 6.5 / 8
    assert [(cell.seed, cell.status, cell.test) for cell in full.confirmations] == [
        (7, "ok", None),
        (8, "diverged", None),
    ]
    assert task.score(lora).mean == 2 / 8
    assert (gone.chosen, gone.confirmations) == (None, ())


def test_unlike_devices_and_precisions_are_told_by_mode():
    made = compared(
        settings_of("t", ["accuracy"]),
        modes=lambda modes: [modes[0], replace(modes[1], cells=[*map(on_a_gpu, modes[1].cells)])],
    )
    assert [mode.computed_on for mode in made.modes] == [("cpu, bfloat16",), ("cuda, float32",)]


def on_a_gpu(metrics: Metrics) -> Metrics:
    return changed(changed(metrics, "environment.device", "cuda"), "environment.dtype", "float32")


def test_modes_are_in_the_order_given_and_full_is_what_others_are_compared_with(tmp_path):
    make_run(tmp_path)
    for name, shift in (("bitfit", 1), ("layernorm", 2)):
        plan = PLAN.model_copy(update={"mode": Mode(name=name, train=["head"])})
        write_mode(tmp_path, plan, [metrics_of(cell, (6 - shift - cell.seed) / 8) for cell in plan.cells()])
    [task] = compare(tmp_path, ONE, ["imdb"], ["bitfit", "a_b", "full", "layernorm"]).tasks
    assert [mode.name for mode in task.modes] == ["bitfit", "a_b", "full", "layernorm"]
    pairs = [(pair.mode, pair.against) for pair in task.pairs]
    assert pairs == [("bitfit", "full"), ("layernorm", "full"), ("layernorm", "bitfit")]
    assert all(pair.p_holm >= pair.p for pair in task.pairs)
    assert len(LABELS) == task.data.splits.test.rows


MINI = {"mini": MODEL.name}  # reads what is tokenised for the first model


def two_models(folder):
    """Write two models on two tasks, each with full, lora, which has the same errors or one more, and a_b, diverged."""
    for model, task in itertools.product((MODEL, MODEL.model_copy(update={"name": "mini"})), ("imdb", "other")):
        settings = settings_of(task, ("accuracy",))
        make_run(folder, plan=PLAN.model_copy(update={"model": model, "task": settings}))
        plan = PLAN.model_copy(update={"model": model, "task": settings, "mode": Mode(name="lora", train=["head"])})
        worse = 1 if (model.name, task) == ("mini", "other") else 0
        right = {(1024, "3e-4"): 6 - worse}
        cells = [metrics_of(cell, (right.get(cell.setting, 3) + cell.seed) / 8) for cell in plan.cells()]
        write_mode(folder, plan, cells)
    shutil.rmtree(folder / "data" / "mini")
    write_json(folder / "base_model/mini/config.json", {"n_layers": 6, "dim": 384})
    return folder


def test_each_model_on_each_task_is_compared_and_all_their_pairs_are_corrected_together(tmp_path):
    told = compare(two_models(tmp_path), ONE | MINI, ["imdb", "other"], ["full", "lora", "a_b"])
    assert [(task.model.name, task.name, task.title, task.key) for task in told.tasks] == [
        ("bert_tiny", "imdb", "imdb, bert_tiny", "imdb_bert_tiny"),
        ("bert_tiny", "other", "other, bert_tiny", "other_bert_tiny"),
        ("mini", "imdb", "imdb, mini", "imdb_mini"),
        ("mini", "other", "other, mini", "other_mini"),
    ]
    assert [task.shape for task in told.tasks] == [SHAPE, SHAPE, *[Shape(layers=6, width=384)] * 2]
    assert ([model.name for model in told.models], told.several_models, told.several_tasks) == (
        ["bert_tiny", "mini"],
        True,
        True,
    )
    pairs = [pair for task in told.tasks for pair in task.pairs]
    assert [pair.delta for pair in pairs] == [0, 0, 0, -1 / 8]
    assert pairs[-1].p < 1
    assert [pair.p_holm for pair in pairs] == pytest.approx([1, 1, 1, min(1, 4 * pairs[-1].p)])
    assert pairs[0].detectable == statistics.detectable(pairs[0].uncertainty, 4)


def test_of_one_model_a_task_is_its_own_title(tmp_path):
    two_models(tmp_path)
    told = compare(tmp_path, MINI, ["imdb"], ["full"])
    assert [(task.title, task.key) for task in told.tasks] == [("imdb", "imdb")]
    assert (told.several_models, told.several_tasks) == (False, False)


def test_a_shape_without_known_names_is_not_told(tmp_path):
    write_json(make_run(tmp_path) / "base_model/bert_tiny/config.json", {"num_hidden_layers": [1, 2]})
    [task] = compare(tmp_path, ONE, ["imdb"], ["full"]).tasks
    assert task.shape == Shape(layers=None, width=None)


def test_a_missing_cell_is_told_with_its_model(tmp_path):
    two_models(tmp_path)
    for name in ("bs8_lr3e-4_seed1/metrics.json", "best.json"):
        (tmp_path / "cells/mini/imdb/lora" / name).unlink()
    told = compare(tmp_path, ONE | MINI, ["imdb"], ["full", "lora"], partial=True)
    assert [(task.model.name, [mode.name for mode in task.modes]) for task in told.tasks] == [
        ("bert_tiny", ["full", "lora"]),
        ("mini", ["full"]),
    ]
    assert [(each.model, each.task, each.mode, len(each.cells)) for each in told.missing] == [
        ("mini", "imdb", "lora", 1)
    ]


def test_the_share_of_an_accuracy_has_the_interval_of_the_delta_method():
    found = []
    [pair] = compared(settings_of("t", ["accuracy"]), modes=lambda modes: found.extend(modes) or modes).pairs
    noisy, good = (mode.splits["test"].predictions == mode.splits["test"].labels for mode in found)
    share = noisy.mean() / good.mean()
    # A ratio m / f is off by (m - share f) / f: over rows with one more in each direction, as differences have it.
    of_rows = noisy.mean(0) - share * good.mean(0)
    error = np.sqrt(((of_rows - of_rows.mean()) ** 2).sum() + 1) / ROWS
    half = half_widths(noisy.mean(1) - share * good.mean(1), error) / good.mean()
    assert pair.share == pytest.approx(share)
    assert pair.share_interval == pytest.approx((share - half, share + half))


def test_the_share_of_a_resampled_score_has_the_interval_of_the_delta_method():
    found = []
    [pair] = compared(settings_of("t", ["pearson"]), modes=lambda modes: found.extend(modes) or modes).pairs
    splits = [mode.splits["test"] for mode in found]
    noisy, good = (np.array([scores["pearson"] for scores in split.scores]) for split in splits)
    resampled = [statistics.resample("pearson", split.predictions, split.labels).mean(1) for split in splits]
    share = noisy.mean() / good.mean()
    half = half_widths(noisy - share * good, (resampled[0] - share * resampled[1]).std(ddof=1)) / good.mean()
    assert pair.share == pytest.approx(share)
    assert pair.share_interval == pytest.approx((share - half, share + half))


def test_there_is_no_share_where_lower_is_better_or_a_score_is_not_above_zero():
    [pair] = compared(settings_of("t", ["mean_squared_error"])).pairs
    assert (pair.share, pair.share_interval) == (None, None)
    task, labels = settings_of("t", ["matthews"]), np.arange(ROWS) % 2
    right, wrong, always = (
        np.tile(logits, (2, 1, 1)) for logits in (np.eye(2)[labels], np.eye(2)[1 - labels], [[0, 1]] * ROWS)
    )
    for full, other in ((wrong, right), (right, wrong), (always, right), (right, always)):
        modes = [mode_of(name, task, "test", seeds, labels) for name, seeds in (("full", full), ("other", other))]
        [pair] = compare_task(data_of(task, test=ROWS, hidden=0), modes, SHAPE, "t").pairs
        assert (pair.share, pair.share_interval) == (None, None)


def run_compare(folder, monkeypatch, *options) -> Comparison:
    output = folder / "out.json"
    arguments = [
        *("compare.py", folder, "--models", "bert_tiny=bert_tiny", "--tasks", "imdb", "--modes", "full", "a_b"),
        *options,
    ]
    monkeypatch.setattr("sys.argv", list(map(str, [*arguments, "--output", output])))
    main()
    return read_record(Comparison, output)


def test_what_the_script_writes_is_read_back_equal(tmp_path, monkeypatch):
    make_run(tmp_path)
    told = run_compare(tmp_path, monkeypatch)
    assert told == compare(tmp_path, ONE, ["imdb"], ["full", "a_b"])
    assert json.loads((tmp_path / "out.json").read_text())["tasks"][0]["modes"][1]["settings"][0]["diverged"] == 2


def test_a_missing_cell_is_an_error_unless_partial(tmp_path, monkeypatch):
    make_run(tmp_path)
    folder = tmp_path / "cells/bert_tiny/imdb/a_b"
    gone = folder / "bs8_lr3e-4_seed1/metrics.json"
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone}: no such file"):
        run_compare(tmp_path, monkeypatch)
    (folder / "best.json").unlink()  # nothing is selected of a mode that lacks a cell
    told = run_compare(tmp_path, monkeypatch, "--partial")
    assert [mode.name for mode in told.tasks[0].modes] == ["full"]
    [missing] = told.missing
    assert (missing.model, missing.task, missing.mode, missing.planned) == ("bert_tiny", "imdb", "a_b", 8)
    assert [(cell.setting, cell.seed) for cell in missing.cells] == [((8, "3e-4"), 1)]


def test_where_every_mode_lacks_a_cell_there_is_nothing_to_compare(tmp_path, monkeypatch):
    for path in make_run(tmp_path).glob("cells/bert_tiny/imdb/*/bs8_lr3e-4_seed1/metrics.json"):
        path.unlink()
    with pytest.raises(InputError, match="nothing to compare: every mode lacks a cell on every task"):
        run_compare(tmp_path, monkeypatch, "--partial")


def test_a_choice_of_an_older_plan_is_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/bert_tiny/imdb/full/plan.json"
    plan = json.loads(path.read_text())
    path.write_text(json.dumps({**plan, "seeds": [0, 1, 2]}))
    with pytest.raises(InputError, match=r"best\.json: plan\.seeds is \[0, 1\], this run has \[0, 1, 2\]"):
        run_compare(tmp_path, monkeypatch)
    path.write_text(json.dumps({**plan, "task": {**plan["task"], "name": "other"}}))
    with pytest.raises(InputError, match=r"plan\.json: belongs to bert_tiny, other, full"):
        run_compare(tmp_path, monkeypatch)


def test_predictions_of_other_scores_are_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/bert_tiny/imdb/full/chosen/test.json"
    evaluation = Evaluation.read(path)
    cells = [cell.model_copy(update={"scores": {"accuracy": 0.5}}) for cell in evaluation.cells]
    names = evaluation.files
    evaluation.model_copy(update={"cells": tuple(cells)}).write(path, *names)
    with pytest.raises(InputError, match=r"test\.safetensors: its predictions do not give the scores of the JSON"):
        run_compare(tmp_path, monkeypatch)


def test_the_comparison_is_made_of_what_the_cells_say():
    told = compared(settings_of("t", ["accuracy"]))
    cell = told.modes[0].cells[0]
    metrics: Metrics = metrics_of(plan_of("noisy", told.task, 3).cells()[0], cell.validation)
    assert (cell.history, cell.best_epoch) == (metrics.validation.history, metrics.validation.best)
    assert (cell.train_loss, cell.cost, cell.validation_loss) == (metrics.train_loss, metrics.cost, 0.5)
