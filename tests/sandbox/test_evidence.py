"""The sandbox beside what is known of the real API. Skipped where that does not lie."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.description import DESCRIBED, SHARED, answers

from .comparing.worlds import Hurry, replayed, told, workspace

if TYPE_CHECKING:
    from .client import Api

REPLAYER = SHARED / "tools" / "replay.py"
RECORDINGS = sorted((SHARED / "recorded").glob("*.jsonl"))
CONTRIBUTED = sorted((Path(__file__).parent / "recorded").glob("*.jsonl"))


@pytest.mark.skipif(not REPLAYER.exists() or not RECORDINGS, reason="the recorded traffic is not here")
def test_recorded_traffic_replays_without_a_difference(api: Api) -> None:
    """298 exchanges with the real API, of 2021."""
    where = ["--url", api.sandbox.url, "--token", "sandbox"]
    command = [sys.executable, str(REPLAYER), *where, *map(str, RECORDINGS)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert ended.stdout.endswith(" 0 differences\n"), ended.stdout
    assert ended.returncode == 0


@pytest.mark.skipif(not CONTRIBUTED, reason="nobody has contributed a recording of a workspace yet")
def test_contributed_recordings_differ_as_they_are_known_to() -> None:
    """Comparisons of workspaces, with the differences that stand beside them: no new one, and none that is mended."""
    for recording in CONTRIBUTED:
        lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
        beside = recording.with_suffix(".known.txt")
        known = set(beside.read_text(encoding="utf-8").splitlines()) if beside.exists() else set()
        clock = Hurry()
        with workspace(clock) as sandbox:
            assert told(replayed(lines, sandbox.url, clock)) == known, recording.name


@DESCRIBED
@pytest.mark.parametrize("version", ["2.16", "Preview"])
def test_answers_have_the_described_shape(api: Api, version: str) -> None:
    """Intercom's own description of each response, at the version that answers."""
    check = answers(version)

    attribute = {"name": "plan", "model": "contact", "data_type": "date"}
    check("data_attribute", api.ok("POST", "/data_attributes", attribute, version=version))
    user = api.create(
        version=version,
        role="user",
        external_id="u1",
        email="a@x.com",
        phone="+1",
        name="Ann",
        avatar="https://example.com/a.png",
        owner_id="1000001",
        custom_attributes={"plan": 1_600_000_000},
    )
    check("contact", user)
    tag = api.ok("POST", "/tags", {"name": "A", "users": [{"id": user["id"]}]}, version=version)
    check("tag_create_response", tag)
    check("tag_list", api.ok("GET", f"/contacts/{user['id']}/tags", version=version))
    check("contact", api.get(user["id"], version=version))
    check("contact_list", api.ok("GET", "/contacts", version=version))
    query = {"query": {"field": "email", "operator": "=", "value": "a@x.com"}}
    check("contact_list", api.ok("POST", "/contacts/search", query, version=version))
    check("tag_list", api.ok("GET", "/tags", version=version))
    check("data_attribute_list", api.ok("GET", "/data_attributes", version=version))
    check("admin_with_app", api.ok("GET", "/me", version=version))
    path = f"/contacts/{user['id']}"
    check("contact_archived", api.ok("POST", f"{path}/archive", {}, version=version))
    check("contact_unarchived", api.ok("POST", f"{path}/unarchive", {}, version=version))
    check("contact_deleted", api.ok("DELETE", path, version=version))
    check("error", api.call("GET", path, version=version).json())


@DESCRIBED
@pytest.mark.parametrize("version", ["2.16", "Preview"])
def test_answers_about_companies_have_the_described_shape(api: Api, version: str) -> None:
    check = answers(version)

    attribute = {"name": "colour", "model": "company", "data_type": "string"}
    check("data_attribute", api.ok("POST", "/data_attributes", attribute, version=version))
    company = api.company(
        "acme",
        version=version,
        name="Tom & Jerry",
        plan="Pro",
        size=7,
        website="x",
        industry="Toys",
        monthly_spend=1.5,
        remote_created_at=1_600_000_000,
        update_last_request_at=True,
        custom_attributes={"colour": "red"},
    )
    path = f"/companies/{company['id']}"
    check("company", company)
    check("company", api.company("bare", version=version, name="Bare"))
    contact = api.create(
        version=version,
        role="user",
        external_id="u1",
        email="a@x.com",
        phone="+1",
        name="Ann",
        avatar="https://example.com/a.png",
        owner_id="1000001",
    )["id"]
    check("company", api.ok("POST", f"/contacts/{contact}/companies", {"id": company["id"]}, version=version))
    tag = {"name": "A", "companies": [{"id": company["id"]}]}
    check("tag_create_response", api.ok("POST", "/tags", tag, version=version))
    tag["companies"] = [{"company_id": "acme", "untag": True}]
    check("tag_create_response", api.ok("POST", "/tags", tag, version=version))
    check("company", api.ok("PUT", path, {"name": "New"}, version=version))
    check("company", api.ok("GET", path, version=version))
    check("company", api.ok("GET", "/companies?company_id=acme", version=version))
    check("company_list", {**api.ok("POST", "/companies/list", {}, version=version), "pages": None})
    check("company_scroll", api.ok("GET", "/companies/scroll", version=version))
    check("contact_attached_companies", api.ok("GET", f"/contacts/{contact}/companies", version=version))
    check("company_attached_contacts", api.ok("GET", f"{path}/contacts", version=version))
    check("company_attached_segments", api.ok("GET", f"{path}/segments", version=version))
    check("contact", api.get(contact, version=version))
    if version == "Preview":
        query = {"query": {"field": "name", "operator": "=", "value": "New"}}
        check("company_list", api.ok("POST", "/companies/search", query, version=version))
    check("company", api.ok("DELETE", f"/contacts/{contact}{path}", version=version))
    check("deleted_company_object", api.ok("DELETE", path, version=version))
    check("error", api.call("POST", "/companies", {"test": 1}, version=version).json())
    check("error", api.call("GET", "/companies/0", version=version).json())
