"""Settings: the contract of the design, and how wrong ones are refused."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from target_intercom.errors import ConfigValidationError
from target_intercom.model import MatchBy
from target_intercom.settings.config import Config, CreationMode, Region, RemovalMode, StreamConfig, SyncMode, Unmapped
from target_intercom.settings.environment import environment_errors
from target_intercom.settings.parsing import ledger_place, parse_config, unknown_settings
from target_intercom.settings.table import json_schema
from target_intercom.target import TargetIntercom

TOKEN = "dG9rOnNlY3JldA=="

OFFERED = TargetIntercom.offered_schema()["properties"]

# The table of the design, as far as the settings are offered: name, types, default.
CONTRACT: dict[str, tuple[set[str], Any]] = {
    "access_token": ({"string"}, None),
    "region": ({"string"}, "us"),
    "api_url": ({"string"}, None),
    "api_version": ({"string"}, "2.16"),
    "sync_mode": ({"string"}, "additive"),
    "creation_mode": ({"string"}, "user"),
    "removal_mode": ({"string"}, "archive"),
    "match_by": ({"array"}, ["external_id", "email"]),
    "mappings": ({"object"}, {}),
    "unmapped": ({"string"}, "load"),
    "create_attributes": ({"boolean"}, True),
    "clear_nulls": ({"boolean"}, True),
    "deleted_property": ({"string"}, "_sdc_deleted_at"),
    "snapshot": ({"boolean"}, False),
    "tags_property": ({"string"}, None),
    "companies_property": ({"string"}, None),
    "groups_stream": ({"string"}, None),
    "streams": ({"object"}, {}),
    "max_removal_percent": ({"integer"}, 20),
    "max_rejected_records": ({"integer"}, 1000),
    "rate_limit_percent": ({"integer"}, 95),
    "max_connections": ({"integer"}, 64),
    "search_delay_seconds": ({"integer"}, 120),
    "bulk_writes": ({"boolean"}, False),
    "bulk_api_version": ({"string"}, "Preview"),
    "data_dir": ({"string"}, ".target-intercom"),
    "ledger_url": ({"string"}, None),
    "repair": ({"boolean"}, False),
    "dry_run": ({"boolean"}, False),
}
CHOICES = {
    "region": ["us", "eu", "au"],
    "sync_mode": ["sync", "additive", "enrich", "insert", "remove"],
    "creation_mode": ["user", "lead", "lifecycle"],
    "removal_mode": ["archive", "delete"],
    "unmapped": ["load", "ignore"],
}
OF_A_STREAM = [
    "sync_mode",
    "creation_mode",
    "removal_mode",
    "match_by",
    "mappings",
    "unmapped",
    "create_attributes",
    "clear_nulls",
    "deleted_property",
    "snapshot",
    "tags_property",
    "companies_property",
]


def parse(**settings: Any) -> Config:
    return parse_config({"access_token": TOKEN, **settings})


def refused(**settings: Any) -> list[str]:
    with pytest.raises(ConfigValidationError) as error:
        parse(**settings)
    assert all(text in str(error.value) for text in error.value.errors)
    return list(error.value.errors)


def plain(value: Any) -> Any:
    """A parsed value as it is given."""
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return getattr(value, "value", dict(value) if hasattr(value, "items") else value)


# The contract.


def test_the_settings_offered_are_those_of_the_contract() -> None:
    assert set(json_schema()["properties"]) == set(CONTRACT)
    assert json_schema()["required"] == ["access_token"]


@pytest.mark.parametrize("name", CONTRACT)
def test_a_setting_has_the_type_and_default_of_the_contract(name: str) -> None:
    types, default = CONTRACT[name]
    offered = json_schema()["properties"][name]
    given = offered["type"] if isinstance(offered["type"], list) else [offered["type"]]
    assert set(given) - {"null"} == types
    assert offered.get("default") == default
    assert offered["description"]
    config = parse()
    if name != "access_token":
        assert plain(getattr(config.general if name in OF_A_STREAM else config, name)) == default


@pytest.mark.parametrize("name", CHOICES)
def test_a_setting_offers_the_choices_of_the_contract(name: str) -> None:
    assert json_schema()["properties"][name]["enum"] == CHOICES[name]


def test_only_the_token_is_secret() -> None:
    secret = [name for name, offered in json_schema()["properties"].items() if offered.get("secret")]
    assert secret == ["access_token"]


def test_no_setting_is_a_number_which_the_hub_would_turn_into_an_integer() -> None:
    assert "number" not in json.dumps([offered["type"] for offered in json_schema()["properties"].values()])


@pytest.mark.parametrize("name", sorted(set(CONTRACT) - {"access_token"}))
def test_null_stands_for_not_given(name: str) -> None:
    assert parse(**{name: None}) == parse()


def test_the_region_chooses_the_host_and_an_address_replaces_it() -> None:
    assert parse().url == "https://api.intercom.io"
    assert parse(region="eu").url == "https://api.eu.intercom.io"
    assert parse(region="au").url == "https://api.au.intercom.io"
    assert parse(region="eu", api_url="http://localhost:8030/").url == "http://localhost:8030"


def test_values_are_read() -> None:
    config = parse(
        region="eu",
        api_version="Preview",
        sync_mode="sync",
        creation_mode="lifecycle",
        removal_mode="delete",
        match_by=["id", "email"],
        mappings={"id": "external_id", "joined": "signed_up_at", "x": "custom_attributes.y", "secret": None},
        unmapped="ignore",
        create_attributes=False,
        clear_nulls=False,
        deleted_property="gone",
        max_rejected_records=-1,
        rate_limit_percent=1,
        max_connections=1,
        search_delay_seconds=0,
        bulk_writes=True,
        bulk_api_version="2.17",
        data_dir="somewhere",
    )
    assert config.general == StreamConfig(
        sync_mode=SyncMode.SYNC,
        creation_mode=CreationMode.LIFECYCLE,
        removal_mode=RemovalMode.DELETE,
        match_by=(MatchBy.ID, MatchBy.EMAIL),
        mappings={"id": "external_id", "joined": "signed_up_at", "x": "custom_attributes.y", "secret": None},
        unmapped=Unmapped.IGNORE,
        create_attributes=False,
        clear_nulls=False,
        deleted_property="gone",
    )
    assert (config.region, config.api_version, config.access_token) == (Region.EU, "Preview", TOKEN)
    assert (config.max_rejected_records, config.rate_limit_percent, config.max_connections) == (-1, 1, 1)
    assert (config.search_delay_seconds, config.data_dir) == (0, Path("somewhere"))
    assert (config.bulk_writes, config.bulk_api_version) == (True, "2.17")


# Wrong values.

WRONG: dict[str, list[Any]] = {
    "region": ["de", "US", "", 1, [], True],
    "api_url": ["localhost:8030", "ftp://example.com", "https://", "", " ", 5, "https://example.com?x=1", []],
    "api_version": ["2", "latest", "", 2.16, "2.16.1", "v2.16", []],
    "sync_mode": ["upsert", "SYNC", "", 1, []],
    "creation_mode": ["contact", "", 1, {}],
    "removal_mode": ["block", "", False],
    "match_by": [[], "email", ["phone"], ["email", "email"], [None], [["email"]], {"email": 1}, 1],
    "mappings": [
        [],
        "id=external_id",
        {"a": "nonsense"},
        {"a": "created_at"},
        {"a": "role"},
        {"a": "custom_attributes."},
        {"a": "custom_attributes. "},
        {"a": "custom_attributes.email"},
        {"a": "custom_attributes.created_at"},
        {"a": "custom_attributes.created.at"},
        {"a": ""},
        {"a": 5},
        {"a": ["email"]},
        {"a": "email", "b": "email"},
        {"a": "custom_attributes.x", "b": "custom_attributes.x"},
    ],
    "unmapped": ["drop", "", 0],
    "create_attributes": ["yes", "true", 1, 0, []],
    "clear_nulls": ["no", "false", 1, {}],
    "deleted_property": ["", " ", 5, [], False],
    "snapshot": ["yes", 1, []],
    "tags_property": ["", " ", 5, [], False],
    "companies_property": ["", " ", 5, [], False],
    "groups_stream": ["", " ", 5, ["members"], True],
    "streams": [[], "customers", {"customers": "sync"}, {"customers": None}, {"customers": []}],
    "max_removal_percent": [-1, 101, 0.2, "20", True],
    "max_rejected_records": [-2, 1.5, "10", True, []],
    "rate_limit_percent": [0, 101, -5, 0.95, "95", True],
    "max_connections": [0, -1, 2.5, "64", True],
    "search_delay_seconds": [-1, 1.5, "120", False],
    "bulk_writes": ["yes", 1, []],
    "bulk_api_version": ["2", "latest", "", 2.16],
    "data_dir": ["", "  ", 5, []],
    "ledger_url": ["", 5, "ledger.db", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "no"],
    "repair": ["yes", 0, []],
    "dry_run": ["yes", 1, "true", {}],
}


@pytest.mark.parametrize(
    ("name", "value"), [pytest.param(name, value, id=f"{name}={value!r}") for name in WRONG for value in WRONG[name]]
)
def test_a_wrong_value_is_refused_with_its_name_what_was_given_and_what_is_allowed(name: str, value: Any) -> None:
    (text,) = refused(**{name: value})
    assert f"'{name}'" in text
    assert "give " in text.lower()
    if not isinstance(value, dict):
        assert json.dumps(value, ensure_ascii=False) in text
    for choice in CHOICES.get(name, []):
        assert f'"{choice}"' in text


def test_every_setting_has_wrong_values_in_this_test() -> None:
    assert set(WRONG) == set(CONTRACT) - {"access_token"}


def test_a_wrong_mapping_is_named() -> None:
    (text,) = refused(mappings={"joined": "created_at"})
    assert '["joined"]' in text
    assert '"created_at"' in text
    assert "signed_up_at" in text


def test_the_role_is_not_mapped_but_decided_by_the_creation_mode() -> None:
    (text,) = refused(mappings={"kind": "role"})
    assert "creation_mode" in text


def test_every_wrong_setting_is_named_at_once() -> None:
    assert len(refused(region="de", sync_mode="upsert", max_connections=0)) == 3


@pytest.mark.parametrize("address", ["https://user:hunter2@example.com", "https://hunter2@example.com"])
def test_credentials_in_an_address_are_not_shown(address: str) -> None:
    (text,) = refused(api_url=address)
    assert "api_url" in text
    assert "hunter2" not in text


# The token.


@pytest.mark.parametrize("raw", [{}, {"access_token": None}])
def test_a_missing_token_is_named_with_where_to_find_one(raw: dict[str, Any]) -> None:
    with pytest.raises(ConfigValidationError) as error:
        parse_config(raw)
    (text,) = error.value.errors
    assert "'access_token'" in text
    assert "Developer Hub" in text


@pytest.mark.parametrize("token", ["", " ", "two words", "tökén", "line\nbreak", 5, ["t"], "Bearer abc"], ids=repr)
def test_a_token_that_cannot_be_one_is_refused_without_being_shown(token: Any) -> None:
    (text,) = refused(access_token=token)
    assert "'access_token'" in text
    assert "missing" not in text
    if str(token).strip():
        assert str(token) not in text


def test_a_token_is_trimmed() -> None:
    assert parse(access_token=f" {TOKEN}\n").access_token == TOKEN


def test_the_token_is_in_no_message_and_no_representation() -> None:
    wrong = {name: values[0] for name, values in WRONG.items()}
    assert not [text for text in refused(**wrong) if TOKEN in text]
    assert TOKEN not in repr(parse())
    assert TOKEN not in str(parse())
    assert TOKEN not in f"{[parse()]}"


# Streams.


def test_a_streams_settings_lie_over_the_general_ones() -> None:
    config = parse(
        sync_mode="enrich",
        clear_nulls=False,
        mappings={"id": "external_id", "n": "name"},
        streams={"leads": {"creation_mode": "lead", "match_by": ["email"], "mappings": {"mail": "email"}}, "rest": {}},
    )
    leads = config.stream("leads")
    assert (leads.sync_mode, leads.clear_nulls) == (SyncMode.ENRICH, False)
    assert (leads.creation_mode, leads.match_by) == (CreationMode.LEAD, (MatchBy.EMAIL,))
    assert dict(leads.mappings) == {"mail": "email"}
    assert config.stream("rest") == config.stream("another") == config.general


def test_the_settings_of_a_stream_that_is_ignored_count_nowhere() -> None:
    own = {"object": "ignore", "snapshot": True, "sync_mode": "remove", "tags_property": "x", "mappings": {"g": "tag"}}
    config = parse_config({"access_token": "t", "streams": {"orders": own}, "ledger_url": "none"})
    assert (config.stream("orders").is_ignored, config.stream("others").is_ignored) == (True, False)
    assert (config.every, config.removes, config.has_groups) == ((config.general,), False, False)


@pytest.mark.parametrize("kind", ["contacts", "ignore"])
def test_a_groups_stream_that_is_said_to_be_something_else_is_refused(kind: str) -> None:
    (text,) = refused(groups_stream="members", streams={"members": {"object": kind}})
    assert "'streams.members.object' contradicts 'groups_stream'" in text


def test_null_in_a_stream_stands_for_not_given_there() -> None:
    config = parse(sync_mode="enrich", streams={"a": {"sync_mode": None, "mappings": None}}, mappings={"i": "id"})
    assert config.stream("a") == config.general


@pytest.mark.parametrize("name", OF_A_STREAM)
def test_every_setting_of_a_stream_can_be_given_for_one(name: str) -> None:
    other: dict[str, Any] = {
        "sync_mode": "insert",
        "creation_mode": "lead",
        "removal_mode": "delete",
        "match_by": ["id"],
        "mappings": {"a": "email"},
        "unmapped": "ignore",
        "create_attributes": False,
        "clear_nulls": False,
        "deleted_property": "gone",
        "snapshot": True,
        "tags_property": "groups",
        "companies_property": "accounts",
    }
    config = parse(streams={"a": {name: other[name]}})
    assert plain(getattr(config.stream("a"), name)) == other[name]
    changed = [
        one.name
        for one in fields(StreamConfig)
        if getattr(config.stream("a"), one.name) != getattr(config.general, one.name)
    ]
    assert changed == [name]


@pytest.mark.parametrize("name", OF_A_STREAM)
def test_a_wrong_value_in_a_stream_is_refused_with_the_streams_name(name: str) -> None:
    (text,) = refused(streams={"people": {name: WRONG[name][0]}})
    assert f"'streams.people.{name}'" in text


@pytest.mark.parametrize("name", ["access_token", "region", "max_connections", "data_dir", "sync_mod", "nonsense"])
def test_what_is_no_setting_of_a_stream_is_refused_with_those_that_are(name: str) -> None:
    (text,) = refused(streams={"people": {name: "secret value"}})
    assert f"'streams.people.{name}'" in text
    assert "secret value" not in text
    for known in OF_A_STREAM:
        assert known in text


def test_every_wrong_mapping_is_told() -> None:
    wrong = {"a": "nmae", "b": 7, "c": "email", "d": "email", "e": "role", "f": None, "g": "custom_attributes."}
    texts = refused(mappings=wrong, streams={"leads": {"mappings": {"x": "nmae", "y": "emial"}}}, region="xx")
    told = [text.partition(" does not take")[0] for text in texts]
    assert sorted(told) == sorted(
        [
            *(f"Setting 'mappings'[\"{name}\"]" for name in "abdeg"),
            *(f"Setting 'streams.leads.mappings'[\"{name}\"]" for name in "xy"),
            "Setting 'region'",
        ]
    )


# Names that are no settings.


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("acess_token", "access_token"),
        ("sync_mod", "sync_mode"),
        ("mapping", "mappings"),
        ("max_connection", "max_connections"),
        ("create_attribute", "create_attributes"),
        ("stream", "streams"),
    ],
)
def test_a_slip_of_the_pen_is_refused_with_what_was_meant(slip: str, meant: str) -> None:
    slips, others = unknown_settings({slip: "secret value"}, [])
    assert others == []
    (text,) = slips
    assert f"'{slip}'" in text
    assert f"'{meant}'" in text
    assert "secret value" not in text


def test_a_name_that_is_like_none_is_only_said() -> None:
    slips, others = unknown_settings({"warehouse": "secret value"}, [])
    assert slips == []
    (text,) = others
    assert "'warehouse'" in text
    assert "secret value" not in text


def test_names_that_are_known_are_not_said() -> None:
    given: dict[str, Any] = {**dict.fromkeys(CONTRACT), "batch_size_rows": 5, "stream_maps": {}}
    assert unknown_settings(given, ["batch_size_rows", "stream_maps"]) == ([], [])


# Settings in environment variables.


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MAX_CONNECTIONS", "many"),
        ("MAX_CONNECTIONS", "1.5"),
        ("MAX_CONNECTIONS", ""),
        ("RATE_LIMIT_PERCENT", "95%"),
        ("MATCH_BY", "external_id, email"),
        ("MAPPINGS", "{id: external_id}"),
        ("STREAMS", "nonsense"),
        ("CLEAR_NULLS", "perhaps"),
        ("BATCH_SIZE_ROWS", "many"),
        ("FLATTENING_ENABLED", "perhaps"),
    ],
)
def test_an_environment_variable_that_cannot_be_read_is_named(name: str, text: str) -> None:
    (error,) = environment_errors({f"TARGET_INTERCOM_{name}": text, "HOME": "x"}, "TARGET_INTERCOM_", OFFERED)
    assert f"'{name.lower()}'" in error
    assert json.dumps(text) in error


def test_environment_variables_that_can_be_read_are_fine() -> None:
    environment = {
        "TARGET_INTERCOM_ACCESS_TOKEN": "{not json, and need not be",
        "TARGET_INTERCOM_MAX_CONNECTIONS": "5",
        "TARGET_INTERCOM_MATCH_BY": '["email"]',
        "TARGET_INTERCOM_MAPPINGS": '{"id": "external_id"}',
        "TARGET_INTERCOM_REGION": "eu",
        "TARGET_INTERCOM_CLEAR_NULLS": "false",
        "MAX_CONNECTIONS": "many",
    }
    assert environment_errors(environment, "TARGET_INTERCOM_", OFFERED) == []


# The ledger.


@pytest.mark.parametrize(
    ("given", "place"),
    [
        (None, Path("there") / "ledger.db"),
        ("none", None),
        (" NONE ", None),
        ("sqlite:///a/b.db", "sqlite:///a/b.db"),
        ("sqlite:////a/b.db?timeout=5", "sqlite:////a/b.db?timeout=5"),
        ("postgresql://user@host:5432/db", "postgresql://user@host:5432/db"),
        ("postgres://host/db", "postgres://host/db"),
        ("postgresql+psycopg://host/db", "postgresql+psycopg://host/db"),
    ],
)
def test_the_ledger_lies_where_the_settings_say(given: str | None, place: Path | str | None) -> None:
    assert parse(data_dir="there", ledger_url=given).ledger == place
    assert ledger_place({"data_dir": "there", "ledger_url": given}) == place


def test_a_wrong_ledger_url_does_not_show_its_password() -> None:
    (text,) = refused(ledger_url="mysql://me:secret@host/db")
    assert "secret" not in text
    with pytest.raises(ConfigValidationError) as error:
        ledger_place({"ledger_url": "mysql://me:secret@host/db"})
    assert "'ledger_url'" in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"snapshot": True}, ["snapshot"]),
        ({"streams": {"a": {"snapshot": True}, "b": {}}}, ["streams.a.snapshot"]),
        ({"snapshot": True, "streams": {"a": {"snapshot": False}}}, ["snapshot"]),
    ],
)
def test_a_snapshot_without_a_ledger_is_refused(given: dict[str, Any], named: list[str]) -> None:
    texts = refused(ledger_url="none", **given)
    assert [text.split("'")[1] for text in texts] == named
    assert all("ledger_url" in text for text in texts)
    parse(**given)
