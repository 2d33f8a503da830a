"""Where each page is. The people are at the root; the rest lies where Intercom's API has nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Mapping

PEOPLE = "/"
PREFIX = "/page/"
PERSON = PREFIX + "people/"
COMPANIES = PREFIX + "companies"
COMPANY = PREFIX + "companies/"
TAGS = PREFIX + "tags"
CALLS = PREFIX + "calls"
LATEST_CALLS = PREFIX + "calls/latest"
WINDOW = PREFIX + "window"


def person(contact_id: str) -> str:
    """Return the page of a contact."""
    return PERSON + quote(contact_id, safe="", errors="replace")


def company(company_id: str) -> str:
    """Return the page of a company."""
    return COMPANY + quote(company_id, safe="", errors="replace")


def tagged_companies(tag_id: str) -> str:
    """Return the companies with a tag."""
    return with_query(COMPANIES, {"tag": tag_id})


def tagged(tag_id: str) -> str:
    """Return the people with a tag."""
    return with_query(PEOPLE, {"tag": tag_id})


def with_query(path: str, query: Mapping[str, str]) -> str:
    """Return a path with those parameters that say something."""
    said = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(said, errors='replace')}" if said else path
