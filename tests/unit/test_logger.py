"""The lines of progress that `make` shows while Snakemake runs."""

import logging
import re
from types import SimpleNamespace

import pytest
from conftest import run
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_logger_plugin_finegrid import LogHandler


@pytest.fixture
def handler():
    settings = SimpleNamespace(quiet=None, show_failed_logs=True, stdout=True)
    return LogHandler(settings, None)


def record(message="", level=logging.INFO, **fields) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelno": level, **fields})


def told(handler, records, capsys) -> list[str]:
    for each in records:
        handler.emit(each)
    return capsys.readouterr().out.splitlines()


def test_a_job_is_a_line_and_its_reason_is_not_shown(handler, capsys):
    records = [
        record("Building DAG of jobs..."),
        record("SNAKEMAKE", event=LogEvent.WORKFLOW_STARTED),
        record("Job stats: ...", event=LogEvent.RUN_INFO, stats={"finetune": 11, "total": 12}),
        record("Select jobs to execute..."),
        record(event=LogEvent.JOB_INFO, rule_msg="imdb: full", reason="Missing output files: " + 500 * "x", jobid=1),
        record("Shell command: ...", event=LogEvent.SHELLCMD, shellcmd="..."),
        record("Finished jobid: 1", event=LogEvent.JOB_FINISHED, job_id=1),
        record(event=LogEvent.PROGRESS, done=1, total=12),
        record(event=LogEvent.JOB_INFO, rule_msg="imdb: bitfit", reason="r", jobid=2),
        record(event=LogEvent.JOB_INFO, rule_msg=None, reason="r", jobid=3),
        record(event=LogEvent.PROGRESS, done=12, total=12),
        record("Complete log(s): the.log"),
    ]
    first, *lines, last = told(handler, records, capsys)
    assert first.startswith("Jobs to run: 12.")
    assert [re.sub(r"^ +\d+:\d\d", "0:00", line) for line in lines] == [
        "0:00   0/12  imdb: full",
        "0:00   1/12  imdb: bitfit",
        "0:00  12/12  done",
    ]
    assert last == "Complete log(s): the.log"


def test_errors_and_warnings_are_shown_as_snakemake_words_them(handler, capsys, tmp_path):
    (tmp_path / "job.log").write_text("error: it failed\n")
    job = {"rule_name": "finetune", "rule_msg": "imdb: full", "jobid": 1, "input": [], "output": ["metrics.json"]}
    job |= {"log": [str(tmp_path / "job.log")], "conda_env": None, "shellcmd": "train", "aux": {}, "indent": False}
    records = [
        record("m", logging.ERROR, event=LogEvent.JOB_ERROR, **job),
        record("careful", logging.WARNING),
        record("Trying to restart job 1."),
        record("Nothing to be done (all requested files are present and up to date)."),
    ]
    lines = told(handler, records, capsys)
    assert {"Error in rule finetune:", "error: it failed", "careful", "Trying to restart job 1."} <= set(lines)
    assert lines[-1].startswith("Nothing to be done")


def test_snakemake_finds_it_and_its_own_log_stays_complete(clone):
    target = "results/smoke/cells/bundled-bert-tiny/imdb/full/plan.json"
    logger = ("--logger", "finegrid", "--quiet", "host")
    done = run("snakemake", target, "--cores", "1", *logger, "--configfile", "config/smoke.yaml", cwd=clone)
    assert done.returncode == 0, done.stderr
    shown = r"^ +\d+:\d\d  0/1  bundled-bert-tiny, imdb: planning full\n +\d+:\d\d  1/1  done$"
    assert re.search(shown, done.stderr, re.MULTILINE)
    assert "Reason" not in done.stderr
    [log] = (clone / ".snakemake" / "log").iterdir()
    assert "Reason: Missing output files" in log.read_text()
