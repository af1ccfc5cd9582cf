# What every cell starts from: the model and the tokenised data. Only `fetch_source` uses the network: it fills the
# mirror, from which the others read. All of them run where Snakemake runs.
localrules:
    fetch,
    fetch_source,
    base_model,
    prepare,


from finegrid.config.definition import SPLITS
from finegrid.data.content import RECORD, content_hash, model_files, task_files
from finegrid.modeling.bundled import bundled_sha256


def model_content():
    """Return the hash of what the base model is made from; of source 'hub' the fetched list says it."""
    if CONFIG.model.source in ("bundled", "random"):
        return bundled_sha256()
    return content_hash(model_files(CONFIG.model, CONFIG.mirror), Path(BASE_MODEL, RECORD))


@cache
def data_content(name, *splits):
    """Return the hash of the files of some splits of a task; of source 'hub' the fetched list says it."""
    files = task_files(CONFIG.tasks[name], CONFIG.mirror)
    return content_hash(
        [path for split in splits for path in files.get(split, [])], Path(DATA.format(task=name), RECORD)
    )


def training_content(wildcards):
    """Return the hash of the files that decide which rows train and validate: a cell does not depend on others."""
    tested = ("test", "hidden") if CONFIG.tasks[wildcards.task].drop_training_rows_in_test else ()
    return data_content(wildcards.task, "train", "validation", *tested)


def fetched(source):
    """List what `fetch_source` writes for the model or a task, if it is of source 'hub'."""
    return [f"{RUN}/fetched/{source}.json"] if source in HUB_FILES else []


# Everything that the configuration takes from the hub: `snakemake fetch`.
rule fetch:
    input:
        [path for source in HUB_FILES for path in fetched(source)],


# One job for the model and one per task, so adding a task leaves the others untouched. Its code is no parameter: the
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


MODEL_CONTENT = model_content()


# What goes in is identified by its sha256, not by its date. So outputs of these rules are `ancient` where they are read,
# and the hashes of what they were made from are params: a file that is touched or restored changes nothing by its date,
# and a row that joins the test file prepares and tests again but trains nothing.
rule base_model:
    input:
        fetched=fetched("model"),
    output:
        model=f"{BASE_MODEL}/model.safetensors",
        config=f"{BASE_MODEL}/config.json",
        tokenizer=f"{BASE_MODEL}/tokenizer.json",
        provenance=f"{BASE_MODEL}/provenance.json",
        sources=f"{BASE_MODEL}/{RECORD}",
    log:
        f"{RUN}/logs/base_model.log",
    benchmark:
        f"{RUN}/benchmarks/base_model.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
    params:
        command=run_script("base_model"),
        name=CONFIG.model.name,
        model=literal(compact_json(CONFIG.model)),
        mirror=literal(CONFIG.mirror),
        folder=subpath(output.model, parent=True),
        content=MODEL_CONTENT,
        code=code_hash("base_model"),
    message:
        "Making the model {params.name}"
    shell:
        "{params.command} {params.model:q} --mirror={params.mirror:q} --fetched {input.fetched:q}"
        " --output {params.folder:q} >{log:q} 2>&1"


rule prepare:
    input:
        tokenizer=dateless(rules.base_model.output.tokenizer),
        files=lambda wildcards: ancient(local(local_files(CONFIG.tasks[wildcards.task]))),
        fetched=lambda wildcards: fetched(f"data/{wildcards.task}"),
        fetched_model=fetched("model"),
    output:
        train=f"{DATA}/train.safetensors",
        validation=f"{DATA}/validation.safetensors",
        test=f"{DATA}/test.safetensors",
        hidden=f"{DATA}/hidden.safetensors",
        stats=f"{DATA}/stats.json",
        sources=f"{DATA}/{RECORD}",
    log:
        f"{RUN}/logs/prepare/{{task}}.log",
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
    params:
        command=run_script("prepare"),
        task=lambda wildcards: compact_json(CONFIG.tasks[wildcards.task]),
        base_model=subpath(input.tokenizer, parent=True),
        mirror=literal(CONFIG.mirror),
        folder=subpath(output.stats, parent=True),
        content=lambda wildcards: data_content(wildcards.task, *SPLITS),
        model=MODEL_CONTENT,
        model_code=code_hash("base_model"),
        code=code_hash("prepare"),
    message:
        "Tokenising {wildcards.task}"
    shell:
        "{params.command} {params.task:q} --base-model {params.base_model:q}"
        " --mirror={params.mirror:q} --fetched {input.fetched:q} --output {params.folder:q} >{log:q} 2>&1"
