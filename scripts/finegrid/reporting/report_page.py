"""The report of a run as one HTML page: what it shows, gathered from the files of the run, and the page itself."""

import base64
import contextlib
import hashlib
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

import yaml
from markupsafe import Markup

from finegrid.config.metrics import METRICS
from finegrid.evaluation.comparison import CellScore, Comparison, ModeComparison, TaskComparison
from finegrid.files import read_json
from finegrid.records import SplitStats
from finegrid.reporting.figures import FigureEntry
from finegrid.reporting.layout import RESULT_TABLES, ShownTable
from finegrid.reporting.model_inputs import InputsPage
from finegrid.reporting.pages import TEMPLATES, render
from finegrid.reporting.sentences import Discussion
from finegrid.sealed import read_as, read_record

# Packages behind the tables, figures and this page; those behind the training are in the comparison.
PACKAGES = ["snakemake", "datasets", "tokenizers", "scipy", "statsmodels", "pandas", "matplotlib"]


class NotedTable(NamedTuple):
    """A table, and which of the page's notes are its own."""

    table: ShownTable
    notes: list[int]  # numbers in the section of notes, from 1


class Figure(NamedTuple):
    """A figure with its picture."""

    entry: FigureEntry
    source: str  # a data URL that holds the whole SVG


class Value(NamedTuple):
    """A value of the table of cells; with a number the column sorts by that, without one by the text."""

    text: str
    number: float | None = None


class Row(NamedTuple):
    """A cell in the table of cells."""

    chosen: bool
    values: list[Value]


class Grid(NamedTuple):
    """The table of cells; what all rows have in common is no column."""

    columns: list[str]
    constant: dict[str, str]
    rows: list[Row]


class DataPage(NamedTuple):
    """What is told of a task's data."""

    task: str
    source: str
    max_length: int
    splits: list[tuple[str, SplitStats]]  # those that have rows


class Count(NamedTuple):
    """How many cells a mode has on a task."""

    model: str
    task: str
    mode: str
    settings: int
    seeds: int
    cells: int
    diverged: int
    confirming: int  # seeds
    hours: float  # of one process: the cells one after another


class ReportPage(NamedTuple):
    """All that the page shows; `result` is what it begins with, in place of the other tables and figures."""

    comparison: Comparison
    modes: list[str]
    discussion: Discussion
    result_tables: list[NotedTable]
    result_figures: list[Figure]
    tables: list[NotedTable]
    notes: list[str]  # each once, whichever tables it belongs to
    figures: list[Figure]
    grid: Grid
    data: list[DataPage]
    inputs: list[InputsPage]
    configuration: str  # YAML
    packages: dict[str, str]
    counts: list[Count]


def gather(run_folder: Path, configuration, inputs: list[str]) -> ReportPage:
    """Collect what the page shows from the files that compare, discuss, tables, figures and inputs wrote.

    `inputs` are the pages of what a model reads; `configuration` is the run's configuration as plain data. Raises
    InputError if a file is missing or not as expected.
    """
    comparison = read_record(Comparison, run_folder / "comparison.json")
    tables, notes = numbered(read_list(ShownTable, run_folder / "tables" / "tables.json"))
    drawn, first = figures(run_folder / "figures"), result_figures(comparison)
    return ReportPage(
        comparison=comparison,
        modes=list(dict.fromkeys(mode.name for _, mode in comparison.rows())),
        discussion=read_record(Discussion, run_folder / "discussion.json"),
        result_tables=[each for each in tables if each.table.name in RESULT_TABLES],
        result_figures=[figure for figure in drawn if figure.entry.name in first],
        tables=[each for each in tables if each.table.name not in RESULT_TABLES],
        notes=notes,
        figures=[figure for figure in drawn if figure.entry.name not in first],
        grid=grid(comparison),
        data=[data(task) for task in comparison.tasks],
        inputs=[read_record(InputsPage, path) for path in inputs],
        configuration=yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True, width=100),
        packages=installed_versions(),
        counts=[count(task, mode) for task, mode in comparison.rows()],
    )


def numbered(tables: list[ShownTable]) -> tuple[list[NotedTable], list[str]]:
    """Return tables with the numbers of their notes, and the notes in the order of the tables."""
    notes = list(dict.fromkeys(note for table in tables for note in table.notes))
    return [NotedTable(table, sorted(notes.index(note) + 1 for note in table.notes)) for table in tables], notes


def result_figures(comparison: Comparison) -> set[str]:
    """Name the figures that the page begins with. Heat maps of several tasks would be too many."""
    [first, *others] = comparison.tasks
    several = "ladder" if comparison.several_models else "retention"
    return {"parameters", several if others else f"heatmap_{first.key}"}


