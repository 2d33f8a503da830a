"""Memberships that wait, on disk, until the contacts of the run are there."""

from __future__ import annotations

import json
import tempfile
import typing as t
from contextlib import ExitStack
from dataclasses import dataclass

import simplejson  # type: ignore[import-untyped] # the SDK brings it; it alone reads decimal numbers as they came

from target_intercom.intercom.protocol import ContactId, Email, ExternalId
from target_intercom.model import GroupKey, Identity, Received, RecordKey
from target_intercom.report import json_line

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from target_intercom.model import Json


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
    """The memberships of a run in the order of the pipe, in a file that has no name and ends with the process."""

    def __init__(self, folder: Path) -> None:
        """The file is made in `folder` when the first one comes."""
        self._folder = folder
        self._file: t.IO[bytes] | None = None
        self._open = ExitStack()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return self._file is None

    def add(self, waiting: Waiting, received: Received) -> None:
        """Let a membership wait; its `place` is given to it here."""
        if self._file is None:
            with ExitStack() as stack:
                self._file = stack.enter_context(tempfile.TemporaryFile(dir=self._folder))
                self._open = stack.pop_all()
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
        self._file.write(f"{json.dumps(fields)}\n{json_line(received.message)}\n".encode())

    def __iter__(self) -> Iterator[Waiting]:
        """Give all that wait, in their order."""
        if self._file is None:
            return
        place = 0
        while True:
            # Records may have been read in between.
            self._file.seek(place)
            line = self._file.readline()
            if not line:
                return
            record = place + len(line)
            place = record + len(self._file.readline())
            yield _waiting(json.loads(line), record)

    def record(self, place: int) -> Received:
        """Give the record that lies at a place, as it was received."""
        if self._file is None:
            raise LookupError(place)
        self._file.seek(place)
        message: dict[str, Json] = simplejson.loads(self._file.readline(), use_decimal=True)
        return Received(message, message["record"], place)

    def close(self) -> None:
        """Give the file back."""
        self._open.close()
        self._file = None


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
