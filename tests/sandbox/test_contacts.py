from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def test_a_contact_reads_as_documented(api: Api, clock: Clock) -> None:
    """Ids are 24 hex digits, an avatar is written as a URL and read as an object, the rest as written."""
    created = api.create(
        role="user",
        external_id="u1",
        email="Ann@Example.com",
        phone="+353871234567",
        name="Ann",
        avatar="https://example.com/a.png",
        signed_up_at=1_600_000_000,
        owner_id="1000001",
        unsubscribed_from_emails=True,
    )

    assert re.fullmatch("[0-9a-f]{24}", created["id"])
    assert created["type"] == "contact"
    assert created["avatar"] == {"type": "avatar", "image_url": "https://example.com/a.png"}
    assert created["email_domain"] == "example.com"
    assert created["created_at"] == created["updated_at"] == int(clock.now)
    assert created["signed_up_at"] == 1_600_000_000
    assert created["last_seen_at"] is None
    assert created["unsubscribed_from_emails"] is True
    assert created["custom_attributes"] == {}
    assert created["tags"] == {
        "type": "list",
        "data": [],
        "url": f"/contacts/{created['id']}/tags",
        "total_count": 0,
        "has_more": False,
    }
    assert api.get(created["id"]) == created


def test_an_owner_is_a_string_from_2_16_on_and_an_integer_before(api: Api) -> None:
    created = api.create(role="user", email="a@x.com", owner_id="1000002")

    assert created["owner_id"] == "1000002"
    assert api.get(created["id"], version="Preview")["owner_id"] == "1000002"
    assert api.get(created["id"], version="2.15")["owner_id"] == 1000002


def test_a_lead_gets_a_uuid_whatever_external_id_is_sent(api: Api) -> None:
    """GRP lead-quirks#5 and #7."""
    without = api.create(role="lead", email="a@x.com")
    with_one = api.create(role="lead", email="b@x.com", external_id="mine")

    assert UUID.fullmatch(without["external_id"])
    assert UUID.fullmatch(with_one["external_id"])
    assert without["external_id"] != with_one["external_id"]


def test_an_external_id_for_a_lead_is_ignored_in_silence(api: Api, clock: Clock) -> None:
    """GRP export-record-no-create#62: 200, nothing changed, not even `updated_at`."""
    lead = api.create(role="lead", email="a@x.com")
    clock.pass_(60)

    assert api.update(lead["id"], external_id="mine") == lead


def test_a_lead_becomes_a_user_and_never_a_lead_again(api: Api) -> None:
    """GRP lead-quirks#9 and #11."""
    lead = api.create(role="lead", email="a@x.com")

    user = api.update(lead["id"], role="user", external_id="u1")

    assert (user["id"], user["role"], user["external_id"]) == (lead["id"], "user", "u1")
    assert api.refused("PUT", f"/contacts/{lead['id']}", {"role": "lead", "name": "B"}) == (
        400,
        "client_error",
        "Contact with user role can't be converted to a lead",
    )
    assert api.get(lead["id"]) == user


def test_an_unknown_role_is_a_user(api: Api) -> None:
    """GRP export-record-lead#62."""
    assert api.create(role="contact", email="a@x.com")["role"] == "user"


def test_what_is_omitted_stays_and_null_clears(api: Api) -> None:
    """GRP export-record-user#20-24."""
    user = api.create(role="user", external_id="u1", name="Ann", phone="+1", avatar="http://a")

    changed = api.update(user["id"], name=None, avatar=None)

    assert (changed["name"], changed["avatar"]) == (None, None)
    assert (changed["phone"], changed["external_id"]) == ("+1", "u1")


def test_a_null_external_id_is_ignored(api: Api) -> None:
    """GRP export-record-user#85."""
    user = api.create(role="user", external_id="u1", email="a@x.com")

    assert api.update(user["id"], external_id=None, name="B")["external_id"] == "u1"


def test_a_cleared_email_reads_as_empty_but_as_null_in_search(api: Api) -> None:
    """GRP export-record-user#20, #21, #79."""
    user = api.create(role="user", external_id="u1", email="a@x.com")

    assert api.update(user["id"], email=None)["email"] == ""
    assert api.get(user["id"])["email"] == ""
    query = {"query": {"field": "external_id", "operator": "=", "value": "u1"}}
    assert api.ok("POST", "/contacts/search", query)["data"][0]["email"] is None
    assert api.ok("GET", "/contacts")["data"][0]["email"] is None


def test_a_put_that_changes_nothing_leaves_updated_at_alone(api: Api, clock: Clock) -> None:
    """GRP export-record-user#24."""
    user = api.create(role="user", external_id="u1", name="Ann")
    clock.pass_(5)

    assert api.update(user["id"], external_id="u1", name="Ann") == user
    assert api.update(user["id"], name="Bob")["updated_at"] == user["updated_at"] + 5


