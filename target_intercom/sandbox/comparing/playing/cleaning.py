"""Takes away what the script made: contacts and tags for good, companies and attributes as far as Intercom does it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from target_intercom.sandbox.comparing.calls import (
    PREVIEW,
    ComparisonError,
    delete,
    get,
    has_ended,
    listed,
    post,
    put,
)
from target_intercom.sandbox.comparing.playing.filling import fill
from target_intercom.sandbox.comparing.playing.made import Sought

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from target_intercom.sandbox.comparing.calls import Call, Exchange, Step
    from target_intercom.sandbox.comparing.playing.connection import Connection
    from target_intercom.sandbox.comparing.playing.made import Made
    from target_intercom.sandbox.comparing.playing.player import Patience

_T = TypeVar("_T")
_STEP = "taking away"
_NOT_FOUND = 404
_CONFLICT = 409
_ID = re.compile(r"\bid=([0-9a-f]{24})\b")
_MISSING = frozenset({_NOT_FOUND, 410})
_PLURALS = {"contact": "contacts", "company": "companies", "tag": "tags", "attribute": "attributes"}
_LOST_JOB = 10.0
"""Seconds for a bulk job whose id is not known, so that nobody can ask whether it has ended."""

_LOST_IN_A_ROW = 3
"""Calls without an answer after which no more are made: each may take a minute."""


@dataclass
class Cleaned:
    """What was taken away, by kind, and what could not be."""

    removed: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)

    @property
    def counted(self) -> str:
        """Return the numbers of what was taken away, by kind."""
        return ", ".join(f"{_PLURALS[kind]}: {number}" for kind, number in sorted(self.removed.items()) if number)


class Cleaner:
    """Finds what was made and takes it away; what fails stops nothing else.

    One that is `thorough` finds archived contacts as well: it creates each contact that it does not find, which is
    refused with the id of the one that there is.
    """

    def __init__(self, connection: Connection, made: Made, patience: Patience, *, is_thorough: bool = False) -> None:
        self._connection = connection
        self._made = made
        self._patience = patience
        self.cleaned = Cleaned()
        self._lost = 0
        self._held_back: list[str] = []
        self._is_thorough = is_thorough

    def clean(self) -> Cleaned:
        """Take all of it away. An archived contact cannot come back while another has its external_id: it waits."""
        self._connection.waiting.is_steadfast = True
        if self._made.has_lost_job:
            self._connection.waiting.pause(_LOST_JOB)
        for job in list(self._made.jobs):
            self._try("a bulk job", self._wait_for, job)
        self._find()
        for contact_id in reversed(list(self._made.ids["contact"])):
            self._try(f"the contact {contact_id}", self._remove_contact, contact_id)
        for contact_id in self._held_back:
            self._try(f"the contact {contact_id}", self._remove_contact, contact_id)
        for kind, remove in (
            ("company", self._remove_company),
            ("tag", self._remove_tag),
            ("attribute", self._remove_attribute),
        ):
            for found in reversed(list(self._made.ids[kind])):
                self._try(f"the {kind} {found}", remove, found)
        return self.cleaned

    def _try(self, what: str, act: Callable[[_T], bool], about: _T) -> None:
        """Do something twice if need be; what is not done then is named."""
        if not self._is_done(act, about) and not self._is_done(act, about):
            self.cleaned.left.append(what)

    def _is_done(self, act: Callable[[_T], bool], about: _T) -> bool:
        if self._lost >= _LOST_IN_A_ROW:
            return False
        try:
            is_done = act(about)
        except ComparisonError:
            self._lost += 1
            return False
        except Exception:  # noqa: BLE001 - an answer of a shape that nobody expects: the rest is taken away all the same
            return False
        self._lost = 0
        return is_done

    def _send(self, call: Call) -> Exchange:
        exchange = self._connection.send(_STEP, call)
        self._made.after(exchange)
        return exchange

    # --- finding what no answer gave an id of ---

    def _wait_for(self, path: str) -> bool:
        """Wait for a bulk job: what it still makes would be left."""
        pauses = self._pauses()
        while True:
            exchange = self._send(get(path, version=PREVIEW))
            if not exchange.is_done or has_ended(exchange.answer):
                return True
            pause = next(pauses, None)
            if pause is None:
                return False
            self._connection.waiting.pause(pause)

    def _find(self) -> None:
        sought = sorted(self._made.sought)
        by_kind = {kind: [entry.name for entry in sought if entry.kind == kind] for kind, _ in sought}
        for external_id in by_kind.get("contact", ()):
            self._try(f"the contact {external_id}", self._find_contact, external_id)
        if "email" in by_kind:
            self._try("contacts without external_ids", self._find_emails, by_kind["email"])
        for company_id in by_kind.get("company", ()):
            self._try(f"the company {company_id}", self._find_company, company_id)
        for name in by_kind.get("company name", ()):
            self._try(f"the company {name}", self._find_named, name)
        if "tag" in by_kind:
            self._try("tags", partial(self._find_listed, "tag"), get("/tags"))
        if "attribute" in by_kind:
            for model in ("contact", "company"):
                call = get("/data_attributes", model=model)
                self._try(f"attributes of a {model}", partial(self._find_listed, "attribute"), call)

    def _find_contact(self, external_id: str) -> bool:
        exchange = self._send(get(f"/contacts/find_by_external_id/{external_id}"))
        if exchange.is_done or not self._is_thorough:
            return self._is_settled(Sought("contact", external_id), exchange)
        exchange = self._send(post("/contacts", {"role": "user", "external_id": external_id}))
        named = _ID.search(exchange.message or "")
        if exchange.status == _CONFLICT and named:
            self._made.ids["contact"][named[1]] = None
        return named is not None or self._is_settled(Sought("contact", external_id), exchange)

    def _is_settled(self, sought: Sought, exchange: Exchange) -> bool:
        """Return whether an answer told the id, or that there is no such object."""
        return exchange.status in _MISSING or (exchange.is_done and sought not in self._made.sought)

    def _find_emails(self, emails: list[str]) -> bool:
        """Search for leads whose answers were lost, until the index would show them; it shows those of long ago."""
        query = {"field": "email", "operator": "IN", "value": emails}
        known = set(self._made.ids["contact"])
        pauses = iter(()) if self._is_thorough else self._pauses()
        while True:
            exchange = self._send(post("/contacts/search", {"query": query}))
            ours = [entry for entry in listed(exchange) if self._made.found("contact", entry)]
            found = {str(entry["id"]) for entry in ours} - known
            pause = next(pauses, None)
            if found or pause is None:
                return exchange.is_done
            self._connection.waiting.pause(pause)

    def _find_company(self, company_id: str) -> bool:
        """Look for a company; where a look may not show one without people, write it, which gives its id."""
        sought = Sought("company", company_id)
        exchange = self._send(get("/companies", company_id=company_id))
        if exchange.is_done or self._made.finds_companies_without_people:
            return self._is_settled(sought, exchange)
        return self._is_settled(sought, self._send(post("/companies", {"company_id": company_id})))

    def _find_named(self, name: str) -> bool:
        exchange = self._send(get("/companies", name=name))
        if exchange.is_done:
            self._made.found("company", exchange.answer)
        return exchange.is_done or exchange.status in _MISSING

    def _find_listed(self, kind: str, call: Call) -> bool:
        exchange = self._send(call)
        for entry in exchange.answer["data"] if exchange.is_done else ():
            self._made.found(kind, entry)
        return exchange.is_done

    def _pauses(self) -> Iterator[float]:
        waited, pause = 0.0, self._patience.first
        while waited < self._patience.seconds:
            yield pause
            waited += pause
            pause = min(pause * self._patience.growth, self._patience.longest)

    # --- taking it away ---

    def _remove_contact(self, contact_id: str) -> bool:
        """Delete a contact for good; an archived one has to come back for that."""
        path = f"/contacts/{contact_id}"
        exchange = self._send(delete(path))
        if exchange.status in _MISSING:
            back = self._send(post(f"{path}/unarchive"))
            if not back.is_done:
                return self._may_wait(contact_id) if back.status == _CONFLICT else True  # deleted or merged before
            exchange = self._send(delete(path))
        return self._counted("contact", exchange)

    def _may_wait(self, contact_id: str) -> bool:
        """Return whether it may be tried once more when the other contacts are away."""
        is_first = contact_id not in self._held_back
        if is_first:
            self._held_back.append(contact_id)
        return is_first

    def _remove_company(self, company_id: str) -> bool:
        return self._counted("company", self._send(delete(f"/companies/{company_id}")))

    def _remove_tag(self, tag_id: str) -> bool:
        return self._counted("tag", self._send(delete(f"/tags/{tag_id}")))

    def _remove_attribute(self, attribute_id: str) -> bool:
        return self._counted("attribute", self._send(put(f"/data_attributes/{attribute_id}", {"archived": True})))

    def _counted(self, kind: str, exchange: Exchange) -> bool:
        self.cleaned.removed[kind] += exchange.is_done
        return exchange.is_done or exchange.status in _MISSING


def seek_all(script: Iterable[Step], made: Made) -> None:
    """Record as sought all that the script makes."""
    for step in script:
        made.before(fill(step.call, _Anything(p=made.prefix)))


class _Anything(dict[str, str]):
    """Every name, with what it stands for, or itself."""

    def __missing__(self, name: str) -> str:
        return name
