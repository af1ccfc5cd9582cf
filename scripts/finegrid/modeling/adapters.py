"""Adapters of the package peft, added to a model that stays a transformers model.

Only cells with adapters import peft and its dependencies.
"""

from dataclasses import fields

import torch

from finegrid.config.definition import Peft
from finegrid.errors import InputError, in_words
from finegrid.modeling.lean_transformers import lean

# A key that the mode's `train` replaces; methods that need more than the loss of the task; and methods that load
# adapters, perhaps from the network, which only fetch.py may use.
IN_TRAIN = "modules_to_save"
OWN_LOOP = ("ADALORA",)
LOADING = ("XLORA",)
ALL_LINEAR = "all-linear"


def add_adapters(model: torch.nn.Module, peft_config: Peft, seed: int) -> None:
    """Add the adapters that peft's configuration describes to a model, their weights drawn from `seed`.

    Afterwards only the adapters train. Raises InputError if peft has no such method or key, or refuses the values.
    """
    settings = peft_config.settings()
    with lean(hidden=("scipy",)):  # peft needs accelerate
        import peft
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

        methods = {method.value: config for method, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
        name = peft_config.peft_type
        if name not in methods:
            raise InputError(f"mode: peft.peft_type: unknown method {name!r}; expected one of {', '.join(methods)}")
        known = [field.name for field in fields(methods[name]) if field.init and field.name != IN_TRAIN]
        for key in settings:
            if key == IN_TRAIN:
                raise InputError(f"mode: peft.{key}: list what trains besides the adapters in 'train' instead")
            if key not in known:
                raise InputError(f"mode: peft: unknown key {key!r}; {name} has {', '.join(known)}")
        if name in LOADING:
            raise InputError(f"mode: peft.peft_type: {name} loads trained adapters, which is not supported")
        if name in OWN_LOOP:
            raise InputError(f"mode: peft.peft_type: {name} needs a training loop of its own")
        if issubclass(methods[name], peft.PromptLearningConfig):
            raise InputError(f"mode: peft.peft_type: {name} learns virtual tokens, which is not supported")
        if str(settings.get("target_modules")).lower() == ALL_LINEAR:
            settings = {**settings, "target_modules": linear_layers(model)}
        torch.manual_seed(seed)
        try:
            peft.inject_adapter_in_model(peft.get_peft_config(settings), model)
        except Exception as error:  # peft and torch raise anything if a value is wrong
            raise InputError(f"mode: peft: {in_words(error)}") from error


def linear_layers(model: torch.nn.Module) -> list[str]:
    """Name the linear layers of the encoder. Those of the head, which peft would add, are for the mode's `train`."""
    from transformers.pytorch_utils import Conv1D

    linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D))
    return [name for name in linear if name.startswith(f"{model.base_model_prefix}.")]


def merge_adapters(model: torch.nn.Module) -> torch.nn.Module:
    """Merge the adapters into the weights, in place, which leaves a plain transformers model; return it.

    Raises InputError if adapters of this kind cannot be merged. A model without adapters stays as it is.
    """
    if not hasattr(model, "peft_config"):
        return model
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, layer in list(model.named_modules()):
        if isinstance(layer, BaseTunerLayer):
            try:
                layer.merge(safe_merge=True)
            except (NotImplementedError, ValueError) as error:
                reason = " ".join(str(error).split())
                raise InputError(f"{type(layer).__name__}: its adapters cannot be merged: {reason}") from error
            model.set_submodule(name, layer.get_base_layer())
    del model.peft_config
    return model
