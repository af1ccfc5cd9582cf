# What every cell starts from. Only `fetch` uses the network: it fills the mirror with what is taken from the hub,
# and the others read from there. All run where Snakemake runs.
localrules:
    fetch,
    backbone,
    prepare,


rule fetch:
    output:
        fetched=f"{RUN}/fetched.json",
    log:
        f"{RUN}/logs/fetch.log",
    conda:
        "../../environment.yml"
    params:
        wanted=grid.canonical_json(wanted(config)),
        mirror=config["mirror"],
        lock=str(LOCK_FILE),
        code=code_hash("fetch"),
    message:
        "Fetching from the hub what {params.mirror} lacks"
    shell:
        "python scripts/fetch.py {params.wanted:q} --mirror {params.mirror:q} --lock {params.lock:q}"
        " --output {output.fetched:q} >{log:q} 2>&1"


rule backbone:
    input:
        # Not its time tells whether the files are others, but `pins`.
        fetched=ancient(rules.fetch.output.fetched) if config["model"]["source"] == "hub" else [],
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
        mirror=config["mirror"],
        pins=lambda wildcards, input: pins(input.fetched, wanted_of_model(config)),
        folder=subpath(output.model, parent=True),
        shipped=shipped_model,
        code=code_hash("backbone"),
    message:
        "Making the model {params.name}"
    shell:
        "python scripts/backbone.py {params.model:q} --mirror {params.mirror:q} --fetched {input.fetched:q}"
        " --output {params.folder:q} >{log:q} 2>&1"


rule prepare:
    input:
        tokenizer=rules.backbone.output.tokenizer,
        files=lambda wildcards: local_files(config["tasks"][wildcards.task]),
        fetched=lambda wildcards: (
            ancient(rules.fetch.output.fetched) if config["tasks"][wildcards.task]["source"] == "hub" else []
        ),
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
        mirror=config["mirror"],
        pins=lambda wildcards, input: pins(input.fetched, wanted_of_task(config, wildcards.task)),
        folder=subpath(output.stats, parent=True),
        code=code_hash("prepare"),
    message:
        "Tokenising {wildcards.task}"
    shell:
        "python scripts/prepare.py {params.task:q} --tokenizer {params.tokenizer:q} --mirror {params.mirror:q}"
        " --fetched {input.fetched:q} --output {params.folder:q} >{log:q} 2>&1"
