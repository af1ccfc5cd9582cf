#!/usr/bin/env python3
"""Show what the model reads: real training examples of a task as tokens and as the model's three inputs.

Writes <task>.md and <task>.html into the output folder, and <task>.json, from which the report shows the same.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.files import write_json, write_text
from finegrid.reporting.model_inputs import describe, html, markdown
from finegrid.sealed import as_json


def main() -> None:
    arguments = parse_arguments()
    page = describe(Path(arguments.data), Path(arguments.base_model))
    output = Path(arguments.output, page.task)
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