def installed_versions() -> dict[str, str]:
    """Return the versions of PACKAGES; with conda, the report's environment lacks those that only other rules need."""
    versions = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


def read_list(record, path) -> list:
    """Read a JSON file that is a list of typed objects. Raises InputError in one line."""
    return [read_as(record, each, path) for each in read_json(path)]


def figures(folder: Path) -> list[Figure]:
    """Read the figures. Each SVG becomes an image of its own, so its ids and styles do not clash with the others'."""
    found = []
    for entry in read_list(FigureEntry, folder / "figures.json"):
        picture = base64.b64encode((folder / f"{entry.name}.svg").read_bytes()).decode()
        found.append(Figure(entry, f"data:image/svg+xml;base64,{picture}"))
    return found


def number(value: float | None, spelling: str) -> Value:
    """Return a number as it is shown; empty if there is none."""
    return Value("") if value is None else Value(format(value, spelling), value)


def role(mode: ModeComparison, cell: CellScore) -> str:
    """Say whether a cell was chosen, or confirms the choice."""
    return "confirms" if cell in mode.confirmations else "chosen" if cell.chosen else ""


# What the table of cells shows, by column.
COLUMNS: dict[str, Callable[[TaskComparison, ModeComparison, CellScore], Value]] = {
    "model": lambda task, mode, cell: Value(task.model.name),
    "task": lambda task, mode, cell: Value(task.name),
    "mode": lambda task, mode, cell: Value(mode.name),
    "batch size": lambda task, mode, cell: number(cell.batch_size, "d"),
    "learning rate": lambda task, mode, cell: Value(cell.learning_rate, float(cell.learning_rate)),
    "seed": lambda task, mode, cell: number(cell.seed, "d"),
    "metric": lambda task, mode, cell: Value(METRICS[task.metric].display_name),
    "validation": lambda task, mode, cell: (
        number(cell.validation, ".3f") if cell.status == "ok" else Value(cell.status)
    ),
    "best epoch": lambda task, mode, cell: number(cell.best_epoch and cell.best_epoch.epoch, "d"),
    "best validation": lambda task, mode, cell: number(cell.best_epoch and cell.best_epoch.score, ".3f"),
    "chosen": lambda task, mode, cell: Value(role(mode, cell)),
    "seconds": lambda task, mode, cell: number(cell.cost.total_seconds, ",.1f"),
    "tokens per second": lambda task, mode, cell: number(cell.cost.tokens_per_second, ",.0f"),
    "peak memory, MiB": lambda task, mode, cell: number(cell.cost.peak_memory_bytes / 2**20, ",.0f"),
}
SAID_ONCE = ("model", "task", "metric")  # not columns where all rows agree


def grid(comparison: Comparison) -> Grid:
    """Return the table of cells."""
    cells = [(task, mode, cell) for task, mode in comparison.rows() for cell in (*mode.cells, *mode.confirmations)]
    found = {name: {COLUMNS[name](*each).text for each in cells} for name in SAID_ONCE}
    constant = {name: texts.pop() for name, texts in found.items() if len(texts) == 1}
    shown = {name: value for name, value in COLUMNS.items() if name not in constant}
    rows = [Row(cell.chosen, [value(task, mode, cell) for value in shown.values()]) for task, mode, cell in cells]
    return Grid(list(shown), constant, rows)


def data(task: TaskComparison) -> DataPage:
    """Return what is told of a task's data."""
    return DataPage(
        task=task.title,
        source=task.task.source,
        max_length=task.task.max_length,
        splits=[(name, split) for name, split in task.data.splits.items() if split.rows],
    )


def count(task: TaskComparison, mode: ModeComparison) -> Count:
    """Count the cells of a mode on a task, and the hours that they took."""
    return Count(
        model=task.model.name,
        task=task.name,
        mode=mode.name,
        settings=len(mode.settings),
        seeds=len(mode.plan.seeds),
        cells=len(mode.cells),
        diverged=sum(cell.status != "ok" for cell in mode.cells),
        confirming=len(mode.confirmations),
        hours=sum(cell.cost.total_seconds for cell in (*mode.cells, *mode.confirmations)) / 3600,
    )


def html(page: ReportPage) -> str:
    """Return the page. Its Content-Security-Policy allows images inside it, and one style and one script by hash."""
    style = "".join((TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "report.css"))
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    policy = "; ".join(
        [
            *("default-src 'none'", "base-uri 'none'", "form-action 'none'", "img-src data:"),
            f"style-src '{content_hash(style)}'",
            f"script-src '{content_hash(script)}'",
        ]
    )
    return render("report.html", page=page, style=Markup(style), script=Markup(script), policy=policy)


def content_hash(text: str) -> str:
    """Return the hash by which a Content-Security-Policy allows an inline style or script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
