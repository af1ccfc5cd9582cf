# From the JSON of the cells to tables, figures, discussion and report. Nothing here imports torch.
from finegrid.evaluation.published import read_published
from finegrid.reporting import figures


localrules:
    inputs,
    compare,
    compare_partial,
    tables,
    tables_partial,
    figures,
    discuss,
    report,


# What the model reads: a page per tokenizer and task with real examples as tokens and as the model's inputs.
TOKENIZED = list(dict.fromkeys((CONFIG.tokenizer_of(model), task) for model in CONFIG.models for task in CONFIG.tasks))
INPUT_PAGES = [
    f"{RUN}/inputs/{model}/{task}.{format}" for model, task in TOKENIZED for format in ("md", "html", "json")
]


rule inputs:
    input:
        train=rules.prepare_training.output.train,
        stats=rules.prepare.output.stats,
        config=rules.base_model.output.config,
        tokenizer=rules.base_model.output.tokenizer,
        templates=local(expand(f"{TEMPLATES}/{{name}}", name=["inputs_page.html", "inputs.html", "style.css"])),
    output:
        markdown=f"{RUN}/inputs/{{model}}/{{task}}.md",
        page=report(
            f"{RUN}/inputs/{{model}}/{{task}}.html",
            caption="../report/inputs.rst",
            category="Inputs",
            labels={"task": "{task}", "model": "{model}"},
        ),
        json=f"{RUN}/inputs/{{model}}/{{task}}.json",
    log:
        f"{RUN}/logs/inputs/{{model}}/{{task}}.log",
    conda:
        "../envs/summarise.yaml"
    params:
        command=run_script("inputs"),
        data=subpath(input.stats, parent=True),
        base_model=subpath(input.tokenizer, parent=True),
        folder=subpath(output.page, parent=True),
        code=code_hash("inputs"),
    message:
        "{wildcards.task}: showing what {wildcards.model} reads"
    shell:
        "{params.command} {params.data:q} --base-model {params.base_model:q} --output {params.folder:q}"
        " >{log:q} 2>&1"


rule compare:
    input:
        # Listed when asked for, as every job of a cell reads this file.
        metrics=lambda wildcards: all_metrics(PLANS.values()),
        plans=mode_files(f"{MODE}/plan.json", PLANS.values()),
        best=mode_files(f"{MODE}/best.json", PLANS.values()),
        tests=mode_files(f"{CHOSEN}/test.json", PLANS.values()),
        predictions=[path for pattern in PREDICTIONS for path in mode_files(pattern, PLANS.values())],
        stats=prepared_files("stats.json", PLANS.values()),
        shapes=expand(f"{BASE_MODEL}/config.json", model=CONFIG.models),
    output:
        comparison=f"{RUN}/comparison.json",
    log:
        f"{RUN}/logs/compare.log",
    conda:
        "../envs/summarise.yaml"
    resources:
        mem_mb=2000,
    params:
        command=run_script("compare"),
        results=subpath(output.comparison, parent=True),
        models=[f"{model}={CONFIG.tokenizer_of(model)}" for model in CONFIG.models],
        tasks=list(CONFIG.tasks),
        modes=list(CONFIG.modes),
        partial="",
        code=code_hash("compare"),
    message:
        "Comparing the modes"
    shell:
        "{params.command} {params.results:q} --models {params.models:q} --tasks {params.tasks:q} --modes {params.modes:q}"
        " {params.partial} --output {output.comparison:q} >{log:q} 2>&1"


TABLE_NAMES = ["table1", "table2", "table3", "pairs", "ranking", "retention", "parameters", "cost", "published"]
TABLE_NAMES += ["ladder"] if len(CONFIG.models) > 1 else []
TABLES = expand(f"{RUN}/tables/{{table}}.{{format}}", table=TABLE_NAMES, format=["md", "tex", "csv"])
TABLES += [f"{RUN}/tables/grid.csv", f"{RUN}/tables/tables.json"]
PUBLISHED = local([str(HOME / "config" / "published.yaml"), *CONFIG.published])
try:
    read_published(CONFIG.published)  # a mistake in the user's files is told before anything trains
