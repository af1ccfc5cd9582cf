#!/usr/bin/env python3
"""Draw the figures of a run: <name>.svg, .pdf and .png of each, and figures.json, which lists them with captions."""

import argparse
import traceback
from pathlib import Path

from finegrid import errors
from finegrid.evaluation.comparison import Comparison, TaskComparison
from finegrid.files import write_json
from finegrid.reporting import figures
from finegrid.reporting.figures import FigureEntry, curves, heatmap, ladder, parameters, retention, style, trials
from finegrid.sealed import as_json, read_record

OF_A_TASK = {"heatmap": heatmap.draw, "curves": curves.draw, "trials": trials.draw}
OF_A_RUN = {"parameters": parameters.draw, "retention": retention.draw, "ladder": ladder.draw}


def main() -> None:
    arguments = parse_arguments()
    write(read_record(Comparison, arguments.comparison).tasks, Path(arguments.output))


def write(tasks: tuple[TaskComparison, ...], folder: Path) -> None:
    """Draw all figures of some compared tasks into a folder."""
    calls = {f"{kind}_{task.key}": (draw, task, task.title) for task in tasks for kind, draw in OF_A_TASK.items()}
    calls |= {kind: (draw, tasks, None) for kind, draw in OF_A_RUN.items()}
    entries = []
    with style.applied():
        for name in figures.names_of([task.key for task in tasks], len({task.model for task in tasks}) > 1):
            draw, drawn, task = calls[name]
            try:
                drawing = draw(drawn)
            except Exception as error:  # a figure that cannot be drawn costs neither the others nor the report
                traceback.print_exc()
                text = f"{name} could not be drawn: {type(error).__name__}: {error}."
                drawing = style.only_text(name, text)
            style.save(drawing.figure, folder, name)
            entries.append(FigureEntry(name=name, caption=drawing.caption, alt=drawing.alt, task=task))
    write_json(folder / "figures.json", [as_json(entry) for entry in entries])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("comparison", help="comparison.json that compare.py made")
    parser.add_argument("--output", required=True, help="folder for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
