# What the rules share: the checked configuration, the plans of the grid, the folders.
from functools import cache

from finegrid.modeling import bundled as embedded_model
from finegrid.config import cell as grid
from finegrid.config.definition import complete, local_files, plan, task_settings, wanted
from finegrid.files import check_writable, read_json
from finegrid.seal import read_sealed
from finegrid.code_hash import code_hash

# Relative, so that a run that is moved or copied is still the same run.
CONFIG_FILE = Path(os.path.relpath(["config/config.yaml", *workflow.config_settings.configfiles][-1]))
try:
    config = complete(
        config,
        Path(workflow.basedir, "workflow/schemas/config.schema.yaml"),
        str(CONFIG_FILE),
    )
    check_writable(f"results/{config['run']}")
except InputError as error:
    sys.exit(f"error: {error}")

RUN = f"results/{config['run']}"
BACKBONE = f"{RUN}/backbone"
DATA = f"{RUN}/data/{{task}}"
MODE = f"{RUN}/{grid.MODE_FOLDER}"
CELL = f"{RUN}/{grid.CELL_FOLDER}"
LOCK_FILE = CONFIG_FILE.with_suffix(".lock.json")
WANTED = wanted(config)
ORDERS = {grid.order_suffix(seed): seed for seed in config.get("data_order_seeds", [None])}
PLANS = {(task, mode): plan(config, task, mode) for task in config["tasks"] for mode in config["modes"]}


def as_it_is(value):
    """Return a function of a rule's wildcards that gives a value: in a text by itself {task} would be a wildcard."""
    return lambda wildcards: value


def shipped_model(wildcards):
    """Return the sha256 of the model that comes with finegrid, if it is the one that is used.

    By it, not by its time, the file is known: a fresh checkout of it is the same model.
    """
    if config["model"]["source"] in ("hub", "mirror"):
        return None
    return read_json(embedded_model.FOLDER / "provenance.json", "files", "model.safetensors")


def fetched(reader):
    """List what `fetch_for` writes for the model or a task, if it is of source 'hub'."""
    return [f"{RUN}/fetched/{reader}.json"] if reader in WANTED else []


def cell_settings(wildcards):
    """Return the identity and the settings of the cell at a path, as JSON."""
    its_plan = PLANS[wildcards.task, wildcards.mode]
    cell = grid.cell(
        its_plan,
        int(wildcards.batch_size),
        grid.canonical_learning_rate(wildcards.learning_rate),
        int(wildcards.seed),
        ORDERS[wildcards.order],
    )
    return grid.canonical_json({"cell": cell, "config": its_plan["config"]})


def files_of_cells(name, cells):
    """List one file of each of these cells."""
    return [str(grid.cell_folder(RUN, cell) / name) for cell in cells]


def cells_of(plans):
    """List all cells of these plans."""
    return [cell for its_plan in plans.values() for cell in grid.cells(its_plan)]


@cache
def incomplete_plans():
    """Return the plans of which at least one cell has no result yet."""
    return {
        key: its_plan
        for key, its_plan in PLANS.items()
        if not all(Path(path).exists() for path in files_of_cells("metrics.json", grid.cells(its_plan)))
    }


@cache
def complete_plans():
    """Return the plans of which every cell has a result; asked for by each input of the partial comparison."""
    incomplete = incomplete_plans()
    return {key: its_plan for key, its_plan in PLANS.items() if key not in incomplete}


def check_submission():
    """Stop before anything runs where cells would be sent to a cluster in a way that Snakemake cannot.

    Group jobs: in a DAG with a checkpoint they have any number of cells (issues 1217 and 1628 of Snakemake). Arrays, by
    version 2.8.0 of snakemake-executor-plugin-slurm: every task fails that ends before the first one has its results,
    as it looks for those instead of its own; and jobs are dropped, and waited for without end, where not all that are
    ready are sent at once (its issue 473).
    """
    grouped = "finetune" in workflow.group_settings.overwrite_groups
    if grouped and any(job.rule.name == "choose" for job in workflow.dag.needrun_jobs()):
        sys.exit("error: groups: only of the target 'cells' the cells go in groups: snakemake cells ...")
    arrays = getattr(workflow.executor_settings, "array_jobs", None) or ""
    if {"all", "finetune"} & set(re.split("[,; ]+", arrays)):
        sys.exit(
            f"error: slurm-array-jobs: {arrays!r} has cells in it, which arrays lose; groups do not: docs/clusters.md"
        )


def tell_missing_cells():
    """Say which cells of the run have no result, so that no comparison is made that could hide it."""
    paths = files_of_cells("metrics.json", cells_of(PLANS))
    missing = [str(Path(path).parent) for path in paths if not Path(path).exists()]
    if missing:
        listed = "".join(f"\n  {folder}" for folder in missing[:20])
        more = f"\n  and {len(missing) - 20} more" if len(missing) > 20 else ""
        older = f"; {RUN}/tables is of an earlier run" if Path(RUN, "tables", "tables.json").exists() else ""
        print(
            f"{len(missing)} of {len(paths)} cells have no result, so nothing is compared{older}:{listed}{more}\n"
            "`snakemake partial` compares the modes that miss none.",
            file=sys.stderr,
        )


def chosen_cells(task, mode):
    """List the cells that validation chose, none if all diverged; known once the checkpoint has run."""
    try:
        chosen = read_sealed(checkpoints.choose.get(task=task, mode=mode).output.best)["chosen"]
    except InputError as error:
        sys.exit(f"error: {error}")
    return chosen["cells"] if chosen else []


def chosen_tests(task, mode):
    """List test.json of the cells that validation chose."""
    return files_of_cells("test.json", chosen_cells(task, mode))


def chosen_files(name, plans):
    """List one file of every cell that validation chose of these plans."""
    return [path for key in plans for path in files_of_cells(name, chosen_cells(*key))]
