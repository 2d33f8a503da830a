"""The streams of a ledger, and the Intercom ids of their records."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from functools import partial

from sqlalchemy import case, func, select

from target_intercom.ledger.entries import IS_RECORD
from target_intercom.ledger.memberships.states import LinkState
from target_intercom.ledger.remembered import EntryState
from target_intercom.ledger.store.tables import ENTRIES, MEMBERSHIPS, OF_COMPANIES, STREAMS

if t.TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from target_intercom.ledger.store.read_only import ReadOnlyLedger

_E, _M, _S = ENTRIES.c, MEMBERSHIPS.c, STREAMS.c
_PAGE = 5000
_UNKEYED: t.Final = ("identifier", "value")
"""Columns of a stream without key properties: which identifier its records are known by, and its value."""


@dataclass(frozen=True, slots=True)
class StreamSummary:
    """A stream as the ledger knows it; times are UTC, ISO 8601."""

    workspace: str
    stream: str
    keys: tuple[str, ...]
    """The columns of its keys."""
    contacts: int
    """Records with a contact in Intercom."""
    removed: int
    """Records whose contacts were removed."""
    tags: int
    """Tags that contacts have because of its records."""
    last_run: str
    started_at: str
    finished_at: str | None
    """When a run that got to its end last did."""


def summaries(connection: Connection) -> list[StreamSummary]:
    """List the streams of all workspaces."""
    counted = (
        select(
            _E.workspace,
            _E.stream,
            func.count(func.coalesce(_E.contact_id, _E.role)).label("contacts"),
            func.count().filter(_E.standing == EntryState.REMOVED.value).label("removed"),
        )
        .where(IS_RECORD)
        .group_by(_E.workspace, _E.stream)
        .subquery()
    )
    tagged = (
        select(_M.workspace, _M.stream, func.count().label("tags"))
        .where(_M.holding == LinkState.ON.value)
        .group_by(_M.workspace, _M.stream)
        .subquery()
    )
    query = select(STREAMS, counted.c.contacts, counted.c.removed, tagged.c.tags)
    for part in (counted, tagged):
        same = (part.c.workspace == _S.workspace) & (part.c.stream == _S.stream)
        query = query.join(part, same, isouter=True)
    return [
        StreamSummary(
            workspace=row.workspace,
            stream=row.stream,
            keys=tuple(json.loads(row.key_properties)) or _UNKEYED,
            contacts=row.contacts or 0,
            removed=row.removed or 0,
            tags=row.tags or 0,
            last_run=row.last_run,
            started_at=row.started_at,
            finished_at=row.finished_at,
        )
        for row in connection.execute(query.order_by(_S.workspace, _S.stream))
    ]


def contact_ids(ledger: ReadOnlyLedger, stream: StreamSummary) -> Iterator[tuple[list[str | None], str | None]]:
    """Return the key of each record that has a contact, as texts, and the contact's Intercom id, where it is known.

    They are read page by page, as they are asked for.
    """
    after = ""
    while True:
        page = ledger.read(partial(_page, stream, after))
        for key, contact in page:
            parts: list[str | None] = json.loads(key)
            yield parts + [None] * (len(stream.keys) - len(parts)), contact
        if len(page) < _PAGE:
            return
        after, _ = page[-1]


def _page(stream: StreamSummary, after: str, connection: Connection) -> list[tuple[str, str | None]]:
    has_contact = func.coalesce(_E.contact_id, _E.role).is_not(None)
    where = (_E.workspace == stream.workspace, _E.stream == stream.stream, has_contact, IS_RECORD, _E.key > after)
    # Of a company, the ledger has the source's company_id in the place of a contact's id.
    id_ = case((_E.object == OF_COMPANIES, _E.intercom_id), else_=_E.contact_id)
    rows = connection.execute(select(_E.key, id_.label("id")).where(*where).order_by(_E.key).limit(_PAGE))
    return [(row.key, row.id) for row in rows]
