# What the rules share: the plans of the grid, the folders, the commands.
import shlex
from functools import cache

from snakemake.settings.types import DeploymentMethod

from finegrid.code_hash import code_hash
from finegrid.config import limits
from finegrid.config.cell import CELL_FOLDER, CHOSEN_FOLDER, CONFIRM_FOLDER, MODE_FOLDER, plans
from finegrid.config.definition import SPLITS
from finegrid.config.hub_files import hub_files
from finegrid.data.content import MODEL_SOURCES, TASK_SOURCES, TRAINING_SOURCES, content_hash, model_files, task_files
from finegrid.files import canonical_json, check_writable
from finegrid.modeling.bundled import bundled_sha256
from finegrid.sealed import as_json

RUN = f"results/{CONFIG.run}"
BASE_MODEL = f"{RUN}/base_model/{{model}}"
DATA = f"{RUN}/data/{{model}}/{{task}}"
MODE = f"{RUN}/{MODE_FOLDER}"
CELL = f"{RUN}/{CELL_FOLDER}"
CONFIRM = f"{RUN}/{CONFIRM_FOLDER}"
CHOSEN = f"{RUN}/{CHOSEN_FOLDER}"
PREDICTIONS = [f"{CHOSEN}/{split}.safetensors" for split in ("validation", "test", "hidden")]
PLANS = {plan.key: plan for plan in plans(CONFIG)}
HUB_FILES = hub_files(CONFIG)
LOCK_FILE = CONFIG_FILE.with_suffix(".lock.json")
TEMPLATES = HOME / "workflow" / "report"
# The Python that runs Snakemake, whether or not its environment is activated; with conda that of the rule's own.
with_conda = DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
PYTHON = "python" if with_conda else shlex.quote(sys.executable)

try:
    check_writable(RUN)
except InputError as error:
    raise WorkflowError(str(error))


def literal(value):
    """Return a function of a rule's wildcards that gives a value: a plain text would have its braces read as wildcards."""
    return lambda wildcards: value


def compact_json(record):
    """Spell a typed object as JSON for a command line."""
    return canonical_json(as_json(record))


def run_script(name):
    """Return the param that runs a script.

    As a function of `output` it is not among the params that make a job stale: the same script in another folder, by
    another Python, is the same script. The param `code` says what is in it.
    """
    command = f"{PYTHON} {shlex.quote(str(HOME / 'scripts' / f'{name}.py'))}"
    return lambda wildcards, output: command


def plan_of(wildcards):
    """Return the plan of a rule's (model, task, mode)."""
    return PLANS[wildcards.model, wildcards.task, wildcards.mode]


def data_of(name):
    """Return the function of a rule's wildcards that gives a prepared file of the model's tokenizer and the task."""
    return lambda wildcards: f"{DATA}/{name}".format(model=CONFIG.tokenizer_of(wildcards.model), task=wildcards.task)


def cell_of(wildcards):
    """Return the cell of a rule's path."""
    return plan_of(wildcards).cell(int(wildcards.batch_size), wildcards.learning_rate, int(wildcards.seed))


def cell_files(name, plans):
    """List one file of every cell of some plans."""
    return [str(cell.folder(RUN) / name) for plan in plans for cell in plan.cells()]


def confirmation_files(name, plans):
    """List one file of every confirming seed of some plans."""
    seeds = [(plan, seed) for plan in plans for seed in plan.confirming_seeds]
    return [f"{CONFIRM}/{name}".format(**plan.wildcards, seed=seed) for plan, seed in seeds]


def all_metrics(plans):
    """List metrics.json of every cell of some plans, the confirming seeds included."""
    return cell_files("metrics.json", plans) + confirmation_files("metrics.json", plans)


def tested_files(name, plan):
    """List one file of every cell of a plan that may be tested: of the confirming seeds or else of the grid."""
    return confirmation_files(name, [plan]) or cell_files(name, [plan])


def mode_files(pattern, plans):
    """List one file of every plan: `pattern` is a path with the wildcards model, task and mode."""
    return [pattern.format(**plan.wildcards) for plan in plans]


def prepared_files(name, plans):
    """List one prepared file of the tokenizers and tasks of some plans."""
    pairs = {(CONFIG.tokenizer_of(plan.model.name), plan.task.name): None for plan in plans}
    return [f"{DATA}/{name}".format(model=model, task=task) for model, task in pairs]


@cache
def complete_plans():
    """List the plans of which every cell has a result."""
    return [plan for plan in PLANS.values() if all(map(os.path.exists, cell_files("metrics.json", [plan])))]


def installed_trackers(wildcards):
    """Name the trackers that are installed, so that one that is added later gets its files."""
    from finegrid.reporting.tracking import installed

    return installed()


@cache
def model_size(config):
    """Read the size of a base model; Snakemake asks again where it is not made yet."""
    return limits.read_size(Path(config).parent)


