"""A client that writes nothing: it reads from Intercom, and answers writes as Intercom would."""

from __future__ import annotations

import typing as t
from contextlib import contextmanager, suppress
from types import MappingProxyType

from target_intercom.errors import ConflictError, Fault, NotFoundError
from target_intercom.intercom.dry_run.companies import MISSING, DryRunCompanyCalls
from target_intercom.intercom.dry_run.planned import PLANNED_PREFIX, Operation, Planned
from target_intercom.intercom.dry_run.workspace import PlannedWorkspace, after_write
from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX, Contact
from target_intercom.intercom.protocol.ids import ContactId, ExternalId, TagId
from target_intercom.intercom.protocol.workspace import DataAttribute, Tag, Tagged, tag_key

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import requests

    from target_intercom.intercom.connection import Call
    from target_intercom.intercom.dry_run.workspace import Shelves
    from target_intercom.intercom.outages import Tries
    from target_intercom.intercom.protocol.ids import CompanyId
    from target_intercom.json_lines import Json

_READS: t.Final = frozenset(["POST /companies/search", "POST /contacts/search"])
"""Calls that change nothing, beside GET."""
_NOT_IN_COMPANY: t.Final = Fault(status=404, message="the contact would not be in it")


class DryRunClient(DryRunCompanyCalls):
    """Sends nothing but reads; what would have been written is noted, and shows in what is read afterwards.

    What only a write reveals is not known: contacts that search does not show, emails that others have, values that
    Intercom refuses, and ids.
    """

    def __init__(self, *, note: Callable[[Planned], None], shelves: Shelves, **kwargs: t.Any) -> None:
        """See `DryRunCompanyCalls`."""
        super().__init__(note=note, shelves=shelves, **kwargs)
        self._planned = PlannedWorkspace(shelves)
        self._expected: dict[ContactId, Contact] = {}
        self._holders: dict[str, list[ContactId]] = {}
        self._tags: dict[TagId, Tag] | None = None

    def _exchange(self, call: Call) -> requests.Response:
        """Send a call, and make sure that it changes nothing."""
        if call.method != "GET" and call.operation not in _READS:
            raise RuntimeError(f"A dry run does not send {call.operation}")
        return super()._exchange(call)

    @contextmanager
    def expecting(self, contacts: Iterable[Contact], holders: Iterable[Contact] = ()) -> Iterator[None]:
        """Keep contacts as they were just read: until the block ends, changing them needs no further look.

        `holders`: users that are known to have had these emails; no other user can be created with one of them.
        """
        self._expected = {contact.id: contact for contact in contacts}
        self._holders = {}
        for contact in holders:
            if contact.email is not None:
                self._holders.setdefault(contact.email, []).append(contact.id)
        try:
            yield
        finally:
            self._expected, self._holders = {}, {}

    # Contacts.

    def create_contact(
        self,
        attributes: Mapping[str, Json],
        *,
        before: Callable[[], object] | None = None,
        again: bool = False,
        tries: Tries | None = None,
    ) -> Contact:
        """See `IntercomClient`."""
        del again, tries
        if attributes.get("role") != "lead":
            self._refuse_held(attributes.get("email"))
        if before is not None:
            before()
        with self._turn:
            contact = after_write(_blank(ContactId(self._stand_in())), attributes)
            self._planned.make(contact)
            self._note(Planned(Operation.CREATE, contact, attributes))
            return contact

    def get_contact(self, contact: ContactId) -> Contact:
        """See `IntercomClient`."""
        made = self._planned.made(contact)
        if made is not None:
            return made
        if self._planned.is_gone(contact):
            raise NotFoundError(MISSING)
        return self._planned.seen(super().get_contact(contact))

    def _is_made(self, contact: ContactId) -> bool:
        """Check whether the run would have made a contact; raises NotFoundError where it would be gone."""
        is_made = self._planned.made(contact) is not None
        if not is_made and self._planned.is_gone(contact):
            raise NotFoundError(MISSING)
        return is_made

    def update_contact(self, contact: ContactId, attributes: Mapping[str, Json]) -> Contact:
        """See `IntercomClient`."""
        before = self._before(contact)
        external_id = attributes.get("external_id")
        if external_id is not None and (before.role, before.external_id) != ("user", external_id):
            self._refuse_taken(contact, external_id)
        with self._turn:
            after = self._planned.change(before, attributes)
            self._note(Planned(Operation.UPDATE, before, attributes))
            return after

    def _refuse_taken(self, contact: ContactId, external_id: ExternalId) -> None:
        """Refuse an external_id that another user has, as Intercom does."""
        holder = self.find_user(external_id)
        if holder is not None and holder.id != contact:
            raise _conflict(holder)

    def _refuse_held(self, email: str | None) -> None:
        """Refuse an email that a known user still has, as Intercom does."""
        if email is None:
            return
        with self._turn:
            ids = {*self._holders.get(email, ()), *self._planned.having("email", [email])}
        for id_ in sorted(ids):
            with suppress(NotFoundError):
                holder = self.get_contact(id_)
                if (holder.role, holder.email) == ("user", email):
                    raise _conflict(holder)

    def archive_contact(self, contact: ContactId) -> None:
        """See `IntercomClient`."""
        self._remove(Operation.ARCHIVE, contact)

    def delete_contact(self, contact: ContactId) -> None:
        """See `IntercomClient`."""
        self._remove(Operation.DELETE, contact)

    def _remove(self, operation: Operation, contact: ContactId) -> None:
        before = self.get_contact(contact)
        with self._turn:
            self._planned.remove(contact)
            self._note(Planned(operation, before))

    def _before(self, contact: ContactId) -> Contact:
        expected = self._expected.get(contact)
        return self.get_contact(contact) if expected is None else self._planned.seen(expected)

    def find_user(self, external_id: ExternalId) -> Contact | None:
        """See `IntercomClient`; it may be asked of any API version here."""
        wanted = {"external_id": [external_id]}
        if not self.finds_by_external_id:
            found = self.search_contacts(wanted)
        else:
            live = super().find_user(external_id)
            shown = [] if live is None or self._planned.is_gone(live.id) else [self._planned.seen(live)]
            found = [one for one in shown if _is_wanted(one, wanted)] + self._written(wanted, [one.id for one in shown])
        return next((one for one in found if one.role == "user"), None)

    def search_contacts(self, wanted: Mapping[str, Sequence[str]]) -> list[Contact]:
        """See `IntercomClient`."""
        # What would be made has no id that Intercom knows.
        asked = {**wanted, "id": [one for one in wanted.get("id", ()) if not one.startswith(PLANNED_PREFIX)]}
        shown = super().search_contacts(asked) if any(asked.values()) else []
        found = [self._planned.seen(one) for one in shown if not self._planned.is_gone(one.id)]
        return [one for one in found if _is_wanted(one, wanted)] + self._written(wanted, [one.id for one in shown])

    def _written(self, wanted: Mapping[str, Sequence[str]], shown: Iterable[ContactId]) -> list[Contact]:
        """Return contacts that would be found by what would have been written, beside those that search shows."""
        with self._turn:
            ids = {one for name, values in wanted.items() for one in self._planned.having(name, values)}
        known = [self.get_contact(one) for one in sorted(ids - set(shown)) if not self._planned.is_gone(one)]
        return [one for one in known if _is_wanted(one, wanted)]

    # Tags.

    def tags(self) -> list[Tag]:
        """See `IntercomClient`."""
        listed = [*super().tags(), *self._planned.new_tags.values()]
        self._tags = {tag.id: tag for tag in listed}
        return listed

    def create_tag(self, name: str) -> Tag:
        """See `IntercomClient`."""
        with self._turn:
            known = self._planned.new_tags.get(tag_key(name))
            if known is not None:
                return known
            tag = Tag(TagId(self._stand_in()), name)
            self._planned.new_tags[tag_key(name)] = self._known_tags()[tag.id] = tag
            self._note(Planned(Operation.CREATE_TAG, tag=name))
            return tag

    def tag_contacts(
        self, name: str, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]] = ()
    ) -> Tagged:
        """See `IntercomClient`."""
        del others
        named = (tag for tag in self._known_tags().values() if tag_key(tag.name) == tag_key(name))
        tag = next(named, None) or self.create_tag(name)
        there = {one.id: one for one in self.search_contacts({"id": contacts})}
        done = frozenset(one for one in contacts if one in there)
        with self._turn:
            for contact in sorted(done):
                self._tag(there[contact], tag)
        return Tagged(tag, done)

    def contact_tags(self, contact: ContactId) -> list[Tag]:
        """See `IntercomClient`."""
        listed = [] if self._is_made(contact) else super().contact_tags(contact)
        known = {**self._known_tags(), **{tag.id: tag for tag in listed}}
        return [known[tag] for tag in sorted(self._planned.tags.of(contact, (one.id for one in listed)))]

    def tag_contact(self, contact: ContactId, tag: TagId) -> None:
        """See `IntercomClient`."""
        before = self.get_contact(contact)
        with self._turn:
            self._tag(before, self._known_tag(tag))

    def untag_contact(self, contact: ContactId, tag: TagId) -> None:
        """See `IntercomClient`."""
        before = self.get_contact(contact)
        if tag not in before.tags and (before.shows_all_tags or not self._has(contact, tag)):
            raise NotFoundError(MISSING)
        name = self._known_tag(tag).name
        with self._turn:
            self._planned.tags.take_off(contact, tag)
            self._note(Planned(Operation.UNTAG, before, tag=name))

    def _has(self, contact: ContactId, tag: TagId) -> bool:
        return any(one.id == tag for one in self.contact_tags(contact))

    def _tag(self, contact: Contact, tag: Tag) -> None:
        self._planned.tags.put_on(contact.id, tag.id)
        self._note(Planned(Operation.TAG, contact, tag=tag.name))

    def _known_tag(self, tag: TagId) -> Tag:
        known = self._known_tags().get(tag)
        if known is None:
            raise NotFoundError(MISSING)
        return known

    def _known_tags(self) -> dict[TagId, Tag]:
        """Return all tags; many threads that ask for them first read them once."""
        with self._turn:
            if self._tags is None:
                self._tags = {tag.id: tag for tag in self.tags()}
            return self._tags

    # Who works where.

    def company_contacts(self, company: CompanyId) -> Iterator[ContactId]:
        """See `CompanyCalls`: those who would stay in it."""
        for contact in super().company_contacts(company):
            if not self._planned.is_gone(contact) and company in self._planned.companies.of(contact, [company]):
                yield contact

    def contact_companies(self, contact: ContactId) -> list[CompanyId]:
        """See `IntercomClient`."""
        listed = [] if self._is_made(contact) else super().contact_companies(contact)
        return sorted(self._planned.companies.of(contact, listed))

    def attach_company(self, contact: ContactId, company: CompanyId) -> None:
        """See `IntercomClient`."""
        before, company_id = self.get_contact(contact), self.company_id(company)
        with self._turn:
            self._planned.companies.put_on(contact, company)
            self._note(Planned(Operation.ATTACH, before, company_id=company_id))

    def detach_company(self, contact: ContactId, company: CompanyId) -> None:
        """See `IntercomClient`."""
        before, company_id = self.get_contact(contact), self.company_id(company)
        is_in = company in before.companies
        if not is_in and (before.shows_all_companies or company not in self.contact_companies(contact)):
            raise NotFoundError(_NOT_IN_COMPANY)
        with self._turn:
            self._planned.companies.take_off(contact, company)
            self._note(Planned(Operation.DETACH, before, company_id=company_id))

    # The rest.

    def create_data_attribute(self, name: str, data_type: str, model: str = "contact") -> DataAttribute:
        """See `IntercomClient`."""
        made = DataAttribute(
            name=name,
            full_name=CUSTOM_PREFIX + name,
            data_type=data_type,
            custom=True,
            api_writable=True,
            archived=False,
            options=None,
        )
        with self._turn:
            self._note(Planned(Operation.CREATE_ATTRIBUTE, attribute=made, model=model))
        return made


def _conflict(holder: Contact) -> ConflictError:
    words = f"A contact matching those details already exists with id={holder.id}"
    return ConflictError(Fault(409, "conflict", words), contact_id=holder.id, archived=False)


def _blank(contact: ContactId) -> Contact:
    return Contact(contact, "user", None, None, MappingProxyType({}), shows_all_tags=True, shows_all_companies=True)


def _is_wanted(contact: Contact, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Check whether a search would find a contact as it would be."""
    has = {"id": contact.id, "external_id": contact.external_id, "email": contact.email}
    return any(has[name] in values for name, values in wanted.items())
