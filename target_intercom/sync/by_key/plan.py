"""Decides what is written to an object that is known by its key: create, update or skip, and which attributes. Pure."""

from __future__ import annotations

import html
import typing as t
from functools import reduce
from types import MappingProxyType

from target_intercom.model import Found, NotFound
from target_intercom.outcomes import Result, SkipReason
from target_intercom.sync.planning.wanted import folded, same
from target_intercom.writes import ContactRecords, Create, Saved, Skipped, Update

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.kinds.entity import EntityKind
    from target_intercom.model import Contact, ContactDraft, ContactId, Entry, Json
    from target_intercom.settings.config import StreamConfig, SyncMode
    from target_intercom.sync.by_key.known import KeyMatch
    from target_intercom.writes import PlannedWrite


def key_of(entry: Entry) -> ContactId | None:
    """Return the key that a record names; None: a mark may name none."""
    named = entry.draft.identity.external_id
    return None if named is None else t.cast("ContactId", named)


def known_of(entry: Entry) -> Contact | None:
    """Return the object that the ledger has for a record, where it still names it: a new key is another object."""
    return entry.contact if entry.contact is not None and entry.contact.id == key_of(entry) else None


def rounds(
    entries: Iterable[Entry], matches: Mapping[ContactId, KeyMatch], mode: SyncMode
) -> list[list[ContactRecords]]:
    """Lay the records of each object over each other, and return what goes together, one round after the other.

    Records that are tried alone go each in a round of its own.
    """
    writes: dict[ContactId, list[ContactRecords]] = {}
    for entry in entries:
        key = key_of(entry)
        match = None if key is None else matches[key]
        if key is None or not isinstance(match, Found | NotFound):
            raise ValueError("a record without an object")
        of_key = writes.setdefault(key, [])
        if of_key and not entry.alone:
            records = of_key[-1]
            records.entries.append(entry)
            if not mode.first_wins:
                records.draft = folded(records.draft, entry.draft)
        else:
            of_key.append(ContactRecords(match, entry.draft, [entry]))
    most = max(map(len, writes.values()), default=0)
    return [[of_key[turn] for of_key in writes.values() if len(of_key) > turn] for turn in range(most)]


def planned_write(records: ContactRecords, config: StreamConfig, kind: EntityKind) -> PlannedWrite:
    """Decide what the records of one object lead to."""
    match records.match:
        case NotFound():
            if not config.sync_mode.creates:
                return Skipped(records, SkipReason.NOT_CREATED)
            # Also its nulls: an object that the ledger does not know may be there.
            return Create(records, "user", MappingProxyType(dict(records.draft.attributes)))
        case Found(contact):
            if not config.sync_mode.updates:
                return Skipped(records, SkipReason.EXISTS)
            changes = differing(records.draft, contact, kind)
            if not changes if contact.is_read else _are_in_line(records):
                return Saved(records, Result.UNCHANGED, contact)
            return Update(records, contact, MappingProxyType(changes))


def _are_in_line(records: ContactRecords) -> bool:
    """Check whether records say no more than the last ones of their keys, which are as the ledger has them."""
    last = {entry.key: entry for entry in records.entries}
    said = reduce(folded, (entry.draft for entry in records.entries if last[entry.key] is entry))
    return all(entry.is_in_line for entry in last.values()) and said.attributes == records.draft.attributes


def differing(draft: ContactDraft, contact: Contact, kind: EntityKind) -> Mapping[str, Json]:
    """Return the attributes in which an object differs from a draft; of one that was not read everything may."""
    if not contact.is_read:
        return draft.attributes
    shown = contact.attributes
    return {name: value for name, value in draft.attributes.items() if not _is_same(value, shown.get(name), name, kind)}


def _is_same(wanted: Json, live: Json, name: str, kind: EntityKind) -> bool:
    """Compare with what Intercom shows: texts may be HTML-escaped, and a null may stand for a value."""
    if same(wanted, live, name) or (wanted == kind.nulls.get(name, ...) and live is None):
        return True
    return name in kind.may_be_escaped and isinstance(live, str) and wanted == html.unescape(live)
