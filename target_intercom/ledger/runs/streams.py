"""The streams that runs work on: their locks, their last runs, and how much they had."""

from __future__ import annotations

import datetime as dt
import json
import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from sqlalchemy import bindparam, exists, or_, select, update

from target_intercom.ledger.interface import Streams
from target_intercom.ledger.store.locks import enter, lock_name
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import ENTRIES, MEMBERSHIPS, STREAMS
from target_intercom.settings.warnings import changed_object

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Connection

    from target_intercom.ledger.store.database import Database
    from target_intercom.ledger.store.locks import StreamLocks

_S = STREAMS.c
_IS_KNOWN: t.Final = or_(
    _S.finished_at.is_not(None),
    *(
        exists().where(table.c.workspace == _S.workspace, table.c.stream == _S.stream)
        for table in (ENTRIES, MEMBERSHIPS)
    ),
)
"""The stream has records, or a run of it has succeeded: of one that only a failed run has begun nothing is known."""


@dataclass(frozen=True, slots=True)
class SqlStreams(Streams):
    """The streams of one workspace, in one run."""

    database: Database
    workspace: str
    run: str
    locks: StreamLocks
    entered: dict[str, str] = field(default_factory=dict, init=False)
    """The streams that this run works on, with what their records are."""
    _in_company: set[str] = field(default_factory=set, init=False)

    def enter(
        self, stream: str, keys: Sequence[str], *, alone: bool, removes: bool = False, object_: str = "contacts"
    ) -> None:
        """See `Streams`."""
        self._check_object(stream, object_)
        name = lock_name(self.workspace, stream)
        if removes and not alone and stream not in self.entered:
            # Alone for a moment, to see whether another run is there; written before another run can come.
            if self.locks.take(name, alone=True):
                self._write(stream, keys, object_)
            else:
                self._in_company.add(stream)
        enter(self.locks, name, stream, alone=alone)
        self._write(stream, keys, object_)

    def was_alone(self, stream: str) -> bool:
        """See `Streams`. No run was there when this run entered, and each that enters writes so: this was the last."""
        self.locks.check()
        if stream in self._in_company:
            return False
        with self.database.reading() as connection:
            return connection.scalar(select(_S.last_run).where(*self._this(stream))) == self.run

    def of_contacts(self) -> Sequence[str]:
        """See `Streams`."""
        with self.database.reading() as connection:
            objects = objects_of_streams(connection).get(self.workspace, {})
        return [stream for stream, object_ in objects.items() if object_ == "contacts"]

    def known_before(self, stream: str) -> int | None:
        """See `Streams`."""
        with self.database.reading() as connection:
            return connection.scalar(select(_S.known).where(*self._this(stream)))

    def last_runs(self) -> Mapping[str, str]:
        """See `Streams`."""
        query = select(_S.stream, _S.started_at).where(_S.workspace == self.workspace).order_by(_S.stream)
        with self.database.reading() as connection:
            return {row.stream: row.started_at for row in connection.execute(query)}

    def write_success(self, connection: Connection, known: Mapping[str, int]) -> None:
        """Write that this run of the streams succeeded, and how much each of them has now."""
        mine = (_S.workspace == self.workspace, _S.last_run == self.run, _S.stream == bindparam("which"))
        ended = update(STREAMS).where(*mine).values(finished_at=_now(), known=bindparam("count"))
        if known:
            connection.execute(ended, [{"which": stream, "count": count} for stream, count in sorted(known.items())])

    def _check_object(self, stream: str, object_: str) -> None:
        """Check that a stream's records are what they were: a company's key must not be read as a contact's."""
        with self.database.reading() as connection:
            known = connection.scalar(select(_S.object).where(*self._this(stream), _IS_KNOWN))
        error = changed_object(stream, known, object_)
        if error is not None:
            raise error

    def _write(self, stream: str, keys: Sequence[str], object_: str) -> None:
        """Write that this run works on a stream, once."""
        if stream in self.entered:
            return
        values = {"key_properties": json.dumps(list(keys)), "last_run": self.run, "started_at": _now()}
        values["object"] = object_
        row = {"workspace": self.workspace, "stream": stream, **values}
        rows = Rows(self.database, self.workspace, self.run, STREAMS)
        self.database.write(lambda connection: rows.put(connection, [row], tuple(values)))
        self.entered[stream] = object_

    def _this(self, stream: str) -> tuple[t.Any, ...]:
        return _S.workspace == self.workspace, _S.stream == stream


def objects_of_streams(connection: Connection) -> Mapping[str, Mapping[str, str]]:
    """Return, by workspace, what the records of each stream are."""
    objects: dict[str, dict[str, str]] = defaultdict(dict)
    query = select(_S.workspace, _S.stream, _S.object).where(_S.object.is_not(None), _IS_KNOWN).order_by(_S.stream)
    for row in connection.execute(query):
        objects[row.workspace][row.stream] = row.object
    return objects


def _now() -> str:
    return dt.datetime.now(tz=dt.timezone.utc).isoformat(timespec="seconds")
