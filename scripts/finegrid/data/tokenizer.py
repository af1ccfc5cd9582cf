"""The tokenizer of a base model's folder, with the settings that transformers keeps beside tokenizer.json."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tokenizers import Encoding, Tokenizer

from finegrid.errors import InputError, in_words
from finegrid.files import read_json

TOKENIZER = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
TOKEN_TYPES = "token_type_ids"
# Architectures that number positions from the padding token's id + 1, so that the first ones hold no token.
COUNT_AFTER_PADDING = (
    *("camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm"),
    *("xlm-roberta", "xlm-roberta-xl", "xmod"),
)


class ModelTokenizer(NamedTuple):
    """A tokenizer that cuts texts, and what the model makes of its token types."""

    tokenizer: Tokenizer
    path: Path
    types: int  # how many token types the model tells apart: 0 if it sets no limit, 1 if it reads none
    unknown: int | None  # the token of what the vocabulary lacks

    def encode(self, texts: list) -> list[Encoding]:
        """Tokenise texts, or pairs of texts. Raises InputError if the tokenizer cannot."""
        try:
            return self.tokenizer.encode_batch(texts)
        except Exception as error:  # the package raises plain exceptions
            raise InputError(f"{self.path}: cannot tokenise: {in_words(error)}") from None

    def token_types(self, encodings: list[Encoding]) -> np.ndarray:
        """Return the token types of some texts end to end, uint8 [tokens].

        Raises InputError if the model has fewer types than the tokenizer uses.
        """
        types = np.concatenate([np.empty(0, dtype=np.int64), *(encoding.type_ids for encoding in encodings)])
        if self.types == 1:
            types[:] = 0
        elif self.types and types.max(initial=0) >= self.types:
            raise InputError(
                f"{self.path}: gives tokens the type {types.max()}, but the model has types below {self.types} only "
                "(type_vocab_size in config.json)"
            )
        return types.astype(np.uint8)

    def knows_a_word(self, encodings: list[Encoding]) -> bool:
        """Whether any token of these texts is neither special nor the one for unknown words."""
        return any(
            not special and token != self.unknown
            for encoding in encodings
            for token, special in zip(encoding.ids, encoding.special_tokens_mask, strict=True)
        )


def read_tokenizer(base_model, max_length: int | None = None) -> ModelTokenizer:
    """Return the tokenizer of a model folder, which cuts texts after `max_length` tokens, special tokens included.

    Raises InputError if the files are damaged.
    """
    path, settings = Path(base_model, TOKENIZER), read_json(Path(base_model, SETTINGS))
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        raise InputError(f"{path}: not a tokenizer: {in_words(error)}") from None
    tokenizer.encode_special_tokens = settings.get("split_special_tokens", False)
    tokenizer.no_padding()
    if max_length is None:
        tokenizer.no_truncation()
    else:
        tokenizer.enable_truncation(max_length, direction=settings.get("truncation_side", "right"))
    types = 1
    if reads_token_types(settings):
        types = read_json(Path(base_model, "config.json")).get("type_vocab_size") or 0
    return ModelTokenizer(tokenizer, path, types, tokenizer.token_to_id(token_of(settings, "unk_token") or ""))


def reads_token_types(settings: dict) -> bool:
    """Whether the model is given token types, by the settings in tokenizer_config.json."""
    return TOKEN_TYPES in settings.get("model_input_names", [TOKEN_TYPES])


def token_of(settings: dict, name: str) -> str | None:
    """Return a special token from tokenizer_config.json, which holds it as text or together with its settings."""
    token = settings.get(name)
    return token["content"] if isinstance(token, dict) else token


def longest_text(config: dict) -> float:
    """Return how many tokens a model with this config.json takes at most; infinity if it sets no limit."""
    longest = config.get("max_position_embeddings") or config.get("n_positions") or math.inf
    if config.get("model_type") in COUNT_AFTER_PADDING:
        padding = 1 if config["model_type"] == "mpnet" else config.get("pad_token_id", 1)  # whatever MPNet's says
        longest -= padding + 1
    return longest if longest > 0 else math.inf
