"""The pipeline as its users run it: by Snakemake, in a copy of the repository."""

import csv
import json
import shutil

import pytest
from conftest import damage, edit, edit_config, edit_result, planned_jobs, run, snakemake, without_cost

from finegrid.training import loop as engine
from finegrid.training import environment
from finegrid.modeling import classifier as models
from finegrid.data.tokens import load_split

CELLS = "results/smoke/cells/imdb"
# All that a change to the cells of one mode leads to, up to the checkpoint.
SUMMARY = {"choose": 1, "compare": 1, "tables": 1, "figures": 1, "discuss": 1, "report": 1}


def test_a_run_leaves_tables_and_whole_cells(smoke_run):
    tables = smoke_run / "results" / "smoke" / "tables"
    names = ["table1", "table2", "table3", "pairs", "retention", "parameters", "cost", "published"]
    expected = {f"{name}.{suffix}" for name in names for suffix in ("csv", "md", "tex")}
    assert {path.name for path in tables.iterdir()} == expected | {"grid.csv", "tables.json"}
    assert len((tables / "grid.csv").read_text().splitlines()) == 1 + 4
    for folder in (smoke_run / CELLS / "full").iterdir():
        if folder.is_dir():
            assert {"metrics.json", "validation.safetensors", "trained.safetensors"} <= {
                f.name for f in folder.iterdir()
            }
    assert not list(smoke_run.glob("results/**/*.tmp"))


def test_the_test_split_is_read_for_the_chosen_cells_only(smoke_run):
    tested = sorted(path.parent for path in smoke_run.glob(f"{CELLS}/*/*/test.json"))
    chosen = [
        json.loads((smoke_run / CELLS / mode / "best.json").read_text())["chosen"]["cells"]
        for mode in ("bitfit", "full")
    ]
    assert [len(cells) for cells in chosen] == [1, 1]
    assert [folder.parent.name for folder in tested] == ["bitfit", "full"]
    for folder, (cell,) in zip(tested, chosen, strict=True):
        assert json.loads((folder / "test.json").read_text())["cell"] == cell


def test_evaluate_refuses_a_cell_that_was_not_chosen(finished):
    other = next(
        folder
        for folder in (finished / CELLS / "full").iterdir()
        if folder.is_dir() and not (folder / "test.json").exists()
    )
    done = run(
        *("python", "scripts/evaluate.py", other, "--best", f"{CELLS}/full/best.json"),
        *("--backbone", "results/smoke/backbone", "--data", "results/smoke/data/imdb"),
        cwd=finished,
    )
    assert done.returncode == 2
    assert "not the cell chosen" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_second_run_does_nothing(finished):
    assert planned_jobs(finished) == {}
    done = snakemake(finished)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


def test_a_learning_rate_more_runs_just_its_cells(finished):
    edit_config(finished, lambda config: config["modes"].update(bitfit={"learning_rates": ["3e-4", "1e-3", "1e-2"]}))
    assert planned_jobs(finished) == {"finetune": 1, **SUMMARY}
    done = snakemake(finished)
    assert done.returncode == 0, done.stderr
    assert (finished / CELLS / "bitfit" / "bs16_lr1e-2_seed0" / "metrics.json").exists()
    assert len((finished / "results/smoke/tables/grid.csv").read_text().splitlines()) == 1 + 5
    assert planned_jobs(finished) == {}


def test_a_mode_that_joins_runs_just_its_cells_and_the_tables(finished):
    edit_config(finished, lambda config: config["modes"].update(frozen={}))
    assert planned_jobs(finished) == {"finetune": 2, **SUMMARY}
    done = snakemake(finished)
    assert done.returncode == 0, done.stderr
    assert "| frozen" in (finished / "results/smoke/tables/table2.md").read_text()
    assert planned_jobs(finished) == {}


