# One job per cell.


rule finetune:
    input:
        *rules.base_model.output,
        model=rules.base_model.output.model,
        config=rules.base_model.output.config,
        train=data_of("train.safetensors"),
        train_stats=data_of("train.json"),
        validation=data_of("validation.safetensors"),
        validation_stats=data_of("validation.json"),
    output:
        metrics=f"{CELL}/metrics.json",
        predictions=f"{CELL}/validation.safetensors",
        trained=f"{CELL}/trained.safetensors",
    log:
        f"{RUN}/logs/{CELL_FOLDER}/finetune.log",
    benchmark:
        f"{RUN}/benchmarks/{CELL_FOLDER}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        # By the size of the model and the length of the texts. A job that is tried again gets more of both, and goes on
        # after the last epoch that it finished.
        mem_mb=lambda wildcards, input, attempt: cell_memory_mb(wildcards, input) * attempt,
        runtime=lambda wildcards, input, attempt: cell_minutes(wildcards, input) * attempt,
        # No limit unless one is set: `--resources cells_at_once=4` for as many cells side by side on one GPU.
        cells_at_once=1,
    params:
        command=run_script("finetune"),
        cell=lambda wildcards: compact_json(cell_of(wildcards)),
        base_model=subpath(input.model, parent=True),
        data=subpath(input.train, parent=True),
        folder=subpath(output.metrics, parent=True),
        code=code_hash("finetune"),
    message:
        "{wildcards.model}, {wildcards.task}: {wildcards.mode}, batch size {wildcards.batch_size},"
        " learning rate {wildcards.learning_rate}, seed {wildcards.seed}"
    shell:
        "{params.command} {params.cell:q} --base-model {params.base_model:q} --data {params.data:q}"
        " --output {params.folder:q} --threads {threads} >{log:q} 2>&1"


# `snakemake cells` trains the grid and compares nothing.
rule cells:
    input:
        lambda wildcards: cell_files("metrics.json", PLANS.values()),
    localrule: True
