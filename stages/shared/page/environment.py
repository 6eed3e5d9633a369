"""What all HTML pages have in common: how their templates are read, and their style."""

from pathlib import Path

import jinja2

STYLE = Path(__file__).with_name("style.css")


def page_environment(templates: Path) -> jinja2.Environment:
    """Return an environment in which every text is escaped and a missing value is an error; `style` is the CSS.

    Beside the page's own templates there are those that several pages share, such as plot.j2.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([templates, STYLE.parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["style"] = STYLE.read_text(encoding="utf-8")
    return environment
