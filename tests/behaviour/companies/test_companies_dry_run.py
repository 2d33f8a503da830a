"""Dry runs of companies: the plan says what a run does, and nothing is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.companies import accounts, companies, join, settings

if TYPE_CHECKING:
    from target_intercom.sandbox import SandboxServer
    from tests.support.loading import Loaded, Loader, People


def plan(done: Loaded) -> list[dict[str, Any]]:
    (path,) = sorted(done.data_dir.glob("plan-*.jsonl"))[-1:]
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_plan_says_what_a_run_does_to_companies(load: Loader, sandbox: SandboxServer, people: People) -> None:
    options = settings(sync_mode="sync")
    first = accounts({"id": "acme", "name": "A & B"}, {"id": "old", "name": "Old"}, {"id": "same", "name": "Same"})
    load(first, **options)
    before = companies(sandbox)
    gone = {"id": "old", "_sdc_deleted_at": "2025-01-01"}
    rows = accounts({"id": "acme", "name": "B & A"}, gone, {"id": "same", "name": "Same"}, {"id": "new", "tier": "x"})
    done = load(rows, dry_run=True, **options)
    assert done.results("accounts") == {"created": 1, "updated": 1, "unchanged": 1, "archived": 1}
    assert companies(sandbox) == before
    assert done.writes == 0
    about = {"object": "company", "stream": "accounts"}
    own = {key: one["id"] for key, one in before.items()}
    changed = {"name": {"old": "A & B", "new": "B & A"}}
    assert sorted(plan(done), key=lambda line: str(line.get("key"))) == sorted(
        [
            {"operation": "create_attribute", "object": "company", "attribute": "custom_attributes.tier"}
            | {"type": "string"},
            {"operation": "update", **about, "key": ["acme"], "company": own["acme"], "company_id": "acme"}
            | {"changes": changed},
            {"operation": "create", **about, "key": ["new"], "company": None, "company_id": "new"}
            | {"changes": {"custom_attributes.tier": {"old": None, "new": "x"}}},
            {"operation": "archive", **about, "key": ["old"], "company": own["old"], "company_id": "old", "people": 0},
        ],
        key=lambda line: str(line.get("key")),
    )
    real = load(rows, **options)
    assert real.results("accounts") == done.results("accounts")


def test_a_plan_of_orders_says_how_many_people_are_detached(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    load(accounts({"id": "acme"}), **settings())
    for number in range(3):
        join(people, people.add(external_id=str(number)), companies(sandbox)["acme"])
    done = load(accounts({"id": "acme"}), dry_run=True, **settings(sync_mode="remove"))
    assert [(line["operation"], line["people"]) for line in plan(done)] == [("archive", 3)]
    assert set(companies(sandbox)) == {"acme"}


def test_a_plan_counts_who_stays_for_the_people_in_it(load: Loader, sandbox: SandboxServer, people: People) -> None:
    options = settings(sync_mode="sync")
    load(accounts({"id": "acme"}), **options)
    join(people, people.add(external_id="1"), companies(sandbox)["acme"])
    done = load(accounts({"id": "acme", "_sdc_deleted_at": "2025-01-01"}), dry_run=True, **options)
    assert done.results("accounts") == {"skipped": 1}
    assert plan(done) == []
