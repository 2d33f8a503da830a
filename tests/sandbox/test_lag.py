from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .client import Api, Clock


def listed(api: Api) -> list[str]:
    return [contact["id"] for contact in api.ok("GET", "/contacts")["data"]]


def test_search_and_list_find_a_new_contact_when_the_lag_is_over(api: Api, clock: Clock) -> None:
    """OAS-P "contact creation delay"; GRP lead-quirks#43."""
    api.conditions(search_lag=120)
    user = api.create(role="user", external_id="u1", email="a@x.com")["id"]

    clock.pass_(119)
    assert api.find("email", "=", "a@x.com") == api.find("id", "IN", [user]) == listed(api) == []
    clock.pass_(1)
    assert api.find("email", "=", "a@x.com") == api.find("id", "IN", [user]) == listed(api) == [user]


def test_search_shows_the_old_document_until_then(api: Api, clock: Clock) -> None:
    """GRP export-record-user#14, #22, #29: old name, email and tags, found by the old email."""
    user = api.create(role="user", external_id="u1", email="old@x.com", name="Old")["id"]
    api.conditions(search_lag=60)
    clock.pass_(61)
    api.update(user, email="new@x.com", name="New")
    api.ok("POST", f"/contacts/{user}/tags", {"id": api.tag("A")})

    assert api.get(user)["name"] == "New"
    query = {"field": "email", "operator": "=", "value": "old@x.com"}
    (hit,) = api.ok("POST", "/contacts/search", {"query": query})["data"]
    assert (hit["name"], hit["email"], hit["tags"]["total_count"]) == ("Old", "old@x.com", 0)
    assert api.find("email", "=", "new@x.com") == []
    clock.pass_(60)
    assert api.find("email", "=", "old@x.com") == []
    (hit,) = api.ok("POST", "/contacts/search", {"query": {**query, "value": "new@x.com"}})["data"]
    assert (hit["name"], hit["tags"]["total_count"]) == ("New", 1)


def test_each_write_shows_when_its_own_time_has_come(api: Api, clock: Clock) -> None:
    api.conditions(search_lag=60)
    user = api.create(role="user", external_id="u1", name="first")["id"]
    for name in ("second", "third"):
        clock.pass_(30)
        api.update(user, name=name)

    for expected in ("first", "second", "third"):
        assert api.find("name", "=", expected) == [user]
        clock.pass_(30)


def test_archived_and_deleted_contacts_are_still_shown(api: Api, clock: Clock) -> None:
    """GRP lead-quirks#43; the contact itself is gone at once (#15-16)."""
    archived = api.create(role="lead", name="A")["id"]
    deleted = api.create(role="lead", name="A")["id"]
    api.conditions(search_lag=60)
    clock.pass_(61)
    api.ok("POST", f"/contacts/{archived}/archive", {})
    api.ok("DELETE", f"/contacts/{deleted}")

    assert api.find("name", "=", "A") == listed(api) == [archived, deleted]
    assert api.call("GET", f"/contacts/{archived}").status_code == 404
    clock.pass_(60)
    assert api.find("name", "=", "A") == listed(api) == []
    api.ok("POST", f"/contacts/{archived}/unarchive", {})
    assert listed(api) == []
    clock.pass_(60)
    assert listed(api) == [archived]


def test_everything_but_search_and_list_is_up_to_date(api: Api) -> None:
    """GRP: GET by id and the tags of a contact never lagged; find_by_external_id by choice."""
    api.conditions(search_lag=120)
    user = api.create(role="user", external_id="u1")["id"]

    assert api.get(user)["id"] == user
    assert api.ok("GET", "/contacts/find_by_external_id/u1")["id"] == user
    assert api.refused("POST", "/contacts", {"role": "user", "external_id": "u1"})[0] == 409
