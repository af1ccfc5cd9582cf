"""Snakemake plans the cells of any valid configuration, each once."""

import pytest
import yaml
from any_config import CONFIGS, check_grid
from conftest import copy_pipeline, planned_jobs
from hypothesis import HealthCheck, Phase, given, settings

from finegrid.config.cell import plans
from finegrid.config.resolve import resolve_config


@pytest.fixture
def pipeline(tmp_path, monkeypatch):
    clone = copy_pipeline(tmp_path / "clone")
    monkeypatch.chdir(clone)  # files of a configuration are relative to where Snakemake runs
    return clone


# Not made smaller where it fails: every try takes seconds.
@settings(
    max_examples=max(1, settings.default.max_examples // 30),
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(CONFIGS)
def test_snakemake_plans_just_these_cells(pipeline, config):
    path = pipeline / "config" / "any.yaml"
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    resolved = resolve_config(config, "any.yaml")
    check_grid(resolved)
    jobs = planned_jobs(pipeline, config="config/any.yaml")
    planned = plans(resolved)
    assert jobs["finetune"] == sum(len(plan.cells()) for plan in planned)
    assert jobs.get("confirm", 0) == sum(len(plan.confirming_seeds) for plan in planned)
    assert jobs["base_model"] == len(resolved.models)
    assert jobs["prepare"] == len(resolved.tasks) * len(set(map(resolved.tokenizer_of, resolved.models)))
    assert jobs["select"] == jobs["evaluate"] == len(planned)
