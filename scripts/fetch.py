#!/usr/bin/env python3
"""Fetch what a configuration takes from the hub into the mirror: the only script that uses the network.

Writes which files these are, {"models/owner/name": {"revision": "...", "files": {"config.json": "<sha256>"}}}, for
base_model.py and prepare.py to check against. For a private or gated repository, set HF_TOKEN.
"""

import argparse

from finegrid import errors
from finegrid.data.download import fetch
from finegrid.files import parse_json, write_json
from finegrid.sealed import as_json


def main() -> None:
    arguments = parse_arguments()
    fetched = fetch(parse_json(arguments.files, "files"), arguments.mirror, arguments.lock)
    write_json(arguments.output, {key: as_json(repository) for key, repository in fetched.items()})


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", help='JSON: {"models/owner/name": [glob patterns], "datasets/owner/name": [...]}')
    parser.add_argument("--mirror", required=True, help="folder to fill, laid out as the hub's repositories")
    parser.add_argument("--lock", required=True, help="lock file that pins revisions and sha256")
    parser.add_argument("--output", required=True, help="JSON file that lists the files")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
