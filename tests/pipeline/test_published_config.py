"""A malformed file of published scores is reported before anything runs."""

from conftest import edit_config, snakemake


def test_a_malformed_file_of_published_scores_stops_the_run_at_once(clone):
    (clone / "own.yaml").write_text("sources: [{title: a, read: b, model: c, scores: [{task: imdb, value: 0.5}]}]")
    edit_config(clone, lambda config: config.update(published=["own.yaml"]))
    done = snakemake(clone, "--dry-run")
    assert done.returncode != 0
    assert "own.yaml: sources.0.scores.0: the key 'metric' is missing" in done.stdout + done.stderr
