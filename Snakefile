# finegrid: fine-tune one cell per (task, mode, batch size, learning rate, seed), then compare the modes.
import json
import os
import re
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.0")

sys.path.insert(0, str(Path(workflow.basedir) / "scripts"))
# The scripts run by the Python that runs Snakemake, whether or not its environment is activated.
os.environ.update(PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]))


include: "workflow/rules/lock.smk"
include: "workflow/rules/configuration.smk"
include: "workflow/rules/common.smk"


wildcard_constraints:
    task="|".join(map(re.escape, config["tasks"])),
    mode="|".join(map(re.escape, config["modes"])),
    batch_size="[1-9][0-9]*",
    learning_rate="[1-9]([.][0-9]*[1-9])?e-?[0-9]+",
    seed="0|[1-9][0-9]*",
    order=f"({'|'.join(ORDERS)})",  # an empty constraint would be none


include: "workflow/rules/pretrain.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/anatomy.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/summarise.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/submit.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        CHOICES,
        TABLES,
        FIGURES,
        DISCUSSION,
        SUBMISSIONS,
        ANATOMY,
        REPORT,


onstart:
    check_submission()


onerror:
    tell_missing_cells()
