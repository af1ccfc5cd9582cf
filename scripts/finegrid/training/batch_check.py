"""Whether a base model gives a text the same logits in a batch as alone, which no table could show afterwards."""

import numpy as np
import torch

from finegrid.data.tokenizer import longest_text, read_tokenizer
from finegrid.data.tokens import Split
from finegrid.errors import InputError, in_words
from finegrid.files import read_json
from finegrid.modeling.classifier import build_classifier
from finegrid.training.inputs import arguments, batches_of, padded_inputs

NUM_LABELS = 2
LONGEST = 512  # tokens, as a task may have
TEXTS = (
    "Fine.",
    "A film about two brothers, one of whom never comes home.",
    "No. It was not worth the ticket!",
    "Slow at first, the plot gathers pace in the second act and ends, after many turns, where nobody expects it. " * 24,
    "Why does the villain of this story, of all people, get the last word?",
)
TOLERANCE = 1e-3  # of the spread of the logits over the texts


def check_batches(base_model, source) -> None:
    """Raise InputError unless a base model made of `source` gives texts in a batch the logits of each text alone.

    Alone, a text goes through transformers only: its tokenizer, then its classifier with a head drawn at random.
    """
    with torch.inference_mode():
        try:
            model = build_classifier(base_model, NUM_LABELS, seed=0).eval()
            length = int(min(LONGEST, longest_text(read_json(f"{base_model}/config.json"))))
            batch = together(model, base_model, length)  # first, as a short text changes BigBird's attention for good
            single = alone(model, base_model, length)
        except InputError:
            raise
        except Exception as error:  # a configuration can make transformers raise anything
            raise InputError(f"{source}: with its config.json no text can be classified: {in_words(error)}") from error
    kind = model.config.model_type
    if not single.isfinite().all():
        raise InputError(f"{source}: its classifier ({kind}) gives logits that are infinite or not a number")
    tolerance = TOLERANCE * single.std(0).max() + 1e-5 * single.abs().max()
    difference = (single - batch).abs().max()
    if not difference <= tolerance:
        raise InputError(
            f"{source}: with this config.json the architecture {kind!r} is not supported: in a padded batch the logits "
            f"of a text differ by up to {difference:.2g} from those of the text alone"
        )


def alone(model: torch.nn.Module, base_model, length: int) -> torch.Tensor:
    """Return the logits of the texts one by one, [texts, NUM_LABELS], by transformers alone."""
    from transformers.models.auto import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model, local_files_only=True)
    logits = []
    for text in TEXTS:
        inputs = tokenizer(text, truncation=True, max_length=length, return_tensors="pt")
        logits.append(model(**{name: each for name, each in inputs.items() if name in arguments(type(model))}).logits)
    return torch.cat(logits)


def together(model: torch.nn.Module, base_model, length: int) -> torch.Tensor:
    """Return the logits of the texts in one batch, [texts, NUM_LABELS], as cells compute them."""
    tokenizer = read_tokenizer(base_model, length)
    encodings = tokenizer.encode(list(TEXTS))
    split = Split(
        torch.tensor([token for encoding in encodings for token in encoding.ids], dtype=torch.int32),
        torch.from_numpy(tokenizer.token_types(encodings)),
        torch.tensor(np.cumsum([0, *(len(encoding.ids) for encoding in encodings)])),
        torch.zeros(len(TEXTS), dtype=torch.int64),
    )
    logits = torch.empty(len(TEXTS), NUM_LABELS)
    for rows in batches_of(model, split.lengths, torch.arange(len(TEXTS))):
        logits[rows] = model(**padded_inputs(model, split, rows, "cpu")).logits
    return logits
