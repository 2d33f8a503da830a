from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Api


def listed(api: Api, query: str = "?model=contact", version: str = "2.16") -> dict[str, Any]:
    answer = api.ok("GET", f"/data_attributes{query}", version=version)
    assert answer["type"] == "list"
    return {entry["full_name"]: entry for entry in answer["data"]}


def test_standard_attributes_are_listed_without_an_id(api: Api) -> None:
    """GRP destination-mapping-options#1."""
    standard = listed(api)

    writable = {name for name, entry in standard.items() if entry["api_writable"]}
    assert writable == {
        "role",
        "name",
        "owner_id",
        "email",
        "phone",
        "external_id",
        "signed_up_at",
        "last_seen_at",
        "unsubscribed_from_emails",
        "avatar",
    }
    assert not any("id" in entry or entry["custom"] for entry in standard.values())
    assert standard["location.country"]["name"] == "country"


@pytest.mark.parametrize("data_type", ["string", "integer", "float", "boolean", "datetime", "date"])
def test_a_custom_attribute_is_created_and_listed(api: Api, data_type: str) -> None:
    created = api.attribute("plan level", data_type, description="How much")

    shown = listed(api, version="Preview")["custom_attributes.plan level"]
    assert isinstance(created["id"], int)
    assert (shown["id"], shown["custom"], shown["description"]) == (created["id"], True, "How much")
    assert shown["data_type"] == data_type
    assert shown["label"] == shown["name"] == "plan level"


def test_a_list_attribute_comes_back_as_a_string_with_options(api: Api) -> None:
    """GRP destination-mapping-options#1 (list_field)."""
    api.attribute("colour", "options", options=[{"value": "Red"}, {"value": "Blue"}])

    shown = listed(api)["custom_attributes.colour"]
    assert (shown["data_type"], shown["options"]) == ("string", ["Red", "Blue"])


def test_new_attributes_are_closed_to_the_messenger_from_2_11_on(api: Api) -> None:
    """docs references/2.11/changelog."""
    body = {"model": "contact", "data_type": "string"}
    new = api.ok("POST", "/data_attributes", {**body, "name": "a"}, version="2.11")
    old = api.ok("POST", "/data_attributes", {**body, "name": "b"}, version="2.10")

    assert (new["messenger_writable"], old["messenger_writable"]) == (False, True)


@pytest.mark.parametrize(
    "body",
    [
        {"name": "taken", "model": "contact", "data_type": "string"},
        {"name": "taken", "model": "company", "data_type": "string"},
        {"name": "email", "model": "contact", "data_type": "string"},
        {"name": "a.b", "model": "contact", "data_type": "string"},
        {"name": "a$", "model": "contact", "data_type": "string"},
        {"name": "a(b)", "model": "contact", "data_type": "string"},
        {"name": "", "model": "contact", "data_type": "string"},
        {"name": "a", "model": "contact", "data_type": "text"},
        {"name": "a", "model": "person", "data_type": "string"},
        {"name": "a", "model": "contact", "data_type": "options", "options": [{"value": "x"}]},
        {"name": "a", "model": "contact", "data_type": "options", "options": ["x", "y"]},
    ],
)
def test_a_bad_attribute_is_refused(api: Api, body: dict[str, Any]) -> None:
    """OAS-P POST /data_attributes; names are one namespace for both models."""
    api.attribute("taken")

    assert api.refused("POST", "/data_attributes", body)[:2] == (400, "parameter_invalid")
    assert len([name for name in listed(api, "") if name.startswith("custom")]) == 1


def test_a_name_taken_by_the_other_model_is_refused_in_intercoms_words(api: Api) -> None:
    api.ok("POST", "/data_attributes", {"name": "R", "model": "company", "data_type": "string"})

    body = {"name": "R", "model": "contact", "data_type": "string"}
    assert api.refused("POST", "/data_attributes", body)[2] == (
        "You already have 'R' in your company data. To save this as new people data, use a different name."
    )


def test_a_workspace_holds_250_custom_attributes_and_archiving_frees_a_slot(api: Api) -> None:
    """help 179."""
    for number in range(250):
        first = api.attribute(f"a{number}")
    body = {"name": "one more", "model": "contact", "data_type": "string"}

    assert api.refused("POST", "/data_attributes", body)[:2] == (400, "parameter_invalid")
    api.ok("PUT", f"/data_attributes/{first['id']}", {"archived": True})
    assert api.attribute("one more")
    again = api.refused("PUT", f"/data_attributes/{first['id']}", {"archived": False})
    assert again[0] == 400


