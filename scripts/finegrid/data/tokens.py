"""Prepared splits: tokenised once, memory-mapped by every cell, padded per batch only.

A split is one safetensors file: `input_ids` and `token_type_ids`, the tokens of all rows end to end,
`offsets` [rows + 1], where each row starts, and `labels` [rows].
"""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from finegrid.errors import InputError
from finegrid.files import check_sha256
from finegrid.records import SplitStats
from finegrid.sealed import read_record


class Split(NamedTuple):
    """One prepared split, memory-mapped."""

    input_ids: torch.Tensor  # int32 [tokens of all rows]
    token_type_ids: torch.Tensor  # uint8 [tokens of all rows]
    offsets: torch.Tensor  # int64 [rows + 1]
    labels: torch.Tensor  # int64 [rows]; float32 [rows] for a regression

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return len(self.input_ids)

    @property
    def lengths(self) -> torch.Tensor:
        """Tokens of each row: int64 [rows]."""
        return self.offsets.diff()


def load_split(folder, name: str) -> tuple[Split, SplitStats]:
    """Map the split `name` of a prepared folder into memory; return it with what `<name>.json` says of it.

    Raises InputError if that is missing or the file's sha256 is not the one it gives.
    """
    path = Path(folder, f"{name}.safetensors")
    stats = read_record(SplitStats, Path(folder, f"{name}.json"))
    check_sha256(path, stats.sha256)
    try:
        with safe_open(path, framework="pt") as file:
            return Split(*(file.get_tensor(field) for field in Split._fields)), stats
    except SafetensorError as error:
        raise InputError(f"{path}: not a prepared split ({error})") from None


def collate(split: Split, rows: torch.Tensor, device, padding: int = 0, left: bool = False) -> dict[str, torch.Tensor]:
    """Pad some rows to the longest of them with the token `padding`, at the end or, with `left`, at the start.

    Returns the model's inputs `input_ids`, `token_type_ids` and `attention_mask`, each int64 [rows, longest],
    on `device`.
    """
    starts = split.offsets[rows]
    lengths = split.offsets[rows + 1] - starts
    longest = int(lengths.max())
    position = torch.arange(longest) - (longest - lengths[:, None]) * left
    attention_mask = (position >= 0) & (position < lengths[:, None])
    token = torch.where(attention_mask, starts[:, None] + position, 0)
    inputs = {
        "input_ids": torch.where(attention_mask, split.input_ids[token], padding).long(),
        "token_type_ids": torch.where(attention_mask, split.token_type_ids[token], 0).long(),
        "attention_mask": attention_mask.long(),
    }
    return {name: tensor.to(device) for name, tensor in inputs.items()}
