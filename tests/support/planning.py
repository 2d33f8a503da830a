"""What a dry run plans, and what a run does: in the same words, to be held against each other."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from target_intercom.sandbox import SandboxServer
    from target_intercom.sandbox.messages import Call
    from tests.support.loading import Loaded, Loader, People
    from tests.support.remembering import Row

Deed = tuple[Any, ...]
"""One operation: what, whom or which, and what changes."""


def plans(folder: Path) -> set[Path]:
    return set(folder.glob("plan-*.jsonl"))


def dry_run(load: Loader, messages: Sequence[Row], **settings: Any) -> tuple[Loaded, list[Row]]:
    """Do a dry run; returns it and its plan."""
    before = plans(load.data_dir)
    done = load(messages, **settings, dry_run=True)
    (path,) = plans(load.data_dir) - before
    return done, [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def planned(plan: Sequence[Row]) -> Counter[Deed]:
    """Count the operations of a plan."""
    return Counter(_planned(line) for line in plan)


def _planned(line: Row) -> Deed:
    what = line["operation"]
    match what:
        case "create":
            return what, frozenset((name, str(change["new"])) for name, change in line["changes"].items())
        case "update":
            changes = frozenset(
                (name, str(change["old"]), str(change["new"])) for name, change in line["changes"].items()
            )
            return what, line["contact"] or _named(line), changes
        case "archive" | "delete":
            return what, line["contact"] or _named(line)
        case "tag" | "untag":
            return what, line["contact"] or _named(line), line["tag"].casefold()
        case "create_tag":
            return what, line["tag"].casefold()
        case _:
            return what, line["attribute"], line["type"]


def _named(one: Row) -> str:
    """Name a contact that a plan has no id of."""
    return str(one["external_id"] or one["email"]) if one["role"] == "user" else str(one["email"])


class Witness:
    """Sees what a run does in a workspace, call by call."""

    def __init__(self, sandbox: SandboxServer, people: People) -> None:
        self._sandbox = sandbox
        self._people = people
        self._begun = len(sandbox.calls)
        self._as_they_are = {one["id"]: _flat(one) for one in people.everyone()}
        self._old = set(self._as_they_are)
        self._tags = self._tag_names()

    def deeds(self) -> Counter[Deed]:
        """Count the operations since."""
        self._tags |= self._tag_names()
        self._new = {one["id"]: _named(one) for one in self._people.everyone() if one["id"] not in self._old}
        calls = [call for call in list(self._sandbox.calls)[self._begun :] if call.status in range(200, 300)]
        return Counter(deed for call in calls for deed in self._deeds(call))

    def _deeds(self, call: Call) -> Iterator[Deed]:
        match call.method, call.path.strip("/").split("/"):
            case "GET", _:
                return
            case _, ["contacts", "search"]:
                return
            case method, ["contacts", *rest]:
                yield self._of_contact(method, rest, call.body)
            case "POST", ["tags"] if "users" in call.body:
                for user in call.body["users"]:
                    yield "tag", self._who(user["id"]), call.body["name"].casefold()
            case "POST", ["tags"]:
                yield "create_tag", call.body["name"].casefold()
            case _:
                assert call.path == "/data_attributes"
                yield "create_attribute", f"custom_attributes.{call.body['name']}", call.body["data_type"]

    def _of_contact(self, method: str, path: list[str], body: Row) -> Deed:
        match method, path:
            case "POST", []:
                sent = _sent(body)
                self._as_they_are.update(self._just_made(sent))
                return "create", frozenset((name, str(value)) for name, value in sent.items())
            case "PUT", [contact]:
                return "update", self._who(contact), frozenset(self._changes(contact, _sent(body)))
            case "POST", [contact, "archive"]:
                return "archive", self._who(contact)
            case "DELETE", [contact, "tags", tag]:
                return "untag", self._who(contact), self._tags[tag].casefold()
            case _:
                assert (method, len(path)) == ("DELETE", 1)
                return "delete", self._who(path[0])

    def _changes(self, contact: str, body: Row) -> Iterator[Deed]:
        before = self._as_they_are[contact]
        for name, value in body.items():
            old = None if before.get(name) == "" else before.get(name)
            if old != value:
                yield name, str(old), str(value)
        before.update(body)

    def _just_made(self, body: Row) -> Row:
        """Return those that may be the contact that was made: nobody else has its identifiers."""
        name = _named({"external_id": None, "email": None, **body})
        return {contact: dict(body) for contact, known in self._new.items() if known == name}

    def _who(self, contact: str) -> str:
        return self._new.get(contact, contact)

    def _tag_names(self) -> dict[str, str]:
        return {tag["id"]: tag["name"] for tag in self._people.call("GET", "/tags")["data"]}


def _sent(body: Row) -> Row:
    custom = {f"custom_attributes.{name}": value for name, value in body.get("custom_attributes", {}).items()}
    return {**{name: value for name, value in body.items() if name != "custom_attributes"}, **custom}


def _flat(contact: Row) -> Row:
    flat = _sent(contact)
    return {**flat, "external_id": flat["external_id"] if flat["role"] == "user" else None}