def test_data_orders_have_seeds_of_their_own(finished):
    config = {"modes": {"bitfit": {}}, "learning_rates": ["3e-4"], "seeds": [0, 1], "data_order_seeds": [0, 1]}
    edit_config(finished, lambda whole: whole.update(config))
    assert planned_jobs(finished, "mode_bitfit")["finetune"] == 4
    done = snakemake(finished, "all")
    assert done.returncode == 0, done.stderr

    def cell(seed, order):
        path = finished / CELLS / "bitfit" / f"bs16_lr3e-4_seed{seed}_order{order}" / "metrics.json"
        return json.loads(path.read_text())

    cells = {(seed, order): cell(seed, order) for seed in (0, 1) for order in (0, 1)}
    assert cells[0, 0]["start"] == cells[0, 1]["start"] != cells[1, 0]["start"]
    assert len({str(metrics["validation"]["last"]["loss"]) for metrics in cells.values()}) == 4
    # With the same seed for both, it is the cell that there was without data orders.
    before = json.loads((finished / CELLS / "bitfit" / "bs16_lr3e-4_seed0" / "metrics.json").read_text())
    assert cells[0, 0]["validation"] == before["validation"]
    # The head is that of one seed, order and dropout those of the other.
    assert curve_of(finished, cells[1, 0]["config"], seed=1, order=0) == cells[1, 0]["train"]["loss"]
    comparison = json.loads((finished / "results/smoke/comparison.json").read_text())
    assert comparison["tasks"][0]["modes"][0]["chosen"]["test"]["accuracy"]["n"] == 4
    with open(finished / "results/smoke/tables/grid.csv", newline="") as file:
        rows = [(row["seed"], row["data_order_seed"]) for row in csv.DictReader(file)]
    assert sorted(rows) == [("0", "0"), ("0", "1"), ("1", "0"), ("1", "1")]
    with open(finished / "results/smoke/tables/table1.csv", newline="") as file:
        assert next(csv.DictReader(file))["data_order_seeds"] == "0 1"


def curve_of(folder, config: dict, seed: int, order: int) -> list:
    """Train a bitfit cell of `folder` here, drawn from `seed` and taught in the order of `order`; return its losses."""
    model, _ = models.load_classifier(folder / "results/smoke/backbone", outputs=2, seed=seed)
    models.apply_mode(model, config, seed)
    models.place(model, "cpu")
    split, _ = load_split(folder / "results/smoke/data/imdb", "train")
    keys = ("epochs", "weight_decay", "warmup", "max_grad_norm")
    settings = {**{key: config[key] for key in keys}, "batch_size": 16, "learning_rate": 3e-4, "seed": order}
    (epoch,) = engine.train(model, split, **settings, device="cpu", dtype=environment.choose_dtype("cpu"))
    return engine.loss_curve(epoch.losses, first_step=0)


def test_spellings_of_one_learning_rate_are_one_cell(finished):
    edit_config(finished, lambda config: config.update(learning_rates=[0.0003, 1.0e-3]))
    assert planned_jobs(finished) == {}
    edit_config(finished, lambda config: config.update(learning_rates=["0.0003", "0.001"]))
    assert planned_jobs(finished) == {}


def test_a_comment_or_docstring_in_the_training_code_retrains_nothing(finished):
    engine = finished / "scripts" / "finegrid" / "engine.py"
    edit(engine, '"""The training loop, and prediction."""', '"""The loop."""\n# A remark.')
    assert planned_jobs(finished) == {}


def test_an_edit_of_the_training_loop_retrains_everything(finished):
    edit(finished / "scripts" / "finegrid" / "engine.py", "share.backward()", "(2 * share).backward()")
    jobs = planned_jobs(finished)
    assert jobs["finetune"] == 4
    assert jobs["tables"] == 1
    assert "prepare" not in jobs


def test_an_edit_of_the_tables_retrains_nothing(finished):
    edit(finished / "scripts" / "finegrid" / "score_tables.py", 'f"Best validation', 'f"Highest validation')
    assert planned_jobs(finished) == {"tables": 1, "report": 1}
    assert snakemake(finished).returncode == 0
    assert "Highest validation accuracy" in (finished / "results/smoke/tables/table1.md").read_text()


def test_a_setting_of_the_training_retrains_everything(finished):
    edit_config(finished, lambda config: config["training"].update(weight_decay=0.01))
    assert planned_jobs(finished)["finetune"] == 4


def test_a_user_can_ask_for_one_mode_or_one_task(clone):
    assert planned_jobs(clone, "mode_bitfit")["finetune"] == 2
    assert planned_jobs(clone, "task_imdb")["finetune"] == 4


def test_a_path_with_another_spelling_is_no_cell(clone):
    done = snakemake(clone, f"{CELLS}/full/bs16_lr0.0003_seed0/metrics.json", "--dry-run")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_the_same_cell_twice_gives_the_same_bytes(finished):
    folder = finished / CELLS / "full" / "bs16_lr3e-4_seed0"
    again = finished / "again"
    done = run(
        *("python", "scripts/finetune.py", folder / "metrics.json", "--output", again),
        *("--backbone", "results/smoke/backbone", "--data", "results/smoke/data/imdb"),
        cwd=finished,
    )
    assert done.returncode == 0, done.stderr
    for name in ("validation.safetensors", "trained.safetensors"):
        assert (again / name).read_bytes() == (folder / name).read_bytes()
    assert without_cost(again / "metrics.json") == without_cost(folder / "metrics.json")


