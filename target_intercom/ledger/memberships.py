"""Which contact is in which group, because of which record: the part of the ledger that knows whose tags are ours."""

from __future__ import annotations

import time
import typing as t
from collections import Counter, defaultdict
from dataclasses import replace

from sqlalchemy import and_, bindparam, case, delete, false, func, literal, or_, select, true, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from target_intercom.ledger.interface import NOBODY, UNNOTED, EntryState, LinkState, Membership, stamp
from target_intercom.ledger.store.chunks import chunks
from target_intercom.ledger.store.rows import Rows
from target_intercom.ledger.store.tables import ENTRIES, MEMBERSHIPS

if t.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Row

    from target_intercom.ledger.store.database import Database
    from target_intercom.model import ContactId, GroupKey, RecordKey, TagId

_KEPT = 86_400.0
"""Seconds for which it is remembered that a tag was taken off: search has caught up long before."""

_M = MEMBERSHIPS.c
_WANTS = [one.value for one in LinkState if one.is_wanted]
_MAY_BE_ON = [*_WANTS, LinkState.MARKED.value]
"""Where the tag is ours; another run that was about to put it on may have done so."""
_ENDING = [one.value for one in LinkState if one.is_ending]
_MOST_GROUPS = 400
"""Groups that go into one IN, beside a chunk of contacts."""
_ID = ("workspace", "contact_id", "group_key")

_KEY = tuple(column.name for column in MEMBERSHIPS.primary_key)
_CHANGING = tuple(column.name for column in MEMBERSHIPS.columns if not column.primary_key)


