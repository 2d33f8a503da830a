"""Contacts that several records mean, of one stream or several: what one writes, no other takes for its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.loading import record, schema
from tests.support.remembering import (
    BY_ROW,
    PUT,
    SEARCH,
    TYPES,
    WHEN,
    Row,
    assert_quiet,
    customers,
    log_based,
    person,
    puts,
    rows,
    standing,
    with_and_without_a_ledger,
)

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loader, People

SIZES = pytest.mark.parametrize("size", [1, 2, 10])


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = {"mappings": BY_ROW, "max_connections": 8, "search_delay_seconds": 0}
    return load


def crm(*values: Row) -> list[Row]:
    return rows("crm", *values)


def shop(*values: Row) -> list[Row]:
    return rows("shop", *values)


# Streams that feed one contact.


def test_streams_that_feed_different_attributes_become_quiet(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    both = [
        *crm({"row": 1, "id": "1", "name": "Ann"}, {"row": 2, "id": "2", "name": "Bob"}),
        *shop({"row": 8, "id": "1", "plan": "pro"}, {"row": 9, "id": "2", "plan": "free"}),
    ]
    load(both)
    after = people.everyone()
    compared = load(both)
    assert compared.writes == 0
    assert compared.results("crm") == compared.results("shop") == {"unchanged": 2}
    for _ in range(2):
        assert_quiet(load(both))
    assert people.everyone() == after
    assert standing(people)[0]["custom_attributes"] == {"plan": "pro"}


def test_a_contact_that_another_stream_changed_is_compared_again(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    load(crm({"row": 1, "id": "1", "name": "Ann"}, {"row": 2, "id": "2", "name": "Bob"}))
    load(shop({"row": 9, "id": "1", "name": "Anna", "plan": "pro"}))
    del sandbox.calls[:]
    done = load(crm({"row": 1, "id": "1", "name": "Ann"}, {"row": 2, "id": "2", "name": "Bob"}))
    assert done.results("crm") == {"updated": 1, "unchanged": 1}
    assert (done.calls[SEARCH], done.calls[PUT], puts(sandbox)) == (1, 1, [{"name": "Ann"}])
    assert people.one(external_id="1")["custom_attributes"] == {"plan": "pro"}


def test_a_stream_that_found_everything_in_line_disturbs_no_other(load: Loader) -> None:
    load(crm({"row": 1, "id": "1", "name": "Ann"}))
    assert load(shop({"row": 9, "id": "1", "name": "Ann"})).writes == 0
    assert_quiet(load(crm({"row": 1, "id": "1", "name": "Ann"})))


@SIZES
def test_streams_that_disagree_end_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    ann, anna = {"row": 1, "id": "1", "name": "Ann"}, {"row": 1, "id": "1", "name": "Anna"}
    runs = [
        [*crm(ann), *shop(anna)],
        [*crm(ann), *shop(anna)],
        [*shop(anna), *crm(ann)],
        [*shop(anna), *crm(ann)],
        shop(anna),
        crm({**ann, "plan": "pro"}),
        [*crm({**ann, "plan": "pro"}), *shop(anna)],
    ]
    with_ledger, without = with_and_without_a_ledger(load, people, sandbox, *runs, batch_size_rows=size)
    assert with_ledger == without


@SIZES
def test_streams_in_turns_end_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    def turns(*names: str) -> list[Row]:
        schemas = [schema(stream, ["row"], **TYPES) for stream in ("crm", "shop")]
        records = [record(("crm", "shop")[n % 2], row=1, id="1", name=name) for n, name in enumerate(names)]
        return [*schemas, *records]

    runs = [turns("A", "B"), turns("A", "B", "A"), turns("A", "B"), turns("A", "B")]
    with_ledger, without = with_and_without_a_ledger(load, people, sandbox, *runs, batch_size_rows=size)
    assert with_ledger == without


# The same contact twice in one stream.


@SIZES
def test_two_rows_of_one_contact_end_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, size: int
) -> None:
    home, work = {"row": 1, "id": "1", "name": "Home"}, {"row": 2, "id": "1", "name": "Work"}
    runs = [customers(home, work), customers(home, work), customers(home, {**work, "plan": "pro"})]
    with_ledger, without = with_and_without_a_ledger(load, people, sandbox, *runs, batch_size_rows=size)
    assert with_ledger == without


@SIZES
@pytest.mark.parametrize("other", ["moves on", "is missing"])
def test_a_row_that_another_one_overruled_has_the_word_when_that_one_is_not_the_contacts_any_more(
    load: Loader, people: People, other: str, size: int
) -> None:
    home, work = {"row": 1, "id": "1", "name": "Home"}, {"row": 2, "id": "1", "name": "Work"}
    settings = {"batch_size_rows": size, "sync_mode": "sync", "snapshot": True, "max_removal_percent": 100}
    for _ in range(3):
        done = load(customers(home, work), **settings)
    assert done.writes == 0
    after = customers(home, *([{**work, "id": "2"}] if other == "moves on" else []))
    for _ in range(2):
        load(after, **settings)
    assert people.one(external_id="1")["name"] == "Home"
    assert load(after, **settings).writes == 0


@SIZES
def test_rows_that_disagree_are_quiet_also_while_too_many_removals_keep_the_runs_from_succeeding(
    load: Loader, people: People, size: int
) -> None:
    home, work = {"row": 1, "id": "1", "name": "Home"}, {"row": 2, "id": "1", "name": "Work"}
    settings = {"batch_size_rows": size, "sync_mode": "sync", "snapshot": True}
    load(customers(home, work, *map(person, range(2, 40))), **settings)
    for is_new in (True, False):
        done = load(customers({**home, "plan": "pro"}, {**work, "plan": "free"}), **settings)
        assert (done.exit_code, done.writes > 0) == (1, is_new)
    assert people.one(external_id="1")["name"] == "Work"


@SIZES
def test_a_row_that_is_sent_again_as_it_was_leaves_the_last_word_to_the_other(
    load: Loader, people: People, size: int
) -> None:
    """An incremental tap sends its last rows again: that the other row did not come says nothing."""
    home, work = {"row": 1, "id": "1", "name": "Home"}, {"row": 2, "id": "1", "name": "Work"}
    load(log_based(home, work), batch_size_rows=size)
    for _ in range(3):
        assert load(log_based(home), batch_size_rows=size).writes == 0
    assert people.one(external_id="1")["name"] == "Work"


@SIZES
def test_a_row_that_changes_wakes_those_of_its_contact_that_come_after_it(
    load: Loader, people: People, size: int
) -> None:
    home, work = {"row": 1, "id": "1", "name": "Home"}, {"row": 2, "id": "1", "name": "Work"}
    load(customers(home, work), batch_size_rows=size)
    load(customers({**home, "name": "House"}, work), batch_size_rows=size)
    assert people.one(external_id="1")["name"] == "Work"


@SIZES
def test_two_rows_of_one_contact_that_agree_are_quiet(load: Loader, people: People, size: int) -> None:
    both = customers({"row": 1, "id": "1", "name": "Ann"}, {"row": 2, "id": "1", "plan": "pro"}, person(3))
    load(both, batch_size_rows=size)
    load(both, batch_size_rows=size)
    again = load(both, batch_size_rows=size)
    assert_quiet(again)
    assert again.results() == ({"unchanged": 2, "merged": 1} if size > 1 else {"unchanged": 3})


@pytest.mark.parametrize("mode", ["additive", "insert"])
def test_one_of_two_rows_of_a_contact_changes(load: Loader, people: People, mode: str) -> None:
    first, second = {"row": 1, "id": "1", "name": "Ann", "seats": 1}, {"row": 2, "id": "1", "plan": "pro", "seats": 2}
    load(customers(first, second), sync_mode=mode)
    load(customers({**first, "name": "Anna"}, second), sync_mode=mode)
    ann = people.one(external_id="1")
    expected = ("Anna", {"plan": "pro", "seats": 2}) if mode == "additive" else ("Ann", {"seats": 1})
    assert (ann["name"], ann["custom_attributes"]) == expected


# Records that part.

TWO_STREAMS = pytest.mark.parametrize("second", ["customers", "shop"], ids=["one stream", "two streams"])


def pair(second: str, one: Row, other: Row) -> list[Row]:
    """Two rows of one stream, or of two."""
    if second == "customers":
        return customers(one, other)
    return [*customers(one), *rows(second, other)]


@TWO_STREAMS
@SIZES
@pytest.mark.parametrize("mover", ["the first", "the second"])
@pytest.mark.parametrize("change", [{"id": "2"}, {"id": "2", "email": "b@example.com"}], ids=str)
def test_a_record_that_leaves_the_contact_it_shared_ends_as_without_a_ledger(
    load: Loader, people: People, sandbox: SandboxServer, change: Row, mover: str, size: int, second: str
) -> None:
    """The contact is the other record's: it is not taken along."""
    home = {"row": 1, "id": "1", "name": "Home"}
    work = {"row": 2, "id": "1", "plan": "pro"}
    after = ({**home, **change}, work) if mover == "the first" else (home, {**work, **change})
    together, apart = pair(second, home, work), pair(second, *after)
    runs = [together, together, apart, apart]
    with_ledger, without = with_and_without_a_ledger(load, people, sandbox, *runs, batch_size_rows=size)
    assert with_ledger == without


