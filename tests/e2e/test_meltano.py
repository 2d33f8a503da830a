"""The main job with real parts: PostgreSQL, tap-postgres, Meltano, the target, and the sandbox in place of Intercom."""

from __future__ import annotations

import json
import math
from datetime import datetime, time, timezone
from typing import TYPE_CHECKING, Any

import pytest

from demo.database import running_database
from demo.errors import DemoError
from demo.pipeline import Pipeline
from demo.show import attribute
from demo.tables import accounts, customers, memberships
from demo.workspace import running_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from demo.database import Database
    from demo.tables.rows import Row
    from demo.workspace import Contact, Workspace

    Parts = tuple[Database, Workspace, Pipeline]

STANDARD = ("email", "name", "phone", "signed_up_at", "last_seen_at")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    with running_database() as database, running_workspace(tmp_path) as workspace:
        yield database, workspace, Pipeline(database, workspace, tmp_path)


def seconds(moment: datetime | None) -> int | None:
    return None if moment is None else math.floor(moment.timestamp())


def expected(row: Row) -> dict[str, Any]:
    """The attributes of a row's contact, told from the row alone; what was never set is left out."""
    birthday, trial = row["birthday"], row["trial_ends_at"]
    attributes = {
        "email": None if row["email"] is None else row["email"].lower(),
        "name": row["name"],
        "phone": row["phone"],
        "signed_up_at": seconds(row["signed_up_at"]),
        "last_seen_at": seconds(row["last_seen_at"]),
        "uid": str(row["uid"]),
        "plan": row["plan"],
        "active": row["active"],
        "seats": row["seats"],
        "balance": None if row["balance"] is None else float(row["balance"]),
        "score": None if row["score"] is None else pytest.approx(float(row["score"]), rel=1e-15),
        "ratio": row["ratio"],
        "interests": None if row["interests"] is None else json.dumps(row["interests"], ensure_ascii=False),
        "profile": None if row["profile"] is None else json.dumps(row["profile"], ensure_ascii=False, sort_keys=True),
        "remarks": None if row["remarks"] is None else row["remarks"][:255],
        "birthday": None if birthday is None else seconds(datetime.combine(birthday, time(tzinfo=timezone.utc))),
        "trial_ends_at": None if trial is None else seconds(trial.replace(tzinfo=timezone.utc)),
    }
    return {name: value for name, value in attributes.items() if value is not None}


def found(contact: Contact) -> dict[str, Any]:
    """The attributes of a contact that the table can fill; a cleared email reads as an empty text."""
    attributes = {name: contact[name] for name in STANDARD} | contact["custom_attributes"]
    return {name: value for name, value in attributes.items() if value not in (None, "")}


def assert_rows_stand_in(workspace: Workspace, rows: dict[int, Row]) -> None:
    contacts = {contact["external_id"]: contact for contact in workspace.contacts()}
    live = {str(key): row for key, row in rows.items() if row["deleted_at"] is None}
    assert set(contacts) == set(live)
    for key, row in live.items():
        assert contacts[key]["role"] == "user"
        assert found(contacts[key]) == expected(row), key


def assert_segments_are_tags(workspace: Workspace, segments: memberships.Segments) -> None:
    for contact in workspace.contacts():
        assert workspace.tags(contact) == sorted(segments.get(int(contact["external_id"]), []))


def expected_company(row: Row) -> dict[str, Any]:
    """The attributes of a row's company, told from the row alone; what was never set is left out."""
    spend = row["monthly_spend"]
    attributes = {
        **{name: row[name] for name in ("name", "plan", "size", "website", "industry")},
        "monthly_spend": 0 if spend is None else math.floor(spend),
        "remote_created_at": seconds(row["opened_at"]),
        "account_tier": row["tier"],
    }
    return {name: value for name, value in attributes.items() if value is not None}


