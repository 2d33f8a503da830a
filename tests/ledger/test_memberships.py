"""What the ledger keeps of groups: which record puts which contact into which, and whose tags are ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.ledger.memberships.states import LinkState, Membership
from target_intercom.ledger.remembered import UNNOTED, Stamp
from target_intercom.model import ContactId, GroupKey, LinkedId, LinkName

from .conftest import contact, gone, key, loaded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.ledger.memberships.written import Memberships
    from target_intercom.ledger.records import SqlLedger

    from .conftest import Ledgers

S, T = "members", "others"
MANY = 501
"""One more than go into an IN list."""
STATES = list(LinkState)


def membership(
    name: str = "1", contact_id: str = "c1", group: str = "vip", state: LinkState = LinkState.ON, **values: Any
) -> Membership:
    """A membership, on and ours if nothing else is said."""
    given: dict[str, Any] = {
        "kind": LinkName.TAG,
        "stream": S,
        "name": group.upper(),
        "linked": LinkedId("7"),
        "ours": True,
        **values,
    }
    return Membership(key=key(name), contact=ContactId(contact_id), group=GroupKey(group), state=state, **given)


def of(memberships: Memberships, *names: str, stream: str = S) -> list[Membership]:
    """What is known of some records, in their order."""
    known = memberships.of_keys(stream, [key(name) for name in names])
    return [one for name in names for one in sorted(known.get(key(name), []), key=lambda row: row.pair)]


def states_of(memberships: Memberships, *names: str, stream: str = S) -> list[LinkState]:
    return [one.state for one in of(memberships, *names, stream=stream)]


def pairs(rows: Iterable[Membership]) -> list[tuple[str, str]]:
    return [(str(one.contact), str(one.group)) for one in rows]


@pytest.fixture
def known(ledger: SqlLedger) -> Memberships:
    """The memberships of the first run."""
    return ledger.memberships


def test_memberships_are_given_as_they_were_noted(known: Memberships) -> None:
    rows = [
        membership("1", content="hash", place=5, version=3, written_at=Stamp(1_700_000_000_123)),
        membership("2", "c2", "naïve 🎈"),
        membership("3", state=LinkState.WANTED, ours=False, linked=None),
    ]
    known.save(rows, [])
    assert of(known, "1", "2", "3") == rows


@pytest.mark.parametrize("state", STATES)
def test_another_run_sees_marks_and_plans_for_what_they_are_worth(ledgers: Ledgers, state: LinkState) -> None:
    ledgers("r1").memberships.save([membership(state=state, place=5)], [])
    (seen,) = of(ledgers("r2").memberships, "1")
    elsewhere = {LinkState.MARKED: LinkState.ON, LinkState.WANTED: LinkState.UNCLEAR}
    assert (seen.state, seen.place) == (elsewhere.get(state, state), None)


def test_one_record_may_put_contacts_into_many_groups(known: Memberships) -> None:
    rows = [membership("1", "c1", "a"), membership("1", "c1", "b"), membership("1", "c2", "a")]
    known.save(rows, [])
    assert of(known, "1") == rows
    known.save([], rows[:1])
    assert of(known, "1") == rows[1:]


def test_workspaces_and_streams_are_kept_apart(ledgers: Ledgers) -> None:
    one, other = ledgers("r1", "w1").memberships, ledgers("r1", "w2").memberships
    one.save([membership(), membership(stream=T)], [])
    other.save([membership("1", "c9")], [])
    assert pairs(of(one, "1")) == [("c1", "vip")]
    assert pairs(of(other, "1")) == [("c9", "vip")]
    assert {row.stream for row in one.of_pairs({(ContactId("c1"), GroupKey("vip"))})} == {S, T}
    one.save([], of(one, "1"))
    assert of(one, "1", stream=T)


def test_more_than_fit_into_one_list_are_found(known: Memberships) -> None:
    rows = [membership(str(n), f"c{n}", f"g{n % 3}") for n in range(MANY)]
    known.save(rows, [])
    assert len(known.of_keys(S, [row.key for row in rows])) == MANY
    assert sorted(pairs(known.of_pairs({row.pair for row in rows}))) == sorted(pairs(rows))
    assert known.wanted({row.pair for row in rows}) == {row.pair for row in rows}


def test_many_groups_are_found_by_their_contacts(known: Memberships) -> None:
    rows = [membership(str(n), "c1", f"g{n}") for n in range(MANY)]
    known.save([*rows, membership("x", "c1", "another")], [])
    assert sorted(pairs(known.of_pairs({row.pair for row in rows}))) == sorted(pairs(rows))


@pytest.mark.parametrize("state", STATES)
def test_a_tag_is_wanted_while_a_record_puts_the_contact_into_the_group(known: Memberships, state: LinkState) -> None:
    row = membership(state=state)
    known.save([row, membership("2", "c2")], [])
    is_wanted = state in {LinkState.WANTED, LinkState.UNCLEAR, LinkState.ON}
    assert known.wanted({row.pair}) == ({row.pair} if is_wanted else set())


@pytest.mark.parametrize("state", STATES)
def test_who_lets_go_of_a_tag_leaves_it_to_those_who_want_it(known: Memberships, state: LinkState) -> None:
    mine, other = membership("1", state=LinkState.MARKED), membership("2", state=state, ours=False, linked=None)
    known.save([mine, other], [])
    is_wanted = state in {LinkState.WANTED, LinkState.UNCLEAR, LinkState.ON}
    assert known.start_taking_off([mine]) == ({mine.pair} if is_wanted else set())
    if is_wanted:
        assert of(known, "1", "2") == [replace(other, ours=True, linked=mine.linked)]
    else:
        (ending,) = of(known, "1")
        assert ending.state is LinkState.RELEASED
        assert ending.written_at > 0


def test_of_two_runs_that_let_go_of_a_tag_one_is_the_last(ledgers: Ledgers) -> None:
    first, second = ledgers("r1").memberships, ledgers("r2").memberships
    mine, theirs = membership("1", state=LinkState.MARKED), membership("2", state=LinkState.MARKED)
    first.save([mine], [])
    second.save([theirs], [])
    assert first.start_taking_off([mine]) == {mine.pair}
    assert second.start_taking_off([theirs]) == set()


# What waits.


def test_what_waits_for_its_tag_comes_group_by_group(known: Memberships) -> None:
    known.save(
        [
            membership("1", "c2", "b", LinkState.WANTED),
            membership("2", "c1", "a", LinkState.WANTED),
            membership("3", "c1", "b", LinkState.WANTED),
            membership("4", "c1", "c"),
            membership("5", "c3", "b", LinkState.WANTED, stream=T),
        ],
        [],
    )
    assert pairs(known.pending(LinkState.WANTED, 10)) == [("c1", "a"), ("c1", "b"), ("c2", "b"), ("c3", "b")]
    assert len(known.pending(LinkState.WANTED, 2)) == 2


def test_what_is_to_be_looked_at_comes_contact_by_contact(known: Memberships) -> None:
    waiting = [membership("1", "c2", "a", LinkState.UNCLEAR), membership("2", "c1", "b", LinkState.UNCLEAR)]
    known.save(waiting, [])
    assert pairs(known.pending(LinkState.UNCLEAR, 10, by_contact=True)) == [("c1", "b"), ("c2", "a")]


def test_what_another_run_plans_is_left_to_it(ledgers: Ledgers) -> None:
    ledgers("r1").memberships.save([membership(state=LinkState.WANTED)], [])
    assert ledgers("r2").memberships.pending(LinkState.WANTED, 10) == []


def test_what_is_to_be_taken_off_is_given_page_by_page(known: Memberships) -> None:
    ending = [
        membership(str(n), f"c{n % 3}", f"g{n}", state)
        for n, state in enumerate([LinkState.RELEASED, LinkState.MISSING, LinkState.MARKED] * 3)
    ]
    known.save([*ending, membership("on", "c0", "x"), membership("off", "c0", "y", LinkState.OFF)], [])
    found: list[Membership] = []
    while page := known.ending([S], 2, found[-1] if found else None):
        found.extend(page)
    assert pairs(found) == sorted(pairs(ending))


def test_the_marks_of_another_run_take_nothing_off(ledgers: Ledgers) -> None:
    ledgers("r1").memberships.save(
        [membership("1", state=LinkState.MARKED), membership("2", "c2", state=LinkState.RELEASED)], []
    )
    assert pairs(ledgers("r2").memberships.ending([S], 10, None)) == [("c2", "vip")]


def test_what_became_of_tags_is_written_down(known: Memberships) -> None:
    known.save([membership("1", state=LinkState.WANTED, linked=None, ours=False), membership("2", "c2")], [])
    first, second = of(known, "1", "2")
    on = replace(first, state=LinkState.ON, linked=LinkedId("9"), ours=True, written_at=Stamp(5))
    known.save_states([on])
    assert of(known, "1", "2") == [on, second]


def test_tags_that_are_gone_are_wanted_again(known: Memberships) -> None:
    known.save([membership("1", linked=LinkedId("1")), membership("2", "c2", linked=LinkedId("2"))], [])
    assert known.linked_ids([S]) == {"1", "2"}
    assert known.linked_ids([T]) == set()
    assert known.save_lost([S], {LinkedId("1")}) == 1
    assert known.save_lost([S], set()) == 0
    lost, kept = of(known, "1", "2")
    assert (lost.state, lost.linked, lost.ours) == (LinkState.UNCLEAR, None, False)
    assert kept.state is LinkState.ON


# Who left.


def test_only_tags_of_ours_are_counted(known: Memberships) -> None:
    known.save(
        [
            membership("1"),
            membership("2", "c2", ours=False),
            membership("3", "c3", state=LinkState.WANTED),
            membership("4", "c4", state=LinkState.MARKED),
            membership("5", "c5", stream=T),
        ],
        [],
    )
    assert (known.known(S), known.marked(S, {})) == (3, 1)


def test_who_was_not_seen_has_left(ledgers: Ledgers) -> None:
    ledgers("r1").memberships.save(
        [membership(str(n), f"c{n}") for n in range(3)]
        + [membership("3", "c3", ours=False), membership("4", "c4", state=LinkState.WANTED)],
        [],
    )
    later = ledgers("r2").memberships
    later.see(S, [key("0")], None)
    assert later.missing(S, {S: None}) == 3
    later.save_missing(S, None)
    # A run that was cut off may have put on what it wanted.
    assert states_of(later, "0", "1", "2", "3", "4") == [LinkState.ON, *[LinkState.MISSING] * 3]
    assert later.missing(S, {S: None}) == 0


def test_of_a_versioned_stream_who_has_another_version_has_left(ledgers: Ledgers) -> None:
    first = ledgers("r1").memberships
    first.save([membership("1", version=1), membership("2", "c2", version=2), membership("3", "c3")], [])
    later = ledgers("r2").memberships
    assert later.missing(S, {S: 2}) == 2
    later.save_missing(S, 2)
    assert states_of(later, "1", "2", "3") == [LinkState.MISSING, LinkState.ON, LinkState.MISSING]


def test_a_version_that_is_activated_late_is_that_of_all_that_came(ledgers: Ledgers) -> None:
    ledgers("r1").memberships.save([membership("1", version=1), membership("2", "c2", version=1)], [])
    later = ledgers("r2").memberships
    later.see(S, [key("1")], None)
    later.activate(S, 2)
    later.save_missing(S, 2)
    assert states_of(later, "1", "2") == [LinkState.ON, LinkState.MISSING]


def test_a_version_is_kept_where_a_record_comes_without(ledgers: Ledgers) -> None:
    ledgers("r1").memberships.save([membership(version=1)], [])
    later = ledgers("r2").memberships
    later.save([membership()], [])
    assert of(later, "1")[0].version == 1


# Contacts and their records.


def test_a_contact_that_is_removed_has_no_tags(ledger: SqlLedger) -> None:
    ledger.remember("people", [loaded("1", contact("c1"))])
    ledger.memberships.save([membership(), membership("2", "c2")], [])
    ledger.removed(gone(ContactId("c1")))
    assert states_of(ledger.memberships, "1", "2") == [LinkState.AWAY, LinkState.ON]
    assert of(ledger.memberships, "1")[0].ours


def test_a_record_that_is_let_go_lets_its_groups_go(ledger: SqlLedger) -> None:
    ledger.memberships.save([membership("1"), membership("2", "c2", ours=False), membership("3", "c3")], [])
    ledger.release(S, [key("1"), key("2")])
    assert states_of(ledger.memberships, "1", "2", "3") == [LinkState.RELEASED, LinkState.OFF, LinkState.ON]


def recalled(ledger: SqlLedger, name: str = "1") -> str | None:
    return ledger.recall("people", [key(name)])[key(name)].groups


def test_what_a_contact_record_lists_is_remembered_when_its_tags_are_on(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    first.remember("people", [loaded("1", contact("c1"))])
    wanted = membership("1", stream="people", state=LinkState.WANTED)
    first.memberships.save([wanted], [], {("people", key("1")): "hash"})
    assert recalled(first) == "hash"
    assert recalled(ledgers("r2")) == UNNOTED
    first.memberships.confirm_lists()
    assert recalled(ledgers("r2")) == "hash"


def test_what_a_contact_record_lists_is_remembered_at_once_where_no_tag_waits(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    first.remember("people", [loaded("1", contact("c1"))])
    first.memberships.save([], [], {("people", key("1")): "hash"})
    assert recalled(ledgers("r2")) == "hash"
    first.memberships.forget_lists([("people", key("1"))])
    assert recalled(first) == UNNOTED


def test_what_a_record_lists_is_of_the_contact_it_had(ledger: SqlLedger) -> None:
    ledger.remember("people", [loaded("1", contact("c1"))])
    ledger.memberships.save([], [], {("people", key("1")): "hash"})
    ledger.remember("people", [loaded("1", contact("c1"))])
    assert recalled(ledger) == "hash"
    ledger.remember("people", [loaded("1", contact("c2"))])
    assert recalled(ledger) is None


def test_what_is_off_is_forgotten_after_a_day_unless_it_was_ours(ledgers: Ledgers) -> None:
    off: dict[str, Any] = {"state": LinkState.OFF, "written_at": Stamp(1)}
    first = ledgers("r1")
    first.memberships.save([membership("1", ours=False, **off), membership("2", "c2", **off)], [])
    first.finish()
    assert [one.key for one in of(first.memberships, "1", "2")] == [key("2")]


@pytest.mark.parametrize(("state", "waits"), [(one, one not in {LinkState.ON, LinkState.OFF}) for one in LinkState])
def test_it_is_known_whether_tags_wait(known: Memberships, state: LinkState, *, waits: bool) -> None:
    assert not known.work.waits
    known.save([membership(state=state)], [])
    assert known.work.waits is waits
