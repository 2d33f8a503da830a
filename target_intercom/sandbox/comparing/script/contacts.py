"""Contacts: what is taken, changed on the way, cleared and refused."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import STABLE, Call, Step, answered, lists, post, put

_LONG_TEXT = 256
_LONG_NAME = 300


def _new(**contact: Any) -> Call:
    return post("/contacts", contact)


def _change(contact: str, version: str = STABLE, /, **changes: Any) -> Call:
    return put(f"/contacts/{{{contact}}}", changes, version)


def _found(field: str, operator: str, value: Any) -> Call:
    return post("/contacts/search", {"query": {"field": field, "operator": operator, "value": value}})


def _valued(short: str, value: Any) -> Call:
    return _change("ann", custom_attributes={f"{{p}}{short}": value})


_CREATED = (
    Step(
        "a user",
        _new(role="user", external_id="{p}ann", email="{p}ann@example.com", name="{p}Ann"),
        saves={"ann": "id"},
    ),
    Step(
        "a user with everything",
        _change(
            "ann",
            phone="+16505550100",
            avatar="https://example.com/{p}ann.png",
            signed_up_at=1_600_000_000,
            last_seen_at=1_600_000_001,
            owner_id="{admin}",
            unsubscribed_from_emails=True,
        ),
        answers=("contacts.27",),
    ),
    Step(
        "a user with custom values",
        _change(
            "ann",
            custom_attributes={
                "{p}text": "{p}hello",
                "{p}number": 7,
                "{p}decimal": 2.5,
                "{p}flag": False,
                "{p}moment": 1_600_000_000,
                "{p}day": 1_600_000_000,
                "{p}choice": "red",
            },
        ),
    ),
    Step("a user with an external_id alone", _new(role="user", external_id="{p}bob"), saves={"bob": "id"}),
    Step("a user with an email alone", _new(role="user", email="{p}cyd@example.com"), saves={"cyd": "id"}),
    Step(
        "a user with capitals and spaces",
        _new(role="user", external_id="{p}dot", email="{p}DOT@Example.COM", name="  {p}Dot  "),
        saves={"dot": "id"},
        answers=("contacts.3",),
    ),
    Step("a lead", _new(role="lead", email="{p}lea@example.com"), saves={"lea": "id", "lea_uuid": "external_id"}),
    Step(
        "a lead with an external_id",
        _new(role="lead", external_id="{p}lew", email="{p}lew@example.com"),
        saves={"lew": "id"},
        answers=("contacts.30",),
    ),
    Step("an unknown role", _new(role="contact", external_id="{p}odd"), saves={"odd": "id"}),
    Step("a user without identifiers", _new(role="user")),
)

_SHOWN = (
    Step(
        "the index shows new users",
        _found("external_id", "IN", ["{p}ann", "{p}bob", "{p}dot", "{p}odd"]),
        until=lists("ann", "bob", "dot", "odd"),
        answers=("contacts.6",),
    ),
    Step(
        "the index shows a new lead",
        _found("email", "=", "{p}lea@example.com"),
        until=lists("lea"),
        answers=("contacts.6",),
    ),
)

_ROLES = (
    Step("a lead is given an external_id", _change("lea", external_id="{p}lea"), answers=("contacts.30",)),
    Step("a lead becomes a user", _change("lew", role="user", external_id="{p}lew", email="{p}lew@example.com")),
    Step("a user becomes a lead", _change("lew", role="lead")),
)

_STANDARD = (
    Step("nothing changes", _change("ann", name="{p}Ann")),
    Step("an owner that does not exist", _change("bob", owner_id="1")),
    Step("nulls clear", _change("ann", name=None, phone=None, owner_id=None, custom_attributes={"{p}text": None})),
    Step("an external_id of null", _change("bob", external_id=None), is_strange=True),
    Step("an email with spaces", _change("dot", email=" {p}dot@example.com "), answers=("contacts.26",)),
    Step("an email that is none", _change("bob", email="{p}nobody"), answers=("contacts.26",)),
    Step("a phone that is none", _change("bob", phone="{p}phone"), answers=("contacts.26",)),
    Step("a long name", _change("bob", name="{p}" + "n" * _LONG_NAME), answers=("contacts.11",)),
    Step("an unknown key", _change("bob", nickname="{p}Bobby"), answers=("contacts.12",)),
    Step("unsubscribed, and back", _change("ann", unsubscribed_from_emails=False), answers=("contacts.27",)),
    Step("another user's email", _change("bob", email="{p}ann@example.com"), answers=("contacts.4",)),
    Step("an email of null", _change("bob", email=None)),
    Step("another user's external_id", _change("bob", external_id="{p}ann")),
    Step("an email of its own again", _change("bob", email="{p}bob@example.com", name="{p}Bob")),
)

_CUSTOM = (
    Step("an attribute that the workspace lacks", _valued("none", 1)),
    Step("words for a number", _valued("number", "seven"), answers=("contacts.9",)),
    Step("a number as text", _valued("number", "8"), answers=("contacts.9",)),
    Step("a decimal for a whole number", _valued("number", 7.5), answers=("contacts.9",)),
    Step("a number for a text", _valued("text", 7), answers=("contacts.9",)),
    Step("a time as text", _valued("moment", "2020-09-13T12:26:40Z"), answers=("contacts.9",)),
    Step("milliseconds for a date", _valued("day", 1_600_000_000_000), answers=("contacts.9",)),
    Step("a value that is no option", _valued("choice", "green"), answers=("contacts.10",)),
    Step("an option in capitals", _valued("choice", "BLUE"), answers=("contacts.10",)),
    Step("a text of 256 characters", _valued("text", "t" * _LONG_TEXT), answers=("contacts.11",)),
    Step("an empty text", _valued("text", ""), answers=("contacts.9",)),
    Step(
        "the values again",
        _change("ann", custom_attributes={"{p}text": "{p}hello", "{p}number": 7, "{p}choice": "red"}),
    ),
    Step(
        "a new attribute",
        post("/data_attributes", {"name": "{p}fresh", "model": "contact", "data_type": "string"}),
        saves={"attribute_fresh": "id"},
    ),
    Step("a new attribute is used", _valued("fresh", "{p}now"), until=answered(200), answers=("contacts.32",)),
)

STEPS = _CREATED + _SHOWN + _ROLES + _STANDARD + _CUSTOM
