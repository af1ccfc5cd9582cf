"""A copy of the pipeline in a folder of its own, some of its scripts replaced by stand_in.py."""

import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FAKED = ("backbone", "prepare", "anatomy", "finetune", "evaluate", "report")


def copy_pipeline(folder, faked=()) -> None:
    """Copy what a run needs of the repository into a folder, with stand_in.py in the place of the scripts `faked`."""
    for name in ("config", "models", "profiles", "scripts", "workflow"):
        shutil.copytree(REPOSITORY / name, Path(folder, name))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy2(REPOSITORY / name, folder)
    for name in faked:
        shutil.copy2(REPOSITORY / "benchmarks" / "stand_in.py", Path(folder, "scripts", f"{name}.py"))