class Memberships:
    """The memberships of one workspace, in one run."""

    def __init__(self, database: Database, workspace: str, run: str) -> None:
        """Work on an open database; `run` is this run's id."""
        self._database = database
        self._workspace = workspace
        self._run = run
        self._rows = Rows(database, workspace, run, MEMBERSHIPS)
        self.has_work = False
        """Whether tags wait to be put on or taken off because of what this run has noted."""

    # Records.

    def of_keys(self, stream: str, keys: Collection[RecordKey]) -> dict[RecordKey, list[Membership]]:
        """Return what is known of these records."""
        found: dict[RecordKey, list[Membership]] = defaultdict(list)
        with self._database.reading() as connection:
            for chunk in chunks(sorted(keys)):
                where = (*self._rows.of(stream), _M.key.in_(chunk))
                for row in connection.execute(select(MEMBERSHIPS).where(*where)):
                    found[row.key].append(self._membership(row))
        return found

    def of_pairs(self, pairs: Collection[tuple[ContactId, GroupKey]]) -> list[Membership]:
        """Return what records, of any stream, say of these contacts and these groups."""
        query = select(MEMBERSHIPS)
        found: list[Membership] = []
        with self._database.reading() as connection:
            for where in self._around(pairs):
                rows = connection.execute(query.where(*where))
                found.extend(self._membership(row) for row in rows if (row.contact_id, row.group_key) in pairs)
        return found

    def _around(self, pairs: Collection[tuple[ContactId, GroupKey]]) -> Iterator[tuple[ColumnElement[bool], ...]]:
        """Make conditions under which all of these pairs are found, and few others."""
        groups = sorted({group for _, group in pairs})
        # Where they are too many for one IN, the contacts alone will do.
        of_groups = (_M.group_key.in_(groups),) if len(groups) <= _MOST_GROUPS else ()
        for chunk in chunks(sorted({contact for contact, _ in pairs})):
            yield _M.workspace == self._workspace, _M.contact_id.in_(chunk), *of_groups

    def note(
        self,
        changed: Sequence[Membership],
        dropped: Sequence[Membership],
        prints: Mapping[tuple[str, RecordKey], str] | None = None,
    ) -> None:
        """Write down what records that came say of groups; `prints` has the hash of what each contact record lists."""
        waiting = {(one.stream, one.key) for one in changed if one.holding not in {LinkState.ON, LinkState.OFF}}
        self.has_work = self.has_work or bool(waiting)
        rows = sorted((self._row(one) for one in changed), key=lambda row: tuple(str(row[name]) for name in _KEY))
        listed = [
            {"of": stream, "which": key, "print": value, "by": self._run if (stream, key) in waiting else None}
            for (stream, key), value in (prints or {}).items()
        ]

        def work(connection: Connection) -> None:
            self._delete(connection, dropped)
            self._rows.put(connection, rows, _CHANGING)
            if listed:
                connection.execute(_list(self._workspace), listed)

        if rows or dropped or listed:
            self._database.write(work)

    def see(self, stream: str, keys: Collection[RecordKey], version: int | None) -> None:
        """Note that known records came again."""
        self._rows.see(stream, keys, version)

    def gone(self, contacts: Collection[ContactId]) -> None:
        """Note that contacts are not there: what they have when they come back has to be looked at."""
        self._database.write(lambda connection: forget_contacts(connection, self._workspace, contacts))

    def back(self, contacts: Collection[ContactId]) -> None:
        """Note that contacts are there again: whether they kept their tags is not known."""
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

        self.has_work = bool(self._database.write(work)) or self.has_work

    # Tags.

    def pending(self, holding: LinkState, limit: int, *, by_contact: bool = False) -> list[Membership]:
        """Return some memberships that wait for their tag in this run.

        Those of a contact come together where it has to be looked at, or `by_contact`, else those of a group.
        """
        where = (_M.workspace == self._workspace, _M.holding == holding.value, _M.run == self._run)
        first = (
            (_M.contact_id, _M.group_key)
            if holding is LinkState.UNCLEAR or by_contact
            else (_M.group_key, _M.contact_id)
        )
        return self._read(select(MEMBERSHIPS).where(*where).order_by(*first, _M.stream, _M.key).limit(limit))

    def ending(self, streams: Collection[str], limit: int, after: Membership | None) -> list[Membership]:
        """Return some memberships of these streams whose tag is to be taken off, those of a contact together.

        `after`: the last of those that were given before.
        """
        order = tuple_(_M.contact_id, _M.group_key, _M.stream, _M.key)
        marked = (_M.holding == LinkState.MARKED.value) & (_M.run == self._run)
        where = [*self._in(streams), or_(marked, _M.holding.in_(_ENDING))]
        if after is not None:
            where.append(order > tuple_(*after.pair, after.stream, after.key))
        return self._read(select(MEMBERSHIPS).where(*where).order_by(*order.clauses).limit(limit))

    def release_forgotten(self, streams: Collection[str], *, is_whole: bool) -> None:
        """Have tags taken off that only a forgotten stream has put on, once others have said who is in which group.

        Of contact records: where a record of one of these streams lists its contact's groups; who wants the tag keeps
        it. Of groups streams: when one of them came whole (`is_whole`).
        """
        lists = select(ENTRIES.c.key).where(
            ENTRIES.c.workspace == self._workspace,
            ENTRIES.c.contact_id == _M.contact_id,
            ENTRIES.c.stream.in_(sorted(streams)),
            ENTRIES.c.standing == EntryState.SYNCED.value,
            ENTRIES.c.groups_print.is_not(None),
        )
        is_due = or_(_M.content.is_(None) & lists.exists(), _M.content.is_not(None) if is_whole else false())
        of = (*self._in([NOBODY]), _M.holding == LinkState.OFF.value, _M.ours, is_due)
        released = update(MEMBERSHIPS).where(*of).values(holding=LinkState.RELEASED.value)
        self._database.write(lambda connection: connection.execute(released))

    def wanted(self, pairs: Collection[tuple[ContactId, GroupKey]]) -> set[tuple[ContactId, GroupKey]]:
        """Tell which of these contacts some record, of any stream, wants in these groups."""
        found: set[tuple[ContactId, GroupKey]] = set()
        with self._database.reading() as connection:
            for where in self._around(pairs):
                wants = select(_M.contact_id, _M.group_key).where(*where, _M.holding.in_(_WANTS))
                rows = connection.execute(wants)
                found.update(pair for row in rows if (pair := (row.contact_id, row.group_key)) in pairs)
        return found

    def wanted_by(self, pairs: Collection[tuple[ContactId, GroupKey]]) -> Counter[str]:
        """Count by stream the tags of these contacts and groups that records want."""
        found: Counter[str] = Counter()
        with self._database.reading() as connection:
            for where in self._around(pairs):
                wants = select(_M.stream, _M.contact_id, _M.group_key).where(*where, _M.holding.in_(_WANTS)).distinct()
                rows = connection.execute(wants)
                found.update(row.stream for row in rows if (row.contact_id, row.group_key) in pairs)
        return found

    def let_go(self, rows: Sequence[Membership]) -> set[tuple[ContactId, GroupKey]]:
        """Let go of tags, and tell which of them other records, of any stream and run, still want.

        Those are theirs from now on. It is all one transaction: of two runs that let go of a tag at the same moment,
        one is the last.
        """
        pairs, mine = {one.pair for one in rows}, {one.id for one in rows}

        def work(connection: Connection) -> set[tuple[ContactId, GroupKey]]:
            locked = self._locked(connection, pairs)
            staying = {one.pair for one in locked if one.holding.is_wanted and one.id not in mine}
            staying |= self._by_tag(connection, rows)
            self._share(connection, [one for one in rows if one.pair in staying and one.ours])
            self._delete(connection, [one for one in rows if one.pair in staying])
            self._settle(connection, [_ending(one) for one in rows if one.pair not in staying])
            return staying

        return self._database.write(work)

    def _by_tag(self, connection: Connection, rows: Sequence[Membership]) -> set[tuple[ContactId, GroupKey]]:
        """Find the pairs whose very tag a record wants for another group, as after it was renamed to that one's name.

        There, too, it is this target's from now on.
        """
        tags, mine = {(one.contact, one.tag) for one in rows if one.tag is not None}, {one.id for one in rows}
        wanted: dict[tuple[ContactId, TagId], list[Membership]] = defaultdict(list)
        for chunk in chunks(sorted({contact for contact, _ in tags})):
            where = (_M.workspace == self._workspace, _M.contact_id.in_(chunk), _M.holding.in_(_WANTS))
            query = select(MEMBERSHIPS).where(*where).order_by(*MEMBERSHIPS.primary_key).with_for_update()
            for one in map(self._membership, connection.execute(query)):
                if one.tag is not None and (one.contact, one.tag) in tags and one.id not in mine:
                    wanted[one.contact, one.tag].append(one)
        kept = [one for one in rows if one.tag is not None and (one.contact, one.tag) in wanted]
        heirs = [heir for one in kept if one.ours and one.tag is not None for heir in wanted[one.contact, one.tag]]
        for heir in heirs:
            connection.execute(update(MEMBERSHIPS).where(*_this(self._workspace)).values(ours=True), _key_values(heir))
        return {one.pair for one in kept}

    def _locked(self, connection: Connection, pairs: Collection[tuple[ContactId, GroupKey]]) -> Iterator[Membership]:
        """Return the memberships of pairs, which nobody else changes before the transaction ends."""
        for where in self._around(pairs):
            rows = select(MEMBERSHIPS).where(*where).order_by(*MEMBERSHIPS.primary_key).with_for_update()
            for row in connection.execute(rows):
                if (row.contact_id, row.group_key) in pairs:
                    yield self._membership(row)

    def settle(self, rows: Sequence[Membership]) -> None:
        """Write down what became of memberships' tags."""
        if rows:
            self._database.write(lambda connection: self._settle(connection, rows))

    def _settle(self, connection: Connection, rows: Sequence[Membership]) -> None:
        values = [
            {**_key_values(one), "to": one.holding.value, "id": one.tag, "us": one.ours, "at": one.written_at}
            for one in rows
        ]
        changes: dict[str, t.Any] = {
            "holding": bindparam("to"),
            "tag_id": bindparam("id"),
            "ours": bindparam("us"),
            "written_at": bindparam("at"),
        }
        if values:
            connection.execute(update(MEMBERSHIPS).where(*_this(self._workspace)).values(changes), values)

    def unlist(self, records: Collection[tuple[str, RecordKey]]) -> None:
        """Note that not all groups of these contact records became tags: the next run looks at them again."""
        values = [{"of": stream, "which": key, "print": UNNOTED, "by": None} for stream, key in records]
        if values:
            self._database.write(lambda connection: connection.execute(_list(self._workspace), values))

    def listed(self) -> None:
        """Note that the contact records whose groups this run noted have their tags."""
        mine = (ENTRIES.c.workspace == self._workspace, ENTRIES.c.groups_run == self._run)
        self._database.write(
            lambda connection: connection.execute(update(ENTRIES).where(*mine).values(groups_run=None))
        )

    def ended(self, pairs: Collection[tuple[ContactId, GroupKey]]) -> None:
        """Write that tags were taken off, for every record that has let go of them, and for forgotten ones."""
        off = {"holding": LinkState.OFF.value, "ours": False, "written_at": stamp(time.time())}
        statement = (
            update(MEMBERSHIPS).where(*_pair(self._workspace), _is_one_of([*_ENDING, LinkState.OFF.value])).values(off)
        )
        if pairs:
            values = [{"who": contact, "where": group} for contact, group in sorted(pairs)]
            self._database.write(lambda connection: connection.execute(statement, values))

    def share(self, rows: Sequence[Membership]) -> None:
        """Note, for every record that wants a tag which is ours, that it is: whoever lets go last takes it off."""
        if rows:
            self._database.write(lambda connection: self._share(connection, rows))

    def _share(self, connection: Connection, rows: Sequence[Membership]) -> None:
        tags = {one.pair: one.tag for one in rows if one.tag is not None}
        ours = {"tag_id": bindparam("id"), "ours": True}
        statement = update(MEMBERSHIPS).where(*_pair(self._workspace), _is_one_of(_MAY_BE_ON)).values(ours)
        values = [{"who": contact, "where": group, "id": tag} for (contact, group), tag in sorted(tags.items())]
        if values:
            connection.execute(statement, values)

    def group_tags(self) -> dict[GroupKey, tuple[str, list[TagId]]]:
        """Return a name of each group and the tags that contacts have, or had, for it, the most frequent one first."""
        has_tag = (_M.tag_id.is_not(None), or_(_M.holding.in_(_MAY_BE_ON), _M.ours))
        often = func.count().desc()
        query = (
            select(_M.group_key, _M.tag_id, func.min(_M.name).label("name"))
            .where(_M.workspace == self._workspace, *has_tag)
            .group_by(_M.group_key, _M.tag_id)
            .order_by(_M.group_key, often, _M.tag_id)
        )
        found: dict[GroupKey, tuple[str, list[TagId]]] = {}
        with self._database.reading() as connection:
            for row in connection.execute(query):
                found.setdefault(row.group_key, (row.name, []))[1].append(row.tag_id)
        return found

    def tags(self, streams: Collection[str]) -> set[TagId]:
        """Return the tags that contacts have because of these streams."""
        where = (*self._in(streams), _M.holding == LinkState.ON.value, _M.tag_id.is_not(None))
        with self._database.reading() as connection:
            return set(connection.scalars(select(_M.tag_id).where(*where).distinct()))

    def lost(self, streams: Collection[str], tags: Collection[TagId]) -> int:
        """Note that tags are not there any more; returns how many memberships have to be looked at again."""
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
            for chunk in chunks(sorted(tags)):
                where = (*self._in(streams), _M.holding == LinkState.ON.value, _M.tag_id.in_(chunk))
                changed += connection.execute(update(MEMBERSHIPS).where(*where).values(values)).rowcount
            return changed

        return self._database.write(work) if tags else 0

    def take_over(self, streams: Collection[str]) -> None:
        """Have this run look whether contacts have the tags that an earlier one may have put on for their records.

        It could not find out, and went on; a record of a groups stream was rejected for that.
        """
        unheard = (_M.holding == LinkState.UNCLEAR.value, _M.ours, _M.content.is_(None), _M.run != self._run)
        mine = update(MEMBERSHIPS).where(*self._in(streams), *unheard).values(run=self._run, place=None)
        self._database.write(lambda connection: connection.execute(mine))

    # Who left.

    def known(self, stream: str) -> int:
        """Count the memberships of a stream whose tags are ours, also of contacts that are away: they may come back."""
        return self._count(*self._rows.of(stream), _M.ours, _M.holding.in_([*_MAY_BE_ON, LinkState.AWAY.value]))

    def marked(self, stream: str, whole: Mapping[str, int | None]) -> int:
        """Count the tags that records of this run end, where nobody else wants them.

        `whole` has the streams whose missing records have left, with their versions; see `missing`.
        """
        mine = (*self._rows.of(stream), _M.holding == LinkState.MARKED.value, _M.run == self._run)
        return self._count(*mine, ~self._others(whole))

    def activate(self, stream: str, version: int) -> None:
        """Write the version of the records that came in this run, whose tap told it apart from them."""
        self._rows.activate(stream, version)

    def missing(self, stream: str, whole: Mapping[str, int | None]) -> int:
        """Count the memberships that left a whole table, whose tags are ours, and that nobody else wants.

        `whole` has all such streams with the activated version, where only records of another have left.
        """
        gone = (*self._missing(MEMBERSHIPS, stream, whole[stream]), _M.ours, _M.holding.in_(_MAY_BE_ON))
        return self._count(*gone, ~self._others(whole))

    def _others(self, whole: Mapping[str, int | None]) -> ColumnElement[bool]:
        """Return the condition that another record wants the tag, which has not left itself."""
        other = MEMBERSHIPS.alias()
        wants = or_(
            other.c.holding.in_(_WANTS), (other.c.holding == LinkState.MARKED.value) & (other.c.run != self._run)
        )
        gone = [and_(*self._missing(other, stream, version)) for stream, version in whole.items()]
        is_pair = [other.c[name] == _M[name] for name in _ID]
        is_other = or_(other.c.stream != _M.stream, other.c.key != _M.key)
        return select(other.c.key).where(*is_pair, is_other, wants, ~or_(false(), *gone)).exists()

    def leave(self, stream: str, version: int | None) -> None:
        """Note that the memberships that are missing have left; those whose tag is not ours are forgotten."""
        where = self._missing(MEMBERSHIPS, stream, version)

        def work(connection: Connection) -> None:
            ours, away = (*where, _M.ours, _M.holding.in_(_MAY_BE_ON)), _M.holding == LinkState.AWAY.value
            connection.execute(update(MEMBERSHIPS).where(*ours).values(holding=LinkState.LEFT.value, place=None))
            connection.execute(update(MEMBERSHIPS).where(*where, _M.ours, away).values(holding=LinkState.OFF.value))
            connection.execute(delete(MEMBERSHIPS).where(*where, or_(_M.holding.in_(_MAY_BE_ON), away)))

        self._database.write(work)

    def finish(self) -> None:
        """Forget what was taken off long ago."""
        old = (_M.holding == LinkState.OFF.value, ~_M.ours, _M.written_at < stamp(time.time() - _KEPT))
        self._database.write(
            lambda connection: connection.execute(delete(MEMBERSHIPS).where(_M.workspace == self._workspace, *old))
        )

    def close(self) -> None:
        """Return everything back that is not the ledger's."""

    # Rows.

    def _in(self, streams: Collection[str]) -> tuple[ColumnElement[bool], ...]:
        return _M.workspace == self._workspace, _M.stream.in_(sorted(streams))

    def _missing(self, table: FromClause, stream: str, version: int | None) -> tuple[ColumnElement[bool], ...]:
        of = table.c
        missing = (of.workspace == self._workspace, of.stream == stream, ~self._rows.came(table))
        return missing if version is None else (*missing, or_(of.version.is_(None), of.version != version))

    def _count(self, *where: ColumnElement[bool]) -> int:
        with self._database.reading() as connection:
            return connection.scalar(select(func.count()).select_from(MEMBERSHIPS).where(*where)) or 0

    def _read(self, query: t.Any) -> list[Membership]:
        with self._database.reading() as connection:
            return [self._membership(row) for row in connection.execute(query)]

    def _delete(self, connection: Connection, rows: Sequence[Membership]) -> None:
        if rows:
            connection.execute(delete(MEMBERSHIPS).where(*_this(self._workspace)), list(map(_key_values, rows)))

    def _row(self, one: Membership) -> dict[str, object]:
        return {
            "workspace": self._workspace,
            "stream": one.stream,
            "key": one.key,
            "contact_id": one.contact,
            "group_key": one.group,
            "name": one.name,
            "tag_id": one.tag,
            "holding": one.holding.value,
            "ours": one.ours,
            "content": one.content,
            "place": one.place,
            "run": self._run,
            "written_at": one.written_at,
            "version": one.version,
            **self._rows.seen(),
        }

    def _membership(self, row: Row[t.Any]) -> Membership:
        """Read a row; where records wait, and what they mark, is of the run that noted it.

        A tag that another run was about to put on may be on.
        """
        one = Membership(
            stream=row.stream,
            key=row.key,
            contact=row.contact_id,
            group=row.group_key,
            name=row.name,
            tag=row.tag_id,
            holding=LinkState(row.holding),
            ours=row.ours,
            content=row.content,
            place=row.place,
            version=row.version,
            written_at=row.written_at,
        )
        if row.run == self._run:
            return one
        return replace(one, place=None, holding=_elsewhere(one))


