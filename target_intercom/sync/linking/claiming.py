"""The claims of a batch: what is known of them is read at once, and what they change is written at once."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict

from target_intercom.ledger.interface import stamp
from target_intercom.sync.linking.claims import awaited, settle

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.ledger.interface import Membership, MembershipId
    from target_intercom.ledger.memberships import Memberships
    from target_intercom.model import ContactId, GroupKey, RecordKey
    from target_intercom.sync.linking.claims import Claim
    from target_intercom.sync.workspace.tags import TagCatalog


class Claiming:
    """What a batch's records say of groups, one after the other; written when all is said."""

    def __init__(self, memberships: Memberships, tags: TagCatalog, search_delay_seconds: float) -> None:
        """Search may lag behind by `search_delay_seconds`."""
        self._memberships = memberships
        self._tags = tags
        self._delay = search_delay_seconds
        self._known: dict[MembershipId, Membership] = {}
        self._by_key: dict[tuple[str, RecordKey], set[MembershipId]] = defaultdict(set)
        self._by_pair: dict[tuple[ContactId, GroupKey], set[MembershipId]] = defaultdict(set)
        self._changed: dict[MembershipId, Membership] = {}
        self._dropped: dict[MembershipId, Membership] = {}

    def recall(self, stream: str, keys: Iterable[RecordKey]) -> None:
        """Read what these records have said before."""
        for rows in self._memberships.of_keys(stream, set(keys)).values():
            self._take_in(rows)

    def meet(self, pairs: Iterable[tuple[ContactId, GroupKey]]) -> None:
        """Read what all records have said of these contacts and groups."""
        self._take_in(self._memberships.of_pairs(set(pairs)))

    def of_key(self, stream: str, key: RecordKey) -> list[Membership]:
        """Return what a record has said, as it stands by now."""
        return [self._known[one] for one in sorted(self._by_key.get((stream, key), ()))]

    def claim(self, claim: Claim) -> list[Membership]:
        """Take in a record; returns the memberships of an earlier one of its key that still waits for its outcome."""
        ids = set(self._by_key[claim.stream, claim.key])
        ids.update(*(self._by_pair.get((claim.contact.id, group), ()) for group in claim.groups))
        known = [self._known[one] for one in sorted(ids)]
        earlier = awaited(claim, known)
        tags = {group: tag.id for group in claim.groups if (tag := self._tags.get(group)) is not None}
        settled = settle(claim, known, tags, stamp(time.time() - self._delay))
        self.put(settled.changed)
        self.drop(settled.dropped)
        return earlier

    def put(self, rows: Iterable[Membership]) -> None:
        """Change memberships."""
        for one in rows:
            self._index(one)
            self._changed[one.id] = one
            self._dropped.pop(one.id, None)

    def drop(self, rows: Iterable[Membership]) -> None:
        """Forget memberships."""
        for one in rows:
            self._known.pop(one.id, None)
            self._by_key[one.stream, one.key].discard(one.id)
            self._by_pair[one.pair].discard(one.id)
            self._changed.pop(one.id, None)
            self._dropped[one.id] = one

    def write(self, prints: Mapping[tuple[str, RecordKey], str] | None = None) -> None:
        """Write down what has changed; `prints` has the hash of what each contact record lists."""
        self._memberships.note(list(self._changed.values()), list(self._dropped.values()), prints)

    def _take_in(self, rows: Sequence[Membership]) -> None:
        for one in rows:
            if one.id not in self._changed and one.id not in self._dropped:
                self._index(one)

    def _index(self, one: Membership) -> None:
        self._known[one.id] = one
        self._by_key[one.stream, one.key].add(one.id)
        self._by_pair[one.pair].add(one.id)
