#!/usr/bin/env python3
"""Make the folder of the pretrained model that every cell starts from.

A standard transformers folder (config.json, model.safetensors, tokenizer) with provenance.json, which
says where the weights come from and holds the sha256 of every file. A model of source 'embedded' comes
with finegrid; one of source 'hub' or 'mirror' is read from the mirror, without the network.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.files import make_folder, parse_json


def main() -> None:
    arguments = parse_arguments()
    settings = parse_json(arguments.model, "model")

    def make(folder: Path) -> dict:
        if settings["source"] in ("hub", "mirror"):
            from finegrid.modeling.hub import make_hub_model

            return {"model": settings, **make_hub_model(settings, folder, arguments.mirror, arguments.fetched)}
        from finegrid.modeling.bundled import make_embedded_model, make_random_model

        make_model = {"embedded": make_embedded_model, "random": make_random_model}[settings["source"]]
        return {"model": settings, **make_model(folder)}

    make_folder(arguments.output, make)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the configuration's `model` block as JSON")
    parser.add_argument("--mirror", default="", help="folder laid out as the hub's repositories")
    parser.add_argument("--fetched", nargs="?", help="what fetch.py wrote, for source 'hub'")
    parser.add_argument("--output", required=True, help="folder for the model")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
