"""Tags: names, many contacts at once, again, and not at all."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import Call, Step, delete, get, post
from target_intercom.sandbox.comparing.script.access import NOBODY

_MANY = 60
_LONG_NAME = 300


def _tag(name: str, **more: Any) -> Call:
    return post("/tags", {"name": name, **more})


def _users(*names: str) -> list[Any]:
    return [{"id": f"{{{name}}}"} for name in names]


_STRANGERS = [{"id": f"{number:024x}"} for number in range(1, _MANY + 1)]

STEPS = (
    Step("a tag", _tag("{p}VIP"), saves={"vip": "id"}),
    Step("a tag in small letters", _tag("{p}vip")),
    Step("a tag with spaces", _tag("  {p}VIP "), answers=("contacts.20",)),
    Step("a tag with a long name", _tag("{p}" + "t" * _LONG_NAME), answers=("contacts.20",)),
    Step("a tag with all characters", _tag("{p}é & <b>, ;"), answers=("contacts.20",)),
    Step("another tag", _tag("{p}other"), saves={"other": "id"}),
    Step("users are tagged, and a missing one", _tag("{p}VIP", users=[*_users("ann", "bob"), {"id": NOBODY}])),
    Step("a lead is tagged by its id", _tag("{p}VIP", users=_users("lea")), answers=("contacts.18",)),
    Step("sixty are tagged at once", _tag("{p}VIP", users=_STRANGERS), answers=("contacts.18",)),
    Step(
        "a missing user in version 2.15",
        post("/tags", {"name": "{p}late", "users": [{"id": NOBODY}]}, version="2.15"),
    ),
    Step(
        "users are untagged at once",
        _tag("{p}VIP", users=[{"id": "{bob}", "untag": True}]),
        answers=("contacts.17",),
    ),
    Step("a contact is tagged", post("/contacts/{cyd}/tags", {"id": "{other}"})),
    Step("a contact is tagged again", post("/contacts/{cyd}/tags", {"id": "{other}"}), answers=("contacts.19",)),
    Step("the tags of a contact", get("/contacts/{cyd}/tags")),
    Step("a contact is untagged", delete("/contacts/{cyd}/tags/{other}")),
    Step("a contact is untagged again", delete("/contacts/{cyd}/tags/{other}"), answers=("contacts.19",)),
    Step("a tag is deleted", delete("/tags/{other}")),
)