except InputError as error:
    raise WorkflowError(str(error))


rule tables:
    input:
        comparison=rules.compare.output.comparison,
        published=PUBLISHED,
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
        "../envs/summarise.yaml"
    params:
        command=run_script("tables"),
        folder=subpath(output[0], parent=True),
        code=code_hash("tables"),
    message:
        "Writing the tables"
    shell:
        "{params.command} {input.comparison:q} --published {input.published:q} --output {params.folder:q}"
        " >{log:q} 2>&1"


# `snakemake partial` compares the modes of which no cell is missing; each table says which modes are left out. Nothing
# is selected or tested of a mode that lacks a cell.
use rule compare as compare_partial with:
    input:
        metrics=lambda wildcards: all_metrics(complete_plans()),
        plans=mode_files(f"{MODE}/plan.json", PLANS.values()),
        best=lambda wildcards: mode_files(f"{MODE}/best.json", complete_plans()),
        tests=lambda wildcards: mode_files(f"{CHOSEN}/test.json", complete_plans()),
        predictions=lambda wildcards: [
            path for pattern in PREDICTIONS for path in mode_files(pattern, complete_plans())
        ],
        stats=lambda wildcards: prepared_files("stats.json", complete_plans()),
        shapes=expand(f"{BASE_MODEL}/config.json", model=CONFIG.models),
    output:
        comparison=f"{RUN}/partial/comparison.json",
    log:
        f"{RUN}/logs/compare_partial.log",
    params:
        command=run_script("compare"),
        results=subpath(output.comparison, ancestor=2),
        models=[f"{model}={CONFIG.tokenizer_of(model)}" for model in CONFIG.models],
        tasks=list(CONFIG.tasks),
        modes=list(CONFIG.modes),
        partial="--partial",
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
        f"The tables of the complete modes are in {RUN}/partial/tables"


FIGURES = expand(
    f"{RUN}/figures/{{name}}.{{format}}", name=figures.names(CONFIG.models, CONFIG.tasks), format=figures.FORMATS
)
FIGURES += [f"{RUN}/figures/figures.json"]


rule figures:
    input:
        comparison=rules.compare.output.comparison,
    output:
        *[
            (
                report(path, caption="../report/figures.rst", category="Figures", labels={"figure": Path(path).stem})
                if path.endswith(".svg")
                else path
            )
            for path in FIGURES
        ],
    log:
        f"{RUN}/logs/figures.log",
    conda:
        "../envs/summarise.yaml"
    params:
        command=run_script("figures"),
        folder=subpath(output[0], parent=True),
        code=code_hash("figures"),
    message:
        "Drawing the figures"
    shell:
        "{params.command} {input.comparison:q} --output {params.folder:q} >{log:q} 2>&1"


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
        "../envs/summarise.yaml"
    params:
        command=run_script("discuss"),
        folder=subpath(output[0], parent=True),
        code=code_hash("discuss"),
    message:
        "Discussing the numbers"
    shell:
        "{params.command} {input.comparison:q} --published {input.published:q}"
        " --output {params.folder:q} >{log:q} 2>&1"


REPORT = f"{RUN}/report.html"


# The whole run on one page, for people.
rule report:
    input:
        comparison=rules.compare.output.comparison,
        discussion=DISCUSSION[0],
        tables=f"{RUN}/tables/tables.json",
        figures=f"{RUN}/figures/figures.json",
        inputs=[path for path in INPUT_PAGES if path.endswith(".json")],
        templates=local(
            expand(f"{TEMPLATES}/{{name}}", name=["report.html", "inputs.html", "style.css", "report.css", "sort.js"])
        ),
    output:
        report(REPORT, caption="../report/report.rst", category="Report"),
    log:
        f"{RUN}/logs/report.log",
    conda:
        "../envs/summarise.yaml"
    params:
        command=run_script("report"),
        results=subpath(input.comparison, parent=True),
        configuration=literal(compact_json(CONFIG)),
        code=code_hash("report"),
    message:
        "Writing the report"
    shell:
        "{params.command} {params.results:q} --configuration {params.configuration:q} --inputs {input.inputs:q}"
        " --output {output:q} >{log:q} 2>&1"
