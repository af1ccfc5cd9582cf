"""HTML pages from the templates in workflow/report, with all text that comes from elsewhere escaped."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

TEMPLATES = Path(__file__).resolve().parents[2] / "workflow" / "report"


def render(template: str, **values) -> str:
    """Fill a template in. Raises jinja2.UndefinedError if it asks for what is not among the values."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    return environment.get_template(template).render(values) + "\n"