def _ending(one: Membership) -> Membership:
    """Note a membership whose tag is about to be taken off: a run that is cut off does not know whether it was."""
    holding = LinkState.RELEASED if one.holding is LinkState.MARKED else one.holding
    return replace(one, holding=holding, written_at=stamp(time.time()))


def _elsewhere(one: Membership) -> LinkState:
    """Return what is known of a membership that another run noted so: what it was about to do may be done."""
    if one.holding is LinkState.WANTED or (one.holding is LinkState.MARKED and one.tag is None):
        return LinkState.UNCLEAR
    return LinkState.ON if one.holding is LinkState.MARKED else one.holding


def forget_contacts(connection: Connection, workspace: str, contacts: Iterable[ContactId]) -> None:
    """Note that contacts are gone, with their tags; whose the tags were is kept, since contacts can come back."""
    away = {"holding": LinkState.AWAY.value, "written_at": stamp(time.time())}
    for chunk in chunks(sorted(contacts)):
        of = (_M.workspace == workspace, _M.contact_id.in_(chunk), _M.holding.in_(_MAY_BE_ON))
        connection.execute(update(MEMBERSHIPS).where(*of).values(away))
        entries = (ENTRIES.c.workspace == workspace, ENTRIES.c.contact_id.in_(chunk))
        noted = case((ENTRIES.c.groups_print.is_not(None), UNNOTED))
        connection.execute(update(ENTRIES).where(*entries).values(groups_print=noted))


