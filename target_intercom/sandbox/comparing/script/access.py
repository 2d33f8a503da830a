"""Who asks, and how: tokens, versions, bodies; and what a call weighs against the rate limit."""

from __future__ import annotations

from target_intercom.sandbox.comparing.calls import PREVIEW, Call, Raw, Step, get, post, put

NOBODY = "0" * 24
"""An id that no contact and no company has."""

_ATTRIBUTES = "/data_attributes"
_OF_THE_WORKSPACE = ("app.identity_verification", "app.secure", "email_verified", "has_inbox_seat")
"""What `GET /me` says of this workspace and this admin alone."""


def _me(name: str, *answers: str, **saves: str) -> Step:
    return Step(name, get("/me"), saves=saves, answers=answers, ignores=_OF_THE_WORKSPACE)


STEPS = (
    _me("who asks", admin="id", workspace="app.id_code"),
    Step("a wrong token", Call("GET", "/me", is_authorized=False), answers=("contacts.23",)),
    Step("a version that does not exist", get("/me", version="9.9"), is_strange=True),
    Step("an answer that is not JSON", Call("GET", "/me", accept="text/plain")),
    Step("a path that does not exist", get("/nowhere"), is_strange=True),
    Step("a body that is not JSON", post("/contacts", Raw('{"role":')), is_strange=True),
    Step("a contact that does not exist", get(f"/contacts/{NOBODY}")),
    Step("attributes of contacts", get(_ATTRIBUTES, model="contact"), answers=("contacts.23",)),
    Step("attributes of companies", get(_ATTRIBUTES, model="company")),
    Step(
        "bulk jobs in version 2.17", put("/contacts/bulk", {}, version="2.17"), answers=("contacts.1",), is_strange=True
    ),
)

WEIGHTS = (
    _me("the window before", "contacts.14"),
    _me("the window after a plain call", "contacts.14"),
    Step(
        "a search to be weighed",
        post("/contacts/search", {"query": {"field": "external_id", "operator": "=", "value": "{p}nobody"}}),
    ),
    _me("the window after a search", "contacts.14"),
    Step(
        "a job of five to be weighed",
        post("/contacts/bulk/delete", {"contacts": [{"id": NOBODY}] * 5}, version=PREVIEW),
    ),
    _me("the window after a job of five", "contacts.14"),
)