@TWO_STREAMS
def test_records_that_move_together_take_their_contact_along_or_part_for_good(
    load: Loader, people: People, second: str
) -> None:
    """Both have the new identifier: there is one contact that has it, whichever, and both write to it."""
    home, work = {"row": 1, "id": "1", "name": "Home"}, {"row": 2, "id": "1", "plan": "pro"}
    load(pair(second, home, work))
    moved = pair(second, {**home, "id": "2", "name": "New"}, {**work, "id": "2", "plan": "free"})
    for _ in range(3):
        done = load(moved)
        assert (done.exit_code, done.refusals) == (0, [])
    contact = people.one(external_id="2")
    assert (contact["name"], contact["custom_attributes"]) == ("New", {"plan": "free"})
    assert done.writes == 0


# Marks.


def removal(stream: str, **row: Any) -> Row:
    return record(stream, **row, _sdc_deleted_at=WHEN)


def test_who_an_order_of_one_stream_removed_comes_back_with_a_later_record_of_another(
    load: Loader, people: People
) -> None:
    ann = {"row": 1, "id": "1", "email": "ann@example.com", "name": "Ann"}
    modes: dict[str, Any] = {"sync_mode": "sync", "streams": {"crm": {"sync_mode": "remove"}, "shop": {}}}
    load(shop(ann), **modes)
    gone = load([schema("crm", ["row"], **TYPES), removal("crm", **ann)], **modes)
    assert gone.results("crm") == {"archived": 1}
    assert people.one(external_id="1")["state"] == "archived"
    back = load(shop(ann), **modes)
    assert back.results("shop") == {"updated": 1}
    assert people.one(external_id="1")["state"] == "live"
    assert_quiet(load(shop(ann), **modes))