def release_records(connection: Connection, workspace: str, stream: str, keys: Iterable[RecordKey]) -> None:
    """Note that records of a stream are gone, whose contacts stay: their tags are to be taken off where ours."""
    for chunk in chunks(sorted(keys)):
        of = (_M.workspace == workspace, _M.stream == stream, _M.key.in_(chunk), _M.holding != LinkState.OFF.value)
        holding = case((_M.ours, LinkState.RELEASED.value), else_=LinkState.OFF.value)
        connection.execute(update(MEMBERSHIPS).where(*of).values(holding=holding))


def tags_of_stream_alone(workspace: str, stream: str) -> t.Any:
    """Make the query that counts the tags which are this target's because of one stream alone."""
    other = MEMBERSHIPS.alias()
    wants = [other.c[name] == _M[name] for name in _ID]
    wants += [other.c.stream != stream, other.c.holding.in_(_MAY_BE_ON)]
    pairs = (
        select(_M.contact_id, _M.group_key)
        .where(_M.workspace == workspace, _M.stream == stream, _M.ours, _M.holding.in_([*_MAY_BE_ON, *_ENDING]))
        .where(~select(other.c.key).where(*wants).exists())
        .distinct()
    )
    return select(func.count()).select_from(pairs.subquery())


def let_go_of_stream(connection: Connection, workspace: str, stream: str, now: int) -> None:
    """Keep which tags are this target's because of a stream, without its records."""
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
    }
    ours = (
        select(*(value.label(name) for name, value in kept.items()))
        .where(_M.workspace == workspace, _M.stream == stream, _M.ours)
        .group_by(_M.workspace, _M.contact_id, _M.group_key)
    )
    keep = insert(MEMBERSHIPS).from_select(list(kept), ours)
    changing = {name: keep.excluded[name] for name in kept if name not in _KEY}
    connection.execute(keep.on_conflict_do_update(index_elements=MEMBERSHIPS.primary_key, set_=changing))


def _pair(workspace: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for all records of one contact and group."""
    return _M.workspace == workspace, _M.contact_id == bindparam("who"), _M.group_key == bindparam("where")


def _is_one_of(holdings: Iterable[str]) -> ColumnElement[bool]:
    """Return the condition on a holding, in a form that also a statement for many rows can have."""
    return or_(*(_M.holding == holding for holding in holdings))


def _list(workspace: str) -> t.Any:
    """Make the statement that notes what contact records list."""
    of = (
        ENTRIES.c.workspace == workspace,
        ENTRIES.c.stream == bindparam("of"),
        ENTRIES.c.key == bindparam("which"),
    )
    return update(ENTRIES).where(*of).values(groups_print=bindparam("print"), groups_run=bindparam("by"))


def _this(workspace: str) -> tuple[ColumnElement[bool], ...]:
    """Return the condition for one membership, by its `_key_values`."""
    return (
        _M.workspace == workspace,
        _M.stream == bindparam("of"),
        _M.key == bindparam("which"),
        _M.contact_id == bindparam("who"),
        _M.group_key == bindparam("where"),
    )


def _key_values(one: Membership) -> dict[str, object]:
    return {"of": one.stream, "which": one.key, "who": one.contact, "where": one.group}
