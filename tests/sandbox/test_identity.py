from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock

ANN: dict[str, Any] = {"role": "user", "external_id": "u1", "email": "ann@x.com"}


@pytest.mark.parametrize(
    "body",
    [
        {"external_id": "u1"},
        {"email": "ann@x.com"},
        {"email": "ANN@X.com"},
        {"external_id": "u2", "email": "ann@x.com"},
    ],
)
def test_a_user_whose_identifiers_are_taken_is_a_conflict(api: Api, body: dict[str, Any]) -> None:
    """docs references 2.1-2.4. A new external_id with a known email: the defensive choice."""
    ann = api.create(**ANN)

    assert api.refused("POST", "/contacts", {"role": "user", **body}) == (
        409,
        "conflict",
        f"A contact matching those details already exists with id={ann['id']}",
    )


def test_an_archived_user_still_holds_its_identifiers(api: Api) -> None:
    """GRP lead-quirks#17."""
    ann = api.create(**ANN)
    api.ok("POST", f"/contacts/{ann['id']}/archive", {})

    assert api.refused("POST", "/contacts", ANN) == (
        409,
        "conflict",
        f"An archived contact matching those details already exists with id={ann['id']}",
    )


def test_a_deleted_user_holds_its_identifiers_too(api: Api) -> None:
    """GRP lead-quirks#32: in the words for archived ones."""
    ann = api.create(**ANN)
    api.ok("DELETE", f"/contacts/{ann['id']}")

    assert api.refused("POST", "/contacts", ANN) == (
        409,
        "conflict",
        f"An archived contact matching those details already exists with id={ann['id']}",
    )


def test_a_live_user_is_named_before_an_archived_one(api: Api) -> None:
    old = api.create(**ANN)
    api.ok("POST", f"/contacts/{old['id']}/archive", {})
    other = api.create(role="user", external_id="u2", email="b@x.com")
    api.update(other["id"], email="ann@x.com")

    assert f"A contact matching those details already exists with id={other['id']}" in (
        api.refused("POST", "/contacts", ANN)
    )


def test_leads_are_exempt_from_uniqueness(api: Api) -> None:
    """GRP lead-quirks#24, #39: the same email again and again, and beside a user."""
    api.create(**ANN)
    first = api.create(role="lead", email="ann@x.com")
    second = api.create(role="lead", email="ann@x.com")

    assert first["id"] != second["id"]
    api.create(role="lead", email="only-a-lead@x.com")
    assert api.create(role="user", email="only-a-lead@x.com")["role"] == "user"


def test_a_put_may_take_the_external_id_of_an_archived_user_but_not_of_a_live_one(api: Api) -> None:
    """GRP export-record-user#103; docs references 2.1-2.4 update a contact."""
    ann = api.create(**ANN)
    bob = api.create(role="user", external_id="u2")

    path = f"/contacts/{bob['id']}"
    assert api.refused("PUT", path, {"external_id": "u1"})[:2] == (409, "conflict")
    api.ok("POST", f"/contacts/{ann['id']}/archive", {})
    assert api.update(bob["id"], external_id="u1")["external_id"] == "u1"


def test_an_archived_contact_is_gone_for_every_call_but_archive_and_unarchive(api: Api) -> None:
    """GRP lead-quirks#15-19, #44-46."""
    ann = api.create(**ANN)
    path = f"/contacts/{ann['id']}"

    assert api.ok("POST", f"{path}/archive", {})["archived"] is True
    for method, body in [("GET", None), ("PUT", {"name": "A"}), ("DELETE", None)]:
        assert api.refused(method, path, body) == (404, "not_found", "User Not Found")
    assert api.ok("POST", f"{path}/archive", {})["archived"] is True
    assert api.ok("POST", f"{path}/unarchive", {}) == {
        "type": "contact",
        "id": ann["id"],
        "external_id": "u1",
        "archived": False,
    }
    assert api.get(ann["id"])["email"] == "ann@x.com"


def test_a_deleted_contact_does_not_come_back(api: Api, clock: Clock) -> None:
    """GRP lead-quirks#33: 500 moments after the deletion; export-record-delete#43: 400 later."""
    ann = api.create(**ANN)
    deleted = api.ok("DELETE", f"/contacts/{ann['id']}")
    path = f"/contacts/{ann['id']}/unarchive"

    assert (deleted["id"], deleted["deleted"]) == (ann["id"], True)
    assert api.refused("POST", path, {}) == (500, "server_error", "Server Error")
    clock.pass_(2)
    assert api.refused("POST", path, {}) == (
        400,
        "bad_request",
        "User has been marked for permanent deletion and is not restorable.",
    )
    assert api.refused("GET", f"/contacts/{ann['id']}")[0] == 404


