"""Rows of records: what the ledger writes of a record, and what it reads from a row."""

from __future__ import annotations

import json
import time
import typing as t
from types import MappingProxyType

from sqlalchemy import case, delete, exists, func, or_, select

from target_intercom.intercom.protocol.companies import Company
from target_intercom.ledger.remembered import (
    UNNOTED,
    EntryState,
    Hashes,
    Holder,
    LedgerEntry,
    Stamp,
    stamp,
)
from target_intercom.ledger.retention import REMOVED_KEPT, SEARCH_SHOWS_ALL
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import ENTRIES, IS_REMOVED, OF_COMPANIES
from target_intercom.model import Contact, ContactId, Identity, stand_in

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Column, ColumnElement, Connection, FromClause, Row

    from target_intercom.ledger.remembered import Dropped, Loaded
    from target_intercom.ledger.store.database import Database
    from target_intercom.ledger.store.rows import Columns
    from target_intercom.model import RecordKey

_E = ENTRIES.c


def is_record(table: FromClause) -> ColumnElement[bool]:
    """Return the condition that a row is a record's: `of_dropped` and `of_gone` write rows that are of no record."""
    return table.c.key.startswith("[")


def names_contact(table: FromClause) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a row's record names a contact whose Intercom id is known."""
    return is_record(table), table.c.contact_id.is_not(None)


IS_RECORD: t.Final = is_record(ENTRIES)

IS_GONE: t.Final = ~IS_RECORD & _E.gone_id.is_not(None)
"""The row is of a contact that no record names, and is kept only while search may show it as it was."""

IS_UNNAMED: t.Final = _E.contact_id.is_(None) & _E.role.is_not(None)
"""A bulk job made the contact, and its Intercom id is not known; the row of a removed contact has no role."""

IS_MISSABLE: t.Final = _E.standing.in_((EntryState.SYNCED.value, EntryState.MISSING.value))
"""The row's contact is removed when the record is missing."""

IS_BEGUN: t.Final = (_E.standing == EntryState.REMOVED.value) & (_E.groups_print == UNNOTED)
"""A run began to make the record's contact, and it is not known whether it has."""

_OTHER: t.Final = ENTRIES.alias()
IS_IN_LINE: t.Final = _E.doubt.is_(None) & or_(
    _E.overruled_by.is_(None),
    exists().where(
        _OTHER.c.workspace == _E.workspace,
        _OTHER.c.stream == _E.stream,
        _OTHER.c.key == _E.overruled_by,
        _OTHER.c.contact_id == _E.contact_id,
        _OTHER.c.standing == EntryState.SYNCED.value,
    ),
)
"""The contact is in line with the record, or with the record that overruled it and still names the contact."""

NOTHING: t.Final[Mapping[str, object]] = {
    "contact_id": None,
    "intercom_id": None,
    "role": None,
    "external_id": None,
    "email": None,
    "content": None,
    "shape": None,
    "settings": None,
    "groups_print": None,
    "source": None,
    "single": None,
    "doubt": None,
    "overruled_by": None,
    "merged": None,
    "standing": EntryState.REMOVED.value,
}
"""The columns of a record whose contact was removed."""

CHANGING: t.Final = tuple(
    column.name for column in ENTRIES.columns if not column.primary_key and column.name != "groups_run"
)
"""The columns that change when a record is written again."""

HOLDER_COLUMNS: t.Final[tuple[Column[t.Any], ...]] = (
    _E.stream,
    _E.key,
    _E.contact_id,
    _E.external_id,
    _E.email,
    _E.seen_in,
    _E.version,
    _E.standing,
    _E.merged,
)
"""The columns that `EntryRows.holder` reads."""

_FEW: t.Final = 20_000
"""So many rows of a stream are read in the order of their keys."""

_UNKNOWN: t.Final[Mapping[str, object]] = MappingProxyType({})


