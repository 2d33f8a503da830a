"""Templates to HTML. The only part of a run that needs Jinja2, so that it runs without."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
import typing as t
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from target_intercom.reporting.text import printable

_MARKED: t.Final = re.compile(r"`([^`]+)`|\[([^\]]+)\]\(([^)]+)\)")
"""Of Markdown, what the texts of the documents have: code, and links to another page."""
_SECONDS: t.Final = re.compile(r"[0-9]{9,11}")


def html(template: str, *, style: str, script: str | None = None, **shown: t.Any) -> str:
    """Return a template of this package, filled in; every value is escaped.

    The page may load nothing, and no script runs but the one that is given: browsers see to it.

    Args:
        template: its name.
        style: the name of its style sheets, with blanks between them.
        script: the name of its script.
        shown: what it shows.
    """
    styles = "\n".join(_static(f"{name}.css") for name in style.split())
    source = None if script is None else _static(f"{script}.js")
    policy = f"default-src 'none'; style-src {_hash(styles)}"
    if source is not None:
        policy += f"; script-src {_hash(source)}"
    page = _ENVIRONMENT.get_template(f"{template}.html.j2").render(
        policy=policy,
        style=Markup(styles),  # noqa: S704 - files of ours
        script=None if source is None else Markup(source),  # noqa: S704 - a file of ours
        **shown,
    )
    # Half a character, which a name may hold, has no UTF-8.
    return page.encode("utf-8", "replace").decode()


def marked(text: str) -> Markup:
    """Return a text of the documents: code as code, and of links the words, with the page that they lead to."""
    html, end = Markup(), 0
    for found in _MARKED.finditer(text):
        html += escape(text[end : found.start()])
        code, words, place = found.groups()
        page = (place or "").partition("#")[0]
        html += Markup("<code>{}</code>").format(code) if code else Markup("{} (docs/{})").format(words, page)
        end = found.end()
    return html + escape(text[end:])


def _static(name: str) -> str:
    return (files(__package__ or "") / "static" / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _number(value: int) -> str:
    return f"{value:,}"


def _colour(kind: str) -> str:
    """Return the class of a colour; `quiet` is that of texts."""
    return "idle" if kind == "quiet" else kind


def _word(text: str) -> str:
    """Return an operation as the name of a class."""
    return re.sub(r"[^a-z_]", "", text)


def _moment(value: str, name: str) -> str:
    """Return the time that a value is in seconds since 1970, of an attribute that is called like one."""
    if not (name.endswith("_at") and _SECONDS.fullmatch(value)):
        return ""
    return f"{dt.datetime.fromtimestamp(int(value), tz=dt.timezone.utc):%Y-%m-%d %H:%M} UTC"


_ENVIRONMENT: t.Final = Environment(
    loader=PackageLoader("target_intercom.reporting.pages"),
    autoescape=True,
    auto_reload=False,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "colour": _colour,
    "marked": marked,
    "moment": _moment,
    "number": _number,
    "printable": printable,
    "word": _word,
}
