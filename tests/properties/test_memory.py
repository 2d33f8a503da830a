"""The ledger saves calls and changes nothing: whatever runs come, the workspace ends as without it.

Two things are different by design and so do not happen here: an unchanged record does not undo what was done by hand,
and a record whose identifiers change keeps its contact. So nobody has a hand in the workspace, and a record's
identifiers stay, or all that changes is the email beside the external_id that finds its contact first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.remembering import BY_ROW, WHEN, Row, customers, standing

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People
from tests.support.examples import few

Run = tuple[list[Row], dict[str, Any]]
EMAILS = ("a@example.com", "b@example.com", "c@example.com")
TYPES = {"owner": "text", "off": "boolean"}
MODES = ("sync", "additive", "enrich", "insert")
ROLES = ("user", "lead", "lifecycle")
ATTRIBUTES = {"name": ("N", "M", None), "plan": ("pro", "free", None), "seats": (0, 1, None), "off": (True, False)}

# Two ways for a record to be the same person's all the time.
PERSONS: dict[int, Row] = {
    1: {"id": "1", "email": EMAILS[0]},
    2: {"id": None, "email": EMAILS[1]},
    3: {"id": "3", "email": EMAILS[2]},
    4: {"id": "4", "email": None},
}
SHARED: dict[int, Row] = {1: PERSONS[1], 2: PERSONS[1], 3: PERSONS[3], 4: {"id": None, "email": EMAILS[2]}}


@st.composite
def attributes(draw: st.DrawFn) -> Row:
    names = draw(st.sets(st.sampled_from(sorted(ATTRIBUTES))))
    row = {name: draw(st.sampled_from(ATTRIBUTES[name])) for name in sorted(names)}
    if draw(st.integers(0, 9)) == 0:
        row["owner"] = "7"  # nobody: Intercom refuses the record
    if draw(st.integers(0, 4)) == 0:
        row["_sdc_deleted_at"] = WHEN
    return row


@st.composite
def of_persons(draw: st.DrawFn, persons: dict[int, Row]) -> Row:
    key = draw(st.sampled_from(sorted(persons)))
    return {"row": key, **persons[key], **draw(attributes())}


@st.composite
def with_any_email(draw: st.DrawFn) -> Row:
    key = draw(st.integers(1, 4))
    emails: list[Row] = [{}, {"email": None}, *({"email": email} for email in EMAILS)]
    return {"row": key, "id": str(key), **draw(st.sampled_from(emails)), **draw(attributes())}


@st.composite
def changed(draw: st.DrawFn, table: list[Row], new: Row) -> list[Row]:
    """A table that is read again: one row is new or another, some are gone."""
    kept = [row for row in table if row["row"] != new["row"] and draw(st.integers(0, 3))]
    place = draw(st.integers(0, len(kept)))
    return draw(st.sampled_from([table, [*kept[:place], new, *kept[place:]], kept or [new]]))


@st.composite
def runs(
    draw: st.DrawFn, rows: st.SearchStrategy[Row], *, roles: tuple[str, ...] = ROLES, once: bool = True
) -> list[Run]:
    """From two to four runs; they often repeat what came before, as a table does that is read again."""
    done: list[Run] = []
    for _ in range(draw(st.integers(2, 4))):
        table = draw(st.lists(rows, min_size=1, max_size=5, unique_by=(lambda row: row["row"]) if once else None))
        reads_again, as_before = draw(st.booleans()), draw(st.booleans())
        if done and reads_again:
            table = draw(changed(done[-1][0], table[0]))
        how = {
            "sync_mode": draw(st.sampled_from(MODES)),
            "creation_mode": draw(st.sampled_from(roles)),
            "removal_mode": draw(st.sampled_from(["archive", "delete"])),
            "batch_size_rows": draw(st.integers(1, 5)),
        }
        if done and as_before:
            how = done[-1][1]
        done.append((table, how))
    return done


@st.composite
def contacts(draw: st.DrawFn, *, named: bool) -> Row:
    """Somebody who is there before; `named`: a user with an external_id."""
    role, number = "user" if named else draw(st.sampled_from(["user", "lead"])), draw(st.integers(1, 3))
    names = {"external_id": str(number)} if named or (role == "user" and draw(st.booleans())) else {}
    return {"role": role, "email": EMAILS[number - 1], "name": "Old", **names}


def before(*, named: bool = False) -> st.SearchStrategy[list[Row]]:
    return st.lists(contacts(named=named), max_size=2, unique_by=lambda contact: contact["email"])


@pytest.fixture
def load(load: Loader) -> Loader:
    mappings = {**BY_ROW, "owner": "owner_id", "off": "unsubscribed_from_emails"}
    # One connection: who comes first is not left to chance where two records want one email.
    load.settings = {"mappings": mappings, "max_connections": 1, "search_delay_seconds": 0}
    return load


class Worlds:
    """New workspaces for the same runs."""

    def __init__(self, load: Loader, people: People, sandbox: SandboxServer, there: list[Row]) -> None:
        self._load = load
        self._people = people
        self._sandbox = sandbox
        self._there = there
        self._after: list[Row] = []
        self.refused = False

    def after(self, done: list[Run], *, losing: bool = False, **changes: Any) -> list[Row]:
        """Load the runs into a new workspace; return its contacts. `losing`: the ledger is lost before each run."""
        self._sandbox.sandbox.reset()
        self._sandbox.conditions.deletion_delay = 0
        for contact in self._there:
            self._people.add(**contact)
        for table, how in done:
            if losing:
                self.lose_the_ledger()
            loaded = self._load(customers(*table, **TYPES), **how, **changes)
            assert loaded.exit_code == 0
            assert sum(loaded.results().values()) == len(table)
            self.refused = bool(loaded.refusals)
        self._after = standing(self._people)
        return self._after

    def lose_the_ledger(self) -> None:
        for path in self._load.data_dir.glob("ledger.db*"):
            path.unlink()

    def assert_the_last_run_once_more_writes_nothing(self, last: Run) -> None:
        """What is refused is tried again, and refused again."""
        table, how = last
        again = self._load(customers(*table, **TYPES), **how)
        assert standing(self._people) == self._after
        assert set(again.results()) <= {"unchanged", "skipped", "invalid", "rejected"}
        if set(again.results()) == {"unchanged"}:
            assert again.writes == 0


def assert_the_same(worlds: Worlds, done: list[Run]) -> None:
    without = worlds.after(done, ledger_url="none")
    assert worlds.after(done, losing=True) == without
    assert worlds.after(done) == without


@few(12)
@given(there=before(), done=runs(of_persons(PERSONS)))
def test_runs_of_the_same_persons_end_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, there: list[Row], done: list[Run]
) -> None:
    worlds = Worlds(load, people, sandbox, there)
    assert_the_same(worlds, done)
    worlds.assert_the_last_run_once_more_writes_nothing(done[-1])


@few(8)
@given(there=before(named=True), done=runs(with_any_email(), roles=("user",)))
def test_runs_whose_emails_change_end_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, there: list[Row], done: list[Run]
) -> None:
    worlds = Worlds(load, people, sandbox, there)
    assert_the_same(worlds, done)
    # What one record gave up after another was refused for it is free the second time.
    if not worlds.refused:
        worlds.assert_the_last_run_once_more_writes_nothing(done[-1])


@few(8)
@given(there=before(), done=runs(of_persons(SHARED), once=False))
def test_runs_with_many_records_of_one_person_end_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, there: list[Row], done: list[Run]
) -> None:
    assert_the_same(Worlds(load, people, sandbox, there), done)
