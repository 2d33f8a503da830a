"""Bulk jobs cost fewer calls and change nothing: whatever runs come, the workspace ends as with single writes.

What goes singly is written before the jobs of its batch, so that one thing may be different: which of two records of
a batch gets an identifier that both want for different contacts. Nobody wants that here. And what a job made is found
by search when its id is needed, so that a mark may come too early for it; here the index has caught up.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.grouping import tag_by_hand
from tests.support.remembering import BY_ROW, WHEN, Row, rows

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People
from tests.support.examples import few

TYPES = {"owner": "text", "off": "boolean", "signed": "datetime", "groups": "array"}
MAPPINGS = {**BY_ROW, "owner": "owner_id", "off": "unsubscribed_from_emails", "signed": "signed_up_at"}
GROUPS = ("VIP", "Beta")
ADMIN, NOBODY = "1000001", "7"
STREAMS = ("customers", "shop", "leads")
LIFE = ("absent", "absent", "live", "tagged", "archived", "deleted", "lead")
STRANGER = "stranger@example.com"
"""The email of a user whose external_id no record has."""
OTHERS = (STRANGER, "no address", "")


@dataclass(frozen=True)
class Run:
    """One run: what each stream says, and how it is loaded."""

    streams: list[tuple[str, list[Row]]]
    modes: dict[str, str]
    creation: str
    removal: str
    size: int
    ledger: bool = True


@dataclass(frozen=True)
class History:
    """Who is there before, and the runs."""

    there: list[str]
    runs: list[Run]


@dataclass
class Ended:
    """What stands after the runs, and what became of the records."""

    standing: list[list[Row]] = field(default_factory=list)
    results: list[dict[str, dict[str, int]]] = field(default_factory=list)
    refusals: list[list[tuple[str, Any]]] = field(default_factory=list)


@st.composite
def records(draw: st.DrawFn, stream: str) -> Row:
    """A row of one of five persons, each of which has two keys."""
    number = draw(st.integers(1, 5))
    row: Row = {"row": number + draw(st.sampled_from([0, 0, 0, 10])), "email": f"p{number}@example.com"}
    if stream == "leads":
        row["email"] = draw(st.sampled_from([row["email"], f"l{number}@example.com"]))
    elif number != 3:
        # The third is known by the email alone.
        row["id"] = str(number)
        row["email"] = draw(st.sampled_from([*[row["email"]] * 5, None, *OTHERS]))
    names: dict[str, st.SearchStrategy[Any]] = {
        "name": st.sampled_from(["N", "M", None]),
        "plan": st.sampled_from(["pro", "free", None]),
        "seats": st.sampled_from([0, 1, None]),
        "off": st.booleans(),
        "signed": st.sampled_from([WHEN, None]),
        "groups": st.lists(st.sampled_from(GROUPS), max_size=2),
    }
    for name, value in names.items():
        if draw(st.booleans()):
            row[name] = draw(value)
    rarely = draw(st.integers(0, 13))
    if rarely < 3:
        row["_sdc_deleted_at"] = WHEN
    elif rarely < 5:
        row["owner"] = (ADMIN, NOBODY)[rarely - 3]
    return row


@st.composite
def runs(draw: st.DrawFn) -> Run:
    mode = st.sampled_from(["sync", "sync", "sync", "additive", "enrich", "insert"])
    names = draw(st.lists(st.sampled_from(STREAMS), min_size=1, max_size=3, unique=True))
    return Run(
        [(name, draw(st.lists(records(name), min_size=2, max_size=9))) for name in names],
        {name: draw(mode) for name in STREAMS},
        draw(st.sampled_from(["user", "user", "lifecycle"])),
        draw(st.sampled_from(["archive", "delete"])),
        draw(st.sampled_from([2, 4, 100])),
        draw(st.integers(0, 5)) > 0,
    )


def histories(most: int = 3) -> st.SearchStrategy[History]:
    there = st.lists(st.sampled_from(LIFE), min_size=5, max_size=5)
    return st.builds(History, there, st.lists(runs(), min_size=1, max_size=most))


class Worlds:
    """New workspaces for the same runs."""

    def __init__(self, load: Loader, people: People, sandbox: SandboxServer, **conditions: Any) -> None:
        self._load = load
        self._people = people
        self._sandbox = sandbox
        self._conditions = conditions

    def after(self, history: History, *, bulk: bool) -> Ended:
        """Load the runs into a new workspace."""
        self._sandbox.sandbox.reset()
        for path in self._load.data_dir.glob("ledger.db*"):
            path.unlink()
        self._begin(history.there)
        self._sandbox.conditions.change({"deletion_delay": 0, "bulk_seconds": 0, **self._conditions})
        ended = Ended()
        for run in history.runs:
            self._go(run, ended, bulk=bulk)
        assert not self._unheard()
        return ended

    def _begin(self, there: list[str]) -> None:
        self._people.add(external_id="stranger", email=STRANGER)
        tagged = []
        for number, life in enumerate(there, start=1):
            if life == "absent":
                continue
            names = {"email": f"p{number}@example.com", "name": "Old"}
            if life == "lead":
                self._people.add(**names, role="lead")
                continue
            contact = self._people.add(**names, **({} if number == 3 else {"external_id": str(number)}))
            if life == "tagged":
                tagged.append(contact)
            elif life == "archived":
                self._people.call("POST", f"/contacts/{contact}/archive", {})
            elif life == "deleted":
                self._people.call("DELETE", f"/contacts/{contact}")
        tag_by_hand(self._people, "vip", *tagged)

    def _go(self, run: Run, ended: Ended, *, bulk: bool) -> None:
        messages = [message for name, some in run.streams for message in rows(name, *some, **TYPES)]
        of_leads = {"mappings": {**MAPPINGS, "id": None}, "creation_mode": "lead", "match_by": ["email"]}
        streams: dict[str, Any] = {name: {"sync_mode": run.modes[name]} for name in STREAMS}
        streams["leads"] |= of_leads
        lag = self._conditions.get("search_lag", 0)
        done = self._load(
            messages,
            bulk_writes=bulk,
            streams=streams,
            creation_mode=run.creation,
            removal_mode=run.removal,
            batch_size_rows=run.size,
            ledger_url=... if run.ledger else "none",
            search_delay_seconds=1 if lag else 0,
        )
        assert done.exit_code == 0, done.log
        time.sleep(lag)
        ended.results.append({name: self._results(done, name) for name, _ in run.streams})
        ended.refusals.append(sorted((one["outcome"], one["code"] or "") for one in done.refusals))
        ended.standing.append(standing_with_tags(self._people))

    @staticmethod
    def _results(done: Loaded, stream: str) -> dict[str, int]:
        report = done.stream(stream)
        return {**done.results(stream), "tags on": report["tagged"], "tags off": report["untagged"]}

    def _unheard(self) -> list[Any]:
        """What jobs dropped or skipped without a word."""
        tasks = [task for job in self._sandbox.workspace.jobs.everything() for task in job["tasks"]]
        items = [item for task in tasks for item in task["items"]]
        return [item for item in items if item["dropped"] or item["skipped_tags"]]


def standing_with_tags(people: People) -> list[Row]:
    """Everybody, without what differs from one workspace to the next; what is cleared counts as never set."""
    shown = ("role", "state", "email", "name", "owner_id", "unsubscribed_from_emails", "signed_up_at")
    everyone = [
        {
            "external_id": one["external_id"] if one["role"] == "user" else None,
            **{name: one[name] or None for name in shown},
            "custom_attributes": {key: value for key, value in one["custom_attributes"].items() if value is not None},
            "tags": sorted(tag.casefold() for tag in one["tags"]),
        }
        for one in people.everyone()
    ]
    return sorted(everyone, key=str)


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {
        "mappings": MAPPINGS,
        "tags_property": "groups",
        "max_removal_percent": 100,
        "max_connections": 1,
        "search_delay_seconds": 0,
    }
    return load


@few(4)
@given(history=histories())
def test_runs_end_as_with_single_writes(load: Loader, people: People, sandbox: SandboxServer, history: History) -> None:
    worlds = Worlds(load, people, sandbox)
    singly, jobs = worlds.after(history, bulk=False), worlds.after(history, bulk=True)
    assert jobs.standing == singly.standing
    assert jobs.results == singly.results
    assert jobs.refusals == singly.refusals


@few(2)
@given(history=histories(most=2), seed=st.integers(0, 99))
def test_items_that_fail_for_no_reason_change_nothing(
    load: Loader, people: People, sandbox: SandboxServer, history: History, seed: int
) -> None:
    singly = Worlds(load, people, sandbox).after(history, bulk=False)
    faulty = Worlds(load, people, sandbox, bulk_item_fault_rate=0.3, fault_seed=seed)
    jobs = faulty.after(history, bulk=True)
    assert jobs.standing == singly.standing
    assert jobs.results == singly.results


@few(2)
@given(history=histories(most=2))
def test_a_search_that_lags_changes_nothing(
    load: Loader, people: People, sandbox: SandboxServer, history: History
) -> None:
    singly = Worlds(load, people, sandbox).after(history, bulk=False)
    jobs = Worlds(load, people, sandbox, search_lag=0.5).after(history, bulk=True)
    assert jobs.standing == singly.standing


def test_mode_insert_leaves_whoever_is_there_alone_also_where_a_job_failed_for_it(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """Somebody else has the email: single writes say that the contact exists, and so does what settles a job."""
    some: list[Row] = [{"row": 1, "id": "1", "email": STRANGER}, {"row": 2, "id": "2", "email": "p2@example.com"}]
    run = Run([("customers", some)], dict.fromkeys(STREAMS, "insert"), "user", "archive", 100)
    worlds, history = Worlds(load, people, sandbox), History([], [run])
    singly, jobs = worlds.after(history, bulk=False), worlds.after(history, bulk=True)
    assert (jobs.standing, jobs.results) == (singly.standing, singly.results)
