"""Which parameters train: those that a mode's patterns select, adapters of peft, or a random subset."""

import copy
import difflib
import re
import warnings

import torch

from finegrid.config.definition import Mode
from finegrid.errors import InputError
from finegrid.modeling.adapters import add_adapters
from finegrid.modeling.budget import within_budget
from finegrid.modeling.sparse_subset import draw_entries, entries_of
from finegrid.records import ParameterCounts

# As in config/modes.py, which is not imported: the code of a cell does not include the table of all modes.
HEAD = "head"


def apply_mode(model: torch.nn.Module, mode: Mode, seed: int) -> None:
    """Set the parameters that a mode trains; adapters are added first, their weights drawn from `seed`.

    Raises InputError if the mode does not suit the model.
    """
    adapters = []
    if mode.parameters is not None:
        mode = within_budget(mode, lambda sized: count_trained(model, sized, seed))
    if mode.peft is not None:
        add_adapters(model, mode.peft, seed)
        adapters = [re.escape(name) for name, parameter in model.named_parameters() if parameter.requires_grad]
    set_trainable(model, [*mode.train, *adapters])
    if mode.random is not None:
        trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        head = [parameter for name, parameter in trained if in_head(model, name)]
        encoder = [parameter for name, parameter in trained if not in_head(model, name)]
        draw_entries(head, encoder, mode.random.parameters, mode.random.seed)


def count_trained(model: torch.nn.Module, mode: Mode, seed: int) -> int:
    """Count the parameters that would train if a mode were applied to a model, which stays as it is."""
    model = copy.deepcopy(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the size that is chosen are shown
        apply_mode(model, mode, seed)
    return count_parameters(model)[0].total


def set_trainable(model: torch.nn.Module, patterns: list[str]) -> None:
    """Train exactly the parameters that one of the patterns selects; see config/modes.py.

    Raises InputError if a pattern selects no parameter, unless it matches the empty name, or if it selects some of the
    head without naming it: `.*\\.bias` means the encoder's biases, too, and ModernBERT's encoder has none.
    """
    names = [name for name, _ in model.named_parameters()]
    selected = set()
    for pattern in patterns:
        matched = [name for name in names if selects(pattern, name, model)]
        if not matched and not re.fullmatch(pattern, ""):
            near = ", ".join(nearest(pattern, names))
            raise InputError(
                f"mode: the pattern {pattern!r} matches no parameter of {type(model).__name__}"
                f"{lacking(pattern, names, model)}; the nearest are {near}"
            )
        if matched and only_by_chance(pattern, matched, model):
            raise InputError(
                f"mode: the pattern {pattern!r} matches no parameter of the encoder of {type(model).__name__}"
                f"{lacking(pattern, names, model)}, only {', '.join(matched)} of the head, which 'linear-probe' trains"
            )
        selected.update(matched)
    if not selected:
        raise InputError(f"mode: {', '.join(patterns)} select no parameter of {type(model).__name__}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in selected)
        parameter.entries = None


def selects(pattern: str, name: str, model: torch.nn.Module) -> bool:
    """Whether a pattern of a mode selects a parameter."""
    return in_head(model, name) if pattern == HEAD else re.fullmatch(pattern, name) is not None


def in_head(model: torch.nn.Module, name: str) -> bool:
    """Whether the parameter of this name lies outside the encoder."""
    return not name.startswith(f"{model.base_model_prefix}.")


def only_by_chance(pattern: str, matched: list[str], model: torch.nn.Module) -> bool:
    """Whether a pattern selects nothing but parameters of the head, without spelling out a module of the head."""
    if pattern == HEAD or re.fullmatch(pattern, "") or not all(in_head(model, name) for name in matched):
        return False
    modules = {True: set(), False: set()}
    for name, _ in model.named_parameters():
        modules[in_head(model, name)].update(name.split(".")[:-1])
    return not any(module in pattern.replace("\\", "") for module in modules[True] - modules[False])


def lacking(pattern: str, names: list[str], model: torch.nn.Module) -> str:
    """Say that the encoder has no biases, if a pattern asks for biases and it has none."""
    has_biases = any("bias" in name for name in names if not in_head(model, name))
    return ": this encoder has no biases to train" if "bias" in pattern and not has_biases else ""


def nearest(pattern: str, names: list[str], count: int = 3) -> list[str]:
    """Return the names that have the longest piece in common with a pattern."""
    compared = difflib.SequenceMatcher(b=pattern.replace("\\", ""), autojunk=False)

    def in_common(name: str) -> int:
        compared.set_seq1(name)
        return compared.find_longest_match().size

    return sorted(names, key=in_common, reverse=True)[:count]


def count_parameters(model: torch.nn.Module) -> tuple[ParameterCounts, int]:
    """Count the parameters that train, single entries included, and all parameters."""
    encoder = head = 0
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            entries = entries_of(parameter)
            count = parameter.numel() if entries is None else len(entries)
            if in_head(model, name):
                head += count
            else:
                encoder += count
    total = sum(parameter.numel() for parameter in model.parameters())
    return ParameterCounts(encoder=encoder, head=head, total=encoder + head), total


def trains(module: torch.nn.Module) -> bool:
    """Whether any parameter of a module trains."""
    return any(parameter.requires_grad for parameter in module.parameters())
