# What leaves the run: predictions for a benchmark's server, the chosen models as transformers folders, and the cells for
# trackers of experiments.
localrules:
    submit,
    track,


HIDDEN = [name for name, task in CONFIG.tasks.items() if "hidden" in task.files]
SUBMISSIONS = expand(f"{RUN}/submissions/{{model}}/{{mode}}", model=CONFIG.models, mode=CONFIG.modes) if HIDDEN else []


rule submit:
    input:
        tests=expand(f"{CHOSEN}/test.json", task=HIDDEN, allow_missing=True),
        hidden=expand(f"{CHOSEN}/hidden.safetensors", task=HIDDEN, allow_missing=True),
        metrics=lambda wildcards: all_metrics([PLANS[wildcards.model, task, wildcards.mode] for task in HIDDEN]),
    output:
        directory(f"{RUN}/submissions/{{model}}/{{mode}}"),
    log:
        f"{RUN}/logs/submissions/{{model}}/{{mode}}.log",
    conda:
        "../envs/summarise.yaml"
    params:
        command=run_script("submit"),
        results=subpath(output[0], ancestor=3),
        tasks=HIDDEN,
        code=code_hash("submit"),
    message:
        "Writing the predictions of {wildcards.model}, {wildcards.mode}, for the hidden test labels"
    shell:
        "{params.command} {params.results:q} --model {wildcards.model:q} --tasks {params.tasks:q}"
        " --mode {wildcards.mode:q}"
        " --output {output:q} >{log:q} 2>&1"


EXPORT = f"{RUN}/export/{{model}}/{{task}}/{{mode}}"


# `snakemake export` makes all; the path of a folder makes that one. Where every setting diverged the folder holds a
# README.md that says so, and no model.
rule export_model:
    input:
        best=rules.select.output.best,
        metrics=lambda wildcards: all_metrics([plan_of(wildcards)]),
        trained=lambda wildcards: tested_files("trained.safetensors", plan_of(wildcards)),
        test=rules.evaluate.output.test,
        model=rules.base_model.output.model,
    output:
        directory(EXPORT),
    log:
        f"{RUN}/logs/export/{{model}}/{{task}}/{{mode}}.log",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        command=run_script("export"),
        results=subpath(input.best, ancestor=5),
        base_model=subpath(input.model, parent=True),
        code=code_hash("export"),
    message:
        "{wildcards.model}, {wildcards.task}: exporting the chosen {wildcards.mode} model"
    shell:
        "{params.command} {input.best:q} --results {params.results:q} --base-model {params.base_model:q}"
        " --output {output:q} >{log:q} 2>&1"


rule export:
    input:
        mode_files(EXPORT, PLANS.values()),
    localrule: True
    message:
        f"The chosen models are in {RUN}/export"


# `snakemake track` writes what TensorBoard and MLflow show. Its one line on what is not installed is for the screen, too.
rule track:
    input:
        comparison=rules.compare.output.comparison,
    output:
        directory(f"{RUN}/tracking"),
    log:
        f"{RUN}/logs/track.log",
    conda:
        "../envs/track.yaml"
    params:
        command=run_script("track"),
        trackers=installed_trackers,
        code=code_hash("track"),
    message:
        "Writing the cells for TensorBoard and MLflow"
    shell:
        "{params.command} {input.comparison:q} --output {output:q} 2>&1 | tee {log:q}"
