"""What the ledger knows of memberships: which contact is in which group, because of which record."""

from __future__ import annotations

import time
import typing as t
from collections import Counter, defaultdict
from dataclasses import replace

from sqlalchemy import and_, bindparam, false, func, or_, select, tuple_

from target_intercom.ledger.memberships.states import LinkState, Membership
from target_intercom.ledger.remembered import UNNOTED, stamp
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import ENTRIES, IS_OF_COMPANY, IS_ON, IS_OPEN, MAY_END, MEMBERSHIPS
from target_intercom.model import STAND_IN, LinkName

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select

    from target_intercom.ledger.store.database import Database
    from target_intercom.model import ContactId, GroupKey, LinkedId, Pair, RecordKey

WANTED: t.Final = [one.value for one in LinkState if one.is_wanted]
MAY_BE_ON: t.Final = [*WANTED, LinkState.MARKED.value]
"""States in which the contact may have a link that is ours: another run may have just put it on."""
ENDING: t.Final = [one.value for one in LinkState if one.is_ending]

_M = MEMBERSHIPS.c
_E: t.Final = ENTRIES.alias().c
_RECORD: t.Final = (_E.workspace == _M.workspace, _E.stream == _M.stream, _E.key == _M.key, _E.groups_print == UNNOTED)
IS_LEFT: t.Final = or_(
    _M.holding == LinkState.UNCLEAR.value,
    (_M.holding == LinkState.WANTED.value) & select(_E.key).where(*_RECORD).exists(),
)
"""A run has left it open: whether the link is on was not clear; or that it is not, but the run was cut off."""
_HAS_ID: t.Final = ~_M.contact_id.startswith(STAND_IN)
"""The contact's Intercom id is known: no link of another can be put on, or taken off."""
_MOST_GROUPS = 400
"""Groups that go into one IN, beside a chunk of contacts."""
_PAIR = ("workspace", "contact_id", "group_key")


