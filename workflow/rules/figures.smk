# The comparison as figures. Each is known by its name here, and drawn even where there is little to draw.
from finegrid.reporting import figures


localrules:
    figures,


FIGURES = expand(f"{RUN}/figures/{{name}}.{{format}}", name=figures.names(config["tasks"]), format=figures.FORMATS)
FIGURES += [f"{RUN}/figures/figures.json"]


rule figures:
    input:
        comparison=rules.compare.output.comparison,
    output:
        *[
            (
                report(path, caption="../report/figures.rst", category="Figures", labels={"figure": Path(path).stem})
                if path.endswith(".svg")
                else path
            )
            for path in FIGURES
        ],
    log:
        f"{RUN}/logs/figures.log",
    conda:
        "../../environment.yml"
    params:
        folder=subpath(output[0], parent=True),
        code=code_hash("figures"),
    message:
        "Drawing the figures"
    shell:
        "python scripts/figures.py {input.comparison:q} --output {params.folder:q} >{log:q} 2>&1"
