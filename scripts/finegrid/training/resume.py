"""resume.safetensors: what a cell keeps after each epoch, so that a killed one continues after the last it finished.

One safetensors file holds the state of the training (see `loop.Epoch`) and, as metadata, what was found so far, the
fingerprint of the cell, and a sha256 of all that.
"""

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from finegrid.errors import InputError
from finegrid.files import parse_json, replacing
from finegrid.records import Metrics
from finegrid.sealed import as_json, read_as
from finegrid.training.progress import Found


def is_done(folder: Path, fingerprint: str) -> bool:
    """Whether a folder holds the whole result of the cell of this fingerprint; if so, its files are dated anew."""
    path = folder / "metrics.json"
    try:
        metrics = Metrics.read(path)
        for name in metrics.files:
            metrics.check_file(folder / name)
    except (InputError, OSError):
        return False
    if metrics.fingerprint != fingerprint:
        return False
    for name in (*metrics.files, path.name):
        (folder / name).touch()
    return True


def save(path: Path, state: dict[str, torch.Tensor], found: Found, fingerprint: str) -> None:
    """Keep the state of a training and what it found so far, for the cell of this fingerprint."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    text = json.dumps(as_json(found))
    metadata = {"found": text, "fingerprint": fingerprint, "sha256": digest(state, text)}
    with replacing(path) as temporary:
        temporary.write_bytes(serialise(state, metadata=metadata))


def load(path: Path, fingerprint: str) -> tuple[dict[str, torch.Tensor] | None, Found]:
    """Return what `save` kept; (None, nothing found) if there is no file, or none that this cell can continue from.

    If the file is damaged, or belongs to other settings, data, code or versions, one line says so.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except FileNotFoundError:
        return None, Found()
    except SafetensorError as error:
        print(f"{path}: damaged ({error}): starting over", flush=True)
        return None, Found()
    text = metadata.get("found", "")
    if metadata.get("fingerprint") != fingerprint:
        print(f"{path}: from other settings, data, code, versions or another processor: starting over", flush=True)
        return None, Found()
    if metadata.get("sha256") != digest(state, text):
        print(f"{path}: damaged, its sha256 is not {metadata.get('sha256')}: starting over", flush=True)
        return None, Found()
    return state, read_as(Found, parse_json(text, str(path)), path)


def digest(state: dict[str, torch.Tensor], text: str) -> str:
    """Return the sha256, hexadecimal, of the text and of the tensors in the order of their names."""
    whole = hashlib.sha256(text.encode())
    for name in sorted(state):
        tensor = state[name]
        whole.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        whole.update(tensor.flatten().numpy().view("uint8").data)
    return whole.hexdigest()