def test_the_500_of_a_fresh_deletion_can_be_switched_off(api: Api) -> None:
    ann = api.create(**ANN)
    api.conditions(deletion_delay=0)
    api.ok("DELETE", f"/contacts/{ann['id']}")

    assert api.refused("POST", f"/contacts/{ann['id']}/unarchive", {})[0] == 400


def test_find_by_external_id_reads_live_users_only(api: Api) -> None:
    """OAS-2.16: users, not leads' generated ids; nothing archived."""
    ann = api.create(**ANN)
    lead = api.create(role="lead")

    assert api.ok("GET", "/contacts/find_by_external_id/u1")["id"] == ann["id"]
    path = "/contacts/find_by_external_id/"
    assert api.refused("GET", path + lead["external_id"])[0] == 404
    api.ok("POST", f"/contacts/{ann['id']}/archive", {})
    assert api.refused("GET", path + "u1") == (404, "not_found", "User Not Found")


@pytest.mark.parametrize("external_id", ["a/b", "a b?c", "ü&=%", "x" * 200])
def test_find_by_external_id_takes_quoted_ids(api: Api, external_id: str) -> None:
    user = api.create(role="user", external_id=external_id)

    found = api.ok("GET", f"/contacts/find_by_external_id/{quote(external_id, safe='')}")

    assert found["id"] == user["id"]


def test_find_by_external_id_came_with_2_13(api: Api) -> None:
    """docs references/changelog."""
    refusal = api.refused("GET", "/contacts/find_by_external_id/u1", version="2.12")

    assert refusal[:2] == (400, "intercom_version_invalid")


def test_a_merged_lead_is_gone_and_names_its_survivor(api: Api) -> None:
    """OAS-2.16 GET /contacts/{id}: 410 with a Link, 404 up to 2.15."""
    user = api.create(**ANN)
    lead = api.create(role="lead", email="ann@x.com", phone="+1")

    merged = api.ok("POST", "/contacts/merge", {"from": lead["id"], "into": user["id"]})

    assert (merged["id"], merged["phone"]) == (user["id"], "+1")
    for version in ("2.16", "2.17", "Preview"):
        gone = api.call("GET", f"/contacts/{lead['id']}", version=version)
        assert gone.status_code == 410
        assert gone.json()["errors"][0]["code"] == "contact_merged"
        assert gone.headers["Link"] == f'</contacts/{user["id"]}>; rel="canonical"'
    before = api.call("GET", f"/contacts/{lead['id']}", version="2.15")
    assert (before.status_code, before.headers.get("Link")) == (404, None)
    assert api.find("email", "=", "ann@x.com") == [user["id"]]
    by_id = api.call("GET", f"/contacts/find_by_external_id/{lead['external_id']}")
    assert by_id.status_code == 410
    assert api.refused("POST", f"/contacts/{lead['id']}/unarchive", {}) == (
        400,
        "bad_request",
        "User has been merged and is not restorable.",
    )


def test_only_duplicates_merge_unless_the_check_is_skipped(api: Api) -> None:
    """OAS-2.16 POST /contacts/merge; the switch came with 2.16."""
    user = api.create(**ANN, phone="+1")
    ids = {"from": api.create(role="lead", email="b@x.com")["id"], "into": user["id"]}
    skipping = {**ids, "skip_duplicate_validation": True}

    assert api.refused("POST", "/contacts/merge", ids)[:2] == (400, "invalid_merge")
    assert api.refused("POST", "/contacts/merge", skipping, version="2.15")[0] == 400
    assert api.ok("POST", "/contacts/merge", skipping)["id"] == user["id"]


def test_a_lead_with_the_phone_of_a_user_merges(api: Api) -> None:
    user = api.create(**ANN, phone="+1")
    lead = api.create(role="lead", phone="+1")

    assert api.ok("POST", "/contacts/merge", {"from": lead["id"], "into": user["id"]})


def test_users_do_not_merge_into_users(api: Api) -> None:
    user, other = api.create(**ANN), api.create(role="user", external_id="u2")

    refusal = api.refused("POST", "/contacts/merge", {"from": other["id"], "into": user["id"]})
    assert refusal[:2] == (400, "parameter_not_allowed")
