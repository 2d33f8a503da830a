"""What the ledger keeps of records and their contacts."""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.ledger.command.summaries import contact_ids, summaries
from target_intercom.ledger.interface import Ledger
from target_intercom.ledger.remembered import Dropped, EntryState, Hashes, Holder, Loaded, Stamp, stamp
from target_intercom.ledger.store.read_only import ReadOnlyLedger
from target_intercom.model import ContactId, Email, Identity, RecordKey
from target_intercom.settings.config import StreamConfig
from target_intercom.sync.remembering.fingerprints import record_key

from .conftest import contact, entry, gone, key, loaded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from target_intercom.ledger.records import SqlLedger
    from target_intercom.ledger.remembered import LedgerEntry

    from .conftest import Ledgers

S, T = "customers", "accounts"
C1, C2, C3 = ContactId("c1"), ContactId("c2"), ContactId("c3")
MANY = 501
"""One more than go into an IN list."""
PAGE = 5000
"""Rows that are read at once."""


def recalled(ledger: Ledger, name: str, stream: str = S) -> LedgerEntry | None:
    return ledger.recall(stream, [key(name)]).get(key(name))


def doubted(ledger: Ledger, name: str, stream: str = S) -> bool:
    return ledger.recall(stream, [key(name)])[key(name)].is_doubted


def keys(holders: Iterable[Holder]) -> list[RecordKey]:
    return sorted(holder.key for holder in holders)


def names(*wanted: str) -> list[RecordKey]:
    return sorted(key(name) for name in wanted)


# Remembering.


def test_records_are_recalled_as_they_were_remembered(ledgers: Ledgers) -> None:
    written = [
        entry("1", contact("c1", "user", "x1", "ann@example.com"), written_at=1_700_000_000_123),
        entry("2", contact("c1", "user", "x1")),
        entry("3", contact("c1", "user", None, "ann@example.com")),
        entry("4", contact("c1", "lead", None, "ann@example.com"), written_at=1),
        entry("5", contact("c1", "lead")),
        entry("6", contact("c1"), hashes=Hashes("a", "b", "c")),
        entry("7", contact("c1"), hashes=None),
        entry("8", contact("c1"), state=EntryState.FOUND),
        entry("9", None),
        entry("10", None, hashes=None, state=EntryState.REMOVED),
        replace(entry("11", contact("c1")), merged=True),
    ]
    ledgers().remember(S, [Loaded(row, None, changed=False) for row in written])
    assert ledgers("r2").recall(S, [row.key for row in written]) == {row.key: row for row in written}