def test_an_unchanged_record_of_another_stream_in_the_same_run_cancels_a_mark_before_it(
    load: Loader, people: People
) -> None:
    ann = {"row": 1, "id": "1", "email": "ann@example.com", "name": "Ann"}
    modes = {"sync_mode": "sync"}
    load([*crm(ann), *shop(ann)], **modes)
    load([*crm(ann), *shop(ann)], **modes)
    done = load([schema("crm", ["row"], **TYPES), removal("crm", row=1), *shop(ann)], **modes)
    assert done.results("crm") == {"skipped": 1}
    assert done.results("shop") == {"unchanged": 1}
    assert people.one(external_id="1")["state"] == "live"
    assert done.writes == 0


def test_a_mark_after_an_unchanged_record_of_another_stream_removes_nobody(load: Loader, people: People) -> None:
    ann = {"row": 1, "id": "1", "email": "ann@example.com", "name": "Ann"}
    modes = {"sync_mode": "sync"}
    load([*crm(ann), *shop(ann)], **modes)
    done = load([*shop(ann), schema("crm", ["row"], **TYPES), removal("crm", row=1)], **modes)
    assert done.stream("crm")["reasons"]["skipped"] == {"still_named": 1}
    assert people.one(external_id="1")["state"] == "live"


@SIZES
def test_an_unchanged_row_of_the_same_stream_keeps_a_marked_contact_before_it_or_after_it(
    load: Loader, people: People, size: int
) -> None:
    one, other = {"row": 1, "id": "1", "name": "Ann"}, {"row": 2, "id": "1", "name": "Ann"}
    modes: dict[str, Any] = {"sync_mode": "sync", "batch_size_rows": size}
    load(customers(one, other), **modes)
    load(customers(one, other), **modes)
    for rows_of_ann in ([{"row": 1, "_sdc_deleted_at": WHEN}, other], [other, {"row": 1, "_sdc_deleted_at": WHEN}]):
        load(customers(one, other), **modes)
        saved = load(customers(*rows_of_ann), **modes)
        assert saved.results() == {"skipped": 1, "unchanged": 1}
        assert saved.stream()["reasons"]["skipped"] == {"still_named": 1}
        assert people.one(external_id="1")["state"] == "live"
