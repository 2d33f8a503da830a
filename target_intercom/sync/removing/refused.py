"""Records that came and could not be loaded: a contact that they may name is not removed."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass

from target_intercom.model import Identity, MatchBy

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from target_intercom.model import RecordKey

RecordName: t.TypeAlias = "tuple[str, RecordKey]"
"""A record, by its stream and key."""


@dataclass(frozen=True, slots=True)
class _Refused:
    stream: str
    identity: Identity
    is_mark: bool
    has_key: bool
    number: int


class Names:
    """The identifiers of many records or contacts.

    An email in common does not count where both have external_ids, and different ones (docs/identity.md).
    """

    def __init__(self, identities: Iterable[Identity]) -> None:
        """Sort the identifiers by kind."""
        self._names: set[tuple[MatchBy, str]] = set()
        self._emails: dict[str, set[str | None]] = defaultdict(set)
        for one in identities:
            self._names.update(name for name in one.identifiers() if name[0] is not MatchBy.EMAIL)
            if one.email is not None:
                self._emails[one.email].add(one.external_id)

    def has(self, contact: Identity) -> bool:
        """Check whether one of the records may name a contact."""
        if not self._names.isdisjoint(contact.identifiers()):
            return True
        theirs = set() if contact.email is None else self._emails.get(contact.email, set())
        return bool(theirs) and (contact.external_id is None or not theirs.isdisjoint({None, contact.external_id}))


class RefusedRecords:
    """The refused records of a run, by what can be read of them; a later record of the same key takes its place."""

    def __init__(self) -> None:
        """Begin without a refused record."""
        self._refused: dict[RecordName | int, _Refused] = {}
        self._names: dict[bool, Names] = {}

    def add(self, stream: str, key: RecordKey | None, number: int, identity: Identity, *, is_mark: bool) -> None:
        """Add a record; `key` is None where it cannot be read, `number` is the record's place in the pipe."""
        name = number if key is None else (stream, key)
        if not self._is_later(name, number):
            self._refused[name] = _Refused(stream, identity, is_mark, has_key=key is not None, number=number)

    def replace(self, stream: str, places: Mapping[RecordKey, int]) -> None:
        """Remove refused records that came before others of the same keys; `places` are those of the others."""
        for key, place in places.items() if self._refused else ():
            if not self._is_later((stream, key), place):
                self._refused.pop((stream, key), None)

    def is_after(self, stream: str, key: RecordKey, place: int) -> bool:
        """Check whether a live record of a key was refused that came after a place in the pipe."""
        return self._is_later((stream, key), place) and not self._refused[stream, key].is_mark

    def _is_later(self, name: RecordName | int, place: int) -> bool:
        refused = self._refused.get(name)
        return refused is not None and refused.number > place

    def keyless(self) -> Iterator[tuple[str, Identity]]:
        """Yield the stream and the identifiers of each record whose key cannot be read."""
        yield from ((one.stream, one.identity) for one in self._refused.values() if not one.has_key)

    def sort(self) -> None:
        """Sort the identifiers, at the end of the pipe, for `names`."""
        refused = self._refused.values()
        self._names = {
            False: Names(one.identity for one in refused if not one.is_mark),
            True: Names(one.identity for one in refused),
        }

    def names(self, identity: Identity, *, or_marks: bool) -> bool:
        """Check whether a refused record may name a contact; `or_marks`: also a record that is marked as deleted."""
        return self._names[or_marks].has(identity)
