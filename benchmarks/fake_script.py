#!/usr/bin/env python3
"""Takes the place of a script of the pipeline and writes empty results at once, to measure Snakemake alone."""

import sys
from pathlib import Path

FILES = {
    "base_model": ["model.safetensors", "config.json", "tokenizer.json", "provenance.json", "sources.json"],
    "prepare": [
        *(f"{split}.{kind}" for split in ("train", "validation", "test", "hidden") for kind in ("safetensors", "json")),
        *("stats.json", "sources.json", "training_sources.json"),
    ],
    "finetune": ["metrics.json", "validation.safetensors", "trained.safetensors"],
    "select_setting": ["best.json"],
    "evaluate": ["test.json", "validation.safetensors", "test.safetensors", "hidden.safetensors"],
}

# What the rules themselves read: of config.json nothing, of train.json and validation.json the sizes.
READ_BY_RULES = '{"rows": 1, "tokens": 1, "length": {"longest": 1}}'

if __name__ == "__main__":
    output = Path(sys.argv[sys.argv.index("--output") + 1])
    folder = output.parent if output.suffix == ".json" else output
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES[Path(sys.argv[0]).stem]:
        (folder / name).write_text(READ_BY_RULES)
