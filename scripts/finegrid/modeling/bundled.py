"""The bundled BERT-tiny, a model folder that comes with finegrid, and an untrained model of the same shape.

`scripts/pretraining/pretrain.py` made it; README.md in its folder says from what, and how far to trust it.
"""

import shutil
from pathlib import Path

from finegrid.files import check_sha256, read_json, write_json

FOLDER = Path(__file__).resolve().parents[3] / "models" / "bundled-bert-tiny"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
RANDOM_SEED = 0


def make_bundled_model(folder) -> dict:
    """Save the bundled model, in float32, and its tokenizer into `folder`; return the provenance.

    Raises InputError if one of its files is altered.
    """
    import numpy as np
    from safetensors.numpy import load_file, save_file

    provenance = check_bundled_model()
    tensors = {name: tensor.astype(np.float32) for name, tensor in load_file(FOLDER / "model.safetensors").items()}
    save_file(tensors, Path(folder, "model.safetensors"), metadata={"format": "pt"})  # transformers requires it
    write_json(Path(folder, "config.json"), read_json(FOLDER / "config.json") | {"dtype": "float32"})
    _copy_tokenizer(folder)
    return {"source": {"folder": f"models/{FOLDER.name}", "provenance": provenance}}


def make_random_model(folder) -> dict:
    """Save a model of the same shape with freshly drawn weights, and the same tokenizer, into `folder`.

    A baseline for a pretrained model. Returns the provenance.
    """
    import torch

    from finegrid.modeling.lean_transformers import lean

    check_bundled_model()
    torch.manual_seed(RANDOM_SEED)
    with lean():
        from transformers.models.auto import AutoConfig, AutoModel

        config = AutoConfig.from_pretrained(FOLDER, local_files_only=True)
        AutoModel.from_config(config, dtype=torch.float32).save_pretrained(folder)
    _copy_tokenizer(folder)
    return {"source": {"random": {"seed": RANDOM_SEED}, "shape": f"models/{FOLDER.name}"}}


def check_bundled_model() -> dict:
    """Return the provenance of the bundled model. Raises InputError if a file's sha256 is not the one it gives."""
    for name, sha256 in read_json(FOLDER / "provenance.json", "files").items():
        check_sha256(FOLDER / name, sha256)
    return read_json(FOLDER / "provenance.json")


def bundled_sha256() -> str:
    """Return the sha256 of the bundled model's weights, from its provenance."""
    return read_json(FOLDER / "provenance.json", "files", "model.safetensors")


def _copy_tokenizer(folder) -> None:
    for name in TOKENIZER:
        shutil.copyfile(FOLDER / name, Path(folder, name))
