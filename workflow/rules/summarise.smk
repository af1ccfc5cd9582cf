# From the JSON of the cells to the tables. Nothing here imports torch.
localrules:
    choose,
    tables,


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

TABLE_FORMATS = {"md": "Markdown", "tex": "LaTeX", "csv": "CSV"}
TABLE_TITLES = {
    "table1": "Validation",
    "table2": "Test",
    "table3": "Learning rates",
    "pairs": "Pairs of modes",
    "retention": "Retention",
    "parameters": "Parameters",
    "cost": "Cost",
    "published": "Published scores",
}
TABLES = [
    report(
        f"{RUN}/tables/{name}.{suffix}",
        category="Tables",
        labels={"table": title, "format": TABLE_FORMATS[suffix]},
    )
    for name, title in TABLE_TITLES.items()
    for suffix in TABLE_FORMATS
]
TABLES += [
    report(f"{RUN}/tables/grid.csv", category="Tables", labels={"table": "Every cell", "format": "CSV"}),
    f"{RUN}/tables/tables.json",
]


rule tables:
    input:
        comparison=f"{RUN}/comparison.json",
        shipped="workflow/published.yaml",
        published=config["published"],
    output:
        TABLES,
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
