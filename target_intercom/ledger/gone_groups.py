"""What becomes of memberships whose group is gone from Intercom, as an archived company, or comes back."""

from __future__ import annotations

import time
import typing as t

from sqlalchemy import bindparam, select, update

from target_intercom.ledger.interface import UNNOTED, stamp
from target_intercom.ledger.links import LinkState
from target_intercom.ledger.membership_queries import MAY_BE_ON
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.tables import ENTRIES, IS_OF_COMPANY, MEMBERSHIPS

if t.TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Connection, Update

    from target_intercom.model import GroupKey

_E, _M = ENTRIES.c, MEMBERSHIPS.c


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
