"""Pages that need nothing from elsewhere: every value escaped, pictures inside."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def render(template: Path, **values: Any) -> str:
    """Return the page that a Jinja `template` makes of `values`; a value that it lacks is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(template.parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template(template.name).render(**values)


def png_of(figure: Figure) -> str:
    """Return a drawing as a data URI."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=90)
    return data_uri(stream.getvalue())


def data_uri(png: bytes) -> str:
    """Return a picture as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
