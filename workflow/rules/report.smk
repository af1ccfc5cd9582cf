# One page of the whole run, for people: results/<run>/report.html.
localrules:
    report,


REPORT = f"{RUN}/report.html"

# What the page draws: each rule with those that it reads from. Snakemake's own drawing of them, --rulegraph, cannot be
# asked for while it runs; a test holds the two together.
FETCHED = {reader: ["fetch_for"] for reader in WANTED}
STEPS = {
    **({"fetch_for": []} if WANTED else {}),
    "backbone": FETCHED.get("model", []),
    "prepare": ["backbone", *(["fetch_for"] if FETCHED.keys() - {"model"} else [])],
    "anatomy": ["backbone", "prepare"],
    "finetune": ["backbone", "prepare"],
    "choose": ["finetune"],
    "evaluate": ["backbone", "prepare", "finetune", "choose"],
    **({"submit": ["choose", "evaluate"]} if HIDDEN else {}),
    "compare": ["prepare", "finetune", "choose", "evaluate"],
    "tables": ["compare"],
    "figures": ["compare"],
    "discuss": ["compare"],
    "report": ["anatomy", "compare", "tables", "figures", "discuss"],
}


rule report:
    input:
        comparison=f"{RUN}/comparison.json",
        discussion=f"{RUN}/discussion.json",
        tables=f"{RUN}/tables/tables.json",
        figures=f"{RUN}/figures/figures.json",
        anatomy=expand(f"{RUN}/anatomy/{{task}}.json", task=config["tasks"]),
        templates=local(
            expand("workflow/report/{name}", name=["report.html", "inputs.html", "style.css", "report.css", "sort.js"])
        ),
    output:
        report(REPORT, caption="../report/report.rst", category="Report"),
    log:
        f"{RUN}/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        results=subpath(input.comparison, parent=True),
        configuration=as_it_is(json.dumps(config)),
        steps=json.dumps(STEPS),
        code=code_hash("report"),
    message:
        "Writing the report"
    shell:
        "python scripts/report.py {params.results:q} --configuration {params.configuration:q} --steps {params.steps:q}"
        " --output {output:q} >{log:q} 2>&1"
