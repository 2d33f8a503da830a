"""Data attributes: one of each type, and what is refused."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import Step, post, put

_PATH = "/data_attributes"


def _make(name: str, data_type: str, model: str = "contact", **more: Any) -> Any:
    return post(_PATH, {"name": name, "model": model, "data_type": data_type, **more})


def _kept(short: str, data_type: str, model: str = "contact", **more: Any) -> Step:
    """Return the step that makes an attribute which later ones use."""
    call = _make(f"{{p}}{short}", data_type, model, **more)
    return Step(f"an attribute: {short}", call, saves={f"attribute_{short}": "id"})


STEPS = (
    _kept("text", "string"),
    _kept("number", "integer"),
    _kept("decimal", "float"),
    _kept("flag", "boolean"),
    _kept("moment", "datetime"),
    _kept("day", "date"),
    _kept("choice", "options", options=[{"value": "red"}, {"value": "blue"}]),
    _kept("sector", "string", "company"),
    _kept("spare", "string"),
    Step("an attribute's name again", _make("{p}text", "string")),
    Step("a contact's attribute for companies", _make("{p}text", "string", "company"), answers=("companies.11",)),
    Step("an attribute of a standard one's name", _make("email", "string")),
    Step("an attribute with a dot in its name", _make("{p}a.b", "string")),
    Step("an attribute of an unknown type", _make("{p}money", "money"), is_strange=True),
    Step("an attribute is archived", put(f"{_PATH}/{{attribute_spare}}", {"archived": True})),
    Step("an archived attribute's name", _make("{p}spare", "string"), answers=("contacts.32",)),
)