class MembershipQueries:
    """Reads the memberships of one workspace, as one run sees them; a group's key tells its kind of link, too."""

    def __init__(self, database: Database, workspace: str, run: str, kind: LinkName | None = None) -> None:
        """Read an open database; `run` is this run's id. `kind`: links of other kinds are left out."""
        self._database = database
        self._workspace = workspace
        self._run = run
        self._kind = kind
        self._rows = Rows(database, workspace, run, MEMBERSHIPS)

    # Of records.

    def of_keys(self, stream: str, keys: Collection[RecordKey]) -> dict[RecordKey, list[Membership]]:
        """Return the memberships of some records of a stream."""
        found: dict[RecordKey, list[Membership]] = defaultdict(list)
        for chunk in chunks(sorted(keys)):
            of = (*self._rows.of(stream), *self._of_kind(), _M.key.in_(chunk))
            for one in self._read(select(MEMBERSHIPS).where(*of)):
                found[one.key].append(one)
        return found

    def of_pairs(self, pairs: Collection[Pair]) -> list[Membership]:
        """Return the memberships, of any stream, of these contacts in these groups."""
        queries = (select(MEMBERSHIPS).where(*where) for where in self._around(pairs))
        return [one for query in queries for one in self._read(query) if one.pair in pairs]

    # At the end of the pipe.

    def pending(self, state: LinkState, limit: int, *, by_contact: bool = False) -> list[Membership]:
        """Return some memberships of this run in an open state, sorted by group or, `by_contact`, by contact."""
        of = (_M.workspace == self._workspace, *self._of_kind(), _HAS_ID)
        where = (*of, _M.holding == state.value, _M.run == self._run, IS_OPEN)
        pair = (_M.contact_id, _M.group_key) if by_contact else (_M.group_key, _M.contact_id)
        return self._read(select(MEMBERSHIPS).where(*where).order_by(*pair, _M.stream, _M.key).limit(limit))

    def ending(self, streams: Collection[str], limit: int, after: Membership | None) -> list[Membership]:
        """Return some memberships of these streams whose link is to be taken off, sorted by contact.

        `after` is the last membership of the call before.
        """
        order = tuple_(_M.contact_id, _M.group_key, _M.stream, _M.key)
        marked = (_M.holding == LinkState.MARKED.value) & (_M.run == self._run)
        where = [*self._among(streams), MAY_END, _HAS_ID, or_(marked, _M.holding.in_(ENDING))]
        if after is not None:
            where += [_M.contact_id >= after.contact, order > tuple_(*after.pair, after.stream, after.key)]
        return self._read(select(MEMBERSHIPS).where(*where).order_by(*order.clauses).limit(limit))

    def wanted(self, pairs: Collection[Pair]) -> set[Pair]:
        """Return those of these contacts and groups whose link a record, of any stream, wants."""
        found: set[Pair] = set()
        with self._database.reading() as connection:
            for where in self._around(pairs):
                rows = connection.execute(select(_M.contact_id, _M.group_key).where(*where, _M.holding.in_(WANTED)))
                found.update(pair for row in rows if (pair := (row.contact_id, row.group_key)) in pairs)
        return found

    def count_wanted(self, pairs: Collection[Pair]) -> Counter[str]:
        """Count the links of these contacts and groups that records want, by stream."""
        found: set[tuple[str, Pair]] = set()
        with self._database.reading() as connection:
            for where in self._around(pairs):
                # Without DISTINCT, for which SQLite would read all rows in their order.
                wanted = select(_M.stream, _M.contact_id, _M.group_key).where(*where, _M.holding.in_(WANTED))
                found.update((row.stream, (row.contact_id, row.group_key)) for row in connection.execute(wanted))
        return Counter(stream for stream, pair in found if pair in pairs)

    def linked_by_group(self) -> dict[GroupKey, tuple[str, list[LinkedId]]]:
        """Return each group's name and the ids that contacts were ever linked to for it, the most frequent first."""
        has_id = (_M.tag_id.is_not(None), or_(_M.holding.in_(MAY_BE_ON), _M.ours))
        query = (
            select(_M.group_key, _M.tag_id, func.min(_M.name).label("name"))
            # In the order of rows: any index would lead to each of them singly.
            .where(_M.workspace.concat("") == self._workspace, *self._of_kind(), *has_id)
            .group_by(_M.group_key, _M.tag_id)
            .order_by(_M.group_key, func.count().desc(), _M.tag_id)
        )
        found: dict[GroupKey, tuple[str, list[LinkedId]]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                found.setdefault(row.group_key, (row.name, []))[1].append(row.tag_id)
        return found

    def linked_ids(self, streams: Collection[str]) -> set[LinkedId]:
        """Return the ids that contacts are linked to because of these streams.

        From one to the next in the index, whatever the number of contacts.
        """
        found: set[LinkedId] = set()
        with self._database.reading() as connection:
            for stream in streams:
                of = (_M.workspace == self._workspace, _M.stream == stream, *self._of_kind(), IS_ON)
                ids = select(func.min(_M.tag_id).label("id")).where(*of, _M.tag_id > "").cte("ids", recursive=True)
                following = select(func.min(_M.tag_id)).where(*of, _M.tag_id > ids.c.id).scalar_subquery()
                ids = ids.union_all(select(following).where(ids.c.id.is_not(None)))
                found.update(connection.scalars(select(ids.c.id).where(ids.c.id.is_not(None))))
        return found

    def open_unnamed(self) -> set[tuple[str, RecordKey]]:
        """Return the records with an open membership of this run whose contact's Intercom id is not known."""
        of = (_M.workspace == self._workspace, *self._of_kind(), ~_HAS_ID)
        open_ = (_M.holding == LinkState.UNCLEAR.value, _M.run == self._run, IS_OPEN)
        with self._database.reading() as connection:
            return {(row.stream, row.key) for row in connection.execute(select(_M.stream, _M.key).where(*of, *open_))}

    def open_groups(self) -> dict[GroupKey, str]:
        """Return the groups, with their names, that contact records of earlier runs want and could not have."""
        open_ = (IS_LEFT, _M.content.is_(None), _M.run != self._run)
        query = select(_M.group_key, func.min(_M.name).label("name")).where(
            _M.workspace == self._workspace, *self._of_kind(), *open_, IS_OPEN
        )
        with self._database.reading() as connection:
            return {row.group_key: row.name for row in connection.execute(query.group_by(_M.group_key))}

    def members_of_ours(self, companies: Collection[GroupKey]) -> dict[GroupKey, set[ContactId]]:
        """Return the contacts that this target has put into companies, those too that it has yet to take out."""
        may_be_on = [*MAY_BE_ON, *ENDING]
        found: dict[GroupKey, set[ContactId]] = defaultdict(set)
        with self._database.reading() as connection:
            for chunk in chunks(sorted(companies)):
                of = (_M.workspace == self._workspace, IS_OF_COMPANY, _M.group_key.in_(chunk))
                ours = select(_M.group_key, _M.contact_id).where(*of, _M.ours, _M.holding.in_(may_be_on))
                for row in connection.execute(ours):
                    found[row.group_key].add(row.contact_id)
        return found

    # For the removal limit.

    def known(self, stream: str) -> int:
        """Count a stream's memberships whose links are ours, also those of contacts that are gone and may come back."""
        return self._count(*self._rows.of(stream), _M.ours, _M.holding.in_([*MAY_BE_ON, LinkState.AWAY.value]))

    def marked(self, stream: str, complete: Mapping[str, int | None]) -> int:
        """Count the memberships of a stream that this run's records mark as deleted, and no other record wants.

        `complete`: see `missing`.
        """
        mine = (*self._rows.of(stream), _M.holding == LinkState.MARKED.value, _M.run == self._run)
        return self._count(*mine, ~self._is_wanted_elsewhere(complete))

    def missing(self, stream: str, complete: Mapping[str, int | None]) -> int:
        """Count the memberships missing from a complete stream whose links are ours, and that no other record wants.

        `complete` has all complete streams; with a version where only records of another version are missing.
        """
        gone = (*self._missing(MEMBERSHIPS, stream, complete[stream]), _M.ours, _M.holding.in_(MAY_BE_ON))
        return self._count(*gone, ~self._is_wanted_elsewhere(complete))

    def _is_wanted_elsewhere(self, complete: Mapping[str, int | None]) -> ColumnElement[bool]:
        """Return the condition that another record wants the link, and is not missing itself."""
        other = MEMBERSHIPS.alias()
        marked_elsewhere = (other.c.holding == LinkState.MARKED.value) & (other.c.run != self._run)
        gone = [and_(*self._missing(other, stream, version)) for stream, version in complete.items()]
        is_same_pair = [other.c[name] == _M[name] for name in _PAIR]
        is_other = or_(other.c.stream != _M.stream, other.c.key != _M.key)
        is_wanted = or_(other.c.holding.in_(WANTED), marked_elsewhere)
        return select(other.c.key).where(*is_same_pair, is_other, is_wanted, ~or_(false(), *gone)).exists()

    # Rows.

    def _around(self, pairs: Collection[Pair]) -> Iterator[tuple[ColumnElement[bool], ...]]:
        """Yield conditions that find all of these pairs, and few others."""
        groups = sorted({group for _, group in pairs})
        # Where the groups are too many for one IN, the contacts alone will do.
        of_groups = (_M.group_key.in_(groups),) if len(groups) <= _MOST_GROUPS else ()
        for chunk in chunks(sorted({contact for contact, _ in pairs})):
            yield _M.workspace == self._workspace, _M.contact_id.in_(chunk), *of_groups

    def _among(self, streams: Collection[str]) -> tuple[ColumnElement[bool], ...]:
        """Return the condition for the rows of streams, of a few rows that are found by another column."""
        return _M.workspace == self._workspace, *self._of_kind(), _M.stream.concat("").in_(sorted(streams))

    def _in(self, streams: Collection[str]) -> tuple[ColumnElement[bool], ...]:
        return _M.workspace == self._workspace, *self._of_kind(), _M.stream.in_(sorted(streams))

    def _of_kind(self) -> tuple[ColumnElement[bool], ...]:
        return () if self._kind is None else (_M.kind == self._kind.value,)

    def _missing(self, table: FromClause, stream: str, version: int | None) -> tuple[ColumnElement[bool], ...]:
        """Return the condition for memberships of a stream whose record did not come, or only with another version."""
        return table.c.workspace == self._workspace, table.c.stream == stream, self._rows.missing(version, table)

    def _count(self, *where: ColumnElement[bool]) -> int:
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(MEMBERSHIPS).where(*where)) or 0

    def _read(self, query: Select[t.Any]) -> list[Membership]:
        with self._database.reading() as connection:
            return [self._membership(row) for row in connection.execute(query)]

    def _lock(self, connection: Connection, *where: ColumnElement[bool]) -> list[Membership]:
        """Return memberships, which no other run changes before the transaction ends."""
        # In a fixed order; in a form in which SQLite does not read all rows to have them sorted.
        order = (column.concat("") for column in MEMBERSHIPS.primary_key)
        query = select(MEMBERSHIPS).where(*where).order_by(*order).with_for_update()
        return [self._membership(row) for row in connection.execute(query)]

    def _membership(self, row: Row[t.Any]) -> Membership:
        """Read a row; a place in the pipe and a mark hold in the run that wrote them alone."""
        one = Membership(
            kind=LinkName(row.kind),
            stream=row.stream,
            key=row.key,
            contact=row.contact_id,
            group=row.group_key,
            name=row.name,
            linked=row.tag_id,
            state=LinkState(row.holding),
            ours=row.ours,
            content=row.content,
            place=row.place,
            version=row.version,
            # A wrong clock may have written a moment that is to come; what is settled is not mended before.
            written_at=min(row.written_at, stamp(time.time())),
        )
        return one if row.run == self._run else replace(one, place=None, state=_seen_by_another_run(one))


def _seen_by_another_run(one: Membership) -> LinkState:
    """Return a membership's state for a run that did not write it: what that run was about to do may be done."""
    if one.state is LinkState.WANTED or (one.state is LinkState.MARKED and one.linked is None):
        return LinkState.UNCLEAR
    return LinkState.ON if one.state is LinkState.MARKED else one.state


def of_pair(workspace: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for all records of one contact and group."""
    return _M.workspace == workspace, _M.contact_id == bindparam("who"), _M.group_key == bindparam("where")


def is_one_of(states: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition on a state, in a form that also a statement for many rows can have."""
    return or_(*(_M.holding == state for state in states))


def by_key(workspace: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for one membership, by its `key_of`."""
    return (
        _M.workspace == workspace,
        _M.stream == bindparam("of"),
        _M.key == bindparam("which"),
        _M.contact_id == bindparam("who"),
        _M.group_key == bindparam("where"),
    )


def key_of(one: Membership) -> dict[str, object]:
    """Return what `by_key` asks for."""
    return {"of": one.stream, "which": one.key, "who": one.contact, "where": one.group}
