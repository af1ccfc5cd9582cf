#!/usr/bin/env python3
"""Show what the model reads: real training examples of one task as a padded batch of its three inputs.

Writes <task>.md and <task>.html into the output folder: the tokens of a short example and of one about half
as long again, with `input_ids`, `token_type_ids` and `attention_mask`; and <task>.json, from which the report
shows the same.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
from safetensors import safe_open
from tabulate import tabulate
from tokenizers import Tokenizer

from finegrid import errors
from finegrid.files import check_sha256, read_json, write_json, write_text
from finegrid.reporting.markdown import escape
from finegrid.reporting.pages import render

# Examples are sought among the first rows: the shortest with so many tokens, so that they can be read.
ROWS = 1000
TOKENS = 8
# Of a longer batch the first and the last positions are shown.
FIRST, LAST = 48, 16
ELLIPSIS = "…"


def main() -> None:
    arguments = parse_arguments()
    page = describe(Path(arguments.data), Path(arguments.backbone))
    output = Path(arguments.output, page["task"]["name"])
    write_text(f"{output}.md", markdown(page))
    write_text(f"{output}.html", html(page))
    write_json(f"{output}.json", page)


def describe(data: Path, backbone: Path) -> dict:
    """Gather what a page tells: the task, the model's inputs, and the examples in a padded batch."""
    stats, model = read_json(data / "stats.json"), read_json(backbone / "config.json")
    task = stats["task"]
    tokenizer = Tokenizer.from_file(str(backbone / "tokenizer.json"))
    padding, separator = (special_token(backbone, name) for name in ("pad_token", "sep_token"))
    check_sha256(data / "train.safetensors", stats["splits"]["train"]["sha256"])
    rows = read_rows(data / "train.safetensors")
    width = max(len(row["input_ids"]) for row in rows)
    examples = [
        {
            "row": row["row"],
            "tokens": len(row["input_ids"]),
            "label": label_name(row["label"], task["classes"]),
            "columns": shorten(columns(row, width, tokenizer, padding, separator, len(task["text"]) > 1)),
        }
        for row in rows
    ]
    page = {
        "task": task,
        "model": model["model_type"],
        "inputs": inputs(model, tokenizer.get_vocab_size(), len(task["text"]) > 1),
        "width": width,
        "padded": any(example["tokens"] < width for example in examples),
        "left_out": max(0, width - FIRST - LAST),
        "examples": [{"heading": heading(example), **example} for example in examples],
    }
    return {"introduction": introduction(page), **page}


def special_token(backbone: Path, name: str) -> str:
    """Return a special token of tokenizer_config.json, where it stands as text or with its settings."""
    token = read_json(backbone / "tokenizer_config.json", name)
    return token["content"] if isinstance(token, dict) else token


def read_rows(path: Path) -> list[dict]:
    """Read the examples of a prepared split: {"row", "label", "input_ids", "token_type_ids"}."""
    with safe_open(path, framework="numpy") as file:
        offsets = file.get_tensor("offsets")[: ROWS + 1]
        arrays = {name: file.get_slice(name) for name in ("input_ids", "token_type_ids", "labels")}
        return [
            {
                "row": row,
                "label": arrays["labels"][row : row + 1].item(),
                **{
                    name: arrays[name][offsets[row] : offsets[row + 1]].tolist()
                    for name in ("input_ids", "token_type_ids")
                },
            }
            for row in choose_rows(np.diff(offsets))
        ]


def choose_rows(lengths: np.ndarray) -> list[int]:
    """Return the shortest row of TOKENS tokens or more (else the longest), and one about half as long again."""
    enough = np.flatnonzero(lengths >= TOKENS)
    short = int(enough[np.argmin(lengths[enough])] if len(enough) else np.argmax(lengths))
    others = np.delete(np.arange(len(lengths)), short)
    if not len(others):
        return [short]
    return [short, int(others[np.argmin(abs(lengths[others] - 1.5 * lengths[short]))])]


def columns(row: dict, width: int, tokenizer: Tokenizer, padding: str, separator: str, pair: bool) -> dict[str, list]:
    """Return a row padded to `width` tokens, one list per fact of a token."""
    ids = row["input_ids"]
    missing = width - len(ids)
    tokens = [tokenizer.id_to_token(token) for token in ids]
    sentence = [str(number) for number in sentences(tokens, separator)]
    return {
        "position": list(range(width)),
        "token": tokens + [padding] * missing,
        "kind": [kind(token, tokenizer) for token in tokens] + ["padding"] * missing,
        **({"sentence": sentence + [""] * missing} if pair else {}),
        "input_ids": ids + [tokenizer.token_to_id(padding)] * missing,
        "token_type_ids": row["token_type_ids"] + [0] * missing,
        "attention_mask": [1] * len(ids) + [0] * missing,
    }