def test_a_diverged_cell_is_a_result_and_is_never_chosen(finished):
    edit_config(finished, lambda config: config["modes"].update(full={"learning_rates": ["3e-4", "1e30"]}))
    done = snakemake(finished)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((finished / CELLS / "full" / "bs16_lr1e30_seed0" / "metrics.json").read_text())
    assert metrics["status"] == "diverged"
    assert metrics["validation"]["last"] is None
    best = json.loads((finished / CELLS / "full" / "best.json").read_text())
    assert best["chosen"]["learning_rate"] == "3e-4"
    assert best["diverged"] == 1
    assert "Diverged: full: 1 of 2 cells." in (finished / "results/smoke/tables/table1.md").read_text()


def test_a_mode_whose_cells_all_diverged_is_shown_as_such(finished):
    edit_config(finished, lambda config: config["modes"].update(full={"learning_rates": ["1e30"]}))
    done = snakemake(finished)
    assert done.returncode == 0, done.stderr
    for number in (1, 2, 3):
        assert "diverged" in (finished / f"results/smoke/tables/table{number}.md").read_text()


@pytest.mark.parametrize("how", ["flip", "cut"])
@pytest.mark.parametrize("damaged", ["data/imdb/train.safetensors", "backbone/model.safetensors"])
def test_a_damaged_input_stops_the_new_cell_and_spoils_nothing(finished, damaged, how, record_trials):
    before = {path: path.read_bytes() for path in finished.glob(f"{CELLS}/*/*/metrics.json")}
    damage(finished / "results" / "smoke" / damaged, how)
    edit_config(finished, lambda config: config["modes"].update(bitfit={"learning_rates": ["3e-4", "1e-3", "1e-2"]}))
    done = snakemake(finished, f"{CELLS}/bitfit/bs16_lr1e-2_seed0/metrics.json")
    assert done.returncode != 0
    log = (finished / "results/smoke/logs" / "cells/imdb/bitfit/bs16_lr1e-2_seed0/finetune.log").read_text()
    (line,) = [line for line in log.splitlines() if line.startswith("error:")]
    assert f"results/smoke/{damaged}: sha256 is" in line
    assert {path: path.read_bytes() for path in finished.glob(f"{CELLS}/*/*/metrics.json")} == before
    record_trials(f"{damaged}, {how}: named")


def test_a_result_of_another_configuration_is_refused(finished):
    path = finished / CELLS / "full" / "bs16_lr3e-4_seed0" / "metrics.json"
    edit_result(path, config={**json.loads(path.read_text())["config"], "epochs": 3})
    written = path.read_bytes()
    done = snakemake(finished)
    assert done.returncode != 0
    log = (finished / "results/smoke/logs/cells/imdb/full/choose.log").read_text()
    assert "bs16_lr3e-4_seed0/metrics.json: config.epochs is 3, this run has 1" in log
    assert len(log.splitlines()) == 1
    assert path.read_bytes() == written


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"cell": 1}'])
def test_what_is_no_result_is_refused(finished, content):
    path = finished / CELLS / "full" / "bs16_lr3e-4_seed0" / "metrics.json"
    path.write_text(content)
    plan = json.dumps(json.loads((finished / CELLS / "full" / "best.json").read_text())["plan"])
    done = run(*("python", "scripts/choose.py", plan, "--results", "results/smoke", "--output", "x.json"), cwd=finished)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "bs16_lr3e-4_seed0/metrics.json: not " in done.stderr
    assert not (finished / "x.json").exists()


def test_a_sample_larger_than_the_data_is_told(finished):
    edit_config(finished, lambda config: config["tasks"]["imdb"]["sample"].update(train=20001))
    done = snakemake(finished, "--until", "prepare")
    assert done.returncode != 0
    log = (finished / "results/smoke/logs/prepare/imdb.log").read_text()
    assert log == "error: tasks.imdb.sample.train: 20001 rows asked for, the split has 20000\n"
    assert len(list(finished.glob(f"{CELLS}/*/*/metrics.json"))) == 4


def test_an_unusable_results_folder_is_told_before_anything_runs(clone):
    (clone / "results").write_text("a file in the way")
    done = snakemake(clone)
    assert done.returncode != 0
    assert "error: results/smoke: cannot be written: results is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "script", ["backbone", "prepare", "anatomy", "finetune", "choose", "evaluate", "tables", "figures", "export"]
)
def test_each_script_explains_itself(script, clone):
    done = run("python", f"scripts/{script}.py", "--help", cwd=clone)
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {script}.py")


def test_a_run_moved_elsewhere_is_still_finished(finished, tmp_path):
    shutil.move(finished, tmp_path / "a folder with spaces")
    assert planned_jobs(tmp_path / "a folder with spaces") == {}
