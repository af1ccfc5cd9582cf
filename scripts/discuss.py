#!/usr/bin/env python3
"""Write what the numbers of a run say: discussion.json, each sentence with its figures, and discussion.md."""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.evaluation.comparison import Comparison
from finegrid.evaluation.published import read_published
from finegrid.files import write_json, write_text
from finegrid.reporting.discussion import discuss
from finegrid.reporting.markdown import escape
from finegrid.reporting.sentences import Discussion
from finegrid.sealed import as_json, read_record


def main() -> None:
    arguments = parse_arguments()
    output = Path(arguments.output)
    discussion = discuss(read_record(Comparison, arguments.comparison), read_published(arguments.published))
    write_json(output / "discussion.json", as_json(discussion))
    write_text(output / "discussion.md", markdown(discussion))


def markdown(discussion: Discussion) -> str:
    """Return a discussion as Markdown, one sentence per line."""
    parts = ["# Discussion"]
    if discussion.answer:
        parts.append(escape(discussion.answer.text))
    for section in discussion.sections:
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
