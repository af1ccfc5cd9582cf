# What a benchmark's server takes for the test splits whose labels are hidden.
localrules:
    submit,


HIDDEN = [task for task, settings in config["tasks"].items() if "hidden" in settings.get("files", {})]
SUBMISSIONS = expand(f"{RUN}/submissions/{{mode}}", mode=config["modes"]) if HIDDEN else []


rule submit:
    input:
        best=expand(f"{MODE}/best.json", task=HIDDEN, allow_missing=True),
        tests=lambda wildcards: [path for task in HIDDEN for path in chosen_tests(task, wildcards.mode)],
    output:
        directory(f"{RUN}/submissions/{{mode}}"),
    log:
        f"{RUN}/logs/submissions/{{mode}}.log",
    conda:
        "../../environment.yml"
    params:
        results=subpath(output[0], ancestor=2),
        tasks=HIDDEN,
        code=code_hash("submit"),
    message:
        "Writing the predictions of {wildcards.mode} for the hidden test labels"
    shell:
        "python scripts/submit.py {params.results:q} --tasks {params.tasks:q} --mode {wildcards.mode:q}"
        " --output {output:q} >{log:q} 2>&1"
