"""Lists of groups with `bulk_writes`: tags travel in jobs of a hundred contacts, and whose they are stays right."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Fault, SandboxServer, TargetedFault
from target_intercom.sandbox.conditions import Conditions
from tests.support.grouping import (
    LISTS,
    MEMBERS,
    PUT_ON,
    PUT_ONE,
    TAKE_OFF,
    Row,
    add_people,
    all_tags,
    listing,
    member,
    members,
    sent,
    tag_by_hand,
    tag_calls,
    tagged,
    tags_of,
)
from tests.support.loading import Loader, People
from tests.support.remembering import WHEN
from tests.support.sources import SETTINGS, SOURCES, begin, differences, foreign_tags, tags_of_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.loading import Loaded

SUBMIT, CHANGE = "POST /contacts/bulk", "PUT /contacts/bulk"
SINGLE_TAG_CALLS = {PUT_ON, PUT_ONE, TAKE_OFF}
LAG = 1
"""Seconds by which search trails behind, where it does."""
LANES, KILLS, CALLS = 2, 2, 12
"""Workspaces side by side, kills in each, and the calls that a run takes, about."""


@pytest.fixture
def sandbox(sandbox: SandboxServer) -> SandboxServer:
    sandbox.conditions.bulk_seconds = 0
    return sandbox


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {**LISTS, "sync_mode": "sync", "bulk_writes": True, "max_connections": 8}
    return load


def row(number: int | str, *groups: str, **values: Any) -> Row:
    """A record of somebody with both identifiers."""
    return {"id": str(number), "email": f"p{number}@example.com", "groups": list(groups), **values}


def crowd(count: int, *groups: str, **values: Any) -> list[Row]:
    """A stream whose records all list the same groups."""
    return listing(*(row(number, *groups, **values) for number in range(count)))


def assert_nothing_is_left(done: Loaded) -> None:
    """The run before has done it all, and the ledger knows it."""
    assert (done.exit_code, tag_calls(done), done.writes) == (0, {}, 0)


def assert_all_was_heard(sandbox: SandboxServer) -> None:
    """No job dropped or skipped anything of an item."""
    tasks = [task for job in sandbox.workspace.jobs.everything() for task in job["tasks"]]
    items = [item for task in tasks for item in task["items"]]
    assert [item for item in items if item["dropped"] or item["skipped_tags"]] == []


def everybody(count: int, *tags: str) -> dict[str, set[str]]:
    return {str(number): set(tags) for number in range(count)}


# New contacts: a job does not tell their ids.


@pytest.mark.parametrize(("lag", "ledger"), [(0, "none"), (LAG, ...)], ids=["no ledger", "search lags"])
def test_contacts_that_a_job_made_get_their_tags_at_the_end(
    load: Loader, people: People, sandbox: SandboxServer, lag: float, ledger: object
) -> None:
    sandbox.conditions.search_lag = lag
    load.settings["search_delay_seconds"] = 2 * lag
    rows = [row(number, "VIP", f"Tier {number % 2}") for number in range(30)]
    # Without an external_id nobody can be asked for but by search.
    rows += [{"email": f"m{number}@example.com", "groups": ["VIP"]} for number in range(3)]
    stream, *messages = listing(*rows)
    done = load([{**stream, "key_properties": ["email"]}, *messages], ledger_url=ledger)
    assert tagged(done) == (63, 0)
    assert done.results() == {"created": 33}
    assert done.calls[SUBMIT] == 1
    assert all(set(one["tags"]) == {"VIP"} for one in people.live() if one["external_id"] is None)
    assert all(tags_of(people, external_id=str(number)) == {"VIP", f"Tier {number % 2}"} for number in range(30))
    assert_all_was_heard(sandbox)
    time.sleep(lag)
    again = load([{**stream, "key_properties": ["email"]}, *messages], ledger_url=ledger)
    assert again.results() == {"unchanged": 33}
    assert (again.writes, SINGLE_TAG_CALLS & set(again.calls)) == (0, set())


@pytest.mark.parametrize("size", [2, 100])
@pytest.mark.parametrize("name", ["M", "N"], ids=["tags alone", "with another change"])
def test_of_two_records_of_a_new_contact_the_later_list_counts(
    load: Loader, people: People, size: int, name: str
) -> None:
    """Also where the contact was made by the batch before, and nobody knew its id then."""
    before = [row(1, "VIP", "Old", name="M"), row(2, "Old", name="M")]
    rows = [*before, row(1, "VIP", "New", name=name), row(2, name=name)]
    done = load(listing(*rows), batch_size_rows=size)
    assert done.exit_code == 0
    assert all_tags(people) == {"1": {"VIP", "New"}, "2": set()}
    assert_nothing_is_left(load(listing(*rows[2:])))
    if name == "M":
        assert_nothing_is_left(load(listing(*rows)))


def test_a_new_contact_that_two_streams_list_has_the_groups_of_both(load: Loader, people: People) -> None:
    both = [*crowd(3, "VIP", "Beta"), *listing(row(0, "VIP", "Shop"), row(5, "Shop"), row(6), stream="shop")]
    done = load(both)
    # What both list is counted for one of them.
    assert sum(tagged(done, stream)[0] for stream in ("customers", "shop")) == 8
    assert all_tags(people) == {**everybody(3, "VIP", "Beta"), "0": {"VIP", "Beta", "Shop"}, "5": {"Shop"}, "6": set()}
    assert_nothing_is_left(load(both))
    assert tagged(load(crowd(3))) == (0, 5)
    assert all_tags(people) == {**everybody(3), "0": {"VIP", "Shop"}, "5": {"Shop"}, "6": set()}


def test_who_is_in_a_groups_stream_and_made_by_a_job_gets_the_tag(load: Loader, people: People) -> None:
    load.settings |= {"tags_property": ..., **MEMBERS}
    rows = [*members(*(member(number, "VIP") for number in range(4))), *crowd(3)]
    done = load(rows)
    assert done.exit_code == 0
    assert done.results("members") == {"tagged": 3, "rejected": 1}
    assert all_tags(people) == everybody(3, "VIP")
    done = load([*members(member(0, "VIP"), *(member(n, "VIP", _sdc_deleted_at=WHEN) for n in (1, 2))), *crowd(3)])
    assert done.results("members") == {"unchanged": 1, "untagged": 2}
    assert all_tags(people) == {**everybody(3), "0": {"VIP"}}


# Known contacts: tags ride along.


def test_three_hundred_known_contacts_swap_a_tag_with_their_changes_in_twelve_calls(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    before = [*crowd(300, "Old", "Stays", name="M"), *listing(row(7, "Old"), stream="shop")]
    load(before)
    ids = {one["external_id"]: one["id"] for one in people.live()}
    tag_by_hand(people, "Foreign", ids["1"], ids["2"])
    tag_by_hand(people, "New", ids["2"])
    by_hand = len(sent(sandbox, "POST", "/tags"))
    begun = len(sandbox.calls)
    done = load(crowd(300, "New", "Stays", name="N"))
    assert tagged(done) == (299, 299)
    assert done.results() == {"updated": 300}
    assert len(sandbox.calls) - begun <= 12
    assert done.calls[CHANGE] == 3
    assert not SINGLE_TAG_CALLS & set(tag_calls(done)) - {PUT_ON}
    assert not [body for body in sent(sandbox, "POST", "/tags")[by_hand:] if "users" in body]
    expected = everybody(300, "New", "Stays")
    expected["1"] |= {"Foreign"}
    expected["2"] |= {"Foreign"}
    expected["7"] |= {"Old"}
    assert all_tags(people) == expected
    assert_all_was_heard(sandbox)
    assert_nothing_is_left(load(crowd(300, "New", "Stays", name="N")))
    # What somebody put on by hand stays, however often it was listed.
    assert tagged(load(crowd(300, name="N"))) == (0, 599)
    assert all_tags(people) == {**everybody(300), "1": {"Foreign"}, "2": {"Foreign", "New"}, "7": {"Old"}}


@pytest.mark.parametrize("bulk", [True, False], ids=["in bulk", "singly"])
def test_tags_that_go_off_and_on_again_right_after_a_load_cost_no_call_for_each_contact(
    load: Loader, people: People, sandbox: SandboxServer, *, bulk: bool
) -> None:
    """Within `search_delay_seconds`: the ledger knows that the tags are off, and one search shows it of many."""
    ids = add_people(people, list(range(300)))
    moments = {"search_delay_seconds": 600, "bulk_writes": bulk}
    old, new = (listing(*({"id": one, "groups": [tag]} for one in ids)) for tag in ("Old", "New"))
    for rows in (old, new):
        assert load(rows, **moments).exit_code == 0
    assert all_tags(people) == everybody(300, "New")
    begun = len(sandbox.calls)
    done = load(old, **moments)
    assert tagged(done) == (300, 300)
    assert all_tags(people) == everybody(300, "Old")
    taken_off_singly = 0 if bulk else 300
    assert done.calls.get(TAKE_OFF, 0) == taken_off_singly
    assert len(sandbox.calls) - begun - taken_off_singly <= 20
    assert_nothing_is_left(load(old, **moments))


def test_where_nothing_but_tags_changes_the_contacts_are_not_touched(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(crowd(6, "Old", name="N"))
    begun = len(sandbox.calls)
    done = load(crowd(6, "New", name="N"))
    assert (tagged(done), done.results()) == ((6, 6), {"unchanged": 6})
    assert all_tags(people) == everybody(6, "New")
    bodies = [call.body for call in sandbox.calls[begun:] if (call.method, call.path) == ("PUT", "/contacts/bulk")]
    assert {name for body in bodies for item in body["contacts"] for name in item} == {"id", "tags"}
    assert not SINGLE_TAG_CALLS - {PUT_ON} & set(done.calls)
    assert_all_was_heard(sandbox)
    assert_nothing_is_left(load(crowd(6, "New", name="N")))


def test_foreign_tags_stay_whatever_is_listed(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """`Both` was on some before any record listed it, and nobody knows whose it was."""
    ids = add_people(people, range(4))
    tag_by_hand(people, "Foreign", *ids.values())
    tag_by_hand(people, "both", ids["0"], ids["1"])
    assert tagged(load(crowd(4, "Both", "Ours"))) == (6, 0)
    assert all_tags(people) == everybody(4, "both", "Ours", "Foreign")
    assert tagged(load(crowd(4))) == (0, 6)
    assert all_tags(people) == {**everybody(4, "Foreign"), "0": {"both", "Foreign"}, "1": {"both", "Foreign"}}
    assert_all_was_heard(sandbox)


@pytest.mark.parametrize("other", ["a list", "a groups stream"])
def test_a_tag_that_another_stream_wants_stays_until_it_lets_go(load: Loader, people: People, other: str) -> None:
    def also(*numbers: int) -> list[Row]:
        if other == "a list":
            return listing(
                *(row(number, "VIP") if number in numbers else row(number) for number in range(4)), stream="shop"
            )
        rows = [member(number, "VIP", _sdc_deleted_at=None if number in numbers else WHEN) for number in range(4)]
        return members(*rows)

    if other == "a groups stream":
        load.settings |= MEMBERS
    load([*crowd(4, "VIP"), *also(0, 1)])
    done = load(crowd(4))
    assert (tagged(done), all_tags(people)) == ((0, 2), {**everybody(4), "0": {"VIP"}, "1": {"VIP"}})
    assert load([*crowd(4), *also(0)]).exit_code == 0
    assert all_tags(people) == {**everybody(4), "0": {"VIP"}}
    assert load(also()).exit_code == 0
    assert all_tags(people) == everybody(4)


def test_a_tag_that_one_stream_gives_up_and_a_later_one_wants_is_put_on_again(load: Loader, people: People) -> None:
    """What the first one's job has taken off is not seen on the contact any more, however short the search's delay."""
    load([*crowd(3, "VIP"), *listing(*map(row, range(3)), stream="shop")])
    moved = [{**row(number), "name": f"Name {number}"} for number in range(3)]
    rows = [*listing(*moved), *listing(*({**one, "groups": ["VIP"]} for one in moved), stream="shop")]
    done = load(rows, repair=True, search_delay_seconds=0)
    assert done.exit_code == 0
    assert all_tags(people) == everybody(3, "VIP")
    assert_nothing_is_left(load(rows))


# What goes wrong.


def test_a_record_that_is_refused_leaves_its_tags_as_they_were(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """The good ones of its job have theirs, and the next good run gives it its own."""
    load.settings["mappings"] = {"id": "external_id", "name": "owner_id"}
    load(crowd(5, "Old"))
    bad = [row(number, "New", name="7" if number == 2 else "1000001") for number in range(5)]
    done = load(listing(*bad))
    assert (done.exit_code, done.results()) == (0, {"updated": 4, "rejected": 1})
    assert (done.stream()["tagged"], done.stream()["untagged"]) == (4, 4)
    assert all_tags(people) == {**everybody(5, "New"), "2": {"Old"}}
    assert tagged(load(listing(row(2, "New", name="1000001")))) == (1, 1)
    assert all_tags(people) == everybody(5, "New")
    assert tagged(load(crowd(5))) == (0, 5)
    assert all_tags(people) == everybody(5)


@pytest.mark.parametrize("how", ["archived", "deleted"])
def test_the_tags_of_a_contact_that_is_gone_do_not_hold_up_the_others(
    load: Loader, people: People, sandbox: SandboxServer, how: str
) -> None:
    sandbox.conditions.deletion_delay = 0
    load(crowd(4, "Old"))
    contact = people.one(external_id="2")["id"]
    people.call(
        *(("POST", f"/contacts/{contact}/archive") if how == "archived" else ("DELETE", f"/contacts/{contact}")), {}
    )
    done = load(crowd(4, "New", name="N"))
    assert done.exit_code == 0
    # An archived contact comes back; one that was deleted for good never does.
    assert done.results() == ({"updated": 4} if how == "archived" else {"updated": 3, "rejected": 1})
    expected = everybody(4, "New")
    if how == "deleted":
        del expected["2"]
    assert all_tags(people) == expected
    assert load(crowd(4)).exit_code == 0
    assert all_tags(people) == {one: set() for one in expected}


def lose_answers(to: Conditions) -> None:
    for method in ("POST", "PUT"):
        to.plan.add(TargetedFault(Fault.RESET_AFTER, method, "/contacts/bulk"))


FAULTS: dict[str, Callable[[Conditions], None]] = {
    "items fail": lambda to: to.change({"bulk_item_fault_rate": 0.4, "fault_seed": 3}),
    "answers are lost": lose_answers,
    "there are no jobs": lambda to: to.change({"bulk": "missing"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_jobs_that_fail_give_the_same_tags_and_leave_them_ours(
    load: Loader, people: People, sandbox: SandboxServer, fault: str
) -> None:
    rows = [row(0, "VIP", "Beta"), *(row(number, "VIP") for number in range(1, 8))]
    FAULTS[fault](sandbox.conditions)
    done = load(listing(*rows))
    assert (tagged(done), done.results()) == ((9, 0), {"created": 8})
    assert all_tags(people) == {**everybody(8, "VIP"), "0": {"VIP", "Beta"}}
    tag_by_hand(people, "Foreign", people.one(external_id="3")["id"])
    FAULTS[fault](sandbox.conditions)
    done = load(crowd(8, "New", name="N"))
    assert (done.exit_code, done.results()) == (0, {"updated": 8})
    assert all_tags(people) == {**everybody(8, "New"), "3": {"New", "Foreign"}}
    sandbox.conditions.change({"bulk": "on", "bulk_item_fault_rate": 0, "targeted": []})
    assert_nothing_is_left(load(crowd(8, "New", name="N")))
    assert tagged(load(crowd(8, name="N"))) == (0, 8)
    assert all_tags(people) == {**everybody(8), "3": {"Foreign"}}


def test_a_job_that_never_ends_gives_the_same_tags(load: Loader, people: People, sandbox: SandboxServer) -> None:
    """Half of its items are done, and it is waited for as long as the shortest patience."""
    load(crowd(6, "Old"))
    sandbox.conditions.change({"bulk_stuck": 1, "bulk_stuck_share": 0.5})
    done = load(crowd(6, "New"))
    assert (done.exit_code, done.results()) == (0, {"unchanged": 6})
    assert all_tags(people) == everybody(6, "New")
    assert_nothing_is_left(load(crowd(6, "New")))
    assert tagged(load(crowd(6))) == (0, 6)


# The same as single writes.


def row_of(groups: list[str] | None, number: int, **values: Any) -> Row:
    return {**row(number, **values), "groups": groups}


STEPS: dict[str, list[list[Row]]] = {
    "lists": [
        listing(*(row(number, "VIP", f"Tier {number % 2}") for number in range(4)), row(0, "VIP"), row(9)),
        listing(row(0, "Beta", name="N"), row(1), row_of(None, 2), row(3, "vip", "Tier 1", name="N"), row(5, "VIP")),
        listing(row(0, "VIP"), row(1, "Beta"), row(2, _sdc_deleted_at=WHEN), row(3, name="M"), row(5, "VIP")),
    ],
    "streams": [
        [*listing(row(0, "VIP"), row(1, "VIP")), *listing(row(1, "VIP", "Beta"), row(2, "Beta"), stream="shop")],
        [*listing(row(0, name="N"), row(1, name="N")), *listing(row(1, "VIP"), row(2), stream="shop")],
        [*listing(row(1), row(4, "Beta")), *listing(row(1), row(4, "VIP"), row(2, "VIP"), stream="shop")],
    ],
}


@pytest.mark.parametrize(
    ("steps", "settings"),
    [
        ("lists", {}),
        ("lists", {"sync_mode": "insert"}),
        ("lists", {"sync_mode": "enrich", "ledger_url": "none"}),
        ("streams", {"batch_size_rows": 2}),
    ],
    ids=str,
)
def test_jobs_change_the_tags_that_single_writes_change_and_count_them_as_these_do(
    load: Loader, people: People, sandbox: SandboxServer, steps: str, settings: Row
) -> None:
    """But for a tag that a batch lists and a later batch of the same run does not: jobs put it on and take it off."""
    ends: list[list[Any]] = []
    for bulk in (False, True):
        sandbox.sandbox.reset()
        sandbox.conditions.bulk_seconds = 0
        for path in load.data_dir.glob("ledger.db*"):
            path.unlink()
        ids = add_people(people, [0, 1, 7])
        tag_by_hand(people, "VIP", ids["1"], ids["7"])
        tag_by_hand(people, "Foreign", ids["0"])
        ends.append([])
        for messages in STEPS[steps]:
            done = load(messages, **settings, bulk_writes=bulk, search_delay_seconds=0)
            assert (done.exit_code, done.refusals) == (0, [])
            streams = done.report["streams"]
            # What two streams list is counted for one of them.
            tags = [sum(one[what] for one in streams.values()) for what in ("tagged", "untagged")]
            ends[-1].append((all_tags(people), tags, [done.results(name) for name in streams]))
    assert ends[1] == ends[0]


def test_a_repair_puts_on_again_what_was_taken_off_by_hand(load: Loader, people: People) -> None:
    load(crowd(4, "VIP", "Beta"))
    contact = people.one(external_id="2")["id"]
    tag = next(one["id"] for one in people.call("GET", "/tags")["data"] if one["name"] == "VIP")
    people.call("DELETE", f"/contacts/{contact}/tags/{tag}")
    assert tagged(load(crowd(4, "VIP", "Beta"), repair=True, search_delay_seconds=0)) == (1, 0)
    assert all_tags(people) == everybody(4, "VIP", "Beta")


def test_a_new_contact_whose_email_changes_in_the_same_run_has_its_groups(load: Loader, people: People) -> None:
    """At the end of the pipe nobody has the email any more by which the contact was made."""
    stream, *_ = listing()
    keyed = {**stream, "key_properties": ["name"]}
    rows = [{"name": str(n), "email": f"p{n}@example.com", "groups": ["VIP"]} for n in range(2)]
    new = [{"name": str(n), "email": f"new{n}@example.com"} for n in range(2)]
    messages = [{"type": "RECORD", "stream": "customers", "record": one} for one in [*rows, *new]]
    done = load([keyed, *messages], batch_size_rows=2)
    assert (tagged(done), done.results()) == ((2, 0), {"created": 2, "updated": 2})
    assert {one["email"]: set(one["tags"]) for one in people.live()} == {
        f"new{n}@example.com": {"VIP"} for n in range(2)
    }


# Killed.


def lane(folder: Path, seed: int) -> list[str]:
    """Kill run after run, each followed by one that is not; tells what was wrong after these."""
    moment, wrong = random.Random(seed), []
    with SandboxServer(Conditions(search_lag=1, latency=0.02, rate_limit=100_000, bulk_seconds=0.05)) as sandbox:
        begin(sandbox)
        load, now, foreign = Loader(sandbox.url, folder / str(seed)), SOURCES[0], foreign_tags()
        for kill in range(KILLS):
            then = moment.choice([one for one in SOURCES if one is not now])
            begun = len(sandbox.calls)
            process = load.begin(then.messages, **SETTINGS, bulk_writes=True)
            calls = begun + moment.randint(1, CALLS)
            while len(sandbox.calls) < calls and process.poll() is None:
                time.sleep(0.001)
            process.kill()
            process.communicate()
            done = load.pipe(then.messages, **SETTINGS, bulk_writes=True)
            what = f"lane {seed}, kill {kill} after {calls - begun} calls: {now.name} -> {then.name}"
            if (done.exit_code, len(done.states), done.rejected) != (0, 1, []):
                wrong.append(f"{what}: {done.exit_code}, {done.states}, {done.log}")
            wrong.extend(differences(what, tags_of_all(sandbox), then.tags(foreign)))
            now = then
        done = load.pipe(SOURCES[0].messages, **SETTINGS, bulk_writes=True)
        wrong.extend(differences(f"lane {seed}, nobody in the end", tags_of_all(sandbox), foreign))
    return wrong


def test_after_a_kill_one_more_run_gives_everybody_the_right_tags_and_knows_its_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(LANES) as pool:
        assert list(pool.map(partial(lane, tmp_path), range(LANES))) == [[]] * LANES
