#!/usr/bin/env python3
"""Pretrain the bundled BERT-tiny by a recipe. Not part of any grid: `make pretrain` runs it.

Writes a standard transformers folder (float16 weights, tokenizer) with a model card, README.md, and provenance.json,
which holds everything that the weights depend on. If it is killed, start it again: it continues from its last
checkpoint.
"""

import argparse
import itertools
import time
from pathlib import Path

import torch
from model_card import model_card
from recipe import LossCurve, Provenance, Recipe, Student, epoch_batches, identify, load_package, read_texts

from finegrid import errors
from finegrid.files import make_folder, read_yaml, replacing, write_text
from finegrid.sealed import as_json, read_as
from finegrid.training import environment
from finegrid.training.schedule import learning_rate_at


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(arguments.threads)
    dtype = environment.choose_dtype("cpu")
    recipe = read_as(Recipe, read_yaml(arguments.recipe), arguments.recipe)
    identity = as_json(identify(recipe))

    # Texts
    tokenizer, words = load_package()
    texts = read_texts(tokenizer, recipe.texts)
    tokens = torch.cat([torch.from_numpy(text) for text in texts.tokens])
    print(f"{len(texts.tokens)} texts, {len(tokens)} tokens", flush=True)

    # Model and optimiser
    student = Student(tokenizer, words, torch.bincount(tokens, minlength=len(words)), recipe)
    optimiser = torch.optim.AdamW(
        student.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True
    )
    done, losses, seconds = 0, [], 0.0
    checkpoint = Path(arguments.checkpoint)
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["identity"] == identity:
            done, losses, seconds = saved["step"], saved["losses"], saved["seconds"]
            student.load_state_dict(saved["student"])
            optimiser.load_state_dict(saved["optimiser"])
            print(f"continuing after step {done}", flush=True)

    # Loop
    student.train()
    steps, warmup = recipe.steps, round(recipe.warmup * recipe.steps)
    started, recent = time.monotonic() - seconds, []
    lengths = [len(text) for text in texts.tokens]
    epochs = (epoch_batches(lengths, recipe, epoch) for epoch in itertools.count())
    batches = itertools.islice(itertools.chain.from_iterable(epochs), done, steps)
    for step, batch in enumerate(batches, start=done + 1):
        crops = [texts.tokens[crop.text][crop.start : crop.start + crop.length] for crop in batch]
        noise = torch.Generator().manual_seed(recipe.seed * steps + step)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            masked_loss, bag_loss = student.losses(crops, noise)
        (masked_loss + recipe.bag_of_words * bag_loss).backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), recipe.max_grad_norm)
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * learning_rate_at(step - 1, steps, warmup)
        optimiser.step()
        optimiser.zero_grad()
        recent.append((masked_loss.item(), bag_loss.item()))

        if step % recipe.report_steps == 0 or step == steps:
            masked, bag = (sum(values) / len(recent) for values in zip(*recent, strict=True))
            losses.append((step, round(masked, 4), round(bag, 4)))
            recent = []
            seconds = time.monotonic() - started
            left = seconds / step * (steps - step)
            print(f"step {step} of {steps}: masked {masked:.3f}, bag {bag:.3f}; {left / 60:.0f} min left", flush=True)
            states = {"student": student.state_dict(), "optimiser": optimiser.state_dict()}
            with replacing(checkpoint) as temporary:
                torch.save(
                    {"identity": identity, "step": step, "losses": losses, "seconds": seconds, **states}, temporary
                )

    # Result
    provenance = Provenance(
        **identity,
        texts=texts.stats,
        loss=LossCurve(rows=losses),
        hours=round(seconds / 3600, 2),
        environment=environment.describe("cpu", dtype, "unpadded"),
    )

    def make(folder: Path) -> dict:
        student.save(folder)
        tokenizer.save_pretrained(folder)
        write_text(folder / "README.md", model_card(provenance))
        return as_json(provenance)

    make_folder(arguments.output, make)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", help="YAML file, such as scripts/pretraining/recipe.yaml")
    parser.add_argument("--checkpoint", required=True, help="file to continue from if the run is interrupted")
    parser.add_argument("--output", required=True, help="folder for the model")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
