# From the JSON of the cells to the tables. Nothing here imports torch.
localrules:
    choose,
    compare,
    compare_partial,
    discuss,
    tables,
    tables_partial,


checkpoint choose:
    input:
        lambda wildcards: files_of_cells("metrics.json", grid.cells(PLANS[wildcards.task, wildcards.mode])),
    output:
        best=f"{MODE}/best.json",
    log:
        f"{RUN}/logs/{grid.MODE_FOLDER}/choose.log",
    conda:
        "../../environment.yml"
    params:
        plan=lambda wildcards: grid.canonical_json(PLANS[wildcards.task, wildcards.mode]),
        results=subpath(output.best, ancestor=4),
        code=code_hash("choose"),
    message:
        "{wildcards.task}: choosing the best {wildcards.mode} cell by validation"
    shell:
        "python scripts/choose.py {params.plan:q} --results {params.results:q} --output {output.best:q}"
        " >{log:q} 2>&1"


# Asked for by themselves: Snakemake does not look whether the tables' inputs are others than before as long as
# one of these is missing, as it is where a task or a mode joins a finished run.
CHOICES = expand(f"{MODE}/best.json", task=config["tasks"], mode=config["modes"])


rule compare:
    input:
        # Listed when asked for, as every job of a cell reads this file.
        metrics=lambda wildcards: files_of_cells("metrics.json", cells_of(PLANS)),
        trained=lambda wildcards: files_of_cells("trained.safetensors", cells_of(PLANS)),
        best=CHOICES,
        validation=lambda wildcards: chosen_files("validation.safetensors", PLANS),
        tests=lambda wildcards: chosen_files("test.json", PLANS),
        predictions=lambda wildcards: chosen_files("test.safetensors", PLANS),
        stats=expand(f"{DATA}/stats.json", task=config["tasks"]),
    output:
        comparison=f"{RUN}/comparison.json",
    log:
        f"{RUN}/logs/compare.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=2000,
    params:
        results=subpath(output.comparison, parent=True),
        tasks=list(config["tasks"]),
        modes=list(config["modes"]),
        incomplete=[],
        code=code_hash("compare"),
    message:
        "Comparing the modes"
    shell:
        "python scripts/compare.py {params.results:q} --tasks {params.tasks:q} --modes {params.modes:q}"
        " --incomplete {params.incomplete:q} --output {output.comparison:q} >{log:q} 2>&1"


TABLES = expand(
    f"{RUN}/tables/{{table}}.{{format}}",
    table=["table1", "table2", "table3", "pairs", "retention", "parameters", "cost", "published"],
    format=["md", "tex", "csv"],
)
TABLES += [f"{RUN}/tables/grid.csv", f"{RUN}/tables/tables.json"]


rule tables:
    input:
        comparison=rules.compare.output.comparison,
        published=local(["config/published.yaml", *config["published"]]),
    output:
        *[
            (
                report(path, caption="../report/tables.rst", category="Tables", labels={"table": Path(path).stem})
                if path.endswith(".csv")
                else path
            )
            for path in TABLES
        ],
    log:
        f"{RUN}/logs/tables.log",
    conda:
        "../../environment.yml"
    params:
        folder=subpath(output[0], parent=True),
        code=code_hash("tables"),
    message:
        "Writing the tables"
    shell:
        "python scripts/tables.py {input.comparison:q} --published {input.published:q} --output {params.folder:q}"
        " >{log:q} 2>&1"


# Of a grid that is not complete: `snakemake partial` compares the modes of which no cell is missing, and each of its
# tables says which are. No setting is chosen, and no test read, of a mode that misses a cell.
use rule compare as compare_partial with:
    input:
        metrics=lambda wildcards: files_of_cells("metrics.json", cells_of(complete_plans())),
        trained=lambda wildcards: files_of_cells("trained.safetensors", cells_of(complete_plans())),
        best=lambda wildcards: [f"{MODE}/best.json".format(task=task, mode=mode) for task, mode in complete_plans()],
        validation=lambda wildcards: chosen_files("validation.safetensors", complete_plans()),
        tests=lambda wildcards: chosen_files("test.json", complete_plans()),
        predictions=lambda wildcards: chosen_files("test.safetensors", complete_plans()),
        stats=lambda wildcards: expand(f"{DATA}/stats.json", task={task for task, _ in complete_plans()}),
    output:
        comparison=f"{RUN}/partial/comparison.json",
    log:
        f"{RUN}/logs/compare_partial.log",
    params:
        results=subpath(output.comparison, ancestor=2),
        tasks=list(config["tasks"]),
        modes=list(config["modes"]),
        incomplete=lambda wildcards: [grid.canonical_json(its_plan) for its_plan in incomplete_plans().values()],
        code=code_hash("compare"),


use rule tables as tables_partial with:
    input:
        comparison=rules.compare_partial.output.comparison,
        published=rules.tables.input.published,
    output:
        [path.replace(f"{RUN}/tables", f"{RUN}/partial/tables") for path in TABLES],
    log:
        f"{RUN}/logs/tables_partial.log",


rule partial:
    input:
        rules.tables_partial.output,
    localrule: True
    message:
        "The tables of what there is are in {RUN}/partial/tables"


DISCUSSION = [f"{RUN}/discussion.json", f"{RUN}/discussion.md"]  # as data, and to be read


rule discuss:
    input:
        comparison=rules.compare.output.comparison,
        published=rules.tables.input.published,
    output:
        DISCUSSION[0],
        report(DISCUSSION[1], caption="../report/discussion.rst", category="Discussion"),
    log:
        f"{RUN}/logs/discuss.log",
    conda:
        "../../environment.yml"
    params:
        folder=subpath(output[0], parent=True),
        code=code_hash("discuss"),
    message:
        "Discussing the numbers"
    shell:
        "python scripts/discuss.py {input.comparison:q} --published {input.published:q} --output {params.folder:q}"
        " >{log:q} 2>&1"


# Collection targets: `snakemake task_imdb` and `snakemake mode_bitfit` run one task or one mode, up to
# its test scores.
for name, keys in {
    **{f"task_{task}": [(task, mode) for mode in config["modes"]] for task in config["tasks"]},
    **{f"mode_{mode}": [(task, mode) for task in config["tasks"]] for mode in config["modes"]},
}.items():

    rule:
        name:
            name
        input:
            best=[f"{MODE}/best.json".format(task=task, mode=mode) for task, mode in keys],
            tests=lambda wildcards, keys=keys: [path for key in keys for path in chosen_tests(*key)],
        localrule: True
