"""The pipeline as its users run it: by Snakemake, in a copy of the repository."""

import ast
import json
import shutil
import sys

import pytest
from conftest import (
    CELLS,
    MODEL,
    REPOSITORY,
    edit,
    edit_config,
    edit_result,
    planned_jobs,
    run,
    snakemake,
)

# What a cell that joins a mode leads to.
REPORTING = {"compare": 1, "tables": 1, "figures": 1, "discuss": 1, "report": 1}
TWICE = {"plan": 2, "select": 2, "evaluate": 2}


def test_a_run_leaves_tables_and_whole_cells(smoke_run):
    tables = smoke_run / "results" / "smoke" / "tables"
    names = ["table1", "table2", "table3", "pairs", "ranking", "retention", "parameters", "cost", "published"]
    expected = {f"{name}.{suffix}" for name in names for suffix in ("csv", "md", "tex")}
    assert {path.name for path in tables.iterdir()} == expected | {"grid.csv", "tables.json"}
    assert len((tables / "grid.csv").read_text().splitlines()) == 1 + 4
    cells = list((smoke_run / CELLS / "full").glob("bs*"))
    assert len(cells) == 2
    for folder in cells:
        names = {path.name for path in folder.iterdir()}
        assert names >= {"metrics.json", "validation.safetensors", "trained.safetensors"}
    assert not list(smoke_run.glob("results/**/*.tmp"))


def test_the_test_split_is_read_for_the_chosen_setting_only(smoke_run):
    assert sorted(path.parent.parent.name for path in (smoke_run / CELLS).rglob("test.json")) == ["bitfit", "full"]
    for mode in ("bitfit", "full"):
        folder = smoke_run / CELLS / mode
        best, test = (json.loads((folder / name).read_text()) for name in ("best.json", "chosen/test.json"))
        assert test["status"] == "ok"
        assert test["chosen"] == best["chosen"]
        cell = folder / f"bs{best['chosen']['batch_size']}_lr{best['chosen']['learning_rate']}_seed0"
        fingerprint = json.loads((cell / "metrics.json").read_text())["fingerprint"]
        assert [each["fingerprint"] for each in test["cells"]] == [fingerprint]


def test_a_learning_rate_more_and_a_mode_that_joins_run_just_their_cells(finished):
    modes = {"bitfit": {"learning_rates": ["3e-4", "1e-3", "1e-2"]}, "linear-probe": {}}
    edit_config(finished, lambda config: config["modes"].update(modes))
    assert planned_jobs(finished) == {"finetune": 1 + 2, **TWICE, **REPORTING}


def test_a_seed_more_runs_just_its_cells(finished):
    edit_config(finished, lambda config: config.update(seeds=[0, 1]))
    assert planned_jobs(finished) == {"finetune": 4, **TWICE, **REPORTING}


def test_a_task_that_joins_leaves_the_other_untouched(finished):
    task = {"source": "files", "files": {"train": "train.csv"}, "text": "text", "label": "label", "classes": ["a", "b"]}
    (finished / "train.csv").write_text("text,label\n" + "good,a\nbad,b\n" * 20)
    edit_config(finished, lambda config: config["tasks"].update(mine={**task, "max_length": 16}))
    assert planned_jobs(finished) == {
        "prepare_training": 1,
        "prepare": 1,
        "inputs": 1,
        "finetune": 4,
        **TWICE,
        **REPORTING,
    }


def test_another_spelling_of_a_learning_rate_and_an_edited_comment_message_or_docstring_rerun_nothing(finished):
    edit_config(finished, lambda config: config.update(learning_rates=[0.0003, "0.001"]))
    loop = finished / "scripts" / "finegrid" / "training" / "loop.py"
    loop.write_text("# A remark.\n" + loop.read_text())
    edit(finished / "scripts" / "finegrid" / "config" / "definition.py", "a number, 0 or more", "a number from 0 on")
    assert planned_jobs(finished) == {}


