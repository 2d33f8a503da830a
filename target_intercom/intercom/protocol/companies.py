"""Companies, as Intercom answers them."""

from __future__ import annotations

import html
import typing as t
from dataclasses import dataclass
from types import MappingProxyType

from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX, Contact, attributes_body
from target_intercom.intercom.protocol.ids import CompanyId, ContactId, ExternalId, entries_of, id_of, seconds_of

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.json_lines import Json

MAY_BE_ESCAPED: t.Final = frozenset(["company_id", "name"])
"""Attributes whose texts Intercom may show HTML-escaped: it does from version 2.17 on."""
_READABLE = ("name", "size", "website", "industry", "monthly_spend", "remote_created_at")


@dataclass(frozen=True, slots=True)
class Company(Contact):
    """A company, as the engines know an object: its `id` and `external_id` are the source's `company_id`.

    The one that Intercom gives it is asked for where a call needs it.
    """

    intercom_id: CompanyId | None = None
    """None: not known, as of a company that a bulk job made."""
    people: int = 0
    """Users in it, by whichever program."""

    @classmethod
    def of(cls, company_id: str, attributes: Mapping[str, Json], intercom_id: CompanyId | None = None) -> Company:
        """Return a company that was not read."""
        own = ExternalId(company_id)
        return cls(ContactId(own), "user", own, None, attributes, is_read=False, intercom_id=intercom_id)

    @classmethod
    def from_json(cls, body: Mapping[str, Json]) -> Company:
        """Read a company as GET, PUT, POST and search answer it (OAS-2.16 #company; Airbyte's recorded companies).

        Raises:
            KeyError, TypeError, ValueError: the body is not a company.
        """
        if body.get("type", "company") != "company":
            raise ValueError("type")
        attributes: dict[str, Json] = {name: body.get(name) for name in _READABLE}
        attributes["plan"] = (body.get("plan") or {}).get("name")
        for name, value in (body.get("custom_attributes") or {}).items():
            attributes[CUSTOM_PREFIX + name] = value
        # Who asks by company_id knows it as it is.
        own = ExternalId(unescaped("company_id", str(body["company_id"])))
        return cls(
            id=ContactId(own),
            role="user",
            external_id=own,
            email=None,
            attributes=MappingProxyType(attributes),
            created_at=seconds_of(body.get("created_at")),
            intercom_id=CompanyId(id_of(body)),
            people=seconds_of(body.get("user_count")) or 0,
        )


def unescaped(name: str, value: Json) -> Json:
    """Return what an attribute's value may stand for, where Intercom may show it HTML-escaped."""
    return html.unescape(value) if name in MAY_BE_ESCAPED and isinstance(value, str) else value


def company_body(company_id: str | None, attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return the body of a write, from flat attributes; `company_id` None: an update by Intercom's id."""
    own = {} if company_id is None else {"company_id": company_id}
    return {**own, **attributes_body(attributes)}


def companies_of(page: Mapping[str, Json]) -> list[Company]:
    """Read the companies of a page; the description names both `data` and `companies` as its key."""
    return [Company.from_json(one) for one in entries_of(page, "data" if "data" in page else "companies")]


def company_ids_of(page: Mapping[str, Json]) -> list[CompanyId]:
    """Read the ids of the companies of a page."""
    return [CompanyId(id_of(one)) for one in entries_of(page, "data" if "data" in page else "companies")]
