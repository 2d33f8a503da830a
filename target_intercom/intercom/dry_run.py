"""A client that writes nothing: it reads from Intercom, and answers writes as Intercom would."""

from __future__ import annotations

import enum
import threading
import typing as t
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from types import MappingProxyType

from target_intercom.errors import ConflictError, Fault, NotFoundError
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.protocol.contacts import CUSTOM_PREFIX, Contact
from target_intercom.intercom.protocol.ids import ContactId, Email, ExternalId, TagId
from target_intercom.intercom.protocol.workspace import DataAttribute, Tag, Tagged

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import requests

    from target_intercom.intercom.connection import Call
    from target_intercom.intercom.outages import Tries
    from target_intercom.json_lines import Json

_READS: t.Final = frozenset(["POST /contacts/search"])
"""Calls that change nothing, beside GET."""
_STAND_IN: t.Final = "planned-"
"""Begins the ids of what would be made."""
_IDENTITY: t.Final = frozenset(["role", "external_id"])
"""The parts of a write that are no attributes of the contact."""
_MISSING: t.Final = Fault(status=404, message="it would not be there")


class Operation(str, enum.Enum):
    """The kind of a write that a run would do."""

    CREATE = "create"
    UPDATE = "update"
    ARCHIVE = "archive"
    DELETE = "delete"
    TAG = "tag"
    UNTAG = "untag"
    CREATE_TAG = "create_tag"
    CREATE_ATTRIBUTE = "create_attribute"


@dataclass(frozen=True, slots=True)
class Planned:
    """A write that a run would do."""

    operation: Operation
    contact: Contact | None = None
    """As it is before; one that would be made, as it would be."""
    attributes: Mapping[str, Json] = field(default_factory=dict)
    """The attributes that would be sent."""
    tag: str | None = None
    attribute: DataAttribute | None = None

    @property
    def is_of_new_contact(self) -> bool:
        """Whether the contact does not exist yet."""
        return self.contact is not None and self.contact.id.startswith(_STAND_IN)


class _Shadow:
    """The workspace as it would be: what would have been written, to be laid over what is read."""

    def __init__(self) -> None:
        self.new_tags: dict[str, Tag] = {}
        """By name without case."""
        self._made: dict[ContactId, Contact] = {}
        self._changed: dict[ContactId, Mapping[str, Json]] = {}
        self._gone: set[ContactId] = set()
        # Tuples, of one contact nearly always: a set takes four times the memory.
        self._named: dict[str, dict[str, tuple[ContactId, ...]]] = {"external_id": {}, "email": {}}
        self._on: dict[ContactId, set[TagId]] = defaultdict(set)
        self._off: dict[ContactId, set[TagId]] = defaultdict(set)

    def make(self, contact: Contact) -> None:
        self._made[contact.id] = contact
        self._name(contact)

    def change(self, contact: Contact, attributes: Mapping[str, Json]) -> Contact:
        """Add a change of a contact; returns the contact as it would be."""
        changed = _changed(contact, attributes)
        if contact.id in self._made:
            self._made[contact.id] = changed
        else:
            self._changed[contact.id] = {**self._changed.get(contact.id, {}), **attributes}
        self._name(changed)
        return changed

    def remove(self, contact: ContactId) -> None:
        self._made.pop(contact, None)
        self._gone.add(contact)

    def tag(self, contact: ContactId, tag: TagId) -> None:
        self._on[contact].add(tag)
        self._off[contact].discard(tag)

    def untag(self, contact: ContactId, tag: TagId) -> None:
        self._off[contact].add(tag)
        self._on[contact].discard(tag)

    def made(self, contact: ContactId) -> Contact | None:
        """Return a contact that would have been made."""
        known = self._made.get(contact)
        return None if known is None else replace(known, tags=self.tags_of(contact, ()), shows_all_tags=True)

    def is_gone(self, contact: ContactId) -> bool:
        return contact in self._gone or (contact.startswith(_STAND_IN) and contact not in self._made)

    def seen(self, contact: Contact) -> Contact:
        """Return a contact that was read, with what would have been written to it."""
        changed = _changed(contact, self._changed.get(contact.id, {}))
        return replace(changed, tags=self.tags_of(contact.id, contact.tags))

    def tags_of(self, contact: ContactId, shown: Iterable[TagId]) -> frozenset[TagId]:
        return frozenset(shown) - self._off.get(contact, set()) | self._on.get(contact, set())

    def having(self, field_: str, values: Iterable[str]) -> set[ContactId]:
        """Return the contacts that have had one of these values since they would have been written."""
        if field_ == "id":
            return {ContactId(value) for value in values if value in self._made}
        named = self._named[field_]
        return {contact for value in values for contact in named.get(value, ())}

    def _name(self, contact: Contact) -> None:
        for field_, value in (("external_id", contact.external_id), ("email", contact.email)):
            if value is not None and contact.id not in (known := self._named[field_].get(value, ())):
                self._named[field_][value] = (*known, contact.id)


