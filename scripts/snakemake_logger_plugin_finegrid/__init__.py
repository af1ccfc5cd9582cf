"""Progress that a person reads: `snakemake --logger finegrid` prints one line for each job, as it starts.

A line has the time since the start, how many jobs are done, and what the job does. Warnings and errors are shown as
Snakemake words them. Its log file in .snakemake/log is another handler's, so it stays complete.
"""

import logging
import sys
import time

from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

# What Snakemake says about itself that a user should know; the rest is in the log file.
SHOWN = ("Nothing to be done", "Trying to restart", "Complete log")


class LogHandler(LogHandlerBase):
    """Writes to stderr, or to stdout with Snakemake's --stdout."""

    writes_to_stream = True
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        self.setFormatter(DefaultFormatter(self.common_settings.quiet, self.common_settings.show_failed_logs))
        self.started = time.monotonic()
        self.done, self.total = 0, 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write what is to be shown of a record."""
        text = self.shown(record)
        if text:
            print(text, file=sys.stdout if self.common_settings.stdout else sys.stderr, flush=True)

    def shown(self, record: logging.LogRecord) -> str | None:
        """Return the text that is shown of a record, None if there is nothing to show."""
        event = getattr(record, "event", None)
        if record.levelno >= logging.WARNING:
            return self.format(record)
        if event == LogEvent.RUN_INFO:
            self.total = record.stats["total"]
            return f"Jobs to run: {self.total}. A line for each as it starts: the time, the jobs done, what it does."
        if event == LogEvent.JOB_INFO:
            return self.line(record.rule_msg) if record.rule_msg else None
        if event == LogEvent.PROGRESS:
            self.done, self.total = record.done, record.total
            return self.line("done") if self.done == self.total else None
        return self.format(record) if event is None and record.getMessage().startswith(SHOWN) else None

    def line(self, text: str) -> str:
        """Return a line of progress."""
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        return f"{minutes:3}:{seconds:02}  {self.done:{len(str(self.total))}}/{self.total}  {text}"
