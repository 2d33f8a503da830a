"""What a run knows of the links of one kind, and the memberships that a batch of records changes."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field, replace

from target_intercom.ledger.memberships.states import LinkState
from target_intercom.ledger.remembered import Stamp, stamp
from target_intercom.model import stand_in
from target_intercom.sync.linking.changes import MembershipChange, ShownLinks, decide, waiting_for_outcome
from target_intercom.sync.remembering.fingerprints import lists_print

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.kinds.link import LinkCatalog, LinkKind
    from target_intercom.ledger.interface import Ledger
    from target_intercom.ledger.memberships.states import Membership, MembershipId
    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.model import Contact, GroupKey, LinkedId, LinkName, Pair, RecordKey
    from target_intercom.settings.config import Config


@dataclass(frozen=True)
class Links:
    """What a run knows of the links of one kind."""

    kind: LinkKind
    catalog: LinkCatalog
    ledger: Ledger
    memberships: Memberships
    """Those of this kind: the ledger's, or of this run alone where there is no ledger."""
    config: Config
    streams: list[str] = field(default_factory=list)
    """The streams of this run that name groups."""
    unreadable: set[str] = field(default_factory=set)
    """The groups streams with a refused record whose key cannot be read."""
    named_by: dict[str, str] = field(default_factory=dict)
    """By groups stream: the property of its records that names the group."""

    def add_stream(self, stream: str) -> None:
        """Add a stream of this run that names groups."""
        if stream not in self.streams:
            self.streams.append(stream)

    def batch(self) -> MembershipBatch:
        """Return a new batch of changes."""
        return MembershipBatch(self)

    def linked_id(self, one: Membership) -> LinkedId | None:
        """Return the id of what a membership's contact is linked to; None: the workspace does not have it."""
        return self.group_id(one.group, one.name) if one.linked is None else one.linked

    def group_id(self, group: GroupKey, name: str) -> LinkedId | None:
        """Return the id of what a group is in Intercom; None: the workspace does not have it."""
        linked = self.catalog.get(group, name)
        return None if linked is None else linked.id

    def shown(self, contact: Contact) -> ShownLinks:
        """Return the links that a contact shows."""
        return ShownLinks(self.kind.shown(contact), self.kind.shows_all(contact), self.kind.own_id)

    def look_up(self, contacts: Iterable[tuple[Contact, str]]) -> None:
        """Ask for what is needed to see whether contacts have their links; each contact with the name of a group."""
        names = {name for contact, name in contacts if self.kind.shown(contact)}
        if names:
            self.catalog.look_up(names)

    def recent_since(self) -> Stamp:
        """Return since when links may have changed and search may not show it yet."""
        return stamp(time.time() - self.config.search_delay_seconds)

    # Streams.

    def lists_groups(self, stream: str) -> bool:
        """Check whether a stream of this run has contact records, which list their groups."""
        return stream in self.streams and self.config.stream(stream).links is None

    def takes_off(self, stream: str) -> bool:
        """Check whether links are taken off that a stream's records no longer name."""
        return self.config.stream(stream).takes_links_off


@dataclass(frozen=True, slots=True)
class ListedGroups:
    """The groups that a contact's record lists, by kind of link."""

    stream: str
    key: RecordKey
    contact: Contact
    listed: Mapping[LinkName, Mapping[GroupKey, str]]

    def change(self, links: Links) -> MembershipChange | None:
        """Return what it lists of one kind of link; None: it says nothing of it."""
        name = links.kind.names.kind
        groups = self.listed.get(name)
        if groups is None:
            return None
        return MembershipChange(
            kind=name,
            stream=self.stream,
            key=self.key,
            contact=self.contact,
            groups=groups,
            releases=links.takes_off(self.stream),
            is_doubtful=links.config.repair,
        )


def save_lists(memberships: Memberships, kinds: Iterable[Links], lists: Sequence[ListedGroups]) -> None:
    """Write what contact records list, of every kind of link, with the hashes of their lists.

    `memberships` are those of all kinds.
    """
    changed: list[Membership] = []
    dropped: list[Membership] = []
    for links in kinds:
        changes = [change for one in lists if (change := one.change(links)) is not None]
        if changes:
            batch = links.batch()
            batch.read_lists(changes)
            for change in changes:
                batch.add(change)
            for rows, of_kind in zip((changed, dropped), batch.changes(), strict=True):
                rows.extend(of_kind)
    memberships.save(changed, dropped, {(one.stream, one.key): lists_print(one.listed) for one in lists})


