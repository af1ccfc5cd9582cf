"""The methods of the package peft as data: which fit here, what sets their size, and which do not fit and why.

Nothing here imports peft; `tests/unit/test_methods.py` compares the tables with its registry.
"""

from collections.abc import Callable
from typing import Any

from pydantic import Field

from finegrid.config.types import Record

# What may divide the width of a layer, which the block of a rotation has to: 2, 3, 4, 6, 8, 12, ..., 1024.
BLOCKS = (*(size for power in range(1, 10) for size in (2**power, 3 * 2 ** (power - 1))), 1024)


class Knob(Record):
    """What makes the adapters of a method larger or smaller."""

    settings: Callable[[int], dict[str, Any]]  # from a size to keys of peft
    sizes: tuple[int, ...] | None = None  # to try one by one; None: 1, 2, 3, ..., and no size has fewer parameters


def key(name: str, step: int = 1) -> Knob:
    """Return the knob of a key whose value is a multiple of `step`; larger values train more parameters."""
    return Knob(settings=lambda size: {name: step * size})


class Method(Record):
    """How a method of peft is used."""

    knob: Knob | None = None  # None: only `target_modules` changes its size
    falling_ranks: bool = False  # whether its ranks fall from step to step
    noise: bool = False  # whether it adds noise to each token in training
    set_here: dict[str, Any] = Field(default={})  # keys that finegrid sets
    refused: dict[str, str] = Field(default={})  # keys that cannot be set, each with the reason


OWN_LOSS = "adds a loss of its own, which the training would leave out"
NEEDS_DATA = "starts from data, which the adapters are not given"
LOADS = "combines trained adapters, which it loads, perhaps from the network"
RANK = Method(knob=key("r"))

METHODS = {
    "LORA": Method(
        knob=key("r"),
        refused={
            **dict.fromkeys(("kasa_config", "monteclora_config"), OWN_LOSS),
            **dict.fromkeys(("corda_config", "eva_config", "lora_ga_config"), NEEDS_DATA),
            "alora_invocation_tokens": "acts only after certain tokens, which a text to classify has not",
            "arrow_config": LOADS,
        },
    ),
    # Ranks fall from init_r to target_r, which has to be smaller. peft's own defaults are 12 and 8. The training says
    # how many steps there are; until then the schedule is longer than any.
    "ADALORA": Method(
        knob=Knob(settings=lambda size: {"init_r": size + 1, "target_r": max(1, 2 * (size + 1) // 3)}),
        falling_ranks=True,
        set_here={"total_step": 2**31},
    ),
    # The rank that the weight is cut to before its subspaces are found; subspaces are found by k-means and stay few.
    "ADAMSS": Method(
        knob=key("r"), refused={"use_asa": "stops training some of the parameters, which a resumed cell could not know"}
    ),
    "BEFT": Method(),  # one bias for each adapted layer
    "BOFT": Method(knob=Knob(settings=lambda size: {"boft_block_size": size}, sizes=BLOCKS)),
    "C3A": Method(knob=Knob(settings=lambda size: {"block_size": size}, sizes=(1, *BLOCKS))),
    "DEFT": RANK,
    "DELORA": RANK,
    "FOURIERFT": Method(knob=key("n_frequency")),
    # The share of each matrix that trains beside its diagonal.
    "FROD": Method(knob=Knob(settings=lambda size: {"sparse_rate": size / 1000}), set_here={"progressbar": False}),
    "GLORA": RANK,
    "GRALORA": Method(knob=key("r", step=2)),  # a multiple of gralora_k, which is 2 unless given
    "HIRA": RANK,
    "HRA": Method(knob=key("r", step=2)),  # pairs of reflections, which undo each other at the start
    "IA3": Method(),  # one vector for each adapted layer
    "LN_TUNING": Method(),  # the layer normalisations as they are
    "LOHA": RANK,
    "LOKR": RANK,
    "MISS": Method(knob=key("r", step=2)),  # its start needs an even rank
    # peft takes either a number of blocks (r) or their size.
    "OFT": Method(knob=Knob(settings=lambda size: {"oft_block_size": size}, sizes=BLOCKS)),
    # The share of each matrix's singular values that stay as they are, the largest first; the others train.
    "OSF": Method(knob=Knob(settings=lambda size: {"effective_rank": 1 - size / 1000})),
    "PEANUT": RANK,
    "PSOFT": RANK,
    "PVERA": Method(knob=key("r"), noise=True),
    # The larger its random matrices, the fewer of them are combined.
    "RANDLORA": Method(knob=Knob(settings=lambda size: {"r": size}, sizes=(1, *BLOCKS))),
    # Only its variants differ in size.
    "ROAD": Method(knob=Knob(settings=lambda size: {"variant": f"road_{size}"}, sizes=(1, 2, 4))),
    "SHIRA": RANK,
    # The share of each matrix that stays as it is.
    "SUPERTUNING": Method(knob=Knob(settings=lambda size: {"sparsity": 1 - size / 1000})),
    "TINYLORA": Method(knob=key("u")),
    "TRAINABLE_TOKENS": Method(),  # the rows of the embeddings that `token_indices` lists
    "UNILORA": Method(knob=key("theta_d_length")),
    "VBLORA": Method(knob=key("num_vectors")),
    "VERA": RANK,
    "WAVEFT": Method(knob=key("n_frequency")),
}


def is_linear(peft_config: Any) -> bool:
    """Whether layers with adapters by a configuration of peft map the states of all tokens by one matrix and bias.

    Dropout and noise differ from token to token, and VeLoRA approximates the gradient from the batch that it reads.
    """
    settings = vars(peft_config)
    by_token = [key for key in settings if key.endswith("dropout") or key == "velora_config"]
    return not METHODS[peft_config.peft_type.value].noise and not any(settings[key] for key in by_token)


VIRTUAL_TOKENS = "learns virtual tokens, for which the batches here have no room"
DECODERS = "is for decoders only"
REFUSED = {
    # Its router averages over all tokens of a batch. After a training, logits move by 2.5% of their spread.
    "LILY": "mixes its matrices by all texts of a batch, so that the logits of a text depend on the others",
    **dict.fromkeys(("CARTRIDGE", "P_TUNING", "PREFIX_TUNING", "PROMPT_TUNING"), VIRTUAL_TOKENS),
    **dict.fromkeys(("ADAPTION_PROMPT", "CPT", "SHADOW"), DECODERS),
    **dict.fromkeys(("MULTITASK_PROMPT_TUNING", "POLY"), "combines several tasks, and a cell has one"),
    "XLORA": LOADS,
}
