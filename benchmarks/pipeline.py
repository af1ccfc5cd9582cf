"""A copy of the pipeline in a folder of its own, some of its scripts replaced by stand_in.py, and a large grid."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
SCHEMA = REPOSITORY / "workflow" / "schemas" / "config.schema.yaml"
FAKED = ("backbone", "prepare", "anatomy", "finetune", "evaluate", "report")


def copy_pipeline(folder, faked=()) -> None:
    """Copy what a run needs of the repository into a folder, with stand_in.py in the place of the scripts `faked`."""
    for name in ("config", "models", "profiles", "scripts", "workflow"):
        shutil.copytree(REPOSITORY / name, Path(folder, name))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy2(REPOSITORY / name, folder)
    for name in faked:
        shutil.copy2(REPOSITORY / "benchmarks" / "stand_in.py", Path(folder, "scripts", f"{name}.py"))


def large_grid(seeds: int) -> dict:
    """Return a configuration, of the run `scale`, of 100 cells for each seed."""
    return {
        "run": "scale",
        "model": {"name": "none", "source": "embedded"},
        "tasks": {"imdb": {"source": "embedded", "max_length": 8}},
        "modes": {"full": {}, "bitfit": {}, "bitfit-head": {}, "frozen": {}, "layernorm": {}},
        "batch_sizes": [8, 16, 32, 64, 128],
        "learning_rates": ["1e-3", "3e-4", "1e-4", "3e-5"],
        "seeds": list(range(seeds)),
    }