def test_an_archived_attribute_is_hidden_and_cannot_be_written(api: Api) -> None:
    attribute = api.attribute("plan")
    assert api.ok("PUT", f"/data_attributes/{attribute['id']}", {"archived": True})["archived"]

    assert "custom_attributes.plan" not in listed(api)
    assert listed(api, "?model=contact&include_archived=true")["custom_attributes.plan"]["archived"]
    body = {"role": "user", "email": "a@x.com", "custom_attributes": {"plan": "x"}}
    assert api.refused("POST", "/contacts", body)[0] == 400


def test_options_and_description_can_be_changed(api: Api) -> None:
    options = [{"value": "Red"}, {"value": "Blue"}]
    attribute = api.attribute("colour", "options", options=options)
    path = f"/data_attributes/{attribute['id']}"

    changed = api.ok("PUT", path, {"options": [*options, {"value": "Green"}], "description": "d"})
    assert (changed["options"], changed["description"]) == (["Red", "Blue", "Green"], "d")
    assert api.refused("PUT", path, {"options": "Red"}) == (
        400,
        "parameter_invalid",
        "Options isn't an array",
    )
    assert api.refused("PUT", "/data_attributes/1", {"archived": True})[:2] == (
        404,
        "field_not_found",
    )


def test_the_models_have_lists_of_their_own(api: Api) -> None:
    """OAS-2.16 GET /data_attributes: conversation is a 422 from 2.16 on."""
    assert "company_id" in listed(api, "?model=company")
    assert "company_id" not in listed(api)
    assert {"company_id", "email"} <= listed(api, "").keys()
    refusal = api.refused("GET", "/data_attributes?model=conversation")
    assert refusal[:2] == (422, "parameter_invalid")


def test_custom_values_round_trip(api: Api) -> None:
    """GRP: true, 13, 3.14 and unix seconds come back as they went in; null for the cleared only."""
    values = {"flag": True, "count": 13, "ratio": 3.14, "day": 1597870204, "note": "x"}
    for name, data_type in zip(values, ["boolean", "integer", "float", "date", "string"], strict=True):
        api.attribute(name, data_type)
    api.attribute("never")
    user = api.create(role="user", external_id="u1", custom_attributes=values)

    assert user["custom_attributes"] == values
    cleared = api.update(user["id"], custom_attributes={"count": None, "never": None})
    assert cleared["custom_attributes"] == {**values, "count": None}
    assert api.update(user["id"], name="B")["custom_attributes"] == {**values, "count": None}


def test_an_unknown_custom_attribute_refuses_the_whole_contact(api: Api) -> None:
    """docs references 2.3 create-a-contact; RudderStack's fixtures. Names are case-sensitive."""
    api.attribute("plan")
    user = api.create(role="user", external_id="u1", name="Ann")

    body = {"name": "Bob", "custom_attributes": {"plan": "x", "Plan": "y"}}
    assert api.refused("PUT", f"/contacts/{user['id']}", body) == (
        400,
        "parameter_invalid",
        "Custom attribute 'Plan' does not exist",
    )
    assert api.get(user["id"]) == user


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("text", 5),
        ("text", "x" * 256),
        ("text", ["x"]),
        ("text", {"a": 1}),
        ("count", "5"),
        ("count", 1.5),
        ("count", True),
        ("ratio", "1.5"),
        ("flag", "true"),
        ("flag", 1),
        ("day", "2020-01-01"),
        ("day", 1_600_000_000_000),
        ("colour", "Pink"),
        ("colour", "red"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(api: Api, name: str, value: object) -> None:
    """The strict choice: what Intercom does is unknown."""
    api.attribute("text")
    api.attribute("count", "integer")
    api.attribute("ratio", "float")
    api.attribute("flag", "boolean")
    api.attribute("day", "date")
    api.attribute("colour", "options", options=[{"value": "Red"}, {"value": "Blue"}])

    body = {"role": "user", "email": "a@x.com", "custom_attributes": {name: value}}
    response = api.call("POST", "/contacts", body)

    assert response.status_code == 400
    assert response.json()["errors"][0]["code"] == "parameter_invalid"
    assert response.json()["errors"][0]["field"] == name
    assert api.ok("GET", "/contacts")["total_count"] == 0


def test_255_characters_and_whole_floats_fit(api: Api) -> None:
    api.attribute("text")
    api.attribute("ratio", "float")
    values = {"text": "x" * 255, "ratio": 3}

    assert api.create(role="user", email="a@x.com", custom_attributes=values)
