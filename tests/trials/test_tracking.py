"""`snakemake track` on the smoke run."""

from conftest import planned_jobs, snakemake

from finegrid.reporting.tracking import installed


def test_the_cells_of_a_run_are_written_once(finished):
    done = snakemake(finished, "track")
    tracking = finished / "results" / "smoke" / "tracking"
    if not installed():
        assert done.returncode != 0 and "neither tensorboard nor mlflow is installed" in done.stdout
        return
    assert done.returncode == 0, done.stdout + done.stderr
    cells = {path.parent.relative_to(tracking / "tensorboard") for path in tracking.rglob("events.out.tfevents.*")}
    results = {path.parent for path in (finished / "results" / "smoke" / "cells").rglob("metrics.json")}
    if "tensorboard" in installed():
        assert cells == {path.relative_to(finished / "results" / "smoke" / "cells") for path in results}
    assert (tracking / "mlflow.db").exists() == ("mlflow" in installed())
    assert planned_jobs(finished, "track") == {}
