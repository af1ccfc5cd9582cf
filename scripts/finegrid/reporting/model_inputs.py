"""What the model reads: real training examples of a task as tokens and as the model's three inputs."""

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors import safe_open
from tabulate import tabulate
from tokenizers import Tokenizer

from finegrid.config.definition import Task
from finegrid.config.types import Record
from finegrid.files import check_sha256, read_json
from finegrid.records import DataStats
from finegrid.reporting.markdown import escape
from finegrid.reporting.pages import render
from finegrid.sealed import read_record

# Examples come from the first rows: the shortest with at least so many tokens, as short ones are easier to read.
ROWS = 1000
TOKENS = 8
# Of a longer batch only the first and the last positions are shown.
FIRST, LAST = 48, 16
ELLIPSIS = "…"


class ModelInput(Record):
    """One of the three inputs that a model of BERT's kind can take."""

    name: str
    purpose: str
    taken: bool  # by the model of this run


class Example(Record):
    """A training row in a padded batch. Each of `columns` has one value per position: the token, its kind, an input."""

    heading: str
    row: int
    tokens: int
    label: str
    columns: dict[str, tuple[int | str, ...]]


class InputsPage(Record):
    """What is shown of a task: inputs/<task>.json."""

    task: str
    introduction: tuple[str, ...]
    inputs: tuple[ModelInput, ...]
    examples: tuple[Example, ...]


class TokenRow(NamedTuple):
    """A row of the prepared training split."""

    row: int
    label: float
    input_ids: list[int]
    token_type_ids: list[int]


def describe(data: Path, base_model: Path) -> InputsPage:
    """Gather what a page shows from a prepared task and the base model. Raises InputError if the split was damaged."""
    stats, model = read_record(DataStats, data / "stats.json"), read_json(base_model / "config.json")
    task = stats.task
    tokenizer = Tokenizer.from_file(str(base_model / "tokenizer.json"))
    padding, separator = (special_token(base_model, name) for name in ("pad_token", "sep_token"))
    check_sha256(data / "train.safetensors", stats.splits.train.sha256)
    rows = read_rows(data / "train.safetensors")
    width = max(len(row.input_ids) for row in rows)
    inputs = model_inputs(model.get("type_vocab_size", 0), tokenizer.get_vocab_size(), task.pair)
    examples = [
        Example(
            heading=f"Row {row.row}, {len(row.input_ids)} tokens, label: {label_name(row.label, task)}",
            row=row.row,
            tokens=len(row.input_ids),
            label=label_name(row.label, task),
            columns=shorten(columns(row, width, tokenizer, padding, separator, task.pair)),
        )
        for row in rows
    ]
    return InputsPage(
        task=task.name,
        introduction=[*about_the_batch(examples, width, task), *about_the_model(model["model_type"], inputs)],
        inputs=inputs,
        examples=examples,
    )


