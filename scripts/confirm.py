#!/usr/bin/env python3
"""Fine-tune the setting that validation chose with one more seed, which had no say in the choice.

Writes what finetune.py writes. A result of the same cell that is there stays, as the choice need not change when the
grid grows. Where every setting diverged, metrics.json says that nothing was chosen, and the other files are
empty.
"""

import argparse
from pathlib import Path

from finetune import add_folders, finetune

from finegrid import errors
from finegrid.files import write_text
from finegrid.records import Best, NothingToConfirm


def main() -> None:
    arguments = parse_arguments()
    best = Best.read(arguments.best)
    if best.chosen:
        finetune(best.cell(arguments.seed), arguments)
        return
    names = "trained.safetensors", "validation.safetensors"
    for name in names:
        write_text(Path(arguments.output, name), "")
    NothingToConfirm(plan=best.plan, seed=arguments.seed).write(Path(arguments.output, "metrics.json"), *names)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("best", help="best.json of the model, task and mode")
    parser.add_argument("--seed", type=int, required=True, help="the confirming seed")
    add_folders(parser)
    return parser.parse_args()


if __name__ == "__main__":
    errors.run(main)