def test_an_email_that_another_user_holds_can_be_put(api: Api) -> None:
    """GRP export-record-user#93-95: two users share it."""
    api.create(role="user", external_id="u1", email="a@x.com")
    other = api.create(role="user", external_id="u2", email="b@x.com")

    assert api.update(other["id"], email="a@x.com")["email"] == "a@x.com"
    assert len(api.find("email", "=", "a@x.com")) == 2


def test_unknown_keys_are_ignored(api: Api) -> None:
    assert "shoe_size" not in api.create(role="user", email="a@x.com", shoe_size=9)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "not-an-email"}, "email"),
        ({"email": "a b@x.com"}, "email"),
        ({"email": 5}, "email"),
        ({"name": 5}, "name"),
        ({"owner_id": "77"}, "owner_id"),
        ({"signed_up_at": 1_600_000_000_000}, "signed_up_at"),
        ({"last_seen_at": 10**11}, "last_seen_at"),
        ({"signed_up_at": "yesterday"}, "signed_up_at"),
        ({"unsubscribed_from_emails": "yes"}, "unsubscribed_from_emails"),
        ({"email_verified": True}, "email_verified"),
        ({"custom_attributes": []}, "custom_attributes"),
    ],
)
def test_a_bad_value_refuses_the_whole_write(api: Api, changes: dict[str, Any], field: str) -> None:
    user = api.create(role="user", external_id="u1", name="Ann")

    response = api.call("PUT", f"/contacts/{user['id']}", {"name": "Bob", **changes})

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "parameter_invalid"
    assert response.json()["errors"][0]["field"] == field
    assert api.get(user["id"]) == user


def test_an_owner_outside_the_workspace_is_refused_in_intercoms_words(api: Api) -> None:
    """docs references 2.1-2.4, create and update a contact."""
    refusal = api.refused("POST", "/contacts", {"email": "a@x.com", "owner_id": "77"})

    assert refusal[2] == "The owner specified is not a member of the workspace"


def test_the_last_second_before_milliseconds_is_a_time(api: Api) -> None:
    user = api.create(role="user", external_id="u1", signed_up_at=10**11 - 1)

    assert user["signed_up_at"] == 10**11 - 1


def test_email_verified_goes_with_an_email(api: Api) -> None:
    """OAS-2.16; before, it is an unknown key."""
    api.create(role="user", email="a@x.com", email_verified=True)
    user = api.create(role="user", external_id="u2")

    assert api.update(user["id"], email_verified=True, version="2.15") == {
        **user,
        "owner_id": None,
    }
    assert api.refused("PUT", f"/contacts/{user['id']}", {"email_verified": True})[0] == 400


def test_language_override_is_writable_in_preview_only(api: Api) -> None:
    """OAS-P; an unsupported code becomes null without an error."""
    user = api.create(role="user", external_id="u1")

    assert api.update(user["id"], language_override="fr")["language_override"] is None
    spoken = api.update(user["id"], language_override="fr", version="Preview")
    assert spoken["language_override"] == "fr"
    unknown = api.update(user["id"], language_override="Klingon", version="Preview")
    assert unknown["language_override"] is None


@pytest.mark.parametrize("body", [{"role": "user"}, {}, {"role": "user", "email": None}])
def test_a_user_needs_an_identifier(api: Api, body: dict[str, Any]) -> None:
    assert api.refused("POST", "/contacts", body)[0] == 400


def test_a_lead_needs_no_identifier(api: Api) -> None:
    assert api.create(role="lead")["email"] is None


def test_an_unknown_contact_is_not_found(api: Api) -> None:
    for method, path in [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/archive")]:
        refusal = api.refused(method, f"/contacts/{'0' * 24}{path}")
        assert refusal == (404, "not_found", "User Not Found")


def test_the_admin_names_the_workspace_and_its_region(api: Api) -> None:
    me = api.ok("GET", "/me")

    assert me["type"] == "admin"
    assert me["app"]["id_code"] == api.create(role="lead")["workspace_id"]
    assert me["app"]["region"] == "US"
    assert me["app"]["timezone"]


def test_a_contact_has_what_no_call_sets(api: Api) -> None:
    """Recorded by others in 2023 to 2026."""
    contact = api.create(role="lead")
    assert (contact["sms_consent"], contact["unsubscribed_from_sms"]) == (False, False)
    codes = ("country", "region", "city", "country_code", "continent_code")
    assert contact["location"] == {"type": "location", **dict.fromkeys(codes)}
