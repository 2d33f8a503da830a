"""Records that are kept on disk until it is known what becomes of them: nearly none is needed whole again."""

from __future__ import annotations

import typing as t

from target_intercom.model import Received

if t.TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from target_intercom.model import Json, StreamSchema


class KeptRecords:
    """Records as they were received, by numbers that whoever keeps them chooses."""

    def __init__(self, shelf: MutableMapping[int, tuple[int, Mapping[str, Json]]]) -> None:
        """They go into `shelf`."""
        self._messages = shelf
        self._schemas: dict[StreamSchema, int] = {}
        """The schemas of the records, with their numbers."""

    def keep(self, number: int, received: Received) -> None:
        """Add a record."""
        schema = self._schemas.setdefault(received.schema, len(self._schemas))
        self._messages[number] = (schema, received.message)

    def get(self, number: int) -> Received:
        """Return a record with the message in which it came; stream maps are not applied to it."""
        schema, message = self._messages[number]
        return Received(message, message["record"], number, list(self._schemas)[schema])

    def drop(self, number: int) -> Received:
        """Return a record, and keep it no longer."""
        received = self.get(number)
        del self._messages[number]
        return received

    def clear(self) -> None:
        """Drop all records."""
        self._messages.clear()