@cache
def work_of(train_stats):
    """Read how much a cell reads in an epoch; Snakemake asks again where it is not prepared yet."""
    return limits.read_work(Path(train_stats).parent)


def cell_memory_mb(wildcards, input):
    """Return the memory that a cell asks for; for a confirmation that of the largest batch, as its own is not chosen yet."""
    given = CONFIG.models[wildcards.model].memory_mb
    work = work_of(input.train_stats)
    largest = int(getattr(wildcards, "batch_size", max(CONFIG.batch_sizes)))
    return given or max(2000, limits.memory_mb(model_size(input.config), largest, work.longest))


def testing_memory_mb(wildcards, input):
    """Return the memory that testing asks for: texts go through the model a few at a time, without gradients."""
    longest = CONFIG.tasks[wildcards.task].max_length
    return max(2000, limits.memory_mb(model_size(input.config), 1, longest))


def cell_minutes(wildcards, input):
    """Return the time limit of a cell."""
    given = CONFIG.models[wildcards.model].minutes
    work = work_of(input.train_stats)
    smallest = int(getattr(wildcards, "batch_size", min(CONFIG.batch_sizes)))
    return given or limits.minutes(model_size(input.config), work, CONFIG.training.epochs, smallest)


# What goes in is identified by its sha256, not by its date: the users' own files are `ancient`, and the hash of what
# they contain is a param. So a file that is touched makes nothing stale, and one that is restored with an older date does.


def shared_tokenizer(name):
    """List the tokenizer of the model whose tokenised data a model reads, if that is another one."""
    owner = CONFIG.tokenizer_of(name)
    return [] if owner == name else [f"{BASE_MODEL}/tokenizer.json".format(model=owner)]


@cache
def model_content(name):
    """Return the hash of what a base model is made from; of source 'hub' the fetched list says it."""
    model = CONFIG.models[name].model
    if model.source in ("bundled", "random"):
        return bundled_sha256()
    return content_hash(model_files(model, CONFIG.mirror), Path(BASE_MODEL.format(model=name), MODEL_SOURCES))


@cache
def data_files(name, *splits):
    """List the files of some splits of a task, except those of source 'hub', of which the fetched list says it."""
    files = task_files(CONFIG.tasks[name], CONFIG.mirror)
    return [path for split in splits for path in files.get(split, [])]


@cache
def data_content(model, name, *splits):
    """Return the hash of what the files of some splits contain; the folder of a model's data may have it recorded."""
    folder = DATA.format(model=model, task=name)
    return content_hash(data_files(name, *splits), Path(folder, TASK_SOURCES), Path(folder, TRAINING_SOURCES))


def own_files(name, *splits):
    """List the files of some splits that are inputs of jobs: the user's own."""
    return ancient(local(data_files(name, *splits))) if CONFIG.tasks[name].source == "files" else []


def fetched(source):
    """List what `fetch_source` writes for the model or a task, if it is of source 'hub'."""
    return [f"{RUN}/fetched/{source}.json"] if source in HUB_FILES else []


def refuse_job_arrays():
    """Stop before cells are sent as job arrays, which version 2.8.0 of Snakemake's SLURM executor loses.

    A task fails that ends before the first one has its results, as it looks for those instead of its own; and jobs are
    dropped, and waited for without end, where not all that are ready are sent at once (issue 473 of the executor).
    """
    arrays = getattr(workflow.executor_settings, "array_jobs", None) or ""
    if {"all", "finetune", "confirm"} & set(re.split("[,; ]+", arrays)):
        raise WorkflowError(
            f"slurm-array-jobs: {arrays!r} includes cells, which arrays lose; use groups: docs/clusters.md"
        )


def lift_default_rate():
    """Start jobs without Snakemake's default limit of 100 a second; one of the command line or of a profile stays.

    For the limit every job that ends starts a timer, which goes off each second until the run ends, and then looks at
    all jobs that are ready. After half of 400 cells that took two thirds of a core.
    """
    limiter = workflow.scheduler.job_rate_limiter
    if limiter and (limiter.max_jobs, limiter.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


def print_missing_cells():
    """Say which cells of the run have no result, so that nobody takes an older comparison for this run's."""
    metrics = all_metrics(PLANS.values())
    missing = [os.path.dirname(path) for path in metrics if not os.path.exists(path)]
    if missing:
        listed = "".join(f"\n  {folder}" for folder in missing[:20])
        more = f"\n  and {len(missing) - 20} more" if len(missing) > 20 else ""
        older = f"; {RUN}/tables is from an earlier run" if os.path.exists(f"{RUN}/tables/tables.json") else ""
        print(
            f"{len(missing)} of {len(metrics)} cells have no result, so nothing is compared{older}:{listed}{more}\n"
            "`snakemake partial` compares the modes that are complete.",
            file=sys.stderr,
        )