def unavailable(task: str, error: Exception) -> InputsPage:
    """Return a page that says why there is nothing to show."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return InputsPage(
        task=task, introduction=[f"What the model reads could not be shown: {reason}."], inputs=[], examples=[]
    )


def special_token(base_model: Path, name: str) -> str | None:
    """Return a special token from tokenizer_config.json, where it is text or has settings; None if there is none."""
    token = read_json(base_model / "tokenizer_config.json").get(name)
    return token["content"] if isinstance(token, dict) else token


def read_rows(path: Path) -> list[TokenRow]:
    """Read the examples from a prepared split."""
    with safe_open(path, framework="numpy") as file:
        offsets = file.get_tensor("offsets")[: ROWS + 1]
        input_ids, token_type_ids, labels = map(file.get_slice, ("input_ids", "token_type_ids", "labels"))
        found = []
        for row in choose_rows(np.diff(offsets)):
            tokens = slice(offsets[row], offsets[row + 1])
            label = labels[row : row + 1].item()
            found.append(TokenRow(row, label, input_ids[tokens].tolist(), token_type_ids[tokens].tolist()))
    return found


def choose_rows(lengths: np.ndarray) -> list[int]:
    """Return the shortest row of TOKENS tokens or more (else the longest), and one about half as long again."""
    enough = np.flatnonzero(lengths >= TOKENS)
    short = int(enough[np.argmin(lengths[enough])] if len(enough) else np.argmax(lengths))
    others = np.delete(np.arange(len(lengths)), short)
    if not len(others):
        return [short]
    return [short, int(others[np.argmin(abs(lengths[others] - 1.5 * lengths[short]))])]


def columns(
    row: TokenRow, width: int, tokenizer: Tokenizer, padding: str | None, separator: str | None, pair: bool
) -> dict:
    """Return a row padded to `width` tokens, as one list for each fact of a token. A model may lack a padding token."""
    missing = width - len(row.input_ids)
    tokens = [tokenizer.id_to_token(token) for token in row.input_ids]
    sentence = [str(number) for number in sentences(tokens, separator)]
    return {
        "position": list(range(width)),
        "token": tokens + [padding or ""] * missing,
        "kind": [kind(token, tokenizer) for token in tokens] + ["padding"] * missing,
        **({"sentence": sentence + [""] * missing} if pair else {}),
        "input_ids": row.input_ids + [tokenizer.token_to_id(padding) if padding else 0] * missing,
        "token_type_ids": row.token_type_ids + [0] * missing,
        "attention_mask": [1] * len(tokens) + [0] * missing,
    }


def kind(token: str, tokenizer: Tokenizer) -> str:
    """Say what a token is: special, a piece that continues a word, or (empty) the start of a word."""
    if any(added.special and added.content == token for added in tokenizer.get_added_tokens_decoder().values()):
        return "special"
    prefix = getattr(tokenizer.model, "continuing_subword_prefix", None)
    return "piece" if prefix and token.startswith(prefix) else ""


def sentences(tokens: list[str], separator: str) -> list[int]:
    """Number the sentence of each token from 1; a sentence ends with one or more separators."""
    numbers = [1]
    for before, token in itertools.pairwise(tokens):
        numbers.append(numbers[-1] + (before == separator and token != separator))
    return numbers


def shorten(columns: dict[str, list]) -> dict[str, list]:
    """Replace what lies between the FIRST and the LAST positions by an ellipsis."""
    return {
        name: values if len(values) <= FIRST + LAST else [*values[:FIRST], ELLIPSIS, *values[-LAST:]]
        for name, values in columns.items()
    }


def label_name(label: float, task: Task) -> str:
    """Return the class of a label, or the number of a regression."""
    return f"{label:g}" if task.classes is None else task.classes[label]


def model_inputs(token_types: int, vocabulary: int, pair: bool) -> list[ModelInput]:
    """Say of each of the three inputs what it is for, and whether a model with so many token types takes it.

    DistilBERT has no token types; RoBERTa has one, whatever the text.
    """
    second = "" if pair else ", which this task does not have"
    types = f"0 in the first sentence and 1 in the second{second}"
    types += "; the model adds a different embedding for each." if token_types else "; this model has no such input."
    if token_types == 1:
        types = "0 for every token, as this model does not tell sentences apart this way."
    purposes = {
        "input_ids": f"the number of each token in the vocabulary of {vocabulary:,}, by which the model looks up its "
        "embedding.",
        "token_type_ids": types,
        "attention_mask": "1 for a token and 0 for padding, which no token may attend to.",
    }
    absent = None if token_types else "token_type_ids"
    return [ModelInput(name=name, purpose=text, taken=name != absent) for name, text in purposes.items()]


def about_the_batch(examples: list[Example], width: int, task: Task) -> list[str]:
    """Introduce the examples."""
    if any(example.tokens < width for example in examples):
        batch = f"Two training examples in one batch, padded to the {width} tokens of the longer one."
    else:
        batch = f"{'Two training examples' if len(examples) > 1 else 'A training example'} without padding."
    left_out = max(0, width - FIRST - LAST)
    return [
        f"{batch} Texts are cut to {task.max_length} tokens. Each table shows how the tokenizer splits a text, and the "
        "three inputs that a model can take."
        + (f" The {left_out} positions in the middle are left out." if left_out else "")
    ]


def about_the_model(model_type: str, inputs: list[ModelInput]) -> list[str]:
    """Say which inputs the model of this run takes, and how finegrid passes them."""
    *taken, last = [each.name for each in inputs if each.taken]
    without = "".join(f", but not {each.name}" for each in inputs if not each.taken)
    return [
        f"The model of this run, of type {model_type}, takes {', '.join(taken)} and {last}{without}.",
        "On a CPU, finegrid gives a BERT its texts end to end, without padding; the results are the same.",
    ]


def markdown(page: InputsPage) -> str:
    """Return the page as Markdown: a table per example, one token per line."""
    lines = [f"# What the model reads: {escape(page.task)}", *page.introduction]
    lines += ["\n".join(f"- `{each.name}`: {each.purpose}" for each in page.inputs)]
    for example in page.examples:
        table = {name: [escape(str(value)) for value in values] for name, values in example.columns.items()}
        lines.append(f"## {escape(example.heading)}")
        lines.append(tabulate(table, headers="keys", tablefmt="pipe", disable_numparse=True))
    return "\n\n".join(lines) + "\n"


def html(page: InputsPage) -> str:
    """Return the page as one HTML file that needs no other: a table per example, one token per column."""
    return render("inputs_page.html", page=page)
