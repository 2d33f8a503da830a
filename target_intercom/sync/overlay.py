"""The records of a batch, one contact at a time. Pure.

Records of one contact are laid over each other, so that the result is that of one after the other. A record that
shares an identifier with a contact that others of the batch write, without being that contact's, waits until those
are written. So any split into batches gives the same workspace.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace

from target_intercom.config import CreationMode, SyncMode
from target_intercom.intercom.protocol import Contact, ContactId
from target_intercom.model import (
    Ambiguous,
    ContactDraft,
    Entry,
    Found,
    Group,
    Identity,
    MatchBy,
    MergedAway,
    NotFound,
    Unanswered,
)
from target_intercom.sync.planning import creates, lay_over, role_of

if t.TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.config import StreamConfig
    from target_intercom.model import Identifier, Match, RecordKey
    from target_intercom.sync.matching import View


@dataclass(slots=True)
class Wave:
    """The part of a batch that can be written at once, and the part that has to wait for it."""

    groups: list[Group] = field(default_factory=list)
    """One for each contact that live records name."""
    refused: list[tuple[Entry, MergedAway | Ambiguous | Unanswered]] = field(default_factory=list)
    marks: list[tuple[Entry, Match]] = field(default_factory=list)
    """Marks to remove a contact that no live record of the wave before them names."""
    waiting: list[Entry] = field(default_factory=list)


def overlay(entries: Iterable[Entry], view: View, config: StreamConfig) -> Wave:
    """Sort the records of a batch by contact, in their order. The view is changed: it ends as after the writes."""
    return _Overlay(view, config).run(entries)


class _Overlay:
    def __init__(self, view: View, config: StreamConfig) -> None:
        self._view = view
        self._config = config
        self._wave = Wave()
        self._groups: dict[ContactId, Group] = {}
        self._written: dict[Identifier, ContactId] = {}
        self._blocked: set[Identifier | RecordKey] = set()
        self._waits: set[tuple[Identity, ContactId | None, bool]] = set()
        """Whose records wait, by all that decides it but the key: a long line for one contact is matched once."""
        self._shared: set[Identifier] = set()
        self._keys: dict[RecordKey, ContactId | None] = {}

    def run(self, entries: Iterable[Entry]) -> Wave:
        for entry in entries:
            self._place(entry)
        return self._wave

    def _place(self, entry: Entry) -> None:
        draft = entry.draft
        alike = (draft.identity, None if entry.contact is None else entry.contact.id, draft.removed)
        if alike in self._waits:
            self._blocked.update(_keys_of(entry))
            self._wave.waiting.append(entry)
            return
        names = set(draft.identity.identifiers())
        match = self._view.match(
            draft.identity,
            self._config.match_by,
            known=None if entry.contact is None else entry.contact.id,
            follow_merge=not draft.removed,
            makes_lead=not draft.removed and role_of(draft, self._config.creation_mode) == "lead",
        )
        contact = match.contact.id if isinstance(match, Found) else None
        involved: set[Identifier | RecordKey] = {*names, *_keys_of(entry)}
        if isinstance(match, Found):
            involved.update(Identity.of(match.contact).identifiers())
        # Whoever has what others want to be made with, or is to be removed by it, comes after they were refused.
        shared = involved & self._shared and (draft.removed or not isinstance(match, NotFound))
        group = self._groups.get(contact) if contact is not None else None
        others = {self._written[name] for name in names if name in self._written} - {contact}
        if (
            others
            or shared
            or involved & self._blocked
            or self._follows(entry, contact)
            or (entry.has_moved and group is not None and any(other.key != entry.key for other in group.entries))
            or (group is not None and self._apart(group, entry))
        ):
            self._blocked |= involved
            if names:
                self._waits.add(alike)
            self._wave.waiting.append(entry)
        elif draft.removed:
            self._mark(entry, match, group)
        else:
            self._live(entry, match, group)

    def _follows(self, entry: Entry, contact: ContactId | None) -> bool:
        """Tell whether the ledger will know more of a record once an earlier one of the same key is written.

        Its identifiers may have changed in between, or it may have none, as a log-based deletion.
        """
        if entry.key is None:
            return False
        return self._keys.get(entry.key, contact) != contact

    def _apart(self, group: Group, entry: Entry) -> bool:
        """Tell whether a record must not be laid over the others of its contact.

        It, or they, were refused together; or the contact is still to be made with an identifier that somebody else
        has, so that Intercom has a word to say before the next record.
        """
        if not entry.draft.removed and (entry.alone or any(other.alone for other in group.entries)):
            return True
        if isinstance(group.match, Found):
            return False
        names = {*group.draft.identity.identifiers(), *entry.draft.identity.identifiers()}
        return len({contact.id for which, value in names for contact in self._view.named(which, value)}) > 1

    def _mark(self, entry: Entry, match: Match, group: Group | None) -> None:
        if group is not None:
            group.ended.append(entry)
            return
        self._wave.marks.append((entry, match))

    def _live(self, entry: Entry, match: Match, group: Group | None) -> None:
        match match:
            case Ambiguous() | MergedAway() | Unanswered():
                self._wave.refused.append((entry, match))
            case Found(contact):
                if group is None:
                    self._start(contact, Group(match, entry.draft, [entry]))
                else:
                    self._add(contact, group, entry)
            case NotFound():
                group = Group(match, entry.draft, [entry])
                if creates(entry.draft, self._config):
                    self._start(_newborn(entry.draft, self._config.creation_mode, len(self._wave.groups)), group)
                else:
                    self._wave.groups.append(group)
                    self._keys.update(dict.fromkeys(_keys_of(entry), None))

    def _start(self, contact: Contact, group: Group) -> None:
        """Begin a contact's group."""
        self._wave.groups.append(group)
        self._groups[contact.id] = group
        self._settle(contact, group)

    def _add(self, contact: Contact, group: Group, entry: Entry) -> None:
        """Lay a record over the others of its contact."""
        group.entries.append(entry)
        if self._config.sync_mode is not SyncMode.INSERT:
            group.draft = ContactDraft(
                _laid_identity(group.draft.identity, entry.draft),
                lay_over(group.draft.attributes, entry.draft.attributes),
            )
        self._settle(contact, group)

    def _settle(self, contact: Contact, group: Group) -> None:
        """Note which identifiers the contact has had and will have, and show it as it will be."""
        self._keys.update(dict.fromkeys(_keys_of(group.entries[-1]), contact.id))
        after = contact
        if isinstance(group.match, NotFound) or self._config.sync_mode.updates:
            after = _after(contact, group.draft, self._config.creation_mode)
        for name in {
            *Identity.of(contact).identifiers(),
            *Identity.of(after).identifiers(),
            *group.entries[-1].draft.identity.identifiers(),
        }:
            if isinstance(group.match, NotFound) and self._is_taken(name, contact):
                self._shared.add(name)
            else:
                self._written[name] = contact.id
        self._view.put(after)

    def _is_taken(self, name: Identifier, contact: Contact) -> bool:
        """Tell whether a contact that is to be made has the email of a user who is there and is somebody else.

        All who have such an email (a shared mailbox, say) can be made at once: Intercom refuses each for itself.
        """
        which, value = name
        if which is not MatchBy.EMAIL or contact.external_id is None:
            return False
        return any(
            other.role == "user" and other.id != contact.id and other.id not in self._groups
            for other in self._view.named(which, value)
        )