class MembershipBatch:
    """The memberships that the records of a batch change, one record after the other; read and written together."""

    def __init__(self, links: Links) -> None:
        """Nothing is read or changed yet."""
        self._links = links
        self._known: dict[MembershipId, Membership] = {}
        self._by_key: dict[tuple[str, RecordKey], set[MembershipId]] = defaultdict(set)
        self._by_pair: dict[Pair, set[MembershipId]] = defaultdict(set)
        self._changed: dict[MembershipId, Membership] = {}
        self._dropped: dict[MembershipId, Membership] = {}

    def read_records(self, stream: str, keys: Iterable[RecordKey]) -> None:
        """Read the memberships that these records have made before."""
        for rows in self._links.memberships.of_keys(stream, set(keys)).values():
            self._add_read(rows)

    def read_pairs(self, pairs: Iterable[Pair]) -> None:
        """Read the memberships that any records have made of these contacts and groups."""
        self._add_read(self._links.memberships.of_pairs(set(pairs)))

    def of_key(self, stream: str, key: RecordKey) -> list[Membership]:
        """Return the memberships of a record, as this batch has left them."""
        return [self._known[one] for one in sorted(self._by_key.get((stream, key), ()))]

    def add(self, change: MembershipChange) -> list[Membership]:
        """Add a record; returns the memberships of an earlier one of its key that still waits for its outcome."""
        ids = set(self._by_key[change.stream, change.key])
        ids.update(*(self._by_pair.get((change.contact.id, group), ()) for group in change.groups))
        known = [self._known[one] for one in sorted(ids)]
        superseded = waiting_for_outcome(change, known)
        known_ids = ((group, self._links.group_id(group, name)) for group, name in change.groups.items())
        linked = {group: id_ for group, id_ in known_ids if id_ is not None}
        shown = self._links.shown(change.contact)
        decided = decide(change, known, linked, shown, self._links.recent_since())
        self.put(decided.changed)
        self.drop(decided.dropped)
        return superseded

    def read_lists(self, lists: Sequence[MembershipChange]) -> None:
        """Read what is known of contact records, and of what they list."""
        for stream in {one.stream for one in lists}:
            self.read_records(stream, [one.key for one in lists if one.stream == stream])
        for one in lists:
            self._name(one)
        self.read_pairs((one.contact.id, group) for one in lists for group in one.groups)
        self._links.look_up((one.contact, name) for one in lists for name in one.groups.values())

    def put(self, rows: Iterable[Membership]) -> None:
        """Add or change memberships."""
        for one in rows:
            self._index(one)
            self._changed[one.id] = one
            self._dropped.pop(one.id, None)

    def drop(self, rows: Iterable[Membership]) -> None:
        """Drop memberships."""
        for one in rows:
            self._known.pop(one.id, None)
            self._by_key[one.stream, one.key].discard(one.id)
            self._by_pair[one.pair].discard(one.id)
            self._changed.pop(one.id, None)
            self._dropped[one.id] = one

    def _name(self, change: MembershipChange) -> None:
        """Take what a job that was to make a contact was to link it to for the contact's, where the job made it.

        Where a run was cut off, or a job failed, nothing tells but that the contact is no older.
        """
        contact = change.contact
        if not contact.is_named:
            return
        for one in self.of_key(change.stream, change.key):
            if one.contact == stand_in(one.stream, one.key):
                self.drop([one])
                if contact.was_made_since(one.written_at / 1000):
                    is_mine = one.state is LinkState.WANTED
                    state, at = (one.state, Stamp(0)) if is_mine else (LinkState.UNCLEAR, one.written_at)
                    self.put([replace(one, contact=contact.id, state=state, written_at=at)])

    def save(self) -> None:
        """Write the changes."""
        self._links.memberships.save(*self.changes())

    def changes(self) -> tuple[list[Membership], list[Membership]]:
        """Return the memberships that were added or changed, and those that were dropped."""
        return list(self._changed.values()), list(self._dropped.values())

    def _add_read(self, rows: Sequence[Membership]) -> None:
        for one in rows:
            if one.id not in self._changed and one.id not in self._dropped:
                self._index(one)

    def _index(self, one: Membership) -> None:
        self._known[one.id] = one
        self._by_key[one.stream, one.key].add(one.id)
        self._by_pair[one.pair].add(one.id)
