"""HTML pages from the templates in workflow/report. Values are escaped, as they may hold markup."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[3] / "workflow" / "report"


def render(template: str, **values) -> str:
    """Fill in a template. Raises jinja2.UndefinedError if it uses a value that is not given."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(values) + "\n"