def _keys_of(entry: Entry) -> tuple[RecordKey, ...]:
    return () if entry.key is None else (entry.key,)


def _laid_identity(earlier: Identity, later: ContactDraft) -> Identity:
    return Identity(
        external_id=later.identity.external_id if later.identity.external_id is not None else earlier.external_id,
        email=None if _clears_email(later) else later.identity.email or earlier.email,
        id=later.identity.id if later.identity.id is not None else earlier.id,
    )


def _clears_email(draft: ContactDraft) -> bool:
    return "email" in draft.attributes and draft.attributes["email"] is None


def _newborn(draft: ContactDraft, mode: CreationMode, number: int) -> Contact:
    """Stand in for a contact that does not exist yet; Intercom's ids have no such form."""
    role = role_of(draft, mode)
    return Contact(
        id=ContactId(f"new {number}"),
        role=role,
        external_id=draft.identity.external_id if role == "user" else None,
        email=draft.identity.email,
        attributes={},
    )


def _after(contact: Contact, draft: ContactDraft, mode: CreationMode) -> Contact:
    """Show a contact's identity as it is once the draft is written."""
    becomes_user = contact.role == "lead" and mode is CreationMode.LIFECYCLE and draft.identity.external_id is not None
    role = "user" if becomes_user else contact.role
    return replace(
        contact,
        role=role,
        external_id=draft.identity.external_id
        if role == "user" and draft.identity.external_id is not None
        else contact.external_id,
        email=None if _clears_email(draft) else draft.identity.email or contact.email,
    )
