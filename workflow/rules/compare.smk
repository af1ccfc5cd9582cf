# All that is said of a run, as numbers: what tables, figures, discussion and report are made of.
localrules:
    compare,


rule compare:
    input:
        metrics=[path for plan in PLANS.values() for path in files_of_cells("metrics.json", grid.cells(plan))],
        best=CHOICES,
        validation=lambda wildcards: chosen_files("validation.safetensors"),
        tests=lambda wildcards: chosen_files("test.json"),
        predictions=lambda wildcards: chosen_files("test.safetensors"),
        stats=expand(rules.prepare.output.stats, task=config["tasks"]),
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
        code=code_hash("compare"),
    message:
        "Comparing the modes"
    shell:
        "python scripts/compare.py {params.results:q} --tasks {params.tasks:q} --modes {params.modes:q}"
        " --output {output.comparison:q} >{log:q} 2>&1"
