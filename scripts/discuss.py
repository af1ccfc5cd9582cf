#!/usr/bin/env python3
"""Write what the numbers of a run say: discussion.json, each sentence with its figures, and discussion.md."""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.evaluation import published
from finegrid.reporting.discussion import discuss
from finegrid.files import read_json, write_json, write_text
from finegrid.reporting.markdown import escape


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    sections = discuss(read_json(arguments.comparison), published.read_published(arguments.published))
    write_json(output / "discussion.json", sections)
    write_text(output / "discussion.md", markdown(sections))


def markdown(sections: list[dict]) -> str:
    """Return the sections as Markdown, one sentence a line."""
    parts = ["# Discussion"]
    for section in sections:
        parts += [f"## {escape(section['heading'])}", "\n".join(escape(each["text"]) for each in section["sentences"])]
    return "\n\n".join(parts) + "\n"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comparison", help="comparison.json of the run")
    parser.add_argument("--published", nargs="*", default=[], help="files of published scores")
    parser.add_argument("--output", required=True, help="folder for the two files")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
