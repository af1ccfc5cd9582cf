#!/usr/bin/env python3
"""Write what the numbers of a run say: discussion.json, each sentence with its figures, and discussion.md."""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.evaluation.comparison import Comparison
from finegrid.evaluation.published import read_published
from finegrid.files import write_json, write_text
from finegrid.reporting.discussion import Section, discuss
from finegrid.reporting.markdown import escape
from finegrid.sealed import as_json, read_record


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    sections = discuss(read_record(Comparison, arguments.comparison), read_published(arguments.published))
    write_json(output / "discussion.json", [as_json(section) for section in sections])
    write_text(output / "discussion.md", markdown(sections))


def markdown(sections: list[Section]) -> str:
    """Return the sections as Markdown, one sentence per line."""
    parts = ["# Discussion"]
    for section in sections:
        parts += [f"## {escape(section.heading)}", "\n".join(escape(each.text) for each in section.sentences)]
    return "\n\n".join(parts) + "\n"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json of the run")
    parser.add_argument("--published", nargs="*", default=[], help="YAML files of published scores")
    parser.add_argument("--output", required=True, help="folder for the two files")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