class DryRunClient(IntercomClient):
    """Sends nothing but reads; what would have been written is noted, and shows in what is read afterwards.

    What only a write reveals is not known: contacts that search does not show, emails that others have, values that
    Intercom refuses, and ids. Memory grows with what would be written, by about 2 kB a contact.
    """

    def __init__(self, *, note: Callable[[Planned], None], **kwargs: t.Any) -> None:
        """`note` takes each write, from any thread, one at a time; the rest is as of `IntercomClient`."""
        super().__init__(**kwargs)
        self._note = note
        self._shadow = _Shadow()
        self._ids = count(1)
        self._turn = threading.RLock()
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
            contact = _changed(_blank(ContactId(self._stand_in())), attributes)
            self._shadow.make(contact)
            self._note(Planned(Operation.CREATE, contact, attributes))
            return contact

    def get_contact(self, contact: ContactId) -> Contact:
        """See `IntercomClient`."""
        made = self._shadow.made(contact)
        if made is not None:
            return made
        if self._shadow.is_gone(contact):
            raise NotFoundError(_MISSING)
        return self._shadow.seen(super().get_contact(contact))

    def update_contact(self, contact: ContactId, attributes: Mapping[str, Json]) -> Contact:
        """See `IntercomClient`."""
        before = self._before(contact)
        external_id = attributes.get("external_id")
        if external_id is not None and (before.role, before.external_id) != ("user", external_id):
            self._refuse_taken(contact, external_id)
        with self._turn:
            after = self._shadow.change(before, attributes)
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
            ids = {*self._holders.get(email, ()), *self._shadow.having("email", [email])}
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
            self._shadow.remove(contact)
            self._note(Planned(operation, before))

    def _before(self, contact: ContactId) -> Contact:
        expected = self._expected.get(contact)
        return self.get_contact(contact) if expected is None else self._shadow.seen(expected)

    def find_user(self, external_id: ExternalId) -> Contact | None:
        """See `IntercomClient`; it may be asked of any API version here."""
        wanted = {"external_id": [external_id]}
        if not self.finds_by_external_id:
            found = self.search_contacts(wanted)
        else:
            live = super().find_user(external_id)
            shown = [] if live is None or self._shadow.is_gone(live.id) else [self._shadow.seen(live)]
            found = [one for one in shown if _is_wanted(one, wanted)] + self._written(wanted, [one.id for one in shown])
        return next((one for one in found if one.role == "user"), None)

    def search_contacts(self, wanted: Mapping[str, Sequence[str]]) -> list[Contact]:
        """See `IntercomClient`."""
        # What would be made has no id that Intercom knows.
        asked = {**wanted, "id": [one for one in wanted.get("id", ()) if not one.startswith(_STAND_IN)]}
        shown = super().search_contacts(asked) if any(asked.values()) else []
        found = [self._shadow.seen(one) for one in shown if not self._shadow.is_gone(one.id)]
        return [one for one in found if _is_wanted(one, wanted)] + self._written(wanted, [one.id for one in shown])

    def _written(self, wanted: Mapping[str, Sequence[str]], shown: Iterable[ContactId]) -> list[Contact]:
        """Return contacts that would be found by what would have been written, beside those that search shows."""
        with self._turn:
            ids = {one for name, values in wanted.items() for one in self._shadow.having(name, values)}
        known = [self.get_contact(one) for one in sorted(ids - set(shown)) if not self._shadow.is_gone(one)]
        return [one for one in known if _is_wanted(one, wanted)]

    # Tags.

    def tags(self) -> list[Tag]:
        """See `IntercomClient`."""
        listed = [*super().tags(), *self._shadow.new_tags.values()]
        self._tags = {tag.id: tag for tag in listed}
        return listed

    def create_tag(self, name: str) -> Tag:
        """See `IntercomClient`."""
        with self._turn:
            known = self._shadow.new_tags.get(name.lower())
            if known is not None:
                return known
            tag = Tag(TagId(self._stand_in()), name)
            self._shadow.new_tags[name.lower()] = self._known_tags()[tag.id] = tag
            self._note(Planned(Operation.CREATE_TAG, tag=name))
            return tag

    def tag_contacts(
        self, name: str, contacts: Sequence[ContactId], others: Sequence[Sequence[ContactId]] = ()
    ) -> Tagged:
        """See `IntercomClient`."""
        del others
        named = (tag for tag in self._known_tags().values() if tag.name.lower() == name.lower())
        tag = next(named, None) or self.create_tag(name)
        there = {one.id: one for one in self.search_contacts({"id": contacts})}
        done = frozenset(one for one in contacts if one in there)
        with self._turn:
            for contact in sorted(done):
                self._tag(there[contact], tag)
        return Tagged(tag, done)

    def contact_tags(self, contact: ContactId) -> list[Tag]:
        """See `IntercomClient`."""
        made = self._shadow.made(contact)
        if made is None and self._shadow.is_gone(contact):
            raise NotFoundError(_MISSING)
        listed = [] if made is not None else super().contact_tags(contact)
        known = {**self._known_tags(), **{tag.id: tag for tag in listed}}
        return [known[tag] for tag in sorted(self._shadow.tags_of(contact, (one.id for one in listed)))]

    def tag_contact(self, contact: ContactId, tag: TagId) -> None:
        """See `IntercomClient`."""
        before = self.get_contact(contact)
        with self._turn:
            self._tag(before, self._known_tag(tag))

    def untag_contact(self, contact: ContactId, tag: TagId) -> None:
        """See `IntercomClient`."""
        before = self.get_contact(contact)
        if tag not in before.tags and (before.shows_all_tags or not self._has(contact, tag)):
            raise NotFoundError(_MISSING)
        name = self._known_tag(tag).name
        with self._turn:
            self._shadow.untag(contact, tag)
            self._note(Planned(Operation.UNTAG, before, tag=name))

    def _has(self, contact: ContactId, tag: TagId) -> bool:
        return any(one.id == tag for one in self.contact_tags(contact))

    def _tag(self, contact: Contact, tag: Tag) -> None:
        self._shadow.tag(contact.id, tag.id)
        self._note(Planned(Operation.TAG, contact, tag=tag.name))

    def _known_tag(self, tag: TagId) -> Tag:
        known = self._known_tags().get(tag)
        if known is None:
            raise NotFoundError(_MISSING)
        return known

    def _known_tags(self) -> dict[TagId, Tag]:
        """Return all tags; many threads that ask for them first read them once."""
        with self._turn:
            if self._tags is None:
                self._tags = {tag.id: tag for tag in self.tags()}
            return self._tags

    # The rest.

    def create_data_attribute(self, name: str, data_type: str) -> DataAttribute:
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
            self._note(Planned(Operation.CREATE_ATTRIBUTE, attribute=made))
        return made

    def _stand_in(self) -> str:
        return f"{_STAND_IN}{next(self._ids)}"


def _conflict(holder: Contact) -> ConflictError:
    words = f"A contact matching those details already exists with id={holder.id}"
    return ConflictError(Fault(409, "conflict", words), contact_id=holder.id, archived=False)


def _blank(contact: ContactId) -> Contact:
    return Contact(contact, "user", None, None, MappingProxyType({}), shows_all_tags=True)


def _changed(contact: Contact, attributes: Mapping[str, Json]) -> Contact:
    """Return a contact as it is after a write."""
    if not attributes:
        return contact
    external_id, email = (
        attributes.get(name, now) for name, now in (("external_id", contact.external_id), ("email", contact.email))
    )
    values = {name: value for name, value in attributes.items() if name not in _IDENTITY}
    return replace(
        contact,
        role=attributes.get("role", contact.role),
        external_id=None if external_id is None else ExternalId(external_id),
        email=None if email is None else Email(email),
        attributes=MappingProxyType({**contact.attributes, **values}),
    )


def _is_wanted(contact: Contact, wanted: Mapping[str, Sequence[str]]) -> bool:
    """Check whether a search would find a contact as it would be."""
    has = {"id": contact.id, "external_id": contact.external_id, "email": contact.email}
    return any(has[name] in values for name, values in wanted.items())
