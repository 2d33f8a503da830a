"""Who is who: conflicts, archived, deleted and merged contacts."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import (
    Call,
    Step,
    answered_other_than,
    delete,
    get,
    lists,
    lists_not,
    post,
    put,
)


def _new(**contact: Any) -> Call:
    return post("/contacts", contact)


def _external(name: str) -> Call:
    return get(f"/contacts/find_by_external_id/{{p}}{name}")


def _search(name: str) -> Call:
    return post("/contacts/search", {"query": {"field": "external_id", "operator": "=", "value": f"{{p}}{name}"}})


def _archive(name: str) -> Call:
    return post(f"/contacts/{{{name}}}/archive")


def _unarchive(name: str) -> Call:
    return post(f"/contacts/{{{name}}}/unarchive")


def _merge(lead: str, user: str) -> Call:
    return post("/contacts/merge", {"from": f"{{{lead}}}", "into": f"{{{user}}}"})


_CONFLICTS = (
    Step("a known external_id", _new(role="user", external_id="{p}ann")),
    Step("a known email", _new(role="user", email="{p}ann@example.com")),
    Step(
        "a new external_id with a known email",
        _new(role="user", external_id="{p}ann2", email="{p}ann@example.com"),
        answers=("contacts.5",),
    ),
    Step("a known email in capitals", _new(role="user", email="{p}ANN@EXAMPLE.COM"), answers=("contacts.3",)),
    Step("a known external_id in capitals", _new(role="user", external_id="{p}ANN"), answers=("contacts.3",)),
    Step("a lead with a known email", _new(role="lead", email="{p}lea@example.com"), saves={"lea_again": "id"}),
)

_ARCHIVED = (
    Step(
        "a user to be archived",
        _new(role="user", external_id="{p}arc", email="{p}arc@example.com", name="{p}Arc"),
        saves={"arc": "id"},
    ),
    Step("found at once", _external("arc"), answers=("contacts.7",)),
    Step("it is tagged", post("/contacts/{arc}/tags", {"id": "{vip}"})),
    Step("it joins a company", post("/contacts/{arc}/companies", {"id": "{acme}"})),
    Step("the index shows a user to be archived", _search("arc"), until=lists("arc"), answers=("contacts.6",)),
    Step("a user is archived", _archive("arc")),
    Step("an archived user", get("/contacts/{arc}")),
    Step("an archived user by external_id", _external("arc"), answers=("contacts.7",)),
    Step("an archived user is changed", put("/contacts/{arc}", {"name": "{p}New"}), answers=("contacts.7",)),
    Step("an archived user's identifiers", _new(role="user", external_id="{p}arc")),
    Step("the index hides an archived user", _search("arc"), until=lists_not("arc"), answers=("contacts.6",)),
    Step("its external_id goes to another", put("/contacts/{odd}", {"external_id": "{p}arc"})),
    Step("unarchived while another has its external_id", _unarchive("arc"), answers=("contacts.8",)),
    Step("its external_id is free again", put("/contacts/{odd}", {"external_id": "{p}odd"})),
    Step("a user is unarchived", _unarchive("arc")),
    Step("an unarchived user", get("/contacts/{arc}"), answers=("contacts.33",)),
    Step("another user is archived", _archive("dot")),
    Step("an archived user is deleted", delete("/contacts/{dot}"), answers=("contacts.8",)),
)

_DELETED = (
    Step("a user is deleted", delete("/contacts/{arc}")),
    Step("a user is deleted again", delete("/contacts/{arc}"), answers=("contacts.22",)),
    Step("a deleted user's identifiers", _new(role="user", external_id="{p}arc"), answers=("contacts.8",)),
    Step("a deleted user is unarchived", _unarchive("arc"), answers=("contacts.8",)),
    Step(
        "a deleted user is unarchived later", _unarchive("arc"), until=answered_other_than(500), answers=("contacts.8",)
    ),
    Step("a lead is deleted", delete("/contacts/{lea_again}")),
    Step("a deleted lead's email", _new(role="lead", email="{p}lea@example.com"), answers=("contacts.21",)),
)

_MERGED = (
    Step("a lead with a user's email", _new(role="lead", email="{p}bob@example.com"), saves={"mer": "id"}),
    Step("a user is merged into a user", _merge("odd", "ann")),
    Step("a lead is merged", _merge("mer", "bob"), answers=("companies.19",)),
    Step("a merged lead", get("/contacts/{mer}"), answers=("companies.19",)),
    Step("a merged lead is unarchived", _unarchive("mer")),
    Step("a lead is merged again", _merge("mer", "bob"), answers=("companies.19",)),
)

STEPS = _CONFLICTS + _ARCHIVED + _DELETED + _MERGED
