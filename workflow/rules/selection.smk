# Validation chooses a setting of each (model, task, mode); only that one is tested.
localrules:
    plan,
    select,


# The plan as a file: a command line would not hold those of a large grid.
rule plan:
    output:
        f"{MODE}/plan.json",
    log:
        f"{RUN}/logs/{MODE_FOLDER}/plan.log",
    conda:
        "../envs/summarise.yaml"
    params:
        plan=lambda wildcards: compact_json(plan_of(wildcards)),
    message:
        "{wildcards.model}, {wildcards.task}: planning {wildcards.mode}"
    shell:
        "printf '%s\\n' {params.plan:q} >{output:q} 2>{log:q}"


rule select:
    input:
        plan=rules.plan.output,
        metrics=lambda wildcards: cell_files("metrics.json", [plan_of(wildcards)]),
    output:
        best=f"{MODE}/best.json",
    log:
        f"{RUN}/logs/{MODE_FOLDER}/select.log",
    conda:
        "../envs/summarise.yaml"
    params:
        command=run_script("select_setting"),
        results=subpath(output.best, ancestor=5),
        code=code_hash("select_setting"),
    message:
        "{wildcards.model}, {wildcards.task}: selecting the best setting of {wildcards.mode} by validation"
    shell:
        "{params.command} {input.plan:q} --results {params.results:q} --output {output.best:q}" " >{log:q} 2>&1"


# The chosen setting with a seed that had no say in the choice. Which setting that is, the job reads from best.json when it
# runs. Its outputs are not removed before it, so where the choice has not changed it keeps them.
use rule finetune as confirm with:
    input:
        *rules.base_model.output,
        best=rules.select.output.best,
        model=rules.base_model.output.model,
        config=rules.base_model.output.config,
        train=data_of("train.safetensors"),
        train_stats=data_of("train.json"),
        validation=data_of("validation.safetensors"),
        validation_stats=data_of("validation.json"),
    output:
        metrics=update(f"{CONFIRM}/metrics.json"),
        predictions=update(f"{CONFIRM}/validation.safetensors"),
        trained=update(f"{CONFIRM}/trained.safetensors"),
    log:
        f"{RUN}/logs/{CONFIRM_FOLDER}/confirm.log",
    benchmark:
        f"{RUN}/benchmarks/{CONFIRM_FOLDER}.tsv"
    params:
        command=run_script("confirm"),
        cell=lambda wildcards, input: [input.best, "--seed", wildcards.seed],
        base_model=subpath(input.model, parent=True),
        data=subpath(input.train, parent=True),
        folder=subpath(output.metrics, parent=True),
        code=code_hash("confirm"),
    message:
        "{wildcards.model}, {wildcards.task}: confirming the chosen setting of {wildcards.mode}, seed {wildcards.seed}"


# Which cells it tests it reads from best.json when it runs, so the path is fixed and the graph static. Where every
# setting or a confirming seed diverged it says so, and its predictions have no rows.
rule evaluate:
    input:
        *rules.base_model.output,
        best=rules.select.output.best,
        metrics=lambda wildcards: tested_files("metrics.json", plan_of(wildcards)),
        validation=lambda wildcards: tested_files("validation.safetensors", plan_of(wildcards)),
        trained=lambda wildcards: tested_files("trained.safetensors", plan_of(wildcards)),
        model=rules.base_model.output.model,
        config=rules.base_model.output.config,
        test=data_of("test.safetensors"),
        test_stats=data_of("test.json"),
        hidden=data_of("hidden.safetensors"),
        hidden_stats=data_of("hidden.json"),
    output:
        test=f"{CHOSEN}/test.json",
        predictions=PREDICTIONS,
    log:
        f"{RUN}/logs/{MODE_FOLDER}/evaluate.log",
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=testing_memory_mb,
        runtime="1h",
    params:
        command=run_script("evaluate"),
        results=subpath(input.best, ancestor=5),
        base_model=subpath(input.model, parent=True),
        data=subpath(input.test, parent=True),
        code=code_hash("evaluate"),
    message:
        "{wildcards.model}, {wildcards.task}: testing the chosen setting of {wildcards.mode}"
    shell:
        "{params.command} {input.best:q} --results {params.results:q} --base-model {params.base_model:q}"
        " --data {params.data:q} --output {output.test:q} --threads {threads} >{log:q} 2>&1"


# Collection targets: `snakemake model_bert-tiny`, `task_imdb` and `mode_bitfit` run one of these up to its test scores.
for name, collected in {
    **{f"model_{model}": [plan for plan in PLANS.values() if plan.model.name == model] for model in CONFIG.models},
    **{f"task_{task}": [plan for plan in PLANS.values() if plan.task.name == task] for task in CONFIG.tasks},
    **{f"mode_{mode}": [plan for plan in PLANS.values() if plan.mode.name == mode] for mode in CONFIG.modes},
}.items():

    rule:
        name:
            name
        input:
            mode_files(f"{CHOSEN}/test.json", collected),
        localrule: True
