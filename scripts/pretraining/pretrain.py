#!/usr/bin/env python3
"""Pretrain the embedded BERT-tiny by a recipe; not part of any grid.

Writes a standard transformers folder (float16 weights, tokenizer) with a model card, README.md, and
provenance.json, which holds all that the weights depend on. Killed, it goes on from its last checkpoint
when it is started again.
"""

import argparse
import itertools
import time
from pathlib import Path

import torch
import yaml

from finegrid.training import environment
from finegrid import errors
from finegrid import pretraining
from finegrid.files import make_folder, replacing, write_text
from finegrid.model_card import model_card
from finegrid.training.schedule import learning_rate_at


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    dtype = environment.choose_dtype("cpu")
    recipe = yaml.safe_load(Path(arguments.recipe).read_text(encoding="utf-8"))
    identity = pretraining.identify(recipe)

    # Texts
    tokenizer, words = pretraining.load_package()
    texts = pretraining.read_texts(tokenizer, recipe["texts"])
    tokens = torch.cat([torch.from_numpy(text) for text in texts.tokens])
    print(f"{len(texts.tokens)} texts, {len(tokens)} tokens", flush=True)

    # Model and optimiser
    student = pretraining.Student(tokenizer, words, torch.bincount(tokens, minlength=len(words)), recipe)
    optimiser = torch.optim.AdamW(
        student.parameters(), lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"], fused=True
    )
    state = {"identity": identity, "step": 0, "loss": [], "seconds": 0.0}
    checkpoint = Path(arguments.checkpoint)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["identity"] == identity:
            state = saved
            student.load_state_dict(state["student"])
            optimiser.load_state_dict(state["optimiser"])
            print(f"going on after step {state['step']}", flush=True)

    # Loop
    student.train()
    steps, warmup = recipe["steps"], round(recipe["warmup"] * recipe["steps"])
    started, recent = time.monotonic() - state["seconds"], []
    lengths = [len(text) for text in texts.tokens]
    epochs = (pretraining.epoch_batches(lengths, recipe, epoch) for epoch in itertools.count())
    batches = itertools.islice(itertools.chain.from_iterable(epochs), state["step"], steps)
    for step, batch in enumerate(batches, start=state["step"] + 1):
        crops = [texts.tokens[crop.text][crop.start : crop.start + crop.length] for crop in batch]
        noise = torch.Generator().manual_seed(recipe["seed"] * steps + step)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            masked_loss, bag_loss = student.losses(crops, noise)
        (masked_loss + recipe["bag_of_words"] * bag_loss).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), recipe["max_grad_norm"])
        for group in optimiser.param_groups:
            group["lr"] = recipe["learning_rate"] * learning_rate_at(step - 1, steps, warmup)
        optimiser.step()
        optimiser.zero_grad()
        recent.append((masked_loss.item(), bag_loss.item()))

        if step % recipe["report_steps"] == 0 or step == steps:
            masked, bag = (sum(losses) / len(recent) for losses in zip(*recent, strict=True))
            state["loss"].append([step, round(masked, 4), round(bag, 4)])
            recent = []
            state["seconds"] = time.monotonic() - started
            left = state["seconds"] / step * (steps - step)
            print(f"step {step} of {steps}: masked {masked:.3f}, bag {bag:.3f}; {left / 60:.0f} min left", flush=True)
            state |= {"step": step, "student": student.state_dict(), "optimiser": optimiser.state_dict()}
            with replacing(checkpoint) as temporary:
                torch.save(state, temporary)

    # Result
    provenance = {
        **identity,
        "texts": {"rows": len(texts.tokens), "tokens": len(tokens), "sha256": texts.sha256},
        "loss": {"columns": ["step", "masked tokens", "bag of words"], "rows": state["loss"]},
        "hours": round(state["seconds"] / 3600, 2),
        "environment": environment.describe("cpu", dtype),
    }

    def make(folder: Path) -> dict:
        student.save(folder)
        tokenizer.save_pretrained(folder)
        write_text(folder / "README.md", model_card(provenance))
        return provenance

    make_folder(arguments.output, make)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="YAML file of the recipe, such as config/pretraining.yaml")
    parser.add_argument("--checkpoint", required=True, help="file to go on from, if the run is interrupted")
    parser.add_argument("--output", required=True, help="folder for the model")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