def assert_accounts_are_companies(workspace: Workspace, rows: dict[str, Row], workers: dict[str, list[int]]) -> None:
    for key, row in rows.items():
        company = workspace.company(key)
        assert company is not None
        shown = {name: attribute(company, name) for name in expected_company(row)}
        assert (shown, company["user_count"]) == (expected_company(row), len(workers.get(key, []))), key
    homes = {str(one): [account] for account, ones in workers.items() for one in ones}
    for contact in workspace.contacts():
        assert workspace.companies_of(contact) == homes.get(contact["external_id"], [])


def test_rows_stand_in_the_workspace_attribute_by_attribute(parts: Parts) -> None:
    database, workspace, pipeline = parts
    first = pipeline.run()
    assert first["status"] == "succeeded"
    stream = first["streams"]["public-customers"]
    assert (stream["read"], stream["created"], stream["skipped"]) == (300, 295, 5)
    with database.connect() as connection:
        assert_rows_stand_in(workspace, customers.read(connection))
        segments = memberships.read(connection)
        assert_segments_are_tags(workspace, segments)
        assert first["streams"]["public-accounts"]["created"] == accounts.ROW_COUNT + 1
        workers = accounts.workers(connection)
        assert first["streams"]["public-customers"]["attached"] == sum(map(len, workers.values())) > 200
        assert_accounts_are_companies(workspace, accounts.read(connection), workers)
        assert first["streams"]["public-memberships"]["tagged"] == sum(map(len, segments.values())) > 200
        changes = customers.change(connection)
        joined, left = memberships.change(connection, (*changes.updated, *changes.inserted), changes.deleted)
        accounts.change(connection)
        rows, segments = customers.read(connection), memberships.read(connection)
        homes, workers = accounts.read(connection), accounts.workers(connection)

    report = pipeline.run()
    second = report["streams"]["public-customers"]
    assert_rows_stand_in(workspace, rows)
    assert_segments_are_tags(workspace, segments)
    assert_accounts_are_companies(workspace, homes, workers)
    assert workspace.company(accounts.LEFT) is None
    of_accounts = report["streams"]["public-accounts"]
    assert (of_accounts["updated"], of_accounts["left"]) == (1, 1)
    assert (second["attached"], second["detached"]) == (len(changes.updated) + len(changes.inserted), 3)
    assert report["streams"]["public-memberships"]["tagged"] == joined
    assert report["streams"]["public-memberships"]["left"] >= left > 0
    assert (second["created"], second["updated"], second["archived"]) == (
        len(changes.inserted),
        len(changes.updated),
        len(changes.deleted),
    )
    # The tap sends the row at its bookmark again.
    assert second["read"] - second["unchanged"] == 7


def live_ids(workspace: Workspace) -> set[str]:
    return {contact["external_id"] for contact in workspace.contacts()}


def test_rows_that_are_gone_from_the_table_are_archived_and_the_others_not_called_for(parts: Parts) -> None:
    database, workspace, pipeline = parts
    first = pipeline.run("snapshot")
    assert first["streams"]["public-customers"]["created"] == 295
    loaded = live_ids(workspace)
    with database.connect() as connection:
        before = memberships.read(connection)
        gone = customers.delete(connection, 10)

    second = pipeline.run("snapshot")
    stream = second["streams"]["public-customers"]
    assert (stream["read"], stream["unchanged"], stream["skipped"], stream["left"]) == (290, 285, 5, 10)
    assert live_ids(workspace) == loaded - {str(key) for key in gone}
    # One search looks for the five rows that are marked as deleted.
    assert second["api"]["calls"] == {
        "GET /data_attributes": 2,
        "GET /me": 1,
        "POST /contacts/search": 1,
        "POST /contacts/{id}/archive": 10,
        # Their memberships went with them.
        "DELETE /contacts/{id}/tags/{tag_id}": sum(len(before[key]) for key in gone),
    }

    with database.connect() as connection:
        customers.delete(connection, 200)
    with pytest.raises(DemoError, match="max_removal_percent"):
        pipeline.run("snapshot")
    assert live_ids(workspace) == loaded - {str(key) for key in gone}
