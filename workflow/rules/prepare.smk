# What every cell starts from. Only `fetch_for` uses the network: it fills the mirror with what is taken from the hub,
# from where the others read. All run where Snakemake runs.
localrules:
    fetch,
    fetch_for,
    backbone,
    prepare,


# All that the configuration takes from the hub: `snakemake fetch`.
rule fetch:
    input:
        [path for reader in WANTED for path in fetched(reader)],


# Apart for the model and each task, so that a task that joins remakes nothing of the others. The code is no parameter:
# whatever fetched them, the files are those that the lock file pins.
rule fetch_for:
    output:
        f"{RUN}/fetched/{{reader}}.json",
    log:
        f"{RUN}/logs/fetch/{{reader}}.log",
    wildcard_constraints:
        reader="|".join(map(re.escape, WANTED)) or "(?!)",
    conda:
        "../../environment.yml"
    params:
        wanted=lambda wildcards: grid.canonical_json(WANTED[wildcards.reader]),
        mirror=as_it_is(config["mirror"]),
        lock=as_it_is(str(LOCK_FILE)),
    message:
        "Fetching what {params.mirror} lacks: {wildcards.reader}"
    shell:
        "python scripts/fetch.py {params.wanted:q} --mirror={params.mirror:q} --lock={params.lock:q}"
        " --output {output:q} >{log:q} 2>&1"


rule backbone:
    input:
        fetched=fetched("model"),
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
        mirror=as_it_is(config["mirror"]),
        folder=subpath(output.model, parent=True),
        shipped=shipped_model,
        code=code_hash("backbone"),
    message:
        "Making the model {params.name}"
    shell:
        "python scripts/backbone.py {params.model:q} --mirror={params.mirror:q} --fetched {input.fetched:q}"
        " --output {params.folder:q} >{log:q} 2>&1"


rule prepare:
    input:
        tokenizer=rules.backbone.output.tokenizer,
        files=lambda wildcards: local(local_files(config["tasks"][wildcards.task])),
        fetched=lambda wildcards: fetched(f"data/{wildcards.task}"),
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
        mirror=as_it_is(config["mirror"]),
        folder=subpath(output.stats, parent=True),
        code=code_hash("prepare"),
    message:
        "Tokenising {wildcards.task}"
    shell:
        "python scripts/prepare.py {params.task:q} --tokenizer {params.tokenizer:q} --mirror={params.mirror:q}"
        " --fetched {input.fetched:q} --output {params.folder:q} >{log:q} 2>&1"
