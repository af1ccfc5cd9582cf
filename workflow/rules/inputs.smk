# What every cell starts from: the model and the tokenised data. Only `fetch_source` uses the network: it fills the
# mirror, from which the others read. All of them run where Snakemake runs.
localrules:
    fetch,
    fetch_source,
    base_model,
    prepare_training,
    prepare,


# Everything that the configuration takes from the hub: `snakemake fetch`.
rule fetch:
    input:
        [path for source in HUB_FILES for path in fetched(source)],


# One job per model and one per task, so adding a task leaves the others untouched. Its code is no parameter: the
# lock file pins the files, whatever fetched them.
rule fetch_source:
    output:
        f"{RUN}/fetched/{{source}}.json",
    log:
        f"{RUN}/logs/fetch/{{source}}.log",
    wildcard_constraints:
        source="|".join(map(re.escape, HUB_FILES)) or "(?!)",
    conda:
        "../envs/train.yaml"
    params:
        command=run_script("fetch"),
        files=lambda wildcards: canonical_json(HUB_FILES[wildcards.source]),
        mirror=literal(CONFIG.mirror),
        lock=literal(str(LOCK_FILE)),
    message:
        "Fetching what {params.mirror} lacks: {wildcards.source}"
    shell:
        "{params.command} {params.files:q} --mirror={params.mirror:q} --lock={params.lock:q}"
        " --output {output:q} >{log:q} 2>&1"


rule base_model:
    input:
        fetched=lambda wildcards: fetched(f"model/{wildcards.model}"),
        tokenizer_of=lambda wildcards: shared_tokenizer(wildcards.model),
    output:
        model=f"{BASE_MODEL}/model.safetensors",
        config=f"{BASE_MODEL}/config.json",
        tokenizer=f"{BASE_MODEL}/tokenizer.json",
        provenance=f"{BASE_MODEL}/provenance.json",
        sources=f"{BASE_MODEL}/{MODEL_SOURCES}",
    log:
        f"{RUN}/logs/base_model/{{model}}.log",
    benchmark:
        f"{RUN}/benchmarks/base_model/{{model}}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
    params:
        command=run_script("base_model"),
        model=lambda wildcards: compact_json(CONFIG.models[wildcards.model].model),
        tokenizer_of=lambda wildcards, input: [
            each for path in input.tokenizer_of for each in ("--tokenizer-of", os.path.dirname(path))
        ],
        mirror=literal(CONFIG.mirror),
        folder=subpath(output.model, parent=True),
        content=lambda wildcards: model_content(wildcards.model),
        code=code_hash("base_model"),
    message:
        "Making the model {wildcards.model}"
    shell:
        "{params.command} {params.model:q} --mirror={params.mirror:q} --fetched {input.fetched:q}"
        " {params.tokenizer_of:q} --output {params.folder:q} >{log:q} 2>&1"


# The training splits apart from the test splits, so a row that joins a test file trains nothing again.
rule prepare_training:
    input:
        tokenizer=rules.base_model.output.tokenizer,
        files=lambda wildcards: own_files(wildcards.task, *CONFIG.tasks[wildcards.task].training_splits),
        fetched=lambda wildcards: fetched(f"data/{wildcards.task}"),
    output:
        train=f"{DATA}/train.safetensors",
        train_stats=f"{DATA}/train.json",
        validation=f"{DATA}/validation.safetensors",
        validation_stats=f"{DATA}/validation.json",
        sources=f"{DATA}/{TRAINING_SOURCES}",
    log:
        f"{RUN}/logs/prepare_training/{{model}}/{{task}}.log",
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
    params:
        command=run_script("prepare"),
        task=lambda wildcards: compact_json(CONFIG.tasks[wildcards.task]),
        splits=["train", "validation"],
        base_model=subpath(input.tokenizer, parent=True),
        mirror=literal(CONFIG.mirror),
        folder=subpath(output.train, parent=True),
        content=lambda wildcards: data_content(
            wildcards.model, wildcards.task, *CONFIG.tasks[wildcards.task].training_splits
        ),
        code=code_hash("prepare"),
    message:
        "Tokenising the training splits of {wildcards.task} for {wildcards.model}"
    shell:
        "{params.command} {params.task:q} --splits {params.splits:q} --base-model {params.base_model:q}"
        " --mirror={params.mirror:q} --fetched {input.fetched:q} --output {params.folder:q} >{log:q} 2>&1"


# `snakemake prepared` makes all that training reads; then progress.py says what the grid will cost.
rule prepared:
    input:
        [f"{BASE_MODEL}/model.safetensors".format(model=model) for model in CONFIG.models],
        prepared_files("train.json", PLANS.values()),
    localrule: True


use rule prepare_training as prepare with:
    input:
        tokenizer=rules.base_model.output.tokenizer,
        training=[rules.prepare_training.output.train_stats, rules.prepare_training.output.validation_stats],
        files=lambda wildcards: own_files(wildcards.task, *SPLITS),
        fetched=lambda wildcards: fetched(f"data/{wildcards.task}"),
    output:
        test=f"{DATA}/test.safetensors",
        test_stats=f"{DATA}/test.json",
        hidden=f"{DATA}/hidden.safetensors",
        hidden_stats=f"{DATA}/hidden.json",
        stats=f"{DATA}/stats.json",
        sources=f"{DATA}/{TASK_SOURCES}",
    log:
        f"{RUN}/logs/prepare/{{model}}/{{task}}.log",
    params:
        command=run_script("prepare"),
        task=lambda wildcards: compact_json(CONFIG.tasks[wildcards.task]),
        splits=["test", "hidden"],
        base_model=subpath(input.tokenizer, parent=True),
        mirror=literal(CONFIG.mirror),
        folder=subpath(output.test, parent=True),
        content=lambda wildcards: data_content(wildcards.model, wildcards.task, *SPLITS),
        code=code_hash("prepare"),
    message:
        "Tokenising the test splits of {wildcards.task} for {wildcards.model}"
