# What the model reads: a page per task with real examples as tokens and as the model's inputs.
localrules:
    anatomy,


ANATOMY = expand(f"{RUN}/anatomy/{{task}}.{{format}}", task=config["tasks"], format=["md", "html", "json"])


rule anatomy:
    input:
        train=rules.prepare.output.train,
        stats=rules.prepare.output.stats,
        model=rules.backbone.output.config,
        tokenizer=rules.backbone.output.tokenizer,
        templates=local(expand("workflow/report/{name}", name=["anatomy.html", "inputs.html", "style.css"])),
    output:
        markdown=f"{RUN}/anatomy/{{task}}.md",
        page=report(
            f"{RUN}/anatomy/{{task}}.html",
            caption="../report/anatomy.rst",
            category="Inputs",
            labels={"task": "{task}"},
        ),
        json=f"{RUN}/anatomy/{{task}}.json",
    log:
        f"{RUN}/logs/anatomy/{{task}}.log",
    conda:
        "../../environment.yml"
    params:
        data=subpath(input.stats, parent=True),
        backbone=subpath(input.tokenizer, parent=True),
        folder=subpath(output.page, parent=True),
        code=code_hash("anatomy"),
    message:
        "{wildcards.task}: showing what the model reads"
    shell:
        "python scripts/anatomy.py {params.data:q} --backbone {params.backbone:q} --output {params.folder:q}"
        " >{log:q} 2>&1"
