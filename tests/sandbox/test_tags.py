from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Api, Clock


def names(api: Api, contact_id: str) -> list[str]:
    return [tag["name"] for tag in api.ok("GET", f"/contacts/{contact_id}/tags")["data"]]


def test_a_tag_is_created_once_whatever_the_case(api: Api) -> None:
    """OAS-2.16 #create_or_update_tag_request: names are case-insensitive."""
    created = api.ok("POST", "/tags", {"name": "VIP Customers"})
    found = api.ok("POST", "/tags", {"name": "vip customers"})

    assert created["id"].isdecimal()
    assert found == created
    assert api.ok("GET", "/tags") == {
        "type": "list",
        "data": [{"type": "tag", "id": created["id"], "name": "VIP Customers"}],
    }
    assert api.ok("GET", f"/tags/{created['id']}")["name"] == "VIP Customers"


def test_a_tag_is_renamed_by_its_id(api: Api) -> None:
    tag_id, other = api.tag("Old"), api.tag("Other")

    assert api.ok("POST", "/tags", {"id": tag_id, "name": "New"})["id"] == tag_id
    assert api.tag("new") == tag_id
    assert api.tag("Old") not in {tag_id, other}
    assert api.refused("POST", "/tags", {"id": "1", "name": "X"})[0] == 404
    assert api.refused("POST", "/tags", {"id": tag_id, "name": "OTHER"})[0] == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 5},
        {"name": "A", "users": "u1"},
        {"name": "A", "users": [{"email": "a@x.com"}]},
        {"name": "A", "users": [{"id": "x", "untag": True}]},
    ],
)
def test_a_bad_tag_body_is_refused(api: Api, body: object) -> None:
    """OAS-2.16 POST /tags. Untagging users so is documented no more: refused, by choice."""
    assert api.refused("POST", "/tags", body) == (400, "parameter_invalid", "invalid tag parameters")


def test_tagging_and_untagging_move_updated_at_unless_nothing_changes(api: Api, clock: Clock) -> None:
    """GRP export-record-user#26-34."""
    contact = api.create(role="user", email="a@x.com")
    tag_id = api.tag("A")
    path = f"/contacts/{contact['id']}/tags"

    clock.pass_(10)
    tagged = api.ok("POST", path, {"id": tag_id})
    assert (tagged["type"], tagged["id"], tagged["name"]) == ("tag", tag_id, "A")
    assert api.get(contact["id"])["updated_at"] == contact["updated_at"] + 10
    clock.pass_(10)
    api.ok("POST", path, {"id": tag_id})
    assert api.get(contact["id"])["updated_at"] == contact["updated_at"] + 10
    assert api.ok("DELETE", f"{path}/{tag_id}")["name"] == "A"
    assert api.get(contact["id"])["updated_at"] == contact["updated_at"] + 20
    assert names(api, contact["id"]) == []


def test_a_contact_shows_ten_tags_without_names_and_the_number_of_all(api: Api) -> None:
    """OAS-P #contact_tags; GRP export-record-user#31."""
    contact = api.create(role="lead")
    ids = [api.tag(f"T{number}") for number in range(12)]
    for tag_id in ids:
        api.ok("POST", f"/contacts/{contact['id']}/tags", {"id": tag_id})

    shown = api.get(contact["id"])["tags"]
    assert (len(shown["data"]), shown["total_count"], shown["has_more"]) == (10, 12, True)
    assert shown["data"][0] == {"id": ids[0], "type": "tag", "url": f"/tags/{ids[0]}"}
    assert names(api, contact["id"]) == [f"T{number}" for number in range(12)]


def test_unknown_tags_and_contacts_are_told_apart(api: Api) -> None:
    """OAS-P POST /contacts/{id}/tags; untagging what is not there: 404, by choice."""
    contact, tag_id = api.create(role="lead")["id"], api.tag("A")

    user_not_found = (404, "not_found", "User Not Found")
    resource_not_found = (404, "not_found", "Resource Not Found")
    assert api.refused("POST", "/contacts/0/tags", {"id": tag_id}) == user_not_found
    assert api.refused("POST", f"/contacts/{contact}/tags", {"id": "1"}) == resource_not_found
    assert api.refused("POST", f"/contacts/{contact}/tags", {})[0] == 400
    assert api.refused("DELETE", f"/contacts/{contact}/tags/{tag_id}") == resource_not_found
    assert api.refused("GET", "/tags/1") == resource_not_found


def test_one_call_tags_many_contacts_and_says_which(api: Api) -> None:
    """OAS-2.16 #tag_create_response: missing ones are skipped."""
    user, lead = api.create(role="user", email="a@x.com")["id"], api.create(role="lead")["id"]
    gone = api.create(role="lead")["id"]
    api.ok("POST", f"/contacts/{gone}/archive", {})

    users = [{"id": user}, {"id": gone}, {"id": lead}, {"id": "0" * 24}]
    answer = api.ok("POST", "/tags", {"name": "New", "users": users})

    assert answer["users"] == [
        {"id": user, "tagged": True},
        {"id": gone, "tagged": False},
        {"id": lead, "tagged": True},
        {"id": "0" * 24, "tagged": False},
    ]
    assert names(api, user) == names(api, lead) == ["New"]


def test_up_to_2_15_one_missing_contact_fails_the_whole_call(api: Api) -> None:
    """intercom-node issue 263: none is tagged."""
    user = api.create(role="user", email="a@x.com")["id"]
    body = {"name": "New", "users": [{"id": user}, {"id": "0" * 24}]}

    assert api.refused("POST", "/tags", body, version="2.15")[0] == 404
    assert names(api, user) == []
    alone = api.ok("POST", "/tags", {"name": "New", "users": [{"id": user}]}, version="2.15")
    assert alone.keys() == {"type", "id", "name"}
    assert names(api, user) == ["New"]


def test_a_deleted_tag_leaves_its_contacts(api: Api) -> None:
    user, tag_id = api.create(role="user", email="a@x.com")["id"], api.tag("A")
    api.ok("POST", f"/contacts/{user}/tags", {"id": tag_id})

    assert api.call("DELETE", f"/tags/{tag_id}").status_code == 200
    assert names(api, user) == []
    assert api.refused("DELETE", f"/tags/{tag_id}")[0] == 404
    assert api.tag("A") != tag_id
