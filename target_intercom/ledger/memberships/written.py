"""What a run writes of memberships: they say which links of contacts this target put on, and may take off."""

from __future__ import annotations

import time
import typing as t
from collections import defaultdict
from dataclasses import dataclass, replace

from sqlalchemy import bindparam, delete, false, or_, select, update

from target_intercom.ledger.memberships.forgotten import forget_contacts
from target_intercom.ledger.memberships.queries import (
    ENDING,
    IS_LEFT,
    MAY_BE_ON,
    WANTED,
    MembershipQueries,
    by_key,
    is_one_of,
    key_of,
    of_pair,
)
from target_intercom.ledger.memberships.states import NOBODY, LinkState, Membership
from target_intercom.ledger.remembered import UNNOTED, EntryState, stamp
from target_intercom.ledger.retention import SEARCH_SHOWS_ALL
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.tables import ENTRIES, IS_NOT_ON, IS_ON, IS_OPEN, MEMBERSHIPS, OF_CONTACTS

if t.TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy import Connection, Update

    from target_intercom.ledger.store.database import Database
    from target_intercom.model import ContactId, GroupKey, LinkedId, LinkName, Pair, RecordKey

_M = MEMBERSHIPS.c
_KEY = tuple(column.name for column in MEMBERSHIPS.primary_key)
_CHANGING = tuple(column.name for column in MEMBERSHIPS.columns if not column.primary_key)


@dataclass
class Work:
    """What a run has left for the end of the pipe."""

    waits: bool = False
    """Links, of whatever kind, wait to be put on or taken off because of what this run has written."""


