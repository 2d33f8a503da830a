"""Contacts that were brought back only to be looked at: whose notes a run takes over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from target_intercom.model import ContactId

from .conftest import Ledgers, contact, loaded

if TYPE_CHECKING:
    from target_intercom.ledger.records import SqlLedger

S, T = "customers", "leads"
A, B = ContactId("a"), ContactId("b")


def entered(ledger: SqlLedger, *streams: str) -> SqlLedger:
    for stream in streams:
        ledger.streams.enter(stream, ["id"], alone=False)
    return ledger


def test_the_notes_of_runs_that_have_ended_are_taken_over(ledgers: Ledgers) -> None:
    first, second = entered(ledgers("r1"), S), entered(ledgers("r2"), S)
    first.unarchived.note(A, S)
    second.unarchived.note(A, S)
    second.unarchived.note(B, S)
    second.unarchived.forget(B)
    assert (first.unarchived.left(), second.unarchived.left()) == ({A: S}, {A: S})
    third = ledgers("r3")
    assert third.unarchived.take_over() == {}
    first.close()
    assert third.unarchived.take_over() == {}
    second.close()
    assert third.unarchived.take_over() == {A: S}
    assert ledgers("r4").unarchived.take_over() == {A: S}
    assert [row[1] for row in ledgers.rows("unarchived")] == [A]


def test_the_streams_of_others_can_be_worked_on_at_once(ledgers: Ledgers) -> None:
    """The lock by which a run sees that nobody is there is held for a moment only."""
    first = entered(ledgers("r1"), S, T)
    first.unarchived.note(A, S)
    first.unarchived.note(B, T)
    first.close()
    entered(ledgers("r2"), T)
    third = ledgers("r3")
    assert third.unarchived.take_over() == {A: S}
    ledgers("r4").streams.enter(S, ["id"], alone=True)


def test_workspaces_know_nothing_of_each_other(ledgers: Ledgers) -> None:
    ledgers("r1", "w1").unarchived.note(A, S)
    other = ledgers("r2", "w2")
    assert other.unarchived.take_over() == {}
    other.remember(S, [loaded("1", contact(A))])
    assert ledgers("r3", "w1").unarchived.take_over() == {A: S}


def test_whoever_a_record_names_is_no_longer_noted(ledgers: Ledgers) -> None:
    ledger = ledgers()
    for one in (A, B):
        ledger.unarchived.note(one, S)
    ledgers("r2").remember(T, [loaded("1", contact(A)), loaded("2", None)])
    assert ledger.unarchived.left() == {B: S}
