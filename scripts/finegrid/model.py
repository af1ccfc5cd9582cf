"""The classifier of a cell: a pretrained encoder with a new head, and which of its parameters train."""

import hashlib
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file

from finegrid import unpadded
from finegrid.errors import InputError
from finegrid.files import check_sha256, read_json, replacing
from finegrid.lean_transformers import lean
from finegrid.precision import keep_float32

HEAD = "classifier."


def outputs_of(task: dict) -> int:
    """Return how many logits a task asks for: one for each class, or the one number of a regression."""
    return 1 if task["classes"] is None else len(task["classes"])


def load_classifier(backbone, outputs: int, seed: int):
    """Load the encoder of a backbone folder under a new classification head, drawn from `seed`.

    Returns the transformers model, on the CPU, and the sha256 of its starting point: {"encoder", "head"}.
    Raises InputError if the encoder's weights are not those of the folder's `provenance.json`, or not all there.
    """
    weights_sha256 = read_json(Path(backbone, "provenance.json"), "files", "model.safetensors")
    check_sha256(Path(backbone, "model.safetensors"), weights_sha256)
    torch.manual_seed(seed)
    with lean():
        from transformers import AutoConfig, AutoModelForSequenceClassification

        config = AutoConfig.from_pretrained(backbone, num_labels=outputs, local_files_only=True)
        model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    # An encoder that the classifier does not use whole, such as RoBERTa's without its pooler, leaves weights over.
    missing, _ = model.base_model.load_state_dict(load_file(Path(backbone, "model.safetensors")), strict=False)
    if missing:
        raise InputError(f"{backbone}/model.safetensors: has no {', '.join(missing)}")
    head = {name: tensor for name, tensor in model.state_dict().items() if name.startswith(HEAD)}
    return model, {"encoder": weights_sha256, "head": hashlib.sha256(save(head)).hexdigest()}


def place(model, device: str) -> str:
    """Move a model to the device it runs on; return the form of its batches, "unpadded" or "padded"."""
    if device == "cpu" and model.config.model_type in unpadded.MODEL_TYPES:
        unpadded.use_unpadded(model)
    model.to(device)
    # Logits of eight bits would tie, and a tie always goes to the same class.
    keep_float32(model.classifier, device)
    if getattr(model.base_model, "pooler", None) is not None:
        keep_float32(model.base_model.pooler, device)
    return "unpadded" if unpadded.in_use(model) else "padded"


def set_trainable(model, patterns: list[str]) -> None:
    """Let just those parameters train whose whole name matches one of the regular expressions.

    Raises InputError if a pattern matches no parameter.
    """
    matched = set()
    for name, parameter in model.named_parameters():
        matching = {pattern for pattern in patterns if re.fullmatch(pattern, name)}
        parameter.requires_grad_(bool(matching))
        matched |= matching
    for pattern in patterns:
        if pattern not in matched:
            raise InputError(f"mode: the pattern {pattern!r} matches no parameter of {type(model).__name__}")


def count_parameters(model) -> tuple[dict, int]:
    """Count the parameters that train, {"encoder", "head", "total"}, and all parameters."""
    trainable = {"encoder": 0, "head": 0}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            trainable["head" if name.startswith(HEAD) else "encoder"] += parameter.numel()
    trainable["total"] = sum(trainable.values())
    return trainable, sum(parameter.numel() for parameter in model.parameters())


def trained_tensors(model) -> dict[str, torch.Tensor]:
    """Return the parameters that train, by name, on the CPU."""
    return {
        name: parameter.detach().cpu().contiguous()
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }


def save_trained(path, model) -> None:
    """Write the parameters that train, and no other, as safetensors."""
    with replacing(path) as temporary:
        save_file(trained_tensors(model), temporary)


def load_trained(path, model) -> None:
    """Put the trained parameters of a cell into its model.

    Raises InputError if the file does not hold exactly the parameters that are set to train.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, FileNotFoundError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    expected = trained_tensors(model)
    if tensors.keys() != expected.keys() or any(tensors[name].shape != expected[name].shape for name in tensors):
        raise InputError(f"{path}: does not hold the parameters that this mode trains")
    model.load_state_dict(tensors, strict=False)