class EntryRows(Rows):
    """The rows of records of one workspace, in one run."""

    def __init__(self, database: Database, workspace: str, run: str, object_: str) -> None:
        """Work on an open database; `run` is this run's id, `object_` what the records are: contacts or companies."""
        super().__init__(database, workspace, run, ENTRIES)
        self.object = object_
        self.all = _E.workspace == workspace, _E.object == object_
        """The condition for the rows of all streams of the object."""

    def by_row(self, stream: str) -> tuple[ColumnElement[bool], ...]:
        """Return the condition for the rows of a stream; where they are many, the table is read in the order of rows.

        That takes a tenth of the time that it takes to look up each row of an index.
        """
        if not self._are_many(stream):
            return self.of(stream)
        return _E.workspace.concat("") == self._workspace, _E.stream.concat("") == stream

    def by_contact(self, stream: str) -> tuple[ColumnElement[bool], ...]:
        """Return the condition for the rows of a stream; where they are many, they are read in the order of contacts.

        SQLite, which has no statistics, would sort them for each page.
        """
        if not (self._database.is_sqlite and self._are_many(stream)):
            return self.of(stream)
        return _E.workspace == self._workspace, _E.stream.concat("") == stream

    def _are_many(self, stream: str) -> bool:
        some = select(_E.key).where(*self.of(stream)).limit(_FEW + 1).subquery()
        with self._database.reading() as connection:
            return (connection.scalar(select(func.count()).select_from(some)) or 0) > _FEW

    def of_record(self, stream: str, loaded: Loaded) -> dict[str, object]:
        """Return the row of a record that was loaded."""
        entry, hashes = loaded.entry, loaded.entry.hashes
        return {
            "workspace": self._workspace,
            "stream": stream,
            "key": entry.key,
            "object": self.object,
            "gone_id": None,
            **columns_of(entry.contact),
            "content": None if hashes is None else hashes.content,
            "shape": None if hashes is None else hashes.shape,
            "settings": None if hashes is None else hashes.settings,
            "single": None if hashes is None else hashes.single,
            "standing": entry.state.value,
            "written_at": entry.written_at,
            "doubt": self._run if entry.overruled_by is not None else None,
            "overruled_by": entry.overruled_by,
            "merged": entry.merged,
            **self.seen(),
            "version": loaded.version,
            "groups_print": entry.groups,
            "source": entry.source,
        }

    def of_begun(self, stream: str, key: RecordKey) -> dict[str, object]:
        """Return the row of a record whose contact is about to be made."""
        of = {"workspace": self._workspace, "stream": stream, "key": key, "object": self.object}
        return {**NOTHING, **of, **self.seen(), "written_at": stamp(time.time()), "groups_print": UNNOTED}

    def of_dropped(self, stream: str, dropped: Dropped) -> dict[str, object]:
        """Return the row of a contact that a record named before it named another."""
        row = self._without_record(stream, dropped.contact.id)
        state, gone = (EntryState.MISSING, None) if dropped.is_missing else (EntryState.DROPPED, dropped.contact.id)
        columns = columns_of(dropped.contact)
        return {**row, **columns, "standing": state.value, "written_at": dropped.written_at, "gone_id": gone}

    def of_gone(self, stream: str, contact: ContactId) -> dict[str, object]:
        """Return the row of a removed contact that no record named: search may go on showing it."""
        return {**self._without_record(stream, contact), "gone_id": contact, "written_at": stamp(time.time())}

    def _without_record(self, stream: str, contact: ContactId) -> dict[str, object]:
        of = {"workspace": self._workspace, "stream": stream, "key": json.dumps({"contact": contact})}
        nothing = dict.fromkeys(column.name for column in ENTRIES.columns)
        return {**nothing, **NOTHING, **of, "object": self.object, "written_at": Stamp(0), "seen_at": Stamp(0)}

    def delete_old(self, connection: Connection) -> int:
        """Delete contacts that search shows no more, and the keys of records that were removed long ago.

        Returns how many keys were deleted.
        """
        now = time.time()
        mine, shown = _E.workspace == self._workspace, _E.written_at < stamp(now - SEARCH_SHOWS_ALL)
        connection.execute(delete(ENTRIES).where(mine, shown, IS_GONE))
        long_ago = stamp(now - REMOVED_KEPT)
        old = (mine, IS_REMOVED, _E.seen_at < long_ago, _E.written_at < long_ago, IS_RECORD)
        return connection.execute(delete(ENTRIES).where(*old)).rowcount

    def entry(self, row: Row[t.Any]) -> LedgerEntry:
        """Return the record of a row that was read with `IS_IN_LINE` as `is_in_line`."""
        return LedgerEntry(
            key=row.key,
            contact=None if row.contact_id is None and row.role is None else contact_of(row),
            hashes=None if row.content is None else Hashes(row.content, row.shape, row.settings, row.single),
            is_doubted=not row.is_in_line,
            overruled_by=row.overruled_by,
            state=EntryState(row.standing),
            written_at=row.written_at,
            # A run that was cut off may not have put the tags on.
            groups=row.groups_print if row.groups_run in {None, self._run} else UNNOTED,
            source=row.source,
            merged=bool(row.merged),
        )

    def holder(self, row: Row[t.Any]) -> Holder:
        """Return the record of a row, as one that names the row's contact."""
        return Holder(
            stream=row.stream,
            key=row.key,
            contact=row.contact_id,
            identity=Identity(row.external_id, row.email, row.contact_id),
            seen=row.seen_in == self._run,
            version=row.version,
            state=EntryState(row.standing),
            merged=bool(row.merged),
        )


def contact_of(row: Row[t.Any]) -> Contact:
    """Return a row's contact: of a removed contact only the id is known, and of an unnamed one all but the id."""
    if row.object == OF_COMPANIES:
        return Company.of(row.contact_id or row.gone_id, _UNKNOWN, row.intercom_id)
    return Contact(
        id=ContactId(row.contact_id or row.gone_id or stand_in(row.stream, row.key)),
        role=row.role or "user",
        external_id=row.external_id,
        email=row.email,
        attributes=_UNKNOWN,
        is_read=False,
        is_named=(row.contact_id or row.gone_id) is not None,
    )


def groups_print(new: Columns) -> ColumnElement[str | None]:
    """Return what stays of the hash of a record's groups: they were noted for the contact that the record had then."""
    is_kept = (new.contact_id == _E.contact_id) & new.groups_print.is_(None)
    return case((is_kept, _E.groups_print), else_=new.groups_print)


def storable(text: str | None) -> str | None:
    """Return a text, or None where it has what PostgreSQL does not store."""
    return None if text is None or "\0" in text else text


def columns_of(contact: Contact | None) -> dict[str, object]:
    """Return a contact's columns."""
    identity = Identity() if contact is None else Identity.of(contact)
    return {
        "contact_id": contact.id if contact is not None and contact.is_named else None,
        "role": None if contact is None else contact.role,
        "external_id": storable(identity.external_id),
        "email": storable(identity.email),
        "intercom_id": contact.intercom_id if isinstance(contact, Company) else None,
    }
