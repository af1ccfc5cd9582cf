"""The classifier of a cell: a pretrained encoder with a new head, and which of its parameters train."""

import difflib
import hashlib
import re
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from finegrid.training.fast import unpadded
from finegrid.modeling.adapters import add_adapters
from finegrid.modeling.adapters import merge_adapters as merge_adapters
from finegrid.modeling.sparse_subset import draw_entries, entries_of, place_entries
from finegrid.errors import InputError
from finegrid.files import check_sha256, read_json, replacing
from finegrid.modeling.lean_transformers import lean
from finegrid.training.fast.precision import keep_float32

# The word of modes.py, which is not imported, as a cell does not depend on modes other than its own.
HEAD = "head"
# The entries of a parameter that trains in part are stored beside their values under its name and this.
ENTRIES = ":entries"


def outputs_of(task: dict) -> int:
    """Return how many logits a task asks for: one for each class, or the one number of a regression."""
    return 1 if task["classes"] is None else len(task["classes"])


def load_classifier(backbone, outputs: int, seed: int):
    """Load the encoder of a backbone folder under a new head, drawn from `seed`: as many outputs as classes, or one.

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
    head = {name: tensor for name, tensor in model.state_dict().items() if in_head(model, name)}
    return model, {"encoder": weights_sha256, "head": hashlib.sha256(save(head)).hexdigest()}


def in_head(model, name: str) -> bool:
    """Whether a parameter, by its name, lies outside the encoder."""
    return not name.startswith(f"{model.base_model_prefix}.")


def place(model, device: str) -> str:
    """Move a model to the device it runs on; return the form of its batches, "unpadded" or "padded"."""
    if device == "cpu" and model.config.model_type in unpadded.MODEL_TYPES:
        unpadded.use_unpadded(model)
    model.to(device)
    # Logits of eight bits would tie, and a tie always goes to the same class.
    for name, module in model.named_children():
        if name != model.base_model_prefix and any(True for _ in module.parameters()):
            keep_float32(module, device)
    if getattr(model.base_model, "pooler", None) is not None:
        keep_float32(model.base_model.pooler, device)
    return "unpadded" if unpadded.in_use(model) else "padded"


def apply_mode(model, settings: dict, seed: int) -> None:
    """Make ready what a mode trains, by a plan's `config`: `train` and, where it has them, `peft` and `random`.

    `seed` is the cell's, from which adapters are drawn. Raises InputError if the mode does not suit the model.
    """
    adapters = []
    if "peft" in settings:
        add_adapters(model, settings["peft"], seed)
        adapters = [re.escape(name) for name, parameter in model.named_parameters() if parameter.requires_grad]
    set_trainable(model, settings["train"] + adapters)
    if "random" in settings:
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        whole = [parameter for name, parameter in trained if in_head(model, name)]
        encoder = [parameter for name, parameter in trained if not in_head(model, name)]
        draw_entries(whole, encoder, settings["random"]["parameters"], settings["random"]["seed"])


def set_trainable(model, patterns: list[str]) -> None:
    """Let just those parameters train, as a whole, that one of the patterns selects; see modes.py.

    Raises InputError if a pattern matches no parameter.
    """
    names = [name for name, _ in model.named_parameters()]
    selected = set()
    for pattern in patterns:
        matched = [name for name in names if selects(pattern, name, model)]
        if not matched and not re.fullmatch(pattern, ""):
            near = ", ".join(nearest(pattern, names))
            raise InputError(
                f"mode: the pattern {pattern!r} matches no parameter of {type(model).__name__}; the nearest are {near}"
            )
        selected.update(matched)
    if not selected:
        raise InputError(f"mode: {', '.join(patterns)} select no parameter of {type(model).__name__}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in selected)
        parameter.entries = None


def nearest(pattern: str, names: list[str], count: int = 3) -> list[str]:
    """Return the names that have the longest piece in common with a pattern."""
    compared = difflib.SequenceMatcher(b=pattern.replace("\\", ""), autojunk=False)

    def in_common(name: str) -> int:
        compared.set_seq1(name)
        return compared.find_longest_match().size

    return sorted(names, key=in_common, reverse=True)[:count]


def selects(pattern: str, name: str, model) -> bool:
    """Whether a pattern of a mode selects a parameter."""
    return in_head(model, name) if pattern == HEAD else re.fullmatch(pattern, name) is not None


def count_parameters(model) -> tuple[dict, int]:
    """Count the parameters that train, {"encoder", "head", "total"}, and all parameters."""
    trainable = {"encoder": 0, "head": 0}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            entries = entries_of(parameter)
            count = parameter.numel() if entries is None else len(entries)
            trainable["head" if in_head(model, name) else "encoder"] += count
    trainable["total"] = sum(trainable.values())
    return trainable, sum(parameter.numel() for parameter in model.parameters())


def trained_tensors(model) -> dict[str, torch.Tensor]:
    """Return the parameters that train, by name, on the CPU; of those that train in part, values and entries."""
    tensors = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            entries, values = entries_of(parameter), parameter.detach().cpu()
            if entries is not None:
                tensors[name + ENTRIES], values = entries.cpu(), values.flatten()[entries.cpu()]
            tensors[name] = values.contiguous()
    return tensors


def save_trained(path, model) -> None:
    """Write the parameters that train, and no other, as safetensors."""
    with replacing(path) as temporary:
        temporary.write_bytes(save(trained_tensors(model)))


def load_cell(folder, metrics: dict, backbone):
    """Load the model that a cell trained, from its folder and its metrics.json, on the CPU.

    Raises InputError if the cell did not start from this backbone, has other parameters than its mode trains, or is
    not as it was written.
    """
    config, seed = metrics["config"], metrics["cell"]["seed"]
    model, start = load_classifier(backbone, outputs_of(config["task"]), seed)
    if start != metrics["start"]:  # the encoder's weights, or the random head that `seed` should give again
        raise InputError(f"{folder}/metrics.json: the cell did not start from the model that is now made here")
    apply_mode(model, config, seed)
    check_sha256(Path(folder, "trained.safetensors"), metrics["files"]["trained.safetensors"])
    load_trained(Path(folder, "trained.safetensors"), model)
    return model


def load_trained(path, model) -> None:
    """Put the trained parameters of a cell into its model, which `apply_mode` has made ready.

    Raises InputError if the file does not hold exactly the parameters that are set to train.
    """
    try:
        tensors = load_file(path)
    except (SafetensorError, FileNotFoundError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None
    expected = trained_tensors(model)
    if (
        tensors.keys() != expected.keys()
        or any(tensors[name].shape != expected[name].shape for name in tensors)
        or any(not torch.equal(tensors[name], expected[name]) for name in tensors if name.endswith(ENTRIES))
    ):
        raise InputError(f"{path}: does not hold the parameters that this mode trains")
    for name, parameter in model.named_parameters():
        if name in tensors:
            entries = entries_of(parameter)
            if entries is None:
                parameter.data.copy_(tensors[name])
            else:
                place_entries(parameter, entries, tensors[name])