def test_an_edit_of_the_training_loop_retrains_everything(finished):
    optimiser = finished / "scripts" / "finegrid" / "training" / "optimiser.py"
    edit(optimiser, "EPSILON = 1e-8", "EPSILON = 1e-7")
    jobs = planned_jobs(finished)
    assert jobs["finetune"] == 4
    assert jobs["tables"] == 1
    assert "prepare" not in jobs


def test_an_edit_of_the_tables_retrains_nothing(finished):
    tables = finished / "scripts" / "finegrid" / "reporting" / "score_tables.py"
    edit(tables, 'f"Best validation', 'f"Highest validation')
    assert planned_jobs(finished) == {"tables": 1, "report": 1}
    assert snakemake(finished, "tables").returncode == 0
    assert "Highest validation accuracy" in (finished / "results/smoke/tables/table1.md").read_text()


def test_a_setting_of_the_training_retrains_everything(finished):
    edit_config(finished, lambda config: config["training"].update(weight_decay=0.01))
    assert planned_jobs(finished)["finetune"] == 4


def test_a_user_can_ask_for_one_mode_one_task_or_one_model(clone):
    assert planned_jobs(clone, "mode_bitfit")["finetune"] == 2
    assert planned_jobs(clone, "task_imdb", f"model_{MODEL}")["finetune"] == 4


def test_a_path_with_another_spelling_is_no_cell(clone):
    done = snakemake(clone, f"{CELLS}/full/bs16_lr0.0003_seed0/metrics.json", "--dry-run")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_result_of_another_configuration_is_refused(finished):
    path = finished / CELLS / "full" / "bs16_lr3e-4_seed0" / "metrics.json"
    cell = json.loads(path.read_text())["cell"]
    edit_result(path, cell={**cell, "training": {**cell["training"], "epochs": 3}})
    written = path.read_bytes()
    done = snakemake(finished)
    assert done.returncode != 0
    log = (finished / f"results/smoke/logs/cells/{MODEL}/imdb/full/select.log").read_text()
    assert "bs16_lr3e-4_seed0/metrics.json: cell.training.epochs is 3, this run has 1" in log
    assert len(log.splitlines()) == 1
    assert path.read_bytes() == written


def test_an_unusable_results_folder_is_told_before_anything_runs(clone):
    (clone / "results").write_text("a file in the way")
    done = snakemake(clone)
    assert done.returncode != 0
    assert "results/smoke: cannot be written: results is not a folder" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_link_to_a_missing_folder_is_told_before_anything_runs(clone):
    (clone / "results").symlink_to("elsewhere")
    done = snakemake(clone)
    assert done.returncode != 0
    assert "results is a link to elsewhere, which is missing" in done.stdout + done.stderr


def test_each_script_explains_itself():
    for script in (REPOSITORY / "scripts").glob("*.py"):
        tree = ast.parse(script.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), script
        assert "description=__doc__" in script.read_text(encoding="utf-8"), script


def test_a_run_moved_elsewhere_is_still_finished(finished, tmp_path):
    shutil.move(finished, tmp_path / "a folder with spaces")
    assert planned_jobs(tmp_path / "a folder with spaces") == {}


# Runs Snakemake, which says so when it starts a timer of its limit of jobs a second.
TIMED = """
import sys
from snakemake.cli import main
from snakemake.scheduling.job_scheduler import JobScheduler
JobScheduler._schedule_reevalutation = lambda *_: print("a timer starts", flush=True)
main(sys.argv[1:])
"""


@pytest.mark.parametrize(("options", "timers"), [((), False), (("--max-jobs-per-timespan", "50/1s"), True)])
def test_only_a_limit_that_was_asked_for_costs_timers(clone, options, timers):
    arguments = ("prepared", "--cores", "1", "--configfile", "config/smoke.yaml", *options)
    done = run(sys.executable, "-c", TIMED, *arguments, cwd=clone)
    assert done.returncode == 0, done.stderr
    assert ("a timer starts" in done.stdout) == timers
