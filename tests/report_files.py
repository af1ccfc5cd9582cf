"""All files that a report is made of, written by hand, with markup wherever a run may have it."""

from pathlib import Path

from comparisons import cell, changed, comparison, mode_of, split, task

from finegrid.files import write_json, write_text
from finegrid.records import DataSource, Environment, Splits
from finegrid.reporting.figures import FigureEntry
from finegrid.reporting.layout import ShownTable
from finegrid.reporting.model_inputs import Example, InputsPage, ModelInput
from finegrid.reporting.report_page import gather, html
from finegrid.reporting.sentences import Discussion, Section, Sentence
from finegrid.sealed import as_json

TASK, MODE, MARKUP = "a-task", "a-mode", "<script>alert(1)</script>"
# Both use the same id, as figures of one program do.
SVG = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="900" height="300"
viewBox="0 0 900 300"><defs><circle id="dot" r="{radius}"/></defs><use xlink:href="#dot" x="450" y="150"/></svg>"""
# (batch size, learning rate) and validation score, in an order that no column has; None diverged.
SCORES = {(16, "1e-2"): 0.7, (128, "3e-4"): 0.8125, (8, "1e-3"): None, (16, "3e-4"): 0.8123, (8, "3e-5"): 0.9}
CELLS = 2 * len(SCORES)
BOTH = "A note of both tables."


def odd_comparison():
    """Return two modes with the same scores on one task, in an environment whose versions hold markup."""
    seconds = cell((8, "1e-3"), 0, None, False, 0).cost.model_copy(
        update={"total_seconds": 1234.5, "tokens_per_second": 18344.3, "peak_memory_bytes": 452861952}
    )
    modes = []
    for name in ("full", MODE):
        scores = {setting: score and [score] for setting, score in SCORES.items()}
        mode = mode_of(name, scores, chosen=(8, "3e-5"))
        cells = [each.model_copy(update={"cost": seconds}) for each in mode.cells]
        modes.append(changed(mode, "cells", tuple(cells)))
    made = task(TASK, modes, max_length=16, test="no test split")
    train = split(1000, "held out of the <u>official</u> training split", truncated=5, empty=1)
    length = {"median": 9.5, "longest": 16}
    train = type(train).model_validate({**train.model_dump(), "length": length})
    none = split(0, "none")
    made = changed(made, "data.splits", Splits(train=train, validation=train, test=none, hidden=none))
    made = changed(made, "data.duplicates", {"train and test": 12})
    made = changed(made, "data.source", DataSource(dropped_training_rows=3))
    machine = {"python": "3", "machine": "x", "device": "cpu", "threads": 1, "dtype": "float32", "batches": "padded"}
    return comparison([made], run="odd", environments=[Environment(**machine, torch="1.2.3 <b>")])


def write_report_files(folder: Path, discussion=True) -> Path:
    """Write all that a report is made of, and the report; return the page."""
    write_json(folder / "comparison.json", as_json(odd_comparison()))
    sentences = [Sentence(text=text, figures={}) for text in ("One < two.", '<img src="x" onerror="alert(2)">')]
    sections = [Section(heading=MARKUP, sentences=sentences)] if discussion else []
    answer = Sentence(text="The <answer>.", figures={}) if discussion else None
    write_json(folder / "discussion.json", as_json(Discussion(answer=answer, sections=sections)))
    tables = [
        odd_table("table1", "Validation of <b>", [BOTH]),
        odd_table("table2", "Test", [BOTH]),
        odd_table("table3", "Rates", [BOTH, "A note of <u>."]),
    ]
    write_json(folder / "tables" / "tables.json", [as_json(table) for table in tables])
    entries = [
        FigureEntry(name=name, caption=f"About {name} & more", alt=f'A "dot" for {name}', task=TASK)
        for name in (f"heatmap_{TASK}", "costs")
    ]
    write_json(folder / "figures" / "figures.json", [as_json(entry) for entry in entries])
    for radius, entry in enumerate(entries, 10):
        write_text(folder / "figures" / f"{entry.name}.svg", SVG.format(radius=radius))
    inputs = folder / "inputs" / f"{TASK}.json"
    write_json(inputs, as_json(odd_inputs()))
    configuration = {"run": "odd", "tasks": {TASK: {"classes": ["<i>", MARKUP]}}, "modes": {MODE: {}}}
    page = gather(folder, configuration, [inputs])
    write_text(folder / "report.html", html(page))
    return folder / "report.html"


def odd_table(name: str, caption: str, notes: list[str]) -> ShownTable:
    """Return a wide table with markup in its cells."""
    return ShownTable(
        name=name,
        title=f"Table {name[-1]}",
        caption=caption,
        columns=["mode", *[f"a column of numbers {number}" for number in range(9)]],
        align=["left", *["right"] * 9],
        rows=[["full", *["0.805"] * 9], [MARKUP, *["<i>"] * 9]],
        notes=notes,
    )


def odd_inputs() -> InputsPage:
    """Return a page of one example whose tokens and label are markup."""
    columns = {
        "token": ["[CLS]", "<b>", "##s", *["word"] * 40],
        "kind": ["special", "", "piece", *[""] * 39, "padding"],
    }
    return InputsPage(
        task=TASK,
        introduction=["What it reads."],
        inputs=[ModelInput(name="input_ids", purpose="numbers of tokens.", taken=True)],
        examples=[Example(heading=f"Row 0, label: {MARKUP}", row=0, tokens=42, label=MARKUP, columns=columns)],
    )
