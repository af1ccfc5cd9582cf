"""What a cell leaves after each epoch, so that one that is killed goes on from there.

One safetensors file: the state of the training (see `engine.train`) and, in its metadata, what was found so far, whose
state it is and the sha256 of all that.
"""

import hashlib
import json

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise

from finegrid.files import parse_json, replacing


def save(path, state: dict, found: dict, fingerprint: str) -> None:
    """Keep the state of a training, what it found so far, as plain data, and its cell's fingerprint."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    told = json.dumps(found)
    metadata = {"found": told, "fingerprint": fingerprint, "sha256": digest(state, told)}
    with replacing(path) as temporary:
        temporary.write_bytes(serialise(state, metadata=metadata))


def load(path, fingerprint: str) -> tuple[dict | None, dict | None]:
    """Return what `save` kept; None, twice, if there is nothing, or nothing that this cell could go on from.

    What cannot be used, as it is damaged or of other settings, data, code or versions, is told in one line.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no mapping
    except FileNotFoundError:
        return None, None
    except SafetensorError as error:
        print(f"{path}: damaged ({error}): starting over", flush=True)
        return None, None
    if metadata.get("fingerprint") != fingerprint:
        print(f"{path}: of other settings, data, code, versions or processor: starting over", flush=True)
        return None, None
    if metadata.get("sha256") != digest(state, metadata.get("found", "")):
        print(f"{path}: damaged, its sha256 is not {metadata.get('sha256')}: starting over", flush=True)
        return None, None
    return state, parse_json(metadata["found"], str(path))


def digest(state: dict, told: str) -> str:
    """Return the sha256 of the tensors, in the order of their names, and of what is told with them, hexadecimal."""
    whole = hashlib.sha256(told.encode())
    for name in sorted(state):
        tensor = state[name]
        whole.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        whole.update(tensor.flatten().numpy().view("uint8").data)
    return whole.hexdigest()
