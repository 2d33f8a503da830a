"""What holds removals back: the fuse, another run on the same stream, and the end of a run before its time."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import another, feed, record, schema, send_before, until
from tests.support.remembering import WHEN, Row
from tests.support.shares import SHARES
from tests.support.tables import ORDINARY, SNAPSHOT, Message, Table, alone, gone, person

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People
    from tests.support.processes import TargetProcess

TABLE = Table(schema("customers", id="integer", email="text", name="text", _sdc_deleted_at="datetime"), person)
rows, activate, whole, versioned = TABLE.rows, TABLE.activate, TABLE.whole, TABLE.versioned
CUSTOMERS, DONE = TABLE.stream(), TABLE.bookmarks()


def marked(numbers: Iterable[int]) -> list[Row]:
    return [person(number, _sdc_deleted_at=WHEN) for number in numbers]


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"sync_mode": "sync", "snapshot": True, "max_connections": 8}
    return load


# The fuse.


@SHARES
def test_how_many_may_be_removed(
    load: Loader, people: People, known: int, left: int, are_marked: int, percent: int, allowed: bool
) -> None:
    load(whole(*range(known)))
    staying = range(left + are_marked, known)
    # A stream without any record proves nothing: where nobody stays somebody comes.
    messages = whole(*staying or [1000], *marked(range(left, left + are_marked)))
    done = load(messages, max_removal_percent=percent)
    if allowed:
        assert done.exit_code == 0
        assert done.states == [DONE["value"]]
        assert (done.stream()["left"], done.stream()["archived"]) == (left, are_marked)
        assert gone(people) == set(map(str, range(left + are_marked)))
    else:
        assert (done.exit_code, done.states) == (1, [])
        assert done.report["status"] == "failed"
        assert (done.stream()["left"], done.stream()["archived"]) == (0, 0)
        assert gone(people) == set()


@pytest.mark.parametrize(("marks", "allowed"), [(20, True), (21, False)])
def test_before_a_run_of_the_stream_has_succeeded_up_to_20_go(
    load: Loader, people: People, marks: int, allowed: bool
) -> None:
    load(whole(*range(21), of="before"), sync_mode="additive", snapshot=False)
    messages = whole(*range(100, 200), *marked(range(marks)))
    for _ in range(2):
        done = load(messages, batch_size_rows=30, ledger_url="none", snapshot=False)
        assert done.exit_code == (0 if allowed else 1)
        assert len(gone(people)) == (marks if allowed else 0)
        messages = whole(*range(100, 200), *marked(range(marks if not allowed else 0)))


@pytest.mark.parametrize("kind", ["strangers", "marks six times", "refused beside marks", "marks beside strangers"])
def test_what_a_failed_run_wrote_or_refused_does_not_make_the_stream_larger(
    load: Loader, people: People, kind: str
) -> None:
    load(whole(*range(100)))
    messages = {
        "strangers": whole(*range(1000, 1450)),
        "marks six times": whole(*marked([*range(100)] * 6)),
        "refused beside marks": whole(
            *marked(range(100)), *({"id": number, "email": "no"} for number in range(200, 650))
        ),
        "marks beside strangers": whole(*marked(range(100)), *range(1000, 1450)),
    }[kind]
    for _ in range(3):
        assert load(messages).exit_code == 1
        assert gone(people) == set()
    assert load(messages, max_removal_percent=100).exit_code == 0
    assert gone(people) == set(map(str, range(100)))


def test_a_run_that_was_ended_by_a_signal_does_not_make_the_stream_larger(load: Loader, people: People) -> None:
    load(whole(*range(30)))
    process = begun(load, people, CUSTOMERS, *rows(*range(1000, 1040)))
    os.kill(process.pid, signal.SIGTERM)
    load.finish(process)
    for _ in range(2):
        assert load(whole(*range(1000, 1200))).exit_code == 1
        assert gone(people) == set()


def test_the_failure_has_the_figures_and_the_setting_and_raising_it_lets_the_removals_through(
    load: Loader, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    load([*whole(*range(50)), *whole(*range(100, 104), of="others")])
    messages = [
        *whole(*range(24, 50), 200, *marked(range(4))),
        *whole(*range(100, 102), *marked([102]), of="others"),
    ]
    for _ in range(2):
        caplog.clear()
        done = load(messages, max_removal_percent=47)
        assert (done.exit_code, done.states) == (1, [])
        assert gone(people) == set()
        (said,) = [one.getMessage() for one in caplog.records if "'max_removal_percent'" in one.getMessage()]
        for figure in ("Stream 'customers'", "24 ", "4 marked", "20 missing", "(47)", "had 50"):
            assert figure in said
        assert "'others'" not in said
        assert "Failed" in caplog.records[-1].getMessage()
    # What was to be written is written: 200 is there.
    assert len(people.live()) == 55
    done = load(messages, max_removal_percent=48)
    assert done.exit_code == 0
    assert gone(people) == {*map(str, range(24)), "102", "103"}
    assert [done.stream(name)["left"] for name in ("customers", "others")] == [20, 1]


def test_streams_beyond_the_fuse_are_all_said(load: Loader, people: People, caplog: pytest.LogCaptureFixture) -> None:
    load([*whole(1, 2, 3), *whole(11, 12, 13, of="others")])
    assert load([*whole(1), *whole(11, of="others")]).exit_code == 1
    assert "Stream 'customers': 2 contacts" in caplog.text
    assert "Stream 'others': 2 contacts" in caplog.text


def test_a_fuse_keeps_the_removals_of_a_remove_stream_back_too(load: Loader, people: People) -> None:
    """One run, one decision: who runs it again gets all of them."""
    settings = {"streams": {"requests": {"sync_mode": "remove", "snapshot": False}}}
    load(whole(1, 2, 3, 4, 5))
    messages = [*whole(5, of="requests"), *whole(1)]
    assert load(messages, **settings).exit_code == 1
    assert gone(people) == set()
    assert load(messages, max_removal_percent=100, **settings).exit_code == 0
    assert gone(people) == {"2", "3", "4", "5"}


def test_the_fuse_counts_contacts_and_not_their_rows(load: Loader, people: People) -> None:
    keyed = schema("customers", keys=["row"], row="integer", id="integer", email="text")
    mappings = {"id": "external_id", "row": None}

    def run(numbers: Iterable[int]) -> int:
        pairs = [record("customers", row=row + number, **person(number)) for number in numbers for row in (100, 200)]
        return load([keyed, *pairs, DONE], mappings=mappings).exit_code

    assert run(range(1, 6)) == 0
    assert run(range(1, 3)) == 1  # contacts: 3 of 5 leave
    assert gone(people) == set()
    assert run(range(1, 4)) == 0  # 2 of 5
    assert gone(people) == {"4", "5"}


def test_the_fuse_counts_contacts_and_not_the_tags_that_removed_ones_had(load: Loader, people: People) -> None:
    tagged = [person(number, tags=list("abcdefghijkl")) for number in range(10)]
    messages = [schema("customers", id="integer", email="text", tags="array"), *rows(*tagged)]
    load(messages, tags_property="tags", snapshot=False)
    load([CUSTOMERS, *rows(*marked(range(10)))], tags_property="tags", snapshot=False, max_removal_percent=100)
    strangers = range(100, 121)
    for number in strangers:
        people.add(external_id=str(number))
    done = load([CUSTOMERS, *rows(*marked(strangers))], tags_property="tags", snapshot=False)
    assert (done.exit_code, gone(people)) == (1, set(map(str, range(10))))


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_contact_with_many_rows_counts_once_however_many_are_looked_at_together(
    load: Loader, people: People, dry_run: bool
) -> None:
    keyed = schema("customers", keys=["row"], row="text", id="integer", email="text")
    settings = {"mappings": {"id": "external_id", "row": None}, "max_removal_percent": 60}
    table = [(first, number) for first in "abcdefghij" for number in range(100)]
    load([keyed, *(record("customers", row=f"{first}{n}", **person(n)) for first, n in table), DONE], **settings)
    staying = [record("customers", row=f"{first}{n}", **person(n)) for first, n in table if n >= 55]
    done = load([keyed, *staying, DONE], dry_run=dry_run, **settings)
    assert (done.exit_code, done.stream()["left"]) == (0, 55)
    assert gone(people) == (set() if dry_run else set(map(str, range(55))))


def test_who_stays_for_another_stream_does_not_count(load: Loader, people: People) -> None:
    load([*whole(1, 2, 3, 4, 5), *whole(2, 3, 4, of="others")])
    assert load(whole(1)).exit_code == 0
    assert gone(people) == {"5"}


def test_marks_that_live_rows_took_back_and_marks_of_nobody_do_not_count(load: Loader, people: People) -> None:
    load(whole(*range(30)))
    done = load(whole(*marked(range(30)), *range(29), *marked(range(100, 130))))
    assert done.exit_code == 0
    assert done.results() == {"unchanged": 29, "skipped": 59, "archived": 1}
    assert gone(people) == {"29"}


@pytest.mark.parametrize("messages", [whole(1, *marked([2])), versioned(2, 1)], ids=["snapshot", "version"])
def test_a_percentage_of_zero_removes_nobody_and_says_so(
    load: Loader, people: People, messages: list[Message], caplog: pytest.LogCaptureFixture
) -> None:
    load(versioned(1, 1, 2, 3))
    done = load(messages, max_removal_percent=0, snapshot=messages == whole(1, *marked([2])))
    assert done.exit_code == 0
    assert done.states == [DONE["value"]]
    assert gone(people) == set()
    assert done.writes == 0
    if done.stream()["skipped"]:
        assert done.stream()["reasons"]["skipped"] == {"not_removed": 1}
    assert "Stream 'customers': 'max_removal_percent' is 0: nothing is removed" in caplog.text


@pytest.mark.parametrize("percent", [0, 1, 20])
def test_remove_mode_has_no_fuse(load: Loader, people: People, percent: int) -> None:
    load(whole(*range(30)))
    done = load(whole(*range(30)), sync_mode="remove", snapshot=False, max_removal_percent=percent)
    assert (done.exit_code, done.results()) == (0, {"archived": 30})
    assert people.live() == []


# Two runs at once.


def begun(load: Loader, people: People, *messages: Message, **settings: Any) -> TargetProcess:
    """A run that has these messages, the last record of which is of somebody new, and has written their records."""
    process = load.start(batch_size_rows=1, **settings)
    feed(process, *messages)
    newest = [str(one["record"]["id"]) for one in messages if one["type"] == "RECORD"][-1]
    until(lambda: any(one["external_id"] == newest for one in people.everyone()))
    return process


BEGINNING = [CUSTOMERS, *rows(1, 9)]
VERSION_BEGINNING = [CUSTOMERS, activate(2), *rows(1, 9)]
ALONE = alone(TABLE, BEGINNING, VERSION_BEGINNING)


@pytest.mark.parametrize(("first", "settings", "second", "others"), ALONE.values(), ids=ALONE)
def test_of_two_runs_of_which_one_has_to_be_alone_with_the_stream_the_second_is_refused(
    load: Loader,
    people: People,
    first: list[Message],
    settings: dict[str, Any],
    second: list[Message],
    others: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    load(versioned(1, 1, 2, 3, 4))
    process = begun(load, people, *first, **settings)
    caplog.clear()
    refused = another(load)(second, **others)
    assert (refused.exit_code, refused.states) == (1, [])
    assert refused.report["status"] == "failed"
    assert "Stream 'customers'" in caplog.text
    assert refused.writes == 0
    assert gone(people) == set()
    feed(process, *rows(2, 3), DONE, end=True)
    done = load.finish(process)
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert gone(people) == ({"4"} if settings == SNAPSHOT or first == VERSION_BEGINNING else set())
    # Neither of them is in the way of the next.
    assert another(load)(whole(1, 2, 3, 9)).exit_code == 0
    assert gone(people) == {"4"}


BESIDE: dict[str, tuple[dict[str, Any], list[Message], dict[str, Any]]] = {
    "ordinary runs": (ORDINARY, whole(1, 2, 3), ORDINARY),
    "a snapshot of another stream": (ORDINARY, whole(11, 12, of="others"), SNAPSHOT),
    "an ordinary run of another stream": (SNAPSHOT, whole(11, 12, of="others"), ORDINARY),
    "a version of an incremental stream": (
        ORDINARY,
        [{**CUSTOMERS, "bookmark_properties": ["id"]}, *rows(1, 2, 3), activate(2)],
        ORDINARY,
    ),
    "a version in a mode that removes nobody": (ORDINARY, versioned(2, 1, 2, 3), {**ORDINARY, "sync_mode": "additive"}),
    "a snapshot in a mode that removes nobody": (ORDINARY, whole(1, 2, 3), {**SNAPSHOT, "sync_mode": "additive"}),
}


@pytest.mark.parametrize(("settings", "second", "others"), BESIDE.values(), ids=BESIDE)
def test_other_runs_are_fine_beside_each_other(
    load: Loader, people: People, settings: dict[str, Any], second: list[Message], others: dict[str, Any]
) -> None:
    load(whole(1, 2, 3, 4))
    process = begun(load, people, *BEGINNING, **settings)
    assert another(load)(second, **others).exit_code == 0
    feed(process, *rows(2, 3), DONE, end=True)
    assert load.finish(process).exit_code == 0
    assert gone(people) == ({"4"} if settings == SNAPSHOT else set())


@pytest.mark.parametrize(
    ("second", "code"),
    [([CUSTOMERS, *rows(2, 3)], 0), (versioned(3, 2, 3), 1)],
    ids=["an ordinary one", "one that is refused at its end"],
)
def test_a_run_that_came_and_went_beside_a_version_takes_nobody_away_from_it(
    load: Loader, people: People, second: list[Message], code: int
) -> None:
    """The tap names the version at its end only: until then nobody knows that the run has to be alone."""
    load(versioned(1, 1, 2, 3, 4, 5, 6), snapshot=False)
    process = begun(load, people, CUSTOMERS, *rows(1, 2, 3, 4, 5, 6, 9, version=2), snapshot=False)
    assert another(load)(second, snapshot=False, batch_size_rows=1).exit_code == code
    feed(process, activate(2), DONE, end=True)
    load.finish(process)
    assert gone(people) == set()


@pytest.mark.parametrize("told", [{"version": 2}, {}], ids=["version in the records", "version at the end"])
def test_a_run_that_was_there_before_a_version_and_went_takes_nobody_away_from_it(
    load: Loader, people: People, told: dict[str, Any]
) -> None:
    load(versioned(1, 1, 2, 3, 4, 5, 6), snapshot=False)
    other = begun(another(load), people, CUSTOMERS, *rows(8), snapshot=False)
    process = begun(load, people, CUSTOMERS, *rows(1, 2, 3, 4, 5, 6, 9, **told), snapshot=False)
    feed(other, *rows(2, 3), end=True)
    assert another(load).finish(other).exit_code == 0
    feed(process, activate(2), DONE, end=True)
    load.finish(process)
    assert gone(people) == set()


# Runs that end before their time.


@pytest.mark.parametrize("end", [[], [DONE]], ids=["mid-stream", "before the end of the input"])
def test_a_signal_removes_nobody(load: Loader, people: People, end: list[Message]) -> None:
    load(whole(1, 2, 3, 4))
    process = begun(load, people, CUSTOMERS, *rows(1, 3, *marked([2]), 9), *end)
    os.kill(process.pid, signal.SIGTERM)
    done = load.finish(process)
    assert (done.exit_code, done.states) == (128 + signal.SIGTERM, [])
    assert gone(people) == set()
    load(whole(1, 2, 3, 9))
    assert gone(people) == {"4"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("removal_mode", ["archive", "delete"])
def test_a_run_that_is_ended_between_two_removals_is_completed_by_the_next_one(
    load: Loader, people: People, sandbox: SandboxServer, number: signal.Signals, removal_mode: str
) -> None:
    load(whole(*range(12)))
    process = load.start(max_connections=1, removal_mode=removal_mode)
    send_before(sandbox, process, number, lambda: len(gone(people)) >= 2)
    feed(process, *whole(*range(6)), end=True)
    done = load.finish(process)
    assert done.exit_code == (-number if number is signal.SIGKILL else 128 + number)
    assert done.states == []  # which comes after the removals
    assert 2 <= len(gone(people)) < 6
    done = load(whole(*range(6)), removal_mode=removal_mode)
    assert (done.exit_code, done.states) == (0, [DONE["value"]])
    assert gone(people) == set(map(str, range(6, 12)))
    assert load(whole(*range(6)), removal_mode=removal_mode).calls == {"GET /me": 1}
