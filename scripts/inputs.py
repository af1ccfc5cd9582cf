#!/usr/bin/env python3
"""Show what the model reads: real training examples of a task as tokens and as the model's three inputs.

Writes <task>.md and <task>.html into the output folder, and <task>.json, from which the report shows the same.
"""

import argparse
import traceback
from pathlib import Path

from finegrid import errors
from finegrid.errors import InputError
from finegrid.files import write_json, write_text
from finegrid.records import DataStats
from finegrid.reporting.model_inputs import describe, html, markdown, unavailable
from finegrid.sealed import as_json, read_record


def main() -> None:
    arguments = parse_arguments()
    task = read_record(DataStats, Path(arguments.data, "stats.json")).task.name
    try:
        page = describe(Path(arguments.data), Path(arguments.base_model))
    except InputError:
        raise
    except Exception as error:  # an unusual tokenizer costs its page, not the run
        traceback.print_exc()
        page = unavailable(task, error)
    output = Path(arguments.output, task)
    write_text(f"{output}.md", markdown(page))
    write_text(f"{output}.html", html(page))
    write_json(f"{output}.json", as_json(page))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="data folder that prepare.py made")
    parser.add_argument("--base-model", required=True, help="model folder that base_model.py made")
    parser.add_argument("--output", required=True, help="folder for the pages")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