def kind(token: str, tokenizer: Tokenizer) -> str:
    """Say what a token is: special, a piece that goes on with a word, or (nothing said) the start of one."""
    if any(added.special and added.content == token for added in tokenizer.get_added_tokens_decoder().values()):
        return "special"
    prefix = getattr(tokenizer.model, "continuing_subword_prefix", None)
    return "piece" if prefix and token.startswith(prefix) else ""


def sentences(tokens: list[str], separator: str) -> list[int]:
    """Number the sentence of each token from 1: one ends with a separator, or with several in a row."""
    numbers = [1]
    for before, token in itertools.pairwise(tokens):
        numbers.append(numbers[-1] + (before == separator and token != separator))
    return numbers


def shorten(columns: dict[str, list]) -> dict[str, list]:
    """Put an ellipsis in the place of what is neither among the FIRST nor the LAST positions."""
    if len(columns["position"]) <= FIRST + LAST:
        return columns
    return {name: [*values[:FIRST], ELLIPSIS, *values[-LAST:]] for name, values in columns.items()}


def label_name(label, classes: list[str] | None) -> str:
    """Return the class of a label, or the number of a regression task."""
    return f"{label:g}" if classes is None else classes[label]


def inputs(model: dict, vocabulary: int, pair: bool) -> list[dict]:
    """Say of each of the three inputs what it does and whether the model, given its config.json, takes it."""
    kinds = model.get("type_vocab_size", 0)  # DistilBERT has none; RoBERTa has one, whatever the text
    second = "" if pair else ", which this task does not have"
    types = (
        f"0 in the first sentence and 1 in the second{second}; for each of the two the model adds a vector of its own."
    )
    if kinds == 1:
        types = "0 for every token, as this model does not tell sentences apart by it."
    purposes = {
        "input_ids": f"the number of each token among the {vocabulary:,} of the vocabulary, by which the model "
        "looks up the vector that it starts from.",
        "token_type_ids": types,
        "attention_mask": "1 where there is a token and 0 where there is padding, to which no token may attend.",
    }
    absent = None if kinds else "token_type_ids"
    return [{"name": name, "purpose": text, "taken": name != absent} for name, text in purposes.items()]


def markdown(page: dict) -> str:
    """Return the page as Markdown: a table per example, one token per line."""
    lines = [f"# What the model reads: {escape(page['task']['name'])}", *page["introduction"]]
    lines += ["".join(f"- `{each['name']}`: {each['purpose']}\n" for each in page["inputs"]).rstrip()]
    for example in page["examples"]:
        columns = {name: [escape(str(value)) for value in values] for name, values in example["columns"].items()}
        lines.append(f"## {escape(example['heading'])}")
        lines.append(tabulate(columns, headers="keys", tablefmt="pipe", disable_numparse=True))
    return "\n\n".join(lines) + "\n"


def html(page: dict) -> str:
    """Return the page as HTML: a table per example, one token per column, without any other file."""
    return render("anatomy.html", page=page)


def introduction(page: dict) -> list[str]:
    """Return the sentences above the examples, as plain text."""
    several = len(page["examples"]) > 1
    examples = "Two training examples" if several else "A training example"
    longest = f"padded to the {page['width']} tokens of the longer one" if page["padded"] else "without padding"
    taken = [each["name"] for each in page["inputs"] if each["taken"]]
    left = [each["name"] for each in page["inputs"] if not each["taken"]]
    takes = f"The model at hand, of type {page['model']}, takes " + " and ".join([", ".join(taken[:-1]), taken[-1]])
    return [
        f"{examples} of at most {page['task']['max_length']} tokens in one batch, {longest}: "
        "what the tokenizer makes of a text, and the three inputs that a model takes of it."
        + (f" {page['left_out']} positions in the middle are left out." if page["left_out"] else ""),
        takes + (f", but no {left[0]}." if left else "."),
        "On a CPU finegrid lays the texts of a BERT end to end instead, without padding; the same numbers come out.",
    ]


def heading(example: dict) -> str:
    return f"Row {example['row']}, {example['tokens']} tokens, label: {example['label']}"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="data folder that prepare.py made")
    parser.add_argument("--backbone", required=True, help="model folder that backbone.py made")
    parser.add_argument("--output", required=True, help="folder for the pages")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
