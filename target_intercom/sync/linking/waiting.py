"""Memberships, and lists of groups, that wait on disk until their contacts are there."""

from __future__ import annotations

import json
import tempfile
import time
import typing as t
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType

from target_intercom.intercom.protocol import ContactId, Email, ExternalId
from target_intercom.json_lines import json_line, parsed_line
from target_intercom.model import Contact, GroupKey, Identity, Received, RecordKey
from target_intercom.sync.linking.changes import MembershipChange
from target_intercom.sync.matching.contact_ids import Unnamed

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from target_intercom.model import Json, StreamSchema
    from target_intercom.sync.linking.links import Links
    from target_intercom.sync.matching.contact_ids import ContactIds

_LISTS_AT_ONCE = 2000
"""Lists that are in memory together."""


class _Lines:
    """Lines in the order in which they came, in a file that has no name and ends with the process."""

    def __init__(self, folder: Path) -> None:
        """The file is made in `folder` when the first line comes."""
        self._folder = folder
        self._file: t.IO[bytes] | None = None
        self._open = ExitStack()

    @property
    def is_empty(self) -> bool:
        """Whether there is no line."""
        return self._file is None

    def add(self, *lines: str) -> None:
        """Add lines at the end."""
        if self._file is None:
            with ExitStack() as stack:
                self._file = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
                self._open = stack.pop_all()
        self._file.write("".join(f"{line}\n" for line in lines).encode())

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Yield each place and its line; other lines may be read in between."""
        place = 0
        while line := self.at(place):
            yield place, line
            place += len(line)

    def at(self, place: int) -> bytes:
        """Return the line at a place; empty at the end."""
        if self._file is None:
            return b""
        self._file.seek(place)
        return self._file.readline()

    def close(self) -> None:
        """Delete the file."""
        self._open.close()
        self._file = None


# Records of groups streams.


@dataclass(frozen=True, slots=True)
class WaitingMembership:
    """A record of a groups stream whose contact is looked for at the end of the pipe."""

    stream: str
    key: RecordKey
    identity: Identity
    group: GroupKey | None
    """None: the record names no group, as a log-based deletion."""
    name: str
    removed: bool
    """The record marks the membership as deleted."""
    content: str | None
    """Hash of what the record says; None where it names no group."""
    version: int | None
    place: int = 0
    """Where the record lies on disk."""


class WaitingMemberships:
    """The memberships of a run's groups streams, in the order of the pipe."""

    def __init__(self, folder: Path) -> None:
        """They lie in a file in `folder`."""
        self._lines = _Lines(folder)
        self._schemas: dict[StreamSchema, int] = {}
        """The schemas of the records, with their numbers."""

    @property
    def is_empty(self) -> bool:
        """Whether no membership waits."""
        return self._lines.is_empty

    def add(self, waiting: WaitingMembership, received: Received) -> None:
        """Add a membership, whose `place` is decided here, and its record."""
        identity = waiting.identity
        fields = [
            waiting.stream,
            waiting.key,
            identity.external_id,
            identity.email,
            identity.id,
            waiting.group,
            waiting.name,
            waiting.removed,
            waiting.content,
            waiting.version,
        ]
        schema = self._schemas.setdefault(received.schema, len(self._schemas))
        self._lines.add(json.dumps(fields), json_line([schema, received.message]))

    def __iter__(self) -> Iterator[WaitingMembership]:
        """Yield all memberships, in their order."""
        lines = iter(self._lines)
        for (_, line), (place, _) in zip(lines, lines, strict=True):
            yield _waiting_membership(json.loads(line), place)

    def record(self, place: int) -> Received:
        """Return the record that lies at a place, as it was received."""
        line = self._lines.at(place)
        if not line:
            raise LookupError(place)
        schema, message = parsed_line(line)
        return Received(message, message["record"], place, list(self._schemas)[schema])

    def close(self) -> None:
        """Delete the file."""
        self._lines.close()


def _waiting_membership(fields: list[Json], place: int) -> WaitingMembership:
    stream, key, external_id, email, contact_id, group, name, removed, content, version = fields
    return WaitingMembership(
        stream=stream,
        key=RecordKey(key),
        identity=Identity(
            external_id=None if external_id is None else ExternalId(external_id),
            email=None if email is None else Email(email),
            id=None if contact_id is None else ContactId(contact_id),
        ),
        group=None if group is None else GroupKey(group),
        name=name,
        removed=removed,
        content=content,
        version=version,
        place=place,
    )


# Records of contacts that bulk jobs have made.


@dataclass(frozen=True, slots=True)
class _List:
    """The groups that a contact's record lists."""

    stream: str
    key: RecordKey
    contact: Unnamed
    groups: Mapping[GroupKey, str]
    number: int


class UnnamedLists:
    """The lists of contacts that bulk jobs have made: they wait until the contacts' Intercom ids are found."""

    def __init__(self, folder: Path, ids: ContactIds, search_delay_seconds: float) -> None:
        """They lie in a file in `folder`; search shows every contact after `search_delay_seconds`."""
        self._lines = _Lines(folder)
        self._ids = ids
        self._delay = search_delay_seconds
        self._newest: dict[tuple[str, RecordKey], int] = {}
        """The place in the pipe of the last list of a record that did not wait, while others do."""

    @property
    def is_empty(self) -> bool:
        """Whether no list waits."""
        return self._lines.is_empty

    def add(self, stream: str, key: RecordKey, contact: Contact, groups: Mapping[GroupKey, str], number: int) -> None:
        """Add the list of a record; `number` is the record's place in the pipe."""
        due = time.monotonic() + self._delay
        identifiers = [contact.id, contact.role, contact.external_id, contact.email]
        self._lines.add(json.dumps([stream, key, *identifiers, due, groups, number]))

    def supersede(self, stream: str, key: RecordKey, number: int) -> None:
        """Drop what waits of earlier records of a key: its later list need not wait."""
        if not self._lines.is_empty:
            self._newest[stream, key] = number

    def save_found(self, links: Links) -> Iterator[str]:
        """Write the lists whose contacts are found; yields the stream of each record whose contact is not."""
        lines = (line for _, line in self._lines)
        while some := list(islice(lines, _LISTS_AT_ONCE)):
            lists = [one for one in map(_list, map(json.loads, some)) if self._is_newest(one)]
            found = self._ids.find([one.contact for one in lists])
            changes: list[MembershipChange] = []
            for one in lists:
                contact = found.get(one.contact.contact.id)
                if contact is None:
                    yield one.stream
                else:
                    releases = links.releases(one.stream)
                    changes.append(MembershipChange(one.stream, one.key, contact, one.groups, releases))
            links.batch().save_lists(changes)
        self.close()
        self._newest.clear()

    def _is_newest(self, one: _List) -> bool:
        return one.number > self._newest.get((one.stream, one.key), -1)

    def close(self) -> None:
        """Delete the file."""
        self._lines.close()


def _list(fields: list[Json]) -> _List:
    stream, key, stand_in, role, external_id, email, due, groups, number = fields
    contact = Contact(ContactId(stand_in), role, external_id, email, MappingProxyType({}), is_named=False)
    return _List(stream, RecordKey(key), Unnamed(contact, due), groups, number)
