"""The classifier of a cell: a pretrained encoder under a new head; its trained parameters, saved and loaded."""

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from finegrid.data.tokenizer import SETTINGS, reads_token_types
from finegrid.errors import InputError, in_words
from finegrid.files import check_sha256, read_json, replacing
from finegrid.modeling.lean_transformers import lean
from finegrid.modeling.sparse_subset import entries_of, set_entries
from finegrid.modeling.trainable import apply_mode, in_head
from finegrid.records import Metrics, Start

# If only some entries of a parameter train, they are stored beside its values, under its name and this suffix.
ENTRIES = ":entries"


def load_classifier(base_model: str | Path, num_labels: int, seed: int) -> tuple[torch.nn.Module, Start]:
    """Load the encoder of a base model's folder under a new head, whose weights are drawn from `seed`.

    Returns the transformers model, on the CPU, and the sha256 of the weights that training starts from. Raises
    InputError if the folder is damaged, or if its weights are not those of its provenance.json.
    """
    weights = Path(base_model, "model.safetensors")
    weights_sha256 = read_json(Path(base_model, "provenance.json"), "files", weights.name)
    check_sha256(weights, weights_sha256)
    model = build_classifier(base_model, num_labels, seed)
    head = {name: tensor for name, tensor in model.state_dict().items() if in_head(model, name)}
    return model, Start(encoder=weights_sha256, head=hashlib.sha256(save(head)).hexdigest())


def build_classifier(base_model: str | Path, num_labels: int, seed: int) -> torch.nn.Module:
    """Load what `load_classifier` returns, whatever weights the folder holds.

    The model's attribute `token_types` says whether its tokenizer tells the two texts of a pair apart.
    """
    weights, config_file = (Path(base_model, name) for name in ("model.safetensors", "config.json"))
    torch.manual_seed(seed)
    try:
        with lean():
            from transformers.models.auto import AutoConfig, AutoModelForSequenceClassification

            config = AutoConfig.from_pretrained(base_model, num_labels=num_labels, local_files_only=True)
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    except Exception as error:  # a configuration can make transformers raise anything
        raise InputError(f"{config_file}: makes no classifier: {in_words(error)}") from error
    try:
        # The classifier may not use all of the encoder: RoBERTa's has no pooler. So unexpected weights are fine.
        missing, _ = model.base_model.load_state_dict(load_file(weights), strict=False)
    except (SafetensorError, FileNotFoundError, RuntimeError) as error:
        raise InputError(f"{weights}: cannot be loaded: {in_words(error)}") from None
    if missing:
        raise InputError(f"{weights}: has no {', '.join(missing)}")
    settings = Path(base_model, SETTINGS)
    model.token_types = not settings.exists() or reads_token_types(read_json(settings))
    return model


def load_cell(folder: str | Path, metrics: Metrics, base_model: str | Path) -> torch.nn.Module:
    """Load the model that a cell trained, on the CPU, from the cell's folder and its metrics.json.

    Raises InputError if the cell did not start from this base model, or if its trained parameters are damaged or not
    those of its mode.
    """
    cell, trained = metrics.cell, Path(folder, "trained.safetensors")
    model, start = load_classifier(base_model, cell.task.num_labels, cell.seed)
    if start != metrics.start:  # other weights of the encoder, or a head that the seed no longer gives
        raise InputError(f"{folder}/metrics.json: the cell did not start from the model in {base_model}")
    apply_mode(model, cell.mode, cell.seed)
    metrics.check_file(trained)
    load_trained(trained, model)
    return model


def save_trained(path: str | Path, model: torch.nn.Module) -> None:
    """Write the parameters that train, and no others, as safetensors."""
    with replacing(path) as temporary:
        temporary.write_bytes(save(trained_tensors(model)))


def load_trained(path: str | Path, model: torch.nn.Module) -> None:
    """Load what `save_trained` wrote into a model to which the same mode has been applied.

    Raises InputError if the file does not hold exactly the parameters that train.
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
                set_entries(parameter, entries, tensors[name])


def trained_tensors(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Return the parameters that train, by name, on the CPU; of a random subset the values and the entries."""
    tensors = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            entries, values = entries_of(parameter), parameter.detach().cpu()
            if entries is not None:
                tensors[name + ENTRIES], values = entries.cpu(), values.flatten()[entries.cpu()]
            tensors[name] = values.contiguous()
    return tensors
