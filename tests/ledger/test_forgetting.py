"""What a ledger keeps of a stream that it forgets, and when it has it taken off."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from target_intercom.errors import StreamBusyError
from target_intercom.ledger.command.forgetting import Held, forget, held
from target_intercom.ledger.memberships.states import NOBODY, LinkState
from target_intercom.ledger.remembered import Dropped, Stamp
from target_intercom.ledger.store.database import Database
from target_intercom.model import LinkedId

from .conftest import Ledgers, contact, entry, key, loaded
from .test_memberships import membership

if TYPE_CHECKING:
    from target_intercom.ledger.memberships.written import Memberships

S, T = "customers", "clients"
A, B = LinkedId("7"), LinkedId("8")


def looked(ledgers: Ledgers, stream: str = S) -> Held:
    with closing(Database(ledgers.url)) as database, database.reading() as connection:
        return held(ledgers.workspace(), stream, connection)


def forgotten(ledgers: Ledgers, stream: str = S) -> None:
    with closing(Database(ledgers.url)) as database:
        forget(database, ledgers.workspace(), stream)


def filled(ledgers: Ledgers) -> None:
    """Two contacts of one stream in two groups each, one of them in another stream, too; a second workspace."""
    ledger = ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.streams.enter(T, ["id"], alone=False)
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c2"), loaded("3", None)])
    ledger.remember(T, [loaded("9", "c2")])
    rows = [
        membership("1", "c1", "vip", stream=S),
        membership("1b", "c1", "vip", stream=S, linked=None),
        membership("1", "c1", "beta", LinkState.AWAY, stream=S, linked=B),
        membership("2", "c2", "vip", stream=S),
        membership("2", "c2", "beta", stream=S, linked=B, ours=False),
        membership("9", "c2", "vip", stream=T),
    ]
    ledger.memberships.save(rows, [], {(S, key("1")): "print"})
    ledger.close()
    other = ledgers("r2", "w2")
    other.streams.enter(S, ["id"], alone=False)
    other.remember(S, [loaded("1", "c1")])
    other.memberships.save([membership("1", "c1", "vip", stream=S)], [])
    other.close()


def left(memberships: Memberships, *pairs: tuple[str, str]) -> list[tuple[str, str, str | None, str, bool]]:
    rows = memberships.of_pairs({row.pair for row in (membership("", who, group) for who, group in pairs)})
    return sorted(
        (one.contact, one.group, one.linked, one.state.value, one.ours) for one in rows if one.stream == NOBODY
    )


PAIRS = (("c1", "vip"), ("c1", "beta"), ("c2", "vip"), ("c2", "beta"))


def test_records_go_and_whose_tags_are_ours_is_kept(ledgers: Ledgers) -> None:
    filled(ledgers)
    assert looked(ledgers) == Held(contacts=2, alone=1, tags=1)
    assert looked(ledgers, T) == Held(contacts=1, alone=0, tags=0)
    forgotten(ledgers)
    assert looked(ledgers) == Held(contacts=0, alone=0, tags=0)
    assert [row[1] for table in ("streams", "entries") for row in ledgers.rows(table)] == [T, T]
    ledger = ledgers("r3")
    assert left(ledger.memberships, *PAIRS) == [
        ("c1", "beta", "8", "off", True),
        ("c1", "vip", "7", "off", True),
        ("c2", "vip", "7", "off", True),
    ]
    assert len(ledgers.rows("memberships", workspace="w2")) == len(ledgers.rows("entries", workspace="w2")) == 1
    # Nobody has them put on again, or taken off, or counts them.
    ledger.memberships.save_back([contact("c1").id])
    ledger.finish()
    assert len(left(ledger.memberships, *PAIRS)) == 3
    assert ledger.memberships.known(S) == ledger.memberships.known(NOBODY) == 0


def test_a_second_stream_that_is_forgotten_adds_to_the_first(ledgers: Ledgers) -> None:
    filled(ledgers)
    forgotten(ledgers)
    forgotten(ledgers, T)
    assert [one[:2] for one in left(ledgers().memberships, *PAIRS)] == [("c1", "beta"), ("c1", "vip"), ("c2", "vip")]


@pytest.mark.parametrize("lists", [True, False])
def test_what_a_forgotten_stream_put_on_is_due_where_a_record_lists_groups(ledgers: Ledgers, *, lists: bool) -> None:
    filled(ledgers)
    forgotten(ledgers)
    ledger = ledgers("r3")
    ledger.remember(T, [loaded("8", "c1"), loaded("7", "c3")])
    ledger.memberships.save([], [], {(T, key("8")): "print"} if lists else {(T, key("7")): "print"})
    release = partial(ledger.memberships.release_forgotten, has_complete=True)
    release([S])
    release([])
    assert ledger.memberships.ending([NOBODY], 9, None) == []
    release([T])
    due = [one.pair for one in ledger.memberships.ending([NOBODY], 9, None)]
    assert due == ([("c1", "beta"), ("c1", "vip")] if lists else [])


def test_what_a_forgotten_groups_stream_put_on_is_due_when_another_came_whole(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.memberships.save([membership("1", stream=S, content="print")], [])
    ledger.remember(T, [loaded("8", "c1")])
    ledger.memberships.save([], [], {(T, key("8")): "print"})
    ledger.close()
    forgotten(ledgers)
    memberships = ledgers("r2").memberships
    memberships.release_forgotten([T], has_complete=False)
    assert memberships.ending([NOBODY], 9, None) == []
    memberships.release_forgotten([T], has_complete=True)
    (due,) = memberships.ending([NOBODY], 9, None)
    assert (due.pair, due.linked, due.state) == (("c1", "vip"), A, LinkState.RELEASED)
    memberships.save_off({due.pair})
    assert left(memberships, due.pair) == [("c1", "vip", "7", "off", False)]


def test_a_stream_that_a_run_works_on_is_kept(new_ledgers: Ledgers) -> None:
    ledger = new_ledgers("r1")
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.remember(S, [loaded("1", "c1")])
    with pytest.raises(StreamBusyError, match="a run works on it"):
        forgotten(new_ledgers)
    assert ledger.recall(S, [key("1")])[key("1")] == entry("1", contact("c1"))
    ledger.close()
    forgotten(new_ledgers)
    assert json.dumps(new_ledgers.rows("entries")) == "[]"


def test_a_contact_that_its_record_names_no_more_is_not_counted(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c2")])
    ledger.remember(T, [loaded("9", "c2")])
    ledger.remember(S, [replace(loaded("1", "c3"), dropped=Dropped(contact("c1"), Stamp(0), is_missing=True))])
    ledger.remember(T, [replace(loaded("9", "c4"), dropped=Dropped(contact("c2"), Stamp(0), is_missing=True))])
    ledger.close()
    assert looked(ledgers) == Held(contacts=2, alone=2, tags=0)
