"""Adapters of the package peft, added to a model that stays a transformers model.

Only cells with adapters import peft and its dependencies.
"""

import warnings
from dataclasses import fields

import torch

from finegrid.config.definition import Peft
from finegrid.errors import InputError, in_words
from finegrid.modeling.lean_transformers import lean
from finegrid.modeling.methods import METHODS, REFUSED
from finegrid.modeling.rank_schedule import RankSchedule

IN_TRAIN = "modules_to_save"  # a key that the mode's `train` replaces
ALL_LINEAR = "all-linear"


def add_adapters(model: torch.nn.Module, peft_config: Peft, seed: int) -> None:
    """Add the adapters that peft's configuration describes to a model, their weights drawn from `seed`.

    Afterwards only the adapters train. The model's attribute `peft_model` is a tuple of peft's own model around it,
    so that it is no submodule. Raises InputError if peft has no such method or key, or refuses the values.
    """
    settings, name = peft_config.settings(), peft_config.peft_type
    check_settings(settings)
    import peft

    if str(settings.get("target_modules")).lower() == ALL_LINEAR:
        settings = {**settings, "target_modules": linear_layers(model)}
    torch.manual_seed(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of transformers, of an attribute that peft reads
            # With a type of task peft would wrap the head, too, which is for the mode's `train`.
            config = peft.get_peft_config({**settings, **METHODS[name].set_here, "task_type": None})
            model.peft_model = (peft.get_peft_model(model, config),)
    except Exception as error:  # peft and torch raise anything if a value is wrong
        raise InputError(f"mode: peft: {in_words(error)}") from error
    if METHODS[name].falling_ranks:
        model.rank_schedule = RankSchedule(model.peft_model[0].base_model)


def check_settings(settings: dict) -> None:
    """Raise InputError unless peft has the method of a configuration and its keys, and they can be used here."""
    with lean(hidden=("scipy",)):  # peft needs accelerate
        from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    methods = {method.value: config for method, config in PEFT_TYPE_TO_CONFIG_MAPPING.items()}
    name = settings["peft_type"]
    if name in REFUSED:
        raise InputError(f"mode: peft.peft_type: {name} {REFUSED[name]}, so it is not supported")
    if name not in METHODS or name not in methods:
        raise InputError(f"mode: peft.peft_type: unknown method {name!r}; expected one of {', '.join(METHODS)}")
    method = METHODS[name]
    known = [field.name for field in fields(methods[name]) if field.init and field.name != IN_TRAIN]
    known = [key for key in known if key not in method.set_here and key not in method.refused]
    for key, value in settings.items():
        if key == IN_TRAIN:
            raise InputError(f"mode: peft.{key}: list what trains besides the adapters in 'train' instead")
        if key in method.set_here:
            raise InputError(f"mode: peft.{key}: finegrid sets it itself")
        if value and key in method.refused:
            raise InputError(f"mode: peft.{key}: it {method.refused[key]}, so it is not supported")
        if key not in known and key not in method.refused:
            raise InputError(f"mode: peft: unknown key {key!r}; {name} has {', '.join(known)}")


def linear_layers(model: torch.nn.Module) -> list[str]:
    """Name the linear layers of the encoder. Those of the head, which peft would add, are for the mode's `train`."""
    from transformers.pytorch_utils import Conv1D

    linear = (name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear | Conv1D))
    return [name for name in linear if name.startswith(f"{model.base_model_prefix}.")]


def merge_adapters(model: torch.nn.Module) -> torch.nn.Module:
    """Merge the adapters into the weights, in place, which leaves a plain transformers model; return it.

    Raises InputError if adapters of this kind cannot be merged. A model without adapters stays as it is.
    """
    if not hasattr(model, "peft_model"):
        return model
    try:
        merged = model.peft_model[0].merge_and_unload(safe_merge=True)
    except (NotImplementedError, ValueError) as error:
        method = model.peft_config["default"].peft_type.value
        raise InputError(f"{method}: its adapters cannot be merged: {in_words(error)}") from error
    del merged.peft_model
    return merged
