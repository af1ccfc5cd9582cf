# finegrid: fine-tune one cell per (model, task, mode, batch size, learning rate, seed), then compare the modes.
import os
import re
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

# Code, templates, the bundled model and the published scores are found from here; results and the user's own files from
# the working directory. So finegrid runs in any folder, and as a module of another workflow.
# Relative, so a folder that is moved or copied with its results has nothing to remake.
HOME = Path(os.path.relpath(workflow.current_basedir.get_path_or_uri(secret_free=True)))
sys.path.insert(0, str(HOME.resolve() / "scripts"))


include: "workflow/rules/configuration.smk"
include: "workflow/rules/common.smk"


wildcard_constraints:
    model="|".join(map(re.escape, CONFIG.models)),
    task="|".join(map(re.escape, CONFIG.tasks)),
    mode="|".join(map(re.escape, CONFIG.modes)),
    batch_size="[1-9][0-9]*",
    learning_rate="[1-9]([.][0-9]*[1-9])?e-?[0-9]+",
    seed="0|[1-9][0-9]*",


include: "workflow/rules/inputs.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/reporting.smk"
include: "workflow/rules/export.smk"


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        DISCUSSION,
        SUBMISSIONS,
        INPUT_PAGES,
        REPORT,


onstart:
    refuse_job_arrays()
    lift_default_rate()


onerror:
    print_missing_cells()
