"""The comparison of results written by hand against the same figures computed apart."""

import json

import numpy as np
import pytest
from compare import main
from comparisons import MODEL, TRAINING, settings_of, split
from handmade import LABELS, PLAN, make_run, metrics_of, write_mode
from scipy import stats

from finegrid.config.cell import Plan
from finegrid.config.definition import Mode, Task
from finegrid.errors import InputError
from finegrid.evaluation import statistics
from finegrid.evaluation.compare import compare, compare_task
from finegrid.evaluation.comparison import Comparison, TaskComparison
from finegrid.evaluation.metrics import predictions_of, score_all
from finegrid.evaluation.pairs import holm_corrected
from finegrid.evaluation.results import ModeResults, SplitPredictions, chosen_cells
from finegrid.evaluation.selection import select
from finegrid.records import DataSource, DataStats, EvaluatedCell, Evaluation, Metrics, Splits
from finegrid.sealed import read_record

ROWS = 150


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    """Resample less often, as scikit-learn takes a millisecond for one F1."""
    monkeypatch.setattr(statistics, "RESAMPLES", 100)
    monkeypatch.setattr(statistics, "RESAMPLES_FOR_P", 200)


def plan_of(mode: str, task: Task, seeds: int) -> Plan:
    return Plan(
        run="golden",
        model=MODEL,
        task=task,
        mode=Mode(name=mode, train=["head"]),
        training=TRAINING,
        batch_sizes=[8],
        learning_rates=["3e-4"],
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
    return ModeResults(
        best=best,
        cells=cells,
        chosen=chosen_cells(best, cells),
        evaluation=Evaluation(plan=plan, status="ok", chosen=best.chosen, cells=evaluated),
        splits={of_split: SplitPredictions(predictions_of(np.stack(seeds), task), labels, scores)},
    )


def diverged(mode: ModeResults) -> ModeResults:
    """Return the results of a mode as if every seed had diverged."""
    cells = [metrics_of(metrics.cell, None) for metrics in mode.cells]
    evaluation = Evaluation(plan=mode.plan, status="diverged")
    return ModeResults(select(mode.plan, cells), cells, [], evaluation)


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
    [told] = holm_corrected([compare_task(data, modes(found) if modes else found)])
    return told


def test_accuracy_has_wilsons_interval_and_mcnemars_test():
    task = settings_of("t", ["accuracy"])
    found = []
    told = compared(task, modes=lambda modes: found.extend(modes) or modes)
    right = [mode.splits["test"].predictions == mode.splits["test"].labels for mode in found]
    for mode, ours in zip(told.modes, right, strict=True):
        test = mode.chosen.test["accuracy"]
        assert (test.n, test.interval_method) == (3, "Wilson")
        assert test.mean == pytest.approx(ours.mean())
        z, share = stats.norm.ppf(0.975), ours.mean()
        half = z * np.sqrt(share * (1 - share) / ROWS + z**2 / (4 * ROWS**2)) / (1 + z**2 / ROWS)
        middle = (share + z**2 / (2 * ROWS)) / (1 + z**2 / ROWS)
        assert test.interval == pytest.approx((middle - half, middle + half))
    [pair] = told.pairs
    noisy, good = right
    assert (pair.mode, pair.against, pair.split, pair.seeds) == ("noisy", "full", "test", (0, 1, 2))
    assert pair.delta == pytest.approx(noisy.mean() - good.mean())
    p = []
    for each, ours, theirs in zip(pair.rows.per_seed, noisy, good, strict=True):
        assert (each.only_mode, each.only_against) == ((ours & ~theirs).sum(), (theirs & ~ours).sum())
        p.append(stats.binomtest(int((ours & ~theirs).sum()), int((ours ^ theirs).sum())).pvalue)
        assert each.p == pytest.approx(p[-1])
    assert pair.rows.method == "McNemar, exact"
    assert pair.rows.p == pytest.approx(sorted(p)[1] * 3 / 2)
    assert pair.rows.p_holm == pair.rows.p  # the only pair
    assert pair.interval_method == "paired bootstrap over rows and seeds"
    assert pair.interval[0] < pair.delta < pair.interval[1] < 0
    assert not pair.within_noise


@pytest.mark.parametrize(
    ("metrics", "of_split"), [(["f1", "accuracy"], "test"), (["pearson"], "test"), (["pearson"], "validation")]
)
def test_other_metrics_are_resampled_and_hidden_tests_fall_back_on_validation(metrics, of_split, monkeypatch):
    monkeypatch.setattr(statistics, "RESAMPLES_FOR_P", statistics.RESAMPLES)  # enough for two modes
    told = compared(settings_of("t", metrics), of_split)
    [pair] = told.pairs
    assert (pair.mode, pair.against, pair.split) == ("noisy", "full", of_split)
    assert (pair.rows.method, pair.rows.per_seed) == ("paired bootstrap", ())
    assert pair.interval[0] < pair.delta < pair.interval[1] < 0
    assert (pair.over_seeds.p, pair.over_seeds.n) == (pytest.approx(0.25), 3)
    assert not pair.within_noise
    assert told.test_status == ("read" if of_split == "test" else "hidden")
    chosen = told.modes[0].chosen
    if of_split == "test":
        test = chosen.test[metrics[0]]
        assert test.interval_method == "bootstrap"
        assert test.interval[0] < test.mean < test.interval[1]
        assert [cell.test for cell in told.modes[0].cells] == pytest.approx(
            [cell.validation for cell in told.modes[0].cells]
        )
    else:
        assert chosen.test is None
        assert {cell.test for cell in told.modes[0].cells} == {None}


def test_of_lower_is_better_metrics_the_difference_keeps_its_sign():
    [pair] = compared(settings_of("t", ["mean_squared_error"])).pairs
    assert 0 < pair.interval[0] < pair.delta


def test_a_mode_against_itself_is_within_noise():
    [pair] = compared(settings_of("t", ["accuracy"]), modes=lambda modes: [modes[0], modes[0]]).pairs
    assert (pair.delta, pair.rows.p_holm, pair.within_noise) == (0, 1, True)


def test_one_seed_has_no_test_over_seeds():
    task, labels = settings_of("t", ["accuracy"]), np.arange(20) % 2
    found = [mode_of(name, task, "test", [np.eye(2)[labels]], labels) for name in ("full", "other")]
    [pair] = compare_task(data_of(task, test=20, hidden=0), found).pairs
    assert pair.over_seeds is None
    assert pair.interval_method == "paired bootstrap over rows"


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
    told = compared(settings_of("t", ["accuracy"]))
    corrected = holm_corrected([told, told.model_copy(update={"pairs": told.pairs * 2})])
    p = told.pairs[0].rows.p
    assert [pair.rows.p_holm for task in corrected for pair in task.pairs] == pytest.approx([min(1, 3 * p)] * 3)


def test_every_setting_and_cell_of_a_run_is_described(tmp_path):
    told = compare(make_run(tmp_path), ["imdb"], ["full", "a_b"])
    [task] = told.tasks
    [full, gone] = task.modes
    assert (told.run, told.model, len(told.environments), told.missing) == ("golden", MODEL, 1, ())
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


def test_modes_are_in_the_order_given_and_full_is_what_others_are_compared_with(tmp_path):
    make_run(tmp_path)
    for name, shift in (("bitfit", 1), ("layernorm", 2)):
        plan = PLAN.model_copy(update={"mode": Mode(name=name, train=["head"])})
        write_mode(tmp_path, plan, [metrics_of(cell, (6 - shift - cell.seed) / 8) for cell in plan.cells()])
    [task] = compare(tmp_path, ["imdb"], ["bitfit", "a_b", "full", "layernorm"]).tasks
    assert [mode.name for mode in task.modes] == ["bitfit", "a_b", "full", "layernorm"]
    pairs = [(pair.mode, pair.against) for pair in task.pairs]
    assert pairs == [("bitfit", "full"), ("layernorm", "full"), ("layernorm", "bitfit")]
    assert all(pair.rows.p_holm >= pair.rows.p for pair in task.pairs)
    assert len(LABELS) == task.data.splits.test.rows


def run_compare(folder, monkeypatch, *options) -> Comparison:
    output = folder / "out.json"
    arguments = ["compare.py", folder, "--tasks", "imdb", "--modes", "full", "a_b", *options, "--output", output]
    monkeypatch.setattr("sys.argv", list(map(str, arguments)))
    main()
    return read_record(Comparison, output)


def test_what_the_script_writes_is_read_back_equal(tmp_path, monkeypatch):
    make_run(tmp_path)
    told = run_compare(tmp_path, monkeypatch)
    assert told == compare(tmp_path, ["imdb"], ["full", "a_b"])
    assert json.loads((tmp_path / "out.json").read_text())["tasks"][0]["modes"][1]["settings"][0]["diverged"] == 2


def test_a_missing_cell_is_an_error_unless_partial(tmp_path, monkeypatch):
    make_run(tmp_path)
    folder = tmp_path / "cells/imdb/a_b"
    gone = folder / "bs8_lr3e-4_seed1/metrics.json"
    gone.unlink()
    with pytest.raises(InputError, match=f"{gone}: no such file"):
        run_compare(tmp_path, monkeypatch)
    (folder / "best.json").unlink()  # nothing is selected of a mode that lacks a cell
    told = run_compare(tmp_path, monkeypatch, "--partial")
    assert [mode.name for mode in told.tasks[0].modes] == ["full"]
    [missing] = told.missing
    assert (missing.task, missing.mode, missing.planned) == ("imdb", "a_b", 8)
    assert [(cell.setting, cell.seed) for cell in missing.cells] == [((8, "3e-4"), 1)]


def test_where_every_mode_lacks_a_cell_there_is_nothing_to_compare(tmp_path, monkeypatch):
    for path in make_run(tmp_path).glob("cells/imdb/*/bs8_lr3e-4_seed1/metrics.json"):
        path.unlink()
    with pytest.raises(InputError, match="nothing to compare: every mode lacks a cell on every task"):
        run_compare(tmp_path, monkeypatch, "--partial")


def test_a_choice_of_an_older_plan_is_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/imdb/full/plan.json"
    plan = json.loads(path.read_text())
    path.write_text(json.dumps({**plan, "seeds": [0, 1, 2]}))
    with pytest.raises(InputError, match=r"best\.json: plan\.seeds is \[0, 1\], this run has \[0, 1, 2\]"):
        run_compare(tmp_path, monkeypatch)
    path.write_text(json.dumps({**plan, "task": {**plan["task"], "name": "other"}}))
    with pytest.raises(InputError, match=r"plan\.json: belongs to other, full"):
        run_compare(tmp_path, monkeypatch)


def test_predictions_of_other_scores_are_refused(tmp_path, monkeypatch):
    path = make_run(tmp_path) / "cells/imdb/full/chosen/test.json"
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
