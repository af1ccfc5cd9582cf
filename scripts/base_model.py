#!/usr/bin/env python3
"""Make the folder of the pretrained model that every cell starts from.

A standard transformers folder (config.json, model.safetensors, tokenizer) with provenance.json, which says where the
weights come from and holds the sha256 of every file. Uses no network: a model of source 'hub' is read from the mirror.
"""

import argparse
from pathlib import Path

from finegrid import errors
from finegrid.config.model import Model
from finegrid.data.content import MODEL_SOURCES, model_files, record
from finegrid.data.tokenizer import SETTINGS, TOKENIZER, longest_text, read_tokenizer
from finegrid.errors import InputError
from finegrid.files import make_folder, parse_json, read_json
from finegrid.modeling.bundled import make_bundled_model, make_random_model
from finegrid.sealed import as_json, read_as


def main() -> None:
    arguments = parse_arguments()
    model = read_as(Model, parse_json(arguments.model, "model"), "model")

    def make(folder: Path) -> dict:
        if model.source == "bundled":
            provenance = make_bundled_model(folder)
        elif model.source == "random":
            provenance = make_random_model(folder)
        else:
            from finegrid.modeling.hub import make_pretrained_model
            from finegrid.modeling.lean_transformers import lean  # imports torch
            from finegrid.training.batch_check import check_batches

            with lean():
                provenance = make_pretrained_model(model, folder, arguments.mirror, arguments.fetched)
                check_batches(folder, model.where)
        if arguments.tokenizer_of:
            check_same_tokenizer(folder, Path(arguments.tokenizer_of), model.name)
        return {"model": as_json(model), **provenance}

    record(model_files(model, arguments.mirror), Path(arguments.output, MODEL_SOURCES))
    make_folder(arguments.output, make)


def check_same_tokenizer(folder: Path, other: Path, name: str) -> None:
    """Raise InputError unless what is tokenised for the model in `other` is what would be for that in `folder`.

    Paddings and cuts in tokenizer.json may differ: neither is used.
    """

    def tokenizer(where: Path) -> tuple:
        settings = read_json(where / SETTINGS)
        used = settings.get("split_special_tokens", False), settings.get("truncation_side", "right")
        return {**read_json(where / TOKENIZER), "padding": None, "truncation": None}, used, read_tokenizer(where).types

    if tokenizer(folder) != tokenizer(other):
        raise InputError(f"models.{name}.tokenizer: its tokenizer is not that of {other.name}; leave the key out")
    ours, theirs = (longest_text(read_json(where / "config.json")) for where in (folder, other))
    if ours < theirs:
        raise InputError(
            f"models.{name}.tokenizer: it takes texts of {ours} tokens, {other.name} longer ones; leave the key out"
        )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="the model as JSON, with its name")
    parser.add_argument("--mirror", default="", help="folder laid out as the hub's repositories")
    parser.add_argument("--fetched", nargs="?", help="what fetch.py wrote, for source 'hub'")
    parser.add_argument("--tokenizer-of", help="folder of the model whose tokenised data this one is to read")
    parser.add_argument("--output", required=True, help="folder for the model")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
