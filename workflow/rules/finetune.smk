# One job per cell, and the test score of the cells that validation chose.


rule finetune:
    input:
        *rules.backbone.output,
        model=rules.backbone.output.model,
        train=rules.prepare.output.train,
        validation=rules.prepare.output.validation,
        stats=rules.prepare.output.stats,
    output:
        metrics=f"{CELL}/metrics.json",
        predictions=f"{CELL}/validation.safetensors",
        trained=f"{CELL}/trained.safetensors",
    log:
        f"{RUN}/logs/{grid.CELL_FOLDER}/finetune.log",
    benchmark:
        f"{RUN}/benchmarks/{grid.CELL_FOLDER}.tsv"
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        # Measured: 0.5 GB at 16 x 128 tokens, 1 GB at 64 x 512; larger batches go through in pieces. Where a job is
        # tried again it gets more of both, and goes on after the last epoch that it finished.
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
        # No limit unless one is set: `--resources cells_at_once=4` for as many cells side by side on one GPU.
        cells_at_once=1,
    params:
        cell=cell_settings,
        backbone=subpath(input.model, parent=True),
        data=subpath(input.train, parent=True),
        folder=subpath(output.metrics, parent=True),
        code=code_hash("finetune"),
    message:
        "{wildcards.task}: {wildcards.mode}, batch size {wildcards.batch_size},"
        " learning rate {wildcards.learning_rate}, seed {wildcards.seed}{wildcards.order}"
    shell:
        "python scripts/finetune.py {params.cell:q} --backbone {params.backbone:q} --data {params.data:q}"
        " --output {params.folder:q} --threads {threads} >{log:q} 2>&1"


# `snakemake cells` trains the grid and chooses nothing. Only so are the cells of a group job as many as one says: in a
# DAG with a checkpoint Snakemake makes groups of groups (its issues 1217 and 1628).
rule cells:
    input:
        lambda wildcards: files_of_cells("metrics.json", cells_of(PLANS)),
    localrule: True


rule evaluate:
    input:
        *rules.backbone.output,
        best=f"{MODE}/best.json",
        metrics=rules.finetune.output.metrics,
        trained=rules.finetune.output.trained,
        model=rules.backbone.output.model,
        test=rules.prepare.output.test,
        hidden=rules.prepare.output.hidden,
        stats=rules.prepare.output.stats,
    output:
        test=f"{CELL}/test.json",
        predictions=f"{CELL}/test.safetensors",
        hidden=f"{CELL}/hidden.safetensors",
    log:
        f"{RUN}/logs/{grid.CELL_FOLDER}/evaluate.log",
    conda:
        "../../environment.yml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="1h",
    params:
        backbone=subpath(input.model, parent=True),
        data=subpath(input.test, parent=True),
        folder=subpath(output.test, parent=True),
        code=code_hash("evaluate"),
    message:
        "{wildcards.task}: testing the chosen {wildcards.mode} cell"
    shell:
        "python scripts/evaluate.py {params.folder:q} --best {input.best:q} --backbone {params.backbone:q}"
        " --data {params.data:q} --threads {threads} >{log:q} 2>&1"