def test_hashes_are_kept_each_in_its_column(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", "c1", hashes=Hashes("a", "b", "c"))])
    assert ledgers.rows("entries", "content, shape, settings") == [("a", "b", "c")]


def test_a_contact_that_is_recalled_was_not_read(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1")])
    row = recalled(ledger, "1")
    assert row is not None
    assert row.contact is not None
    assert not row.contact.is_read
    assert row.contact.attributes == {}


def test_the_generated_external_id_of_a_lead_is_not_kept(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", contact("c1", "lead", "b7f8c1d0", "ann@example.com"))])
    assert recalled(ledger, "1") == entry("1", contact("c1", "lead", None, "ann@example.com"))


def test_only_the_records_that_are_asked_for_are_recalled(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c2")])
    ledger.remember(T, [loaded("3", "c3")])
    assert set(ledger.recall(S, [key("2"), key("3"), key("4")])) == {key("2")}
    assert ledger.recall(S, []) == {}
    assert ledger.recall("nobody's", [key("1")]) == {}


def test_a_record_that_is_remembered_again_replaces_what_was_known(ledgers: Ledgers) -> None:
    ledgers().remember(
        S, [loaded("1", contact("c1", "lead", None, "old@example.com"), state=EntryState.FOUND, written_at=1)]
    )
    new = entry("1", contact("c2", "user", "x1", "new@example.com"), hashes=Hashes("1", "2", "3"), written_at=2)
    ledgers("r2").remember(S, [Loaded(new, 7, changed=False)])
    assert ledgers("r3").recall(S, [key("1")]) == {key("1"): new}
    assert len(ledgers.rows("entries")) == 1


def test_of_two_records_of_one_key_the_later_counts(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c2"), loaded("1", "c3")])
    assert recalled(ledger, "1") == entry("1", contact("c3"))


def test_remembering_and_seeing_nothing_is_harmless(ledger: SqlLedger) -> None:
    ledger.remember(S, [])
    ledger.see(S, [], None)
    ledger.doubt([])
    ledger.release(S, [])
    ledger.removed({})
    ledger.intents.drop([])
    assert list(ledger.holders([])) == []


# What others said.


def test_a_changed_contact_voids_what_other_records_said_of_it(ledgers: Ledgers) -> None:
    before = ledgers()
    before.remember(S, [loaded("1", "c1"), loaded("2", "c1", written_at=5, state=EntryState.FOUND), loaded("3", "c2")])
    before.remember(T, [loaded("1", contact("c1", "user", "x1", "ann@example.com"))])
    ledgers("r1", "w2").remember(S, [loaded("1", "c1")])

    now = contact("c1", "user", "x1", "new@example.com")
    ledgers("r2").remember(S, [loaded("1", now, changed=True, written_at=9)])

    after = ledgers("r3")
    assert recalled(after, "1") == entry("1", now, written_at=9)
    overruled = entry("2", now, written_at=5, state=EntryState.FOUND, is_doubted=True, overruled_by="1")
    assert recalled(after, "2") == overruled
    assert recalled(after, "1", T) == entry("1", now, is_doubted=True), "it goes by what it was found by last"
    assert recalled(after, "3") == entry("3", contact("c2"))
    assert recalled(ledgers("r3", "w2"), "1") == entry("1", contact("c1"))


def test_records_that_changed_a_contact_together_stay_valid(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c1"), loaded("3", "c1")])
    ledger.remember(S, [loaded("1", "c1", changed=True), loaded("2", "c1", changed=True)])
    known = ledger.recall(S, names("1", "2", "3"))
    assert [known[key(name)].is_doubted for name in "123"] == [False, False, True]


def test_one_of_several_that_changed_the_contact_voids_none_of_them(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1", changed=True), loaded("2", "c1")])
    assert [recalled(ledger, name) for name in "12"] == [entry("1", contact("c1")), entry("2", contact("c1"))]


def test_a_contact_that_was_not_changed_voids_nothing(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c1")])
    ledger.remember(T, [loaded("1", "c1")])
    assert recalled(ledger, "2") == entry("2", contact("c1"))


def test_a_voided_record_becomes_valid_when_it_is_loaded_again(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1")])
    ledger.remember(T, [loaded("1", "c1", changed=True)])
    ledger.remember(S, [loaded("1", "c1")])
    assert recalled(ledger, "1") == entry("1", contact("c1"))


# In doubt.


def test_before_a_contact_is_written_all_that_records_said_of_it_is_in_doubt(ledgers: Ledgers) -> None:
    """A kill may come between the write and its note."""
    ann = contact("c1", "user", "x1", "ann@example.com")
    before = ledgers()
    before.remember(S, [loaded("1", "c1", written_at=5), loaded("2", "c1", state=EntryState.FOUND), loaded("3", "c2")])
    before.remember(T, [loaded("1", ann), loaded("2", "c3"), loaded("3", None)])
    ledgers("r1", "w2").remember(S, [loaded("1", "c1")])

    ledgers("r2").doubt([C1, C3, ContactId("nobody")])

    after = ledgers("r3")
    assert recalled(after, "1") == entry("1", contact("c1"), is_doubted=True, written_at=5)
    assert recalled(after, "2") == entry("2", contact("c1"), is_doubted=True, state=EntryState.FOUND)
    assert recalled(after, "3") == entry("3", contact("c2"))
    assert recalled(after, "1", T) == entry("1", ann, is_doubted=True)
    assert recalled(after, "2", T) == entry("2", contact("c3"), is_doubted=True)
    assert recalled(after, "3", T) == entry("3", None)
    assert recalled(ledgers("r3", "w2"), "1") == entry("1", contact("c1"))


def test_a_doubt_is_over_when_the_record_is_remembered_again(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c1")])
    ledger.doubt([C1])
    ledger.remember(S, [loaded("1", "c1", changed=True)])
    assert [recalled(ledger, name) for name in "12"] == [
        entry("1", contact("c1")),
        entry("2", contact("c1"), is_doubted=True, overruled_by="1"),
    ]


def test_a_doubt_changes_nothing_of_who_is_known_and_missing(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", "c1", version=3), loaded("2", "c2", written_at=9)])
    ledger = ledgers("r2")
    ledger.see(S, [key("2")], None)
    ledger.doubt([C1, C2])
    assert ledger.known(S) == 2
    assert list(ledger.unseen(S)) == [Holder(S, key("1"), C1, Identity(id=C1), seen=False, version=3)]
    assert [one.id for one in ledger.written_since(Stamp(9))] == ["c2"]


# Who is missing.


def test_who_did_not_come_in_this_run_is_missing(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded(name, f"c{name}") for name in "1234"])
    ledger = ledgers("r2")
    assert keys(ledger.unseen(S)) == names("1", "2", "3", "4")
    ledger.see(S, [key("2")], None)
    ledger.remember(S, [loaded("3", "c3"), loaded("5", "c5")])
    assert keys(ledger.unseen(S)) == names("1", "4")
    assert keys(ledgers("r3").unseen(S)) == names("1", "2", "3", "4", "5")


def test_who_came_to_another_run_meanwhile_is_missing_all_the_same(ledgers: Ledgers) -> None:
    """No clock tells which run was later; a run that removes who is missing is alone with the stream."""
    ledgers("r0").remember(S, [loaded(name, f"c{name}") for name in "1234"])
    ledger, other = ledgers("r1"), ledgers("r2")
    other.see(S, [key("2")], None)
    other.remember(S, [loaded("3", "c3"), loaded("5", "c5")])
    ledger.see(S, [key("1")], None)
    assert keys(ledger.unseen(S)) == names("2", "3", "4", "5")
    seen = {holder.contact: holder.seen for holder in ledger.holders([ContactId(f"c{n}") for n in range(1, 6)])}
    assert seen == {"c1": True, "c2": False, "c3": False, "c4": False, "c5": False}
    assert keys(ledgers("r3").unseen(S)) == names("1", "2", "3", "4", "5")


def test_who_is_missing_comes_with_all_that_is_known(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", contact("c1", "user", "x1", "ann@example.com"), version=7)])
    identity = Identity.of(contact("c1", "user", "x1", "ann@example.com"))
    assert list(ledgers("r2").unseen(S)) == [Holder(S, key("1"), C1, identity, seen=False, version=7)]


@pytest.mark.parametrize(
    "other",
    [
        loaded("1", "c1", state=EntryState.FOUND),
        loaded("1", None),
        loaded("1", None, state=EntryState.REMOVED),
    ],
)
def test_who_was_not_synced_is_neither_known_nor_missing(ledgers: Ledgers, other: Loaded) -> None:
    ledgers().remember(S, [other, loaded("2", "c2")])
    ledger = ledgers("r2")
    assert ledger.known(S) == 1
    assert keys(ledger.unseen(S)) == names("2")


def test_a_record_that_is_not_known_is_not_seen(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.see(S, [key("1")], 3)
    assert ledger.recall(S, [key("1")]) == {}
    assert ledgers.rows("entries") == []


def test_contacts_are_counted_once(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c1"), loaded("3", "c2")])
    ledger.remember(T, [loaded("1", "c3")])
    assert (ledger.known(S), ledger.known(T), ledger.known("nobody's")) == (2, 1, 0)


# Versions.


def versions(ledger: Ledger, *contacts: str) -> dict[str, int | None]:
    return {holder.contact: holder.version for holder in ledger.holders([ContactId(one) for one in contacts])}


def test_a_record_has_the_version_that_it_came_with_last(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded(name, f"c{name}", version=1) for name in "123"])
    ledger = ledgers("r2")
    ledger.see(S, [key("1")], 2)
    ledger.remember(S, [loaded("2", "c2", version=0)])
    assert versions(ledger, "c1", "c2", "c3") == {"c1": 2, "c2": 0, "c3": 1}


def test_a_record_that_comes_without_a_version_keeps_the_one_it_had(ledgers: Ledgers) -> None:
    """A run that ends before its tap names the version must not lose the one that was named before."""
    ledgers().remember(S, [loaded(name, f"c{name}", version=int(name)) for name in "12"])
    ledger = ledgers("r2")
    ledger.see(S, [key("1")], None)
    ledger.remember(S, [loaded("2", "c2", changed=True), loaded("3", "c3")])
    assert versions(ledger, "c1", "c2", "c3") == {"c1": 1, "c2": 2, "c3": None}
    assert keys(ledger.unseen(S)) == []


def test_a_version_told_at_the_end_is_given_to_all_records_of_this_run(ledgers: Ledgers) -> None:
    earlier = ledgers()
    earlier.remember(S, [loaded(name, f"c{name}", version=1) for name in "123"])
    earlier.remember(S, [loaded("4", "c4")])
    ledger = ledgers("r2")
    ledger.see(S, [key("1")], None)
    ledger.see(S, [key("2")], 8)
    ledger.remember(S, [loaded("5", "c5"), loaded("6", "c6", version=8)])
    ledger.remember(T, [loaded("1", "c7")])
    ledgers("r3").remember(S, [loaded("8", "c8", version=7)])
    ledger.activate(S, 9)
    of = versions(ledger, *(f"c{n}" for n in range(1, 9)))
    assert of == {"c1": 9, "c2": 9, "c3": 1, "c4": None, "c5": 9, "c6": 9, "c7": None, "c8": 7}


def test_versions_may_be_large(ledger: SqlLedger) -> None:
    for version in (0, -1, 1_700_000_000_000, 2**63 - 1, -(2**63) + 1):
        ledger.remember(S, [loaded("1", "c1", version=version), loaded("2", "c2", version=5)])
        ledger.remember(T, [loaded("3", "c3")])
        ledger.see(S, [key("2")], version)
        ledger.activate(T, version)
        assert set(versions(ledger, "c1", "c2", "c3").values()) == {version}


# Who names a contact.


def test_all_records_that_name_a_contact_are_given(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", contact("c1", "user", "x1"), version=1), loaded("2", "c2")])
    ledgers().remember(T, [loaded("1", contact("c1", "lead", None, "ann@example.com"), state=EntryState.FOUND)])
    ledgers("r1", "w2").remember(S, [loaded("9", "c1")])
    ledger = ledgers("r2")
    ledger.see(S, [key("1")], 2)
    found = sorted(ledger.holders([C1, C3]), key=lambda holder: holder.stream)
    assert found == [
        Holder(
            T,
            key("1"),
            C1,
            Identity.of(contact("c1", "lead", None, "ann@example.com")),
            seen=False,
            version=None,
            state=EntryState.FOUND,
        ),
        Holder(S, key("1"), C1, Identity.of(contact("c1", "user", "x1")), seen=True, version=2),
    ]


# Letting go.


def test_released_records_are_forgotten_in_their_stream_alone(ledger: SqlLedger) -> None:
    ledger.remember(S, [loaded("1", "c1"), loaded("2", "c2")])
    ledger.remember(T, [loaded("1", "c1")])
    ledger.release(S, [key("1"), key("9")])
    assert recalled(ledger, "1") is None
    assert recalled(ledger, "2") is not None
    assert recalled(ledger, "1", T) is not None


def test_of_a_removed_contact_only_its_id_and_the_keys_of_its_records_are_left(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.remember(S, [loaded("1", contact("c1", "user", "x1", "ann@example.com"), written_at=5), loaded("2", "c2")])
    ledger.remember(T, [loaded("3", contact("c1", "user", "x1", "ann@example.com"), state=EntryState.FOUND)])
    ledgers("r1", "w2").remember(S, [loaded("1", "c1")])

    before = stamp(time.time())
    ledger.removed(gone(C1, C3))
    after = stamp(time.time())

    for stream, name in ((S, "1"), (T, "3")):
        row = recalled(ledger, name, stream)
        assert row is not None
        assert (row.contact, row.hashes, row.state) == (None, None, EntryState.REMOVED)
        assert before <= row.written_at <= after
    left = ledgers.rows(
        "entries", "stream, key, contact_id, role, external_id, email, content, shape, settings, standing, gone_id"
    )
    assert [row for row in left if row[-2] == "removed"] == [
        (T, '["3"]', *[None] * 7, "removed", "c1"),
        (S, '["1"]', *[None] * 7, "removed", "c1"),
        # No record named it; search may show it for a while.
        ("people", '{"contact": "c3"}', *[None] * 7, "removed", "c3"),
    ]
    assert recalled(ledger, "2") == entry("2", contact("c2"))
    assert recalled(ledgers("r1", "w2"), "1") == entry("1", contact("c1"))
    assert ledger.known(S) == 1
    assert keys(ledgers("r2").unseen(S)) == names("2")
    assert list(ledger.holders([C1])) == []


def test_a_removed_record_may_come_back(ledgers: Ledgers) -> None:
    ledger = ledgers()
    ledger.remember(S, [loaded("1", "c1")])
    ledger.removed(gone(C1))
    ledger.remember(S, [loaded("1", "c2", written_at=5)])
    assert recalled(ledger, "1") == entry("1", contact("c2"), written_at=5)
    assert list(ledger.written_since(Stamp(0))) == [contact("c2")]
    assert ledger.known(S) == 1
    assert keys(ledgers("r2").unseen(S)) == names("1")


# What was written lately.


def test_what_any_run_wrote_since_is_given_as_it_was_then(ledgers: Ledgers) -> None:
    ann = contact("c2", "user", "x2", "ann@example.com")
    ledgers().remember(S, [loaded("0", "c0"), loaded("1", "c1", written_at=99), loaded("2", ann, written_at=100)])
    ledgers("r2").remember(T, [loaded("3", contact("c3", "lead"), written_at=101), loaded("4", None, written_at=500)])
    ledgers("r1", "w2").remember(S, [loaded("5", "c5", written_at=500)])
    found = sorted(ledgers("r3").written_since(Stamp(100)), key=lambda one: one.id)
    assert found == [ann, contact("c3", "lead")]
    assert list(ledgers("r3").written_since(Stamp(102))) == []


def test_whom_any_run_removed_since_is_given_with_no_more_than_the_id(ledgers: Ledgers) -> None:
    """Search may go on showing them for a while."""
    before = stamp(time.time())
    for stream in (S, T):
        ledgers().remember(stream, [loaded("1", contact("c1", "lead", None, "ann@example.com"))])
    ledgers("r2").removed(gone(C1))
    found = list(ledgers("r3").written_since(before))
    assert found
    assert all(one == contact("c1") for one in found)
    assert list(ledgers("r3").written_since(Stamp(before + 3_600_000))) == []


# More than fits at once.


def fill(ledgers: Ledgers, count: int) -> None:
    """Write rows past the ledger, all in one statement, seen long ago; names and contacts are their numbers."""
    ledgers.sql(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count) "
        "INSERT INTO target_intercom_entries (workspace, stream, key, contact_id, role, content, shape, settings, "
        "standing, written_at, seen_at) SELECT :workspace, :stream, '[\"' || n || '\"]', 'c' || n, 'user', 'a', 'b', "
        "'c', 'synced', n, 0 FROM numbers",
        workspace=ledgers.workspace(),
        count=count,
        stream=S,
    )


def numbers(count: int, first: int = 1) -> list[RecordKey]:
    return [key(str(n)) for n in range(first, count + 1)]


def contacts(count: int, first: int = 1) -> list[ContactId]:
    return [ContactId(f"c{n}") for n in range(first, count + 1)]


@pytest.mark.parametrize("count", [PAGE, PAGE + 1])
def test_who_is_missing_comes_page_by_page(ledgers: Ledgers, count: int) -> None:
    ledger = ledgers("r2")
    fill(ledgers, count)
    assert ledger.known(S) == count
    assert keys(ledger.unseen(S)) == sorted(numbers(count))


def test_pages_go_on_while_what_they_gave_is_removed_and_released(ledgers: Ledgers) -> None:
    ledger = ledgers("r2")
    fill(ledgers, PAGE + 1)
    missing, given = ledger.unseen(S), []
    for holder in missing:
        given.append(holder)
        if len(given) % 1000 == 0:
            ledger.removed(gone(*(one.contact for one in given[-1000:-500])))
            ledger.release(S, [one.key for one in given[-500:]])
    assert keys(given) == sorted(numbers(PAGE + 1))
    assert ledger.known(S) == 1


def test_ids_are_exported_page_by_page(ledgers: Ledgers) -> None:
    ledgers().streams.enter(S, ["id"], alone=False)
    fill(ledgers, PAGE + 1)
    with closing(ReadOnlyLedger(ledgers.url)) as ledger:
        (stream,) = (one for one in ledger.read(summaries) if one.workspace == ledgers.workspace())
        ids = list(contact_ids(ledger, stream))
    assert stream.contacts == PAGE + 1
    assert sorted(ids) == sorted(([str(n)], f"c{n}") for n in range(1, PAGE + 2))


def test_ids_are_read_as_they_are_asked_for(ledgers: Ledgers) -> None:
    runs = ledgers()
    runs.streams.enter(S, ["id"], alone=False)
    fill(ledgers, PAGE + 1)
    with closing(ReadOnlyLedger(ledgers.url)) as ledger:
        (stream,) = (one for one in ledger.read(summaries) if one.workspace == ledgers.workspace())
        ids = contact_ids(ledger, stream)
        first = next(ids)
        runs.release(S, [max(numbers(PAGE + 1))])
        assert len([first, *ids]) == PAGE


def test_more_records_than_fit_in_one_question_are_dealt_with_at_once(ledgers: Ledgers) -> None:
    ledger = ledgers("r2")
    fill(ledgers, MANY)
    everybody = numbers(MANY)

    assert set(ledger.recall(S, everybody)) == set(everybody)
    assert keys(ledger.holders(contacts(MANY))) == sorted(everybody)
    assert len(list(ledger.written_since(Stamp(1)))) == MANY

    ledger.see(S, everybody[1:], 4)
    assert keys(ledger.unseen(S)) == names("1")
    assert set(versions(ledger, *contacts(MANY, 2)).values()) == {4}

    ledger.doubt(contacts(MANY))
    assert {row.is_doubted for row in ledger.recall(S, everybody).values()} == {True}

    ledger.removed(gone(*contacts(MANY, 2)))
    assert ledger.known(S) == 1
    ledger.release(S, everybody)
    assert ledger.recall(S, everybody) == {}


def test_more_records_than_fit_in_one_question_are_remembered_at_once(ledger: SqlLedger) -> None:
    ledger.remember(T, [loaded(str(n), f"c{n}") for n in range(1, MANY + 1)])
    ledger.remember(S, [loaded(str(n), f"c{n}", changed=True) for n in range(1, MANY + 1)])
    assert len(ledger.recall(S, numbers(MANY))) == MANY
    assert {row.is_doubted for row in ledger.recall(T, numbers(MANY)).values()} == {True}


# Kept apart.


def test_a_run_of_another_workspace_changes_nothing(ledgers: Ledgers) -> None:
    email = Email("ann@example.com")
    ledger = ledgers()
    ledger.streams.enter(S, ["id"], alone=False)
    ledger.remember(S, [loaded("1", contact("c1", "user", "x1", email))])
    ledger.intents.add(email, None)

    def everything() -> list[list[tuple[Any, ...]]]:
        return [ledgers.rows(table) for table in ("streams", "entries", "intents")]

    before = everything()
    assert [len(rows) for rows in before] == [1, 1, 1]
    other = ledgers("r1", "w2")
    other.streams.enter(S, ["other"], alone=True)
    other.remember(S, [loaded("1", contact("c1", "user", "x1", email), hashes=None, written_at=9, changed=True)])
    other.doubt([C1])
    other.see(S, [key("1")], 9)
    other.activate(S, 9)
    other.intents.drop([email])
    other.removed(gone(C1))
    other.release(S, [key("1")])
    other.finish()
    assert everything() == before


def test_a_run_of_another_workspace_is_told_nothing(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", "c1", written_at=5)])
    ledgers().intents.add(Email("ann@example.com"), None)
    other = ledgers("r2", "w2")
    assert other.recall(S, [key("1")]) == {}
    assert other.known(S) == 0
    assert list(other.unseen(S)) == []
    assert list(other.holders([C1])) == []
    assert list(other.written_since(Stamp(0))) == []
    other.intents.add(Email("ann@example.com"), None)


def test_streams_are_known_with_their_last_runs(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    first.streams.enter(S, ["id"], alone=False)
    first.remember(S, [loaded("1", "c1"), loaded("2", None), loaded("3", "c3")])
    first.removed(gone(C3))
    first.finish()
    second = ledgers("r2")
    second.streams.enter(T, [], alone=False)
    second.streams.enter(S, ["tenant", "id"], alone=False)

    with closing(ReadOnlyLedger(ledgers.url)) as ledger:
        accounts, customers = (one for one in ledger.read(summaries) if one.workspace == ledgers.workspace())
    assert (accounts.stream, accounts.keys) == (T, ("identifier", "value"))
    assert (accounts.contacts, accounts.removed, accounts.last_run, accounts.finished_at) == (0, 0, "r2", None)
    assert (customers.stream, customers.keys) == (S, ("tenant", "id"))
    assert (customers.contacts, customers.removed, customers.last_run) == (1, 1, "r2")
    assert customers.finished_at is not None
    assert customers.finished_at <= customers.started_at


def test_a_run_finishes_none_but_its_own_streams(ledgers: Ledgers) -> None:
    first, second = ledgers("r1"), ledgers("r2")
    first.streams.enter(S, ["id"], alone=False)
    second.streams.enter(T, ["id"], alone=False)
    first.finish()
    rows = ledgers.rows("streams", "stream, finished_at")
    assert [(stream, finished is not None) for stream, finished in rows] == [(T, False), (S, True)]


# Odd texts.

ODD = [
    "Zoë Müller 🎈",
    "王小明",
    "محمد علي",
    "two\nlines\tand\ra tab",
    'o\'brien "quoted" `x` [y]',
    "100 % of %s and %(name)s",
    "a:b :name ?",
    "back\\slash \\u0000",
    "; DROP TABLE target_intercom_entries; --",
    "\x01\x7f\u2028\ufeff\uffff",
    "e\u0301",
    "é",
    " spaces ",
    "x" * 5000,
]


def test_odd_texts_come_back_as_they_were(ledgers: Ledgers) -> None:
    rows = [
        entry(str(n), contact(f"{odd[:500]}-{n}", "user", odd, odd), hashes=Hashes(odd, odd, odd), written_at=1)
        for n, odd in enumerate(ODD)
    ]
    ledgers().remember(S, [Loaded(row, None, changed=True) for row in rows])
    again = ledgers("r2")
    assert again.recall(S, [row.key for row in rows]) == {row.key: row for row in rows}
    assert keys(again.holders([row.contact.id for row in rows if row.contact])) == sorted(row.key for row in rows)


def test_streams_and_workspaces_may_have_odd_names(ledgers: Ledgers) -> None:
    for odd in (text[:500] for text in ODD):
        ledger = ledgers("r1", odd)
        ledger.streams.enter(odd, [odd], alone=True)
        ledger.remember(odd, [loaded("1", "c1")])
        ledger.finish()
        assert ledger.streams.was_alone(odd)
        assert ledger.known(odd) == 1
        ((stream, names, finished),) = ledgers.rows("streams", "stream, key_properties, finished_at", odd)
        assert (stream, json.loads(names)) == (odd, [odd])
        assert finished is not None


KEY_VALUES = [*ODD, "\0", "a\0b", "\ud800", "\udc00\ud800", "y" * 100_000, 0, 10**40, True, {"a": ["\ud800\0"]}]


def keyed(own: RecordKey, contact_id: str) -> Loaded:
    return Loaded(replace(entry("", contact(contact_id)), key=own), None, changed=False)


def test_the_keys_of_any_values_can_be_kept(ledgers: Ledgers) -> None:
    made = [record_key({"id": value}, ["id"], Identity(), StreamConfig().match_by) for value in KEY_VALUES]
    distinct = sorted({one for one in made if one is not None})
    assert len(distinct) == len(KEY_VALUES)
    rows = {one: keyed(one, f"c{n}") for n, one in enumerate(distinct)}
    ledgers().remember(S, list(rows.values()))
    ledger = ledgers("r2")
    assert ledger.recall(S, distinct) == {one: row.entry for one, row in rows.items()}
    assert keys(ledger.unseen(S)) == distinct
    ledger.see(S, distinct, 2)
    assert keys(ledger.unseen(S)) == []
    ledger.release(S, distinct)
    assert ledger.recall(S, distinct) == {}


def test_the_longest_keys_can_be_told_apart(ledgers: Ledgers) -> None:
    """Nothing in them repeats, so that no database can press them together."""
    texts = ["".join(chr(33 + (n * n * 7 + n * 31 + start) % 90) for n in range(400)) for start in range(3)]
    made = [record_key({"id": one}, ["id"], Identity(), StreamConfig().match_by) for one in texts]
    ledger = ledgers()
    distinct = sorted({one for one in made if one is not None})
    assert len(distinct) == 3
    ledger.remember(S, [keyed(one, "c1") for one in distinct])
    assert keys(ledgers("r2").unseen(S)) == distinct


def test_an_identifier_that_cannot_be_stored_is_left_out(ledgers: Ledgers) -> None:
    within, alone = "a\0b", "\0"
    ledgers().remember(
        S, [loaded("1", contact("c1", "user", within, alone)), loaded("2", contact("c2", "lead", None, within))]
    )
    ledger = ledgers("r2")
    assert recalled(ledger, "1") == entry("1", contact("c1"))
    assert recalled(ledger, "2") == entry("2", contact("c2", "lead"))


# No ledger.


def test_a_record_of_the_wanted_version_is_not_missing(ledgers: Ledgers) -> None:
    ledgers().remember(S, [loaded("1", "c1", version=7), loaded("2", "c2", version=8), loaded("3", "c3")])
    later = ledgers("r2")
    assert keys(later.unseen(S, 7)) == names("2", "3")
    later.see(S, names("3"), None)
    assert keys(later.unseen(S, 7)) == names("2")
    assert keys(later.unseen(S)) == names("1", "2")


def test_a_run_without_a_ledger_knows_nothing() -> None:
    ledger = Ledger()
    ledger.streams.enter(S, ["id"], alone=True)
    ledger.remember(S, [loaded("1", "c1", written_at=5)])
    ledger.doubt([C1])
    ledger.see(S, [key("1")], 1)
    ledger.activate(S, 1)
    assert not ledger.remembers
    assert ledger.streams.was_alone(S)
    assert ledger.recall(S, [key("1")]) == {}
    assert list(ledger.unseen(S)) == []
    assert list(ledger.holders([C1])) == []
    assert list(ledger.written_since(Stamp(0))) == []
    ledger.intents.add(Email("ann@example.com"), None)
    ledger.intents.add(Email("ann@example.com"), None)
    ledger.intents.drop([Email("ann@example.com")])
    ledger.release(S, [key("1")])
    ledger.removed(gone(C1))
    ledger.finish()
    ledger.close()


# Records of a stream that overrule each other.


def test_what_a_later_record_overruled_is_in_doubt_until_all_records_came(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    first.streams.enter(S, ["id"], alone=False)
    first.remember(S, [loaded("1", "c1", changed=True)])
    first.remember(S, [loaded("2", "c1", changed=True)])
    assert [doubted(first, name) for name in "12"] == [True, False]
    # Cut off here, the next run finds it so.
    assert doubted(ledgers("r2"), "1")
    first.trust_overruled()
    assert [doubted(ledgers("r3"), name) for name in "12"] == [False, False]


def test_an_overruled_record_is_in_doubt_again_when_the_other_has_another_contact(ledgers: Ledgers) -> None:
    first = ledgers("r1")
    first.remember(S, [loaded("1", "c1", changed=True)])
    first.remember(S, [loaded("2", "c1", changed=True)])
    first.trust_overruled()
    assert not doubted(ledgers("r2"), "1")
    ledgers("r2").remember(S, [loaded("2", "c2")])
    assert doubted(ledgers("r3"), "1")
    assert ledgers("r3").unchanged(S, names("1")) == {}


def test_what_another_stream_changed_stays_in_doubt(ledgers: Ledgers) -> None:
    ledger = ledgers("r1")
    ledger.remember(S, [loaded("1", "c1", changed=True)])
    ledger.remember(T, [loaded("1", "c1", changed=True)])
    ledger.trust_overruled()
    ledger.finish()
    assert [doubted(ledgers("r2"), "1", stream) for stream in (S, T)] == [True, False]


def test_a_contact_that_its_record_left_is_missing_from_the_stream(ledger: SqlLedger) -> None:
    ledger.remember(
        S,
        [
            Loaded(
                entry("1", contact("c2")),
                None,
                changed=False,
                dropped=Dropped(contact("c1", "user", "x1"), Stamp(5), is_missing=True),
            )
        ],
    )
    (left,) = ledger.unseen(S)
    assert (left.contact, left.identity.external_id, left.is_live) == (C1, "x1", False)


def test_a_removed_contact_that_no_record_named_is_known_for_as_long_as_search_may_show_it(ledger: SqlLedger) -> None:
    ledger.removed(gone(C1))
    assert [(one.id, one.is_read) for one in ledger.written_since(Stamp(0))] == [(C1, False)]
