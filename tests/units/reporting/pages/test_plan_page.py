"""What plan.html says of a plan."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from target_intercom.reporting.pages import plan_page
from target_intercom.reporting.pages.plan_page import MOST_BYTES, MOST_OPERATIONS, PlanSummary, packed, plan_view

if TYPE_CHECKING:
    from collections.abc import Iterable


def line(operation: str, number: int = 1, **others: Any) -> str:
    contact = {
        "contact": f"6b01571f5a4d0b0c{number:08}",
        "role": "user",
        "external_id": str(number),
        "email": f"p{number}@example.com",
    }
    return json.dumps({"operation": operation, "stream": "customers", "key": [str(number)], **contact, **others})


def update(number: int = 1, **changes: Any) -> str:
    return line("update", number, changes={name: {"old": old, "new": new} for name, (old, new) in changes.items()})


def create(number: int = 1, **values: Any) -> str:
    changes = {name: {"old": None, "new": new} for name, new in values.items()}
    return line("create", number, contact=None, changes=changes)


def view(lines: Iterable[str]) -> dict[str, Any]:
    return plan_view(PlanSummary.of(lines))


def names(lines: Iterable[str]) -> list[tuple[str, str]]:
    return [(write.operation, write.name) for write in PlanSummary.of(lines).shown]


def test_removals_come_first_and_all_else_in_its_order() -> None:
    lines = [create(1, name="Ann"), line("archive", 2), line("tag", 1, tag="VIP"), line("delete", 3), update(4)]
    assert names(lines) == [
        ("delete", "p3@example.com"),
        ("archive", "p2@example.com"),
        ("create", "p1@example.com"),
        ("tag", "p1@example.com"),
        ("update", "p4@example.com"),
    ]
    rows = view(lines)["operations"]
    assert [(row.operation, row.count, row.is_removal) for row in rows] == [
        ("delete", 1, True),
        ("archive", 1, True),
        ("create", 1, False),
        ("update", 1, False),
        ("tag", 1, False),
    ]
    assert rows[0].words == "contact would be deleted for good"
    assert rows[0].streams == [("customers", 1)]


def test_attributes_are_counted_by_how_often_they_would_change() -> None:
    lines = [update(n, seats=(1, 2), name=("a", "b") if n else ("a", None)) for n in range(3)]
    rows = view([*lines, update(9, seats=(1, 2)), create(5, name="Ann", phone="1")])["attributes"]
    assert [(row.name, row.updates, row.creates) for row in rows] == [("seats", 4, 0), ("name", 3, 1), ("phone", 0, 1)]


def test_lines_of_companies_memberships_events_and_merges_are_shown_with_all_that_they_have() -> None:
    """As they come with companies: any key that is there."""
    lines = [
        (
            '{"operation": "create", "object": "company", "stream": "accounts", "key": ["acme"], "company": null, '
            '"company_id": "acme", "changes": {"name": {"old": null, "new": "Acme"}}}'
        ),
        (
            '{"operation": "archive", "object": "company", "stream": "accounts", "key": ["old"], "company": "63ecc5", '
            '"company_id": "old", "people": 214}'
        ),
        (
            '{"operation": "attach", "stream": "customers", "key": ["7"], "contact": "6b01", "role": "user", '
            '"external_id": "7", "email": "eve@example.com", "company_id": "acme"}'
        ),
        (
            '{"operation": "send_event", "stream": "orders", "key": ["o-1"], "contact": null, "external_id": "7", '
            '"event": "placed-order", "created_at": 1764460800}'
        ),
        (
            '{"operation": "merge", "stream": "customers", "key": ["7"], "contact": "6b01", "into": "6b02", '
            '"email": "eve@example.com"}'
        ),
        '{"operation": "something_new", "stream": "x", "key": null, "of": {"a": [1.50, true]}}',
    ]
    archive, create_, attach, event, merge, new = PlanSummary.of(lines).shown
    assert (archive.kind, archive.name, dict(archive.facts)) == (
        "company",
        "old",
        {"company": "63ecc5", "people": "214"},
    )
    assert (create_.kind, create_.name, create_.changes[0].new) == ("company", "acme", "Acme")
    assert dict(attach.facts)["company_id"] == "acme"
    assert (event.name, dict(event.facts)["event"], dict(event.facts)["created_at"]) == (
        "7",
        "placed-order",
        "1764460800",
    )
    assert dict(merge.facts)["into"] == "6b02"
    assert dict(new.facts) == {"of": '{"a": ["1.50", true]}'}
    words = {row.operation: row.words for row in view(lines)["operations"]}
    assert words["create"] == "company would be created"
    assert words["archive"] == "company would be archived"
    assert words["something_new"] == "something_new"


def test_values_are_shown_as_the_plan_has_them() -> None:
    lines = [
        line("update", changes={"a": {"old": 12345678901234567890, "new": 1.10}, "b": {"new": True}}),
        line("update", changes={"c": {"old": None, "new": ""}, "d": {"old": "x" * 400, "new": None}}),
    ]
    first, second = PlanSummary.of(lines).shown
    assert [(one.old, one.new, one.is_known) for one in first.changes] == [
        ("12345678901234567890", "1.1", True),
        (None, "true", False),
    ]
    assert [(one.old, one.new) for one in second.changes] == [(None, ""), ("x" * 300 + "…", None)]


def test_a_packed_plan_repeats_no_names_and_ends_no_script() -> None:
    lines = [create(n, name=f"</script><!--{n}", plan="a&b") for n in range(3)] + [update(7, plan=("a", None))]
    text = packed(PlanSummary.of(lines).shown)
    assert not set("<>&") & set(text)
    data = json.loads(text)
    assert data["streams"] == ["customers"]
    assert data["shapes"] == [
        ["create", "contact", ["key", "role", "external_id"], ["name", "plan"], [0, 0]],
        ["update", "contact", ["key", "role", "external_id", "contact"], ["plan"], [1]],
    ]
    assert data["rows"][0] == [0, 0, "p0@example.com", "0", "user", "0", "</script><!--0", "a&b"]
    assert data["rows"][3][-2:] == ["a", None]


def test_a_plan_of_20_000_operations_is_whole() -> None:
    shown = view(create(n, name=f"N{n}") for n in range(MOST_OPERATIONS))
    assert (shown["total"], shown["shown"], shown["is_sample"]) == (MOST_OPERATIONS, MOST_OPERATIONS, False)


def test_of_a_larger_plan_a_sample_is_kept_with_all_of_few_removals() -> None:
    lines = [*(create(n, name="N") for n in range(MOST_OPERATIONS)), *(line("archive", n) for n in range(500))]
    plan = PlanSummary.of([*lines, *lines])
    shown = plan_view(plan)
    assert shown["is_sample"]
    assert [(row.operation, row.count) for row in shown["operations"]] == [
        ("archive", 1000),
        ("create", 2 * MOST_OPERATIONS),
    ]
    assert len(plan.removals) == 1000
    assert MOST_OPERATIONS // 4 <= shown["shown"] <= MOST_OPERATIONS
    assert {write.name for write in plan.kept} >= {"p0@example.com"}


def test_removals_alone_are_sampled_too() -> None:
    plan = PlanSummary.of(line("delete", n) for n in range(MOST_OPERATIONS + 1))
    assert (len(plan.shown), plan.is_sample) == (MOST_OPERATIONS // 2 + 1, True)


def test_large_values_make_a_sample_that_fits() -> None:
    wide = {f"attribute_{number}": '<ä"' * 75 for number in range(10)}
    shown = view(create(n, **wide) for n in range(2000))
    assert shown["is_sample"]
    assert 100 < shown["shown"] < 2000
    assert len(shown["data"].encode()) <= MOST_BYTES


def test_an_empty_plan_has_nothing_to_show() -> None:
    shown = view([])
    assert (shown["total"], shown["first"], shown["operations"], shown["attributes"]) == (0, [], [], [])


def test_the_first_page_stands_without_a_script() -> None:
    shown = view(update(n, name=("a", "b")) for n in range(120))
    assert len(shown["first"]) == plan_page.PAGE == 50
