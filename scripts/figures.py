#!/usr/bin/env python3
"""Draw the figures of a run: <name>.svg, .pdf and .png of each, and figures.json.

figures.json lists them in their order: {"name", "caption", "alt", "task"}, alt being the text for those who
cannot see the figure; the task is null where a figure is of all tasks.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.reporting.figures import curves, heatmap, look, names, parameters, retention, trials
from finegrid.files import read_json, write_json

OF_A_TASK = {"heatmap": heatmap.draw, "curves": curves.draw, "trials": trials.draw}
OF_A_RUN = {"parameters": parameters.draw, "retention": retention.draw}


def main() -> None:
    arguments = parse_arguments()
    write(read_json(arguments.comparison, "tasks"), Path(arguments.output))


def write(tasks: list[dict], folder: Path) -> None:
    """Draw all figures of these tasks of a comparison into a folder."""
    drawings = {f"{kind}_{task['task']}": (draw, task) for task in tasks for kind, draw in OF_A_TASK.items()}
    drawings |= {kind: (draw, tasks) for kind, draw in OF_A_RUN.items()}
    index = []
    with look.looking():
        for name in names(task["task"] for task in tasks):
            draw, drawn = drawings[name]
            figure, caption, alt = draw(drawn)
            look.save(figure, folder, name)
            task = None if drawn is tasks else drawn["task"]
            index.append({"name": name, "caption": caption, "alt": alt, "task": task})
    write_json(folder / "figures.json", index)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json that compare.py made")
    parser.add_argument("--output", required=True, help="folder for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
