"""The workspace, its attributes of contacts and its tags."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX
from target_intercom.intercom.protocol.ids import ContactId, TagId, id_of, text_of

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.json_lines import Json


@dataclass(frozen=True, slots=True)
class DataAttribute:
    """An attribute of the workspace's contacts, from `GET /data_attributes`.

    `options` is the closed list of a list attribute; those come back as `data_type` string (recorded).
    """

    name: str
    full_name: str
    data_type: str
    custom: bool
    api_writable: bool
    archived: bool
    options: tuple[str, ...] | None

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> DataAttribute:
        """Read one entry of the list or the answer to a create."""
        name = str(body["name"])
        options = body.get("options")
        return cls(
            name=name,
            full_name=str(body.get("full_name") or (CUSTOM_PREFIX + name if body.get("custom") else name)),
            data_type=str(body.get("data_type") or "string"),
            custom=bool(body.get("custom")),
            api_writable=body.get("api_writable") is not False,
            archived=body.get("archived") is True,
            options=None if options is None else tuple(_option(option) for option in options),
        )


def tag_key(name: str) -> str:
    """Return what names of one tag have in common: Intercom compares them without case (OAS-2.16 POST /tags).

    In small letters, not casefolded: no more is known, and "Maße" is another word than "Masse".
    """
    return name.lower()


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag of the workspace."""

    id: TagId
    name: str

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Tag:
        """Read an entry of `GET /tags`, or the answer to `POST /tags`.

        Raises:
            KeyError, TypeError: the body is no tag.
        """
        return cls(TagId(id_of(body)), str(body["name"]))


@dataclass(frozen=True, slots=True)
class Tagged:
    """The answer to putting a tag on many contacts."""

    tag: Tag
    contacts: frozenset[ContactId] | None
    """Those that surely have it now; None: the answer names none, as before API version 2.16, and all have it."""

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Tagged:
        """Read the answer to `POST /tags` with users (OAS-2.16 #tag_create_response).

        Raises:
            KeyError, TypeError: the body is no such answer.
        """
        users = body.get("users")
        done = None if users is None else frozenset(ContactId(id_of(one)) for one in users if one["tagged"] is True)
        return cls(Tag.from_json(body), done)


def _option(option: Json) -> str:
    return str(option.get("value") if isinstance(option, dict) else option)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The workspace of the token, from `GET /me`."""

    id: str
    name: str
    region: str | None
    account_id: str | None = None
    """The teammate that the token belongs to."""
    account_name: str | None = None

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Workspace:
        """Read the acting admin and its `app`.

        Raises:
            KeyError, TypeError: the body is no admin.
        """
        if "app" not in body and body["type"] != "admin":
            raise KeyError("app")
        app = body.get("app")
        if app is None:
            app = {}
        region = app.get("region")
        return cls(
            id=str(app.get("id_code") or ""),
            name=str(app.get("name") or ""),
            region=None if region is None else str(region),
            account_id=text_of(body.get("id")),
            account_name=text_of(body.get("name")),
        )
