"""Templates to HTML. The only part that needs Jinja2, so that the sandbox runs without it."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=PackageLoader("target_intercom.sandbox.page"),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def html(template: str, **shown: Any) -> str:
    """Return a template of this package, filled in; every value is escaped."""
    return _ENVIRONMENT.get_template(f"{template}.html.j2").render(shown)
