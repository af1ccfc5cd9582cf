# The chosen models as transformers folders: `snakemake export` makes all, the path of a file in one makes that one.
EXPORT = f"{RUN}/export/{{task}}/{{mode}}"


rule export_chosen:
    input:
        best=f"{MODE}/best.json",
        metrics=lambda wildcards: files_of_cells("metrics.json", grid.cells(PLANS[wildcards.task, wildcards.mode])),
        trained=lambda wildcards: files_of_cells("trained.safetensors", chosen_cells(wildcards.task, wildcards.mode)),
        tests=lambda wildcards: chosen_tests(wildcards.task, wildcards.mode),
        model=rules.backbone.output.model,
    output:
        multiext(
            f"{EXPORT}/",
            *["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
            *["README.md", "provenance.json"],
        ),
    log:
        f"{RUN}/logs/export/{{task}}/{{mode}}.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        results=subpath(input.best, ancestor=4),
        backbone=subpath(input.model, parent=True),
        folder=subpath(output[0], parent=True),
        code=code_hash("export"),
    message:
        "{wildcards.task}: exporting the chosen {wildcards.mode} model"
    shell:
        "python scripts/export.py {input.best:q} --results {params.results:q} --backbone {params.backbone:q}"
        " --output {params.folder:q} >{log:q} 2>&1"


rule export:
    input:
        best=CHOICES,
        models=lambda wildcards: [
            f"{EXPORT}/provenance.json".format(task=task, mode=mode)
            for task, mode in PLANS
            if chosen_cells(task, mode)
        ],
    localrule: True
    params:
        left_out=lambda wildcards: "".join(
            f"; nothing to export of {task}, {mode}: every setting diverged"
            for task, mode in PLANS
            if not chosen_cells(task, mode)
        ),
    message:
        "The chosen models are in {RUN}/export{params.left_out}"
