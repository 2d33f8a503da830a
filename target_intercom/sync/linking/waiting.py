"""Memberships that wait, on disk, until the contacts of the run are there."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass

from target_intercom.intercom.protocol.ids import ContactId, Email, ExternalId
from target_intercom.json_lines import json_line, parsed_line
from target_intercom.model import GroupKey, Identity, Received, RecordKey
from target_intercom.sync.linking.spool import Spool

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_intercom.model import Json, StreamSchema


@dataclass(frozen=True, slots=True)
class Waiting:
    """A membership on its way to its contact."""

    stream: str
    key: RecordKey
    identity: Identity
    group: GroupKey | None
    """None: the record names none, as a log-based deletion."""
    name: str
    removed: bool
    """The record marks the membership as deleted."""
    content: str | None
    """Hash of what it says; None where it names no group."""
    version: int | None
    place: int
    """Where its record lies."""


class WaitingRoom:
    """The memberships of a run in the order of the pipe."""

    def __init__(self, folder: Path) -> None:
        """They lie in a file in `folder`."""
        self._spool = Spool(folder)
        self._schemas: dict[StreamSchema, int] = {}
        """Those that the records came under, with their numbers."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._spool.is_empty

    def add(self, waiting: Waiting, received: Received) -> None:
        """Let a membership wait; its `place` is given to it here."""
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
        self._spool.add(json.dumps(fields), json_line([schema, received.message]))

    def __iter__(self) -> Iterator[Waiting]:
        """Return all that wait, in their order."""
        lines = self._spool.lines()
        for (_, line), (place, _) in zip(lines, lines, strict=True):
            yield _waiting(json.loads(line), place)

    def record(self, place: int) -> Received:
        """Return the record that lies at a place, as it was received."""
        line = self._spool.line(place)
        if not line:
            raise LookupError(place)
        schema, message = parsed_line(line)
        return Received(message, message["record"], place, list(self._schemas)[schema])

    def close(self) -> None:
        """Return the file back."""
        self._spool.close()


def _waiting(fields: list[Json], place: int) -> Waiting:
    stream, key, external_id, email, contact_id, group, name, removed, content, version = fields
    return Waiting(
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