class Memberships(MembershipQueries):
    """The memberships of one workspace, in one run: of every kind of link, or of one (`of_kind`)."""

    def __init__(
        self, database: Database, workspace: str, run: str, kind: LinkName | None = None, work: Work | None = None
    ) -> None:
        """Work on an open database; `run` is this run's id."""
        super().__init__(database, workspace, run, kind)
        self.work = work or Work()

    def of_kind(self, kind: LinkName) -> Memberships:
        """Return the memberships of one kind of link."""
        return Memberships(self._database, self._workspace, self._run, kind, self.work)

    # While records come.

    def save(
        self,
        changed: Sequence[Membership],
        dropped: Sequence[Membership],
        lists: Mapping[tuple[str, RecordKey], str] | None = None,
        unfinished: Collection[tuple[str, RecordKey]] = (),
    ) -> None:
        """Write which memberships records make; `lists` has the hash of the groups that each contact record lists.

        `unfinished`: of these records memberships wait that were written before.
        """
        waiting = {(one.stream, one.key) for one in changed if one.state not in {LinkState.ON, LinkState.OFF}}
        waiting.update(unfinished)
        self.work.waits = self.work.waits or bool(waiting)
        rows = sorted((self._row(one) for one in changed), key=lambda row: tuple(str(row[name]) for name in _KEY))
        listed = [
            {"of": stream, "which": key, "print": value, "by": self._run if (stream, key) in waiting else None}
            for (stream, key), value in (lists or {}).items()
        ]

        def work(connection: Connection) -> None:
            self._delete(connection, dropped)
            self._rows.put(connection, rows, _CHANGING)
            if listed:
                connection.execute(_save_lists(self._workspace), listed)

        if rows or dropped or listed:
            self._database.write(work)

    def see(self, stream: str, keys: Collection[RecordKey], version: int | None) -> None:
        """Write that known records came again."""
        self._rows.see(stream, keys, version)

    def activate(self, stream: str, version: int) -> None:
        """Write the version of the records that came in this run, where the tap named it apart from them."""
        self._rows.activate(stream, version)

    def save_gone(self, contacts: Collection[ContactId]) -> None:
        """Write that contacts are gone: when they come back, their links have to be looked at."""
        self._database.write(lambda connection: forget_contacts(connection, self._workspace, contacts))

    def save_back(self, contacts: Collection[ContactId]) -> None:
        """Write that contacts are back: whether they kept their links is not known."""
        now = stamp(time.time())
        look = {"holding": LinkState.UNCLEAR.value, "run": self._run, "place": None, "written_at": now}
        end = {"holding": LinkState.RELEASED.value, "written_at": now}

        def work(connection: Connection) -> int:
            changed = 0
            for chunk in chunks(sorted(contacts)):
                of = (_M.workspace == self._workspace, _M.contact_id.in_(chunk))
                ended = (*of, _M.stream != NOBODY, _M.holding == LinkState.OFF.value, _M.ours)
                changed += connection.execute(update(MEMBERSHIPS).where(*ended).values(end)).rowcount
                wanted = (*of, _M.holding.in_([LinkState.ON.value, LinkState.MARKED.value, LinkState.AWAY.value]))
                changed += connection.execute(update(MEMBERSHIPS).where(*wanted).values(look)).rowcount
            return changed

        self.work.waits = bool(self._database.write(work)) or self.work.waits

    # Putting on.

    def take_over_groups(self, groups: Collection[GroupKey]) -> None:
        """Take over what contact records of earlier runs want, and could not be put on: the groups were not there."""
        open_ = (IS_LEFT, _M.content.is_(None), _M.run != self._run)

        def work(connection: Connection) -> int:
            changed = 0
            for chunk in chunks(sorted(groups)):
                where = (_M.workspace == self._workspace, _M.group_key.in_(chunk), *open_, IS_OPEN)
                mine = update(MEMBERSHIPS).where(*where).values(run=self._run, place=None)
                changed += connection.execute(mine).rowcount
            return changed

        if groups:
            self.work.waits = bool(self._database.write(work)) or self.work.waits

    def take_over(self, streams: Collection[str]) -> None:
        """Take over memberships of contact records of which an earlier run could not find out whether they are linked.

        A groups stream's record was rejected for that, and comes again.
        """
        unknown = (IS_LEFT, _M.ours, _M.content.is_(None), _M.run != self._run, IS_OPEN)
        mine = update(MEMBERSHIPS).where(*self._among(streams), *unknown).values(run=self._run, place=None)
        self._database.write(lambda connection: connection.execute(mine))

    def save_lost(self, streams: Collection[str], ids: Collection[LinkedId]) -> int:
        """Write that Intercom has these ids no more; returns how many memberships have to be looked at again."""
        values = {
            "holding": LinkState.UNCLEAR.value,
            "tag_id": None,
            "ours": False,
            "run": self._run,
            "place": None,
            "written_at": 0,
        }

        def work(connection: Connection) -> int:
            changed = 0
            for chunk in chunks(sorted(ids)):
                where = (*self._in(streams), IS_ON, _M.tag_id.in_(chunk))
                changed += connection.execute(update(MEMBERSHIPS).where(*where).values(values)).rowcount
            return changed

        return self._database.write(work) if ids else 0

    def save_states(self, rows: Sequence[Membership]) -> None:
        """Write the state of memberships, and whether their links are ours."""
        if rows:
            self._database.write(lambda connection: self._save_states(connection, rows))

    def share(self, rows: Sequence[Membership]) -> None:
        """Write, for every record that wants a link of ours, that it is ours: the last one to end takes it off."""
        if rows:
            self._database.write(lambda connection: self._share(connection, rows))

    def forget_lists(self, records: Collection[tuple[str, RecordKey]]) -> None:
        """Write that not all groups of these contact records are linked: the next run looks at the records again."""
        values = [{"of": stream, "which": key, "print": UNNOTED, "by": None} for stream, key in records]
        if values:
            self._database.write(lambda connection: connection.execute(_save_lists(self._workspace), values))

    def confirm_lists(self) -> None:
        """Write that the contact records of this run have their links."""
        mine = (ENTRIES.c.workspace == self._workspace, ENTRIES.c.groups_run == self._run)
        confirmed = update(ENTRIES).where(*mine).values(groups_run=None)
        self._database.write(lambda connection: connection.execute(confirmed))

    # Taking off.

    def save_missing(self, stream: str, version: int | None) -> None:
        """Write which memberships are missing from a complete stream; those whose link is not ours are forgotten."""
        where = self._missing(MEMBERSHIPS, stream, version)
        may_be_on, away = _M.holding.in_(MAY_BE_ON), _M.holding == LinkState.AWAY.value
        missing, off = {"holding": LinkState.MISSING.value, "place": None}, {"holding": LinkState.OFF.value}

        def work(connection: Connection) -> None:
            connection.execute(update(MEMBERSHIPS).where(*where, _M.ours, may_be_on).values(missing))
            connection.execute(update(MEMBERSHIPS).where(*where, _M.ours, away).values(off))
            connection.execute(delete(MEMBERSHIPS).where(*where, or_(may_be_on, away)))

        self._database.write(work)

    def release_forgotten(self, streams: Collection[str], *, has_complete: bool) -> None:
        """Write that links are to be taken off which only a forgotten stream put on, once others name the groups.

        Of contact records: where a record of one of these streams lists its contact's groups; a record that wants the
        link keeps it. Of groups streams: when one of them is complete (`has_complete`).
        """
        lists = select(ENTRIES.c.key).where(
            ENTRIES.c.workspace == self._workspace,
            ENTRIES.c.object == OF_CONTACTS,
            ENTRIES.c.contact_id == _M.contact_id,
            ENTRIES.c.stream.in_(sorted(streams)),
            ENTRIES.c.standing == EntryState.SYNCED.value,
            ENTRIES.c.groups_print.is_not(None),
        )
        is_due = or_(_M.content.is_(None) & lists.exists(), _M.content.is_not(None) if has_complete else false())
        of = (*self._in([NOBODY]), _M.holding == LinkState.OFF.value, _M.ours, is_due)
        released = update(MEMBERSHIPS).where(*of).values(holding=LinkState.RELEASED.value)
        self._database.write(lambda connection: connection.execute(released))

    def start_taking_off(self, rows: Sequence[Membership]) -> set[Pair]:
        """End memberships; returns the pairs whose link stays, because another record, of any stream and run, wants it.

        Those links are the other record's from now on. It is all one transaction: of two runs that end a link at the
        same moment, one is the last.
        """
        pairs, mine = {one.pair for one in rows}, {one.id for one in rows}

        def work(connection: Connection) -> set[Pair]:
            locked = [one for where in self._around(pairs) for one in self._lock(connection, *where)]
            staying = {one.pair for one in locked if one.state.is_wanted and one.id not in mine} & pairs
            staying |= self._hand_over_renamed(connection, rows)
            self._share(connection, [one for one in rows if one.pair in staying and one.ours])
            self._delete(connection, [one for one in rows if one.pair in staying])
            self._save_states(connection, [_ending(one) for one in rows if one.pair not in staying])
            return staying

        return self._database.write(work)

    def save_off(self, pairs: Collection[Pair]) -> None:
        """Write that links were taken off, for every record whose membership has ended, and for forgotten streams."""
        off = {"holding": LinkState.OFF.value, "ours": False, "written_at": stamp(time.time())}
        ended = (*of_pair(self._workspace), is_one_of([*ENDING, LinkState.OFF.value]))
        if pairs:
            values = [{"who": contact, "where": group} for contact, group in sorted(pairs)]
            statement = update(MEMBERSHIPS).where(*ended).values(off)
            self._database.write(lambda connection: connection.execute(statement, values))

    def delete_old(self, connection: Connection) -> None:
        """Delete what was taken off long ago."""
        old = (
            _M.holding == LinkState.OFF.value,
            ~_M.ours,
            _M.written_at < stamp(time.time() - SEARCH_SHOWS_ALL),
            IS_NOT_ON,
        )
        connection.execute(delete(MEMBERSHIPS).where(_M.workspace == self._workspace, *old))

    # Rows.

    def _hand_over_renamed(self, connection: Connection, rows: Sequence[Membership]) -> set[Pair]:
        """Find the pairs whose link a record wants for another group, as after a tag got that group's name.

        Where the link was ours, it is ours for that record from now on.
        """
        ids, mine = {(one.contact, one.linked) for one in rows if one.linked is not None}, {one.id for one in rows}
        wanted: dict[tuple[ContactId, LinkedId | None], list[Membership]] = defaultdict(list)
        for chunk in chunks(sorted({contact for contact, _ in ids})):
            of = (_M.workspace == self._workspace, *self._of_kind())
            where = (*of, _M.contact_id.in_(chunk), _M.holding.in_(WANTED))
            for one in self._lock(connection, *where):
                if (one.contact, one.linked) in ids and one.id not in mine:
                    wanted[one.contact, one.linked].append(one)
        kept = [one for one in rows if (one.contact, one.linked) in wanted]
        heirs = [heir for one in kept if one.ours for heir in wanted[one.contact, one.linked]]
        for heir in heirs:
            connection.execute(update(MEMBERSHIPS).where(*by_key(self._workspace)).values(ours=True), key_of(heir))
        return {one.pair for one in kept}

    def _save_states(self, connection: Connection, rows: Sequence[Membership]) -> None:
        values = [
            {**key_of(one), "to": one.state.value, "id": one.linked, "us": one.ours, "at": one.written_at}
            for one in rows
        ]
        changes: dict[str, t.Any] = {
            "holding": bindparam("to"),
            "tag_id": bindparam("id"),
            "ours": bindparam("us"),
            "written_at": bindparam("at"),
        }
        if values:
            connection.execute(update(MEMBERSHIPS).where(*by_key(self._workspace)).values(changes), values)

    def _share(self, connection: Connection, rows: Sequence[Membership]) -> None:
        ids = {one.pair: one.linked for one in rows if one.linked is not None}
        ours = {"tag_id": bindparam("id"), "ours": True}
        statement = update(MEMBERSHIPS).where(*of_pair(self._workspace), is_one_of(MAY_BE_ON)).values(ours)
        values = [{"who": contact, "where": group, "id": linked} for (contact, group), linked in sorted(ids.items())]
        if values:
            connection.execute(statement, values)

    def _delete(self, connection: Connection, rows: Sequence[Membership]) -> None:
        if rows:
            connection.execute(delete(MEMBERSHIPS).where(*by_key(self._workspace)), list(map(key_of, rows)))

    def _row(self, one: Membership) -> dict[str, object]:
        return {
            "workspace": self._workspace,
            "stream": one.stream,
            "key": one.key,
            "contact_id": one.contact,
            "group_key": one.group,
            "name": one.name,
            "tag_id": one.linked,
            "holding": one.state.value,
            "ours": one.ours,
            "content": one.content,
            "place": one.place,
            "run": self._run,
            "written_at": one.written_at,
            "version": one.version,
            "kind": one.kind.value,
            **self._rows.seen(),
        }


def _ending(one: Membership) -> Membership:
    """Return a membership whose link is about to be taken off: a run that is cut off does not know whether it was."""
    state = LinkState.RELEASED if one.state is LinkState.MARKED else one.state
    return replace(one, state=state, written_at=stamp(time.time()))


def _save_lists(workspace: str) -> Update:
    """Return the statement that writes the hashes of what contact records list."""
    of = (
        ENTRIES.c.workspace == workspace,
        ENTRIES.c.stream == bindparam("of"),
        ENTRIES.c.key == bindparam("which"),
    )
    return update(ENTRIES).where(*of).values(groups_print=bindparam("print"), groups_run=bindparam("by"))
