"""Stitch's tap-intercom reads from the workspace what the target has loaded."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import SandboxServer
from tests.support.loading import Loader, People, record, schema
from tests.support.proxy import INTERCOM, led_to
from tests.taps.piping import STANDARD, Tap, command, people_of_a_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MOMENTS = ("signed_up_at", "last_seen_at")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(allowed_hosts=[INTERCOM]) as server:
        yield server


def test_tap_intercom_reads_what_the_target_has_loaded(
    load: Loader, people: People, sandbox: SandboxServer, tmp_path: Path
) -> None:
    tap = command("tap-intercom", "tap-intercom")
    types = {"id": "integer", "name": "text", "email": "text", "seats": "integer", "balance": "number"}
    customers = schema("people", **types, active="boolean", birthday="date", signed_up_at="datetime")
    rows = [
        {**{name: value for name, value in row.items() if name != "updated_at"}, "signed_up_at": "2026-01-02T03:04:05Z"}
        for row in people_of_a_table().values()
    ]
    for row in rows:
        row["balance"] = None if row["balance"] is None else float(row["balance"])
    assert load([customers, *(record("people", **row) for row in rows)]).results("people") == {"created": 4}
    config = {"access_token": "sandbox", "start_date": "2020-01-01T00:00:00Z", "user_agent": "a test"}
    with led_to(int(sandbox.url.rsplit(":", 1)[1]), tmp_path) as variables:
        sent = Tap(tap, tmp_path, config, "contacts", {}, environment=variables).messages()
    messages = [json.loads(line) for line in sent]
    read = {one["record"]["external_id"]: one["record"] for one in messages if one["type"] == "RECORD"}
    there = {one["external_id"]: one for one in people.live()}
    assert read.keys() == there.keys()
    for key, contact in there.items():
        assert read[key]["id"] == contact["id"]
        assert read[key]["role"] == contact["role"]
        assert {name: seconds(name, read[key][name]) for name in STANDARD} == {name: contact[name] for name in STANDARD}
        assert values(read[key]["custom_attributes"]) == values(contact["custom_attributes"])


def seconds(name: str, value: Any) -> Any:
    """Unix seconds of what the tap writes as a date."""
    is_moment = name in MOMENTS and isinstance(value, str)
    return int(datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()) if is_moment else value


def values(custom: Any) -> dict[str, Any]:
    """Custom attributes, as an object or as its text."""
    given = json.loads(custom) if isinstance(custom, str) else custom
    return {name: value for name, value in given.items() if value is not None}
