# The model in models/ is made by this rule and then checked in, so no target of a grid asks for it:
# `make pretrain` makes it again.
localrules:
    pretrain,


rule pretrain:
    input:
        recipe="config/pretraining.yaml",
    output:
        multiext(
            "results/pretraining/embedded-bert-tiny/",
            *["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"],
            *["README.md", "provenance.json"],
        ),
    log:
        "results/pretraining/log",
    benchmark:
        "results/pretraining/benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 8
    resources:
        mem_mb=6000,
    params:
        folder=subpath(output[0], parent=True),
        checkpoint="results/pretraining/checkpoint.pt",
        code=code_hash("pretrain"),
    message:
        "Pretraining the embedded BERT-tiny; the log tells the time left"
    shell:
        "python scripts/pretrain.py {input.recipe:q} --checkpoint {params.checkpoint:q} --output {params.folder:q}"
        " --threads {threads} 2>&1 | tee {log:q}"
