"""What becomes of memberships whose contact, record, stream or group is gone, and of a group that comes back."""

from __future__ import annotations

import time
import typing as t

from sqlalchemy import bindparam, case, func, literal, select, true, update
from sqlalchemy.dialects import postgresql, sqlite

from target_intercom.ledger.memberships.queries import ENDING, MAY_BE_ON
from target_intercom.ledger.memberships.states import NOBODY, LinkState
from target_intercom.ledger.remembered import UNNOTED, stamp
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.tables import ENTRIES, IS_OF_COMPANY, MEMBERSHIPS, OF_CONTACTS

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import ColumnElement, Connection, Select, Update

    from target_intercom.model import ContactId, GroupKey, RecordKey

_E, _M = ENTRIES.c, MEMBERSHIPS.c


def forget_contacts(connection: Connection, workspace: str, contacts: Iterable[ContactId]) -> None:
    """Write that contacts are gone; which of their links are ours is kept, since contacts can come back."""
    away = {"holding": LinkState.AWAY.value, "written_at": stamp(time.time())}
    for chunk in chunks(sorted(contacts)):
        of = (_M.workspace == workspace, _M.contact_id.in_(chunk), _M.holding.in_(MAY_BE_ON))
        connection.execute(update(MEMBERSHIPS).where(*of).values(away))
        of_contacts = ENTRIES.c.object == OF_CONTACTS
        entries = (ENTRIES.c.workspace == workspace, of_contacts, ENTRIES.c.contact_id.in_(chunk))
        hashes = case((ENTRIES.c.groups_print.is_not(None), UNNOTED))
        connection.execute(update(ENTRIES).where(*entries).values(groups_print=hashes))


def release_records(connection: Connection, workspace: str, stream: str, keys: Iterable[RecordKey]) -> None:
    """Write that records of a stream are gone whose contacts stay: links that are ours are to be taken off."""
    for chunk in chunks(sorted(keys)):
        of = (_M.workspace == workspace, _M.stream == stream, _M.key.in_(chunk), _M.holding != LinkState.OFF.value)
        state = case((_M.ours, LinkState.RELEASED.value), else_=LinkState.OFF.value)
        connection.execute(update(MEMBERSHIPS).where(*of).values(holding=state))


def links_of_stream_alone(workspace: str, stream: str) -> Select[t.Any]:
    """Return the query that counts the links that are ours because of one stream alone."""
    other = MEMBERSHIPS.alias()
    wanted = [other.c[name] == _M[name] for name in ("workspace", "contact_id", "group_key")]
    wanted += [other.c.stream != stream, other.c.holding.in_(MAY_BE_ON)]
    pairs = (
        select(_M.contact_id, _M.group_key)
        .where(_M.workspace == workspace, _M.stream == stream, _M.ours, _M.holding.in_([*MAY_BE_ON, *ENDING]))
        .where(~select(other.c.key).where(*wanted).exists())
        .distinct()
    )
    return select(func.count()).select_from(pairs.subquery())


def keep_links_of_stream(connection: Connection, workspace: str, stream: str, now: int) -> None:
    """Write which links are ours because of a stream, without its records."""
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    kept: dict[str, ColumnElement[t.Any]] = {
        "workspace": _M.workspace,
        "stream": literal(NOBODY),
        "key": literal(NOBODY),
        "contact_id": _M.contact_id,
        "group_key": _M.group_key,
        "name": func.max(_M.name),
        "tag_id": func.max(_M.tag_id),
        "holding": literal(LinkState.OFF.value),
        "ours": true(),
        "content": func.max(_M.content),
        "run": literal(NOBODY),
        "written_at": func.max(_M.written_at),
        "seen_at": literal(now),
        "kind": func.max(_M.kind),
    }
    ours = (
        select(*(value.label(name) for name, value in kept.items()))
        .where(_M.workspace == workspace, _M.stream == stream, _M.ours)
        .group_by(_M.workspace, _M.contact_id, _M.group_key)
    )
    keep = insert(MEMBERSHIPS).from_select(list(kept), ours)
    changing = {name: keep.excluded[name] for name in kept if name not in MEMBERSHIPS.primary_key.columns}
    connection.execute(keep.on_conflict_do_update(index_elements=MEMBERSHIPS.primary_key, set_=changing))


# Groups that are gone from Intercom, as an archived company.


def forget_groups(connection: Connection, workspace: str, groups: Collection[GroupKey]) -> None:
    """Write that groups are gone; which of their links are ours is kept, since groups can come back."""
    away = {"holding": LinkState.AWAY.value, "place": None, "written_at": stamp(time.time())}
    for chunk in chunks(sorted(groups)):
        of = (_M.workspace == workspace, IS_OF_COMPANY, _M.group_key.in_(chunk))
        lists = set(connection.execute(select(_M.stream, _M.key).where(*of, _M.content.is_(None))).all())
        values = [{"of": stream, "which": key} for stream, key in sorted(lists)]
        if values:
            connection.execute(_lists_news(workspace), values)
        connection.execute(update(MEMBERSHIPS).where(*of, _M.holding.in_(MAY_BE_ON)).values(away))


def _lists_news(workspace: str) -> Update:
    """Return the statement that writes that not all that a contact record lists is linked."""
    of = (_E.workspace == workspace, _E.stream == bindparam("of"), _E.key == bindparam("which"))
    return update(ENTRIES).where(*of, _E.groups_print.is_not(None)).values(groups_print=UNNOTED)


def look_at_returned(connection: Connection, workspace: str, groups: Collection[GroupKey], run: str) -> int:
    """Write that groups are back, without anybody; returns how many memberships have to be looked at.

    What ended while a group was gone is over: nobody came back because of it.
    """
    now, changed = stamp(time.time()), 0
    over = {"ours": False, "written_at": now}
    # Whoever is in it by now was put there by others.
    look = {"holding": LinkState.UNCLEAR.value, "ours": False, "run": run, "place": None, "written_at": now}
    for chunk in chunks(sorted(groups)):
        of = (_M.workspace == workspace, IS_OF_COMPANY, _M.group_key.in_(chunk))
        ended = (*of, _M.holding == LinkState.OFF.value, _M.ours)
        connection.execute(update(MEMBERSHIPS).where(*ended).values(over))
        away = (*of, _M.holding == LinkState.AWAY.value)
        changed += connection.execute(update(MEMBERSHIPS).where(*away).values(look)).rowcount
    return changed
