#!/usr/bin/env python3
"""Make the folder of the pretrained model that every cell starts from.

A standard transformers folder (config.json, model.safetensors, tokenizer) with provenance.json, which
says where the weights come from and holds the sha256 of every file. A model of source 'embedded' comes
with finegrid; one of source 'hub' is fetched, the only use of the network here;
one of source 'mirror' is taken from a folder.
"""

import argparse
import os
import tempfile
from pathlib import Path

from finegrid import errors
from finegrid.files import parse_json, sha256, write_json


def main() -> None:
    arguments = parse_arguments()
    settings = parse_json(arguments.model, "model")
    output = Path(arguments.output)
    output.mkdir(parents=True, exist_ok=True)

    # Made beside its place and then moved: a folder with a provenance.json is whole.
    with tempfile.TemporaryDirectory(dir=output, prefix=".making-") as folder:
        if settings["source"] in ("hub", "mirror"):
            from finegrid.hub_model import make_hub_model

            provenance = make_hub_model(settings, Path(folder), arguments.lock, arguments.mirror)
        else:
            from finegrid.embedded_model import make_embedded_model, make_random_model

            make_model = {"embedded": make_embedded_model, "random": make_random_model}[settings["source"]]
            provenance = make_model(Path(folder))
        names = sorted(os.listdir(folder))
        for name in names:
            os.replace(Path(folder, name), output / name)
    write_json(
        output / "provenance.json",
        {"model": settings, **provenance, "files": {name: sha256(output / name) for name in names}},
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the configuration's `model` block as JSON")
    parser.add_argument("--lock", required=True, help="lock file of the hub's files")
    parser.add_argument("--mirror", default="", help="folder laid out as the hub's repositories, for source 'mirror'")
    parser.add_argument("--output", required=True, help="folder for the model")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
