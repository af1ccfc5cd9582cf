# What every cell starts from. Only these two rules may use the network; both run where Snakemake runs.
localrules:
    backbone,
    prepare,


rule backbone:
    output:
        model=f"{BACKBONE}/model.safetensors",
        config=f"{BACKBONE}/config.json",
        tokenizer=f"{BACKBONE}/tokenizer.json",
        provenance=f"{BACKBONE}/provenance.json",
    log:
        f"{RUN}/logs/backbone.log",
    benchmark:
        f"{RUN}/benchmarks/backbone.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
    params:
        name=config["model"]["name"],
        model=grid.canonical_json(config["model"]),
        lock=str(LOCK_FILE),
        mirror=config["mirror"],
        folder=subpath(output.model, parent=True),
        shipped=shipped_model,
        code=code_hash("backbone"),
    message:
        "Making the model {params.name}"
    shell:
        "python scripts/backbone.py {params.model:q} --lock {params.lock:q} --mirror {params.mirror:q}"
        " --output {params.folder:q} >{log:q} 2>&1"


rule prepare:
    input:
        tokenizer=rules.backbone.output.tokenizer,
        files=lambda wildcards: local_files(config["tasks"][wildcards.task]),
    output:
        train=f"{DATA}/train.safetensors",
        validation=f"{DATA}/validation.safetensors",
        test=f"{DATA}/test.safetensors",
        hidden=f"{DATA}/hidden.safetensors",
        stats=f"{DATA}/stats.json",
    log:
        f"{RUN}/logs/prepare/{{task}}.log",
    conda:
        "../../environment.yml"
    resources:
        mem_mb=3000,
    params:
        task=lambda wildcards: grid.canonical_json(task_settings(config, wildcards.task)),
        tokenizer=subpath(input.tokenizer, parent=True),
        lock=str(LOCK_FILE),
        mirror=config["mirror"],
        folder=subpath(output.stats, parent=True),
        code=code_hash("prepare"),
    message:
        "Tokenising {wildcards.task}"
    shell:
        "python scripts/prepare.py {params.task:q} --tokenizer {params.tokenizer:q} --lock {params.lock:q}"
        " --mirror {params.mirror:q} --output {params.folder:q} >{log:q} 2>&1"
