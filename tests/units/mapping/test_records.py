"""Records into contact drafts: which property goes into which attribute, as what."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.errors import InvalidRecordError, StreamRefusedError
from target_intercom.kinds.contacts import CONTACTS
from target_intercom.kinds.entity import ValueType
from target_intercom.model import ExternalId, Identity, MatchBy
from target_intercom.settings.parsing import parse_config
from target_intercom.sync.mapping.attribute_values import AttributeType, WantedAttributes
from target_intercom.sync.mapping.identifiers import no_identifier
from target_intercom.sync.mapping.properties import SchemaProperties
from target_intercom.sync.mapping.records import RecordMapper
from tests.support.loading import TYPES, received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.model import ContactDraft
from target_intercom.sync.mapping.records import Mapped

CUSTOM = "custom_attributes."


@dataclass
class Stream:
    """A stream's mapper, with a workspace that has every custom attribute the stream wants."""

    properties: Mapping[str, str]
    settings: dict[str, Any]
    api_version: str = "2.16"
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        config = parse_config({"access_token": "t", **self.settings}).general
        schemas = {name: TYPES[type_] for name, type_ in self.properties.items()}
        self.mapper = RecordMapper(
            SchemaProperties("people", schemas),
            config,
            kind=CONTACTS,
            api_version=self.api_version,
            say=self.said.append,
        )

    def mapped(self, record: Mapping[str, Any], **custom: AttributeType | None) -> Mapped:
        given = {CUSTOM + name: type_ for name, type_ in custom.items()}
        wanted = wanted_types(self.mapper, [record], given)
        made = {name: None if type_ is None else AttributeType(type_) for name, type_ in wanted.items()}
        return self.mapper.map(received({"stream": "people", "record": record}), {**made, **given})

    def draft(self, record: Mapping[str, Any], **custom: AttributeType | None) -> ContactDraft:
        return self.mapped(record, **custom).draft

    def attributes(self, record: Mapping[str, Any], **custom: AttributeType | None) -> dict[str, Any]:
        return dict(self.draft(record, **custom).attributes)

    def invalid(self, record: Mapping[str, Any]) -> InvalidRecordError:
        with pytest.raises(InvalidRecordError) as error:
            self.mapped(record)
        return error.value


def wanted_types(
    mapper: RecordMapper, records: list[Mapping[str, Any]], known: Mapping[str, object]
) -> dict[str, ValueType | None]:
    wanted = WantedAttributes(known)
    mapper.want(records, wanted)
    return wanted.types()


def stream(properties: Mapping[str, str], *, api_version: str = "2.16", **settings: Any) -> Stream:
    return Stream(properties, settings, api_version)


PEOPLE = {"id": "integer", "email": "text", "name": "text", "plan": "text"}


# Where properties go.


def test_unmapped_properties_go_to_the_attribute_of_their_name_or_become_custom() -> None:
    draft = stream(PEOPLE).draft({"id": 1, "email": "ann@example.com", "name": "Ann", "plan": "pro"})
    assert dict(draft.attributes) == {"email": "ann@example.com", "name": "Ann", CUSTOM + "plan": "pro"}
    assert draft.identity.email == "ann@example.com"


def test_an_absent_property_says_nothing() -> None:
    assert stream(PEOPLE).attributes({"email": "ann@example.com"}) == {"email": "ann@example.com"}


def test_unmapped_ignore_loads_only_what_is_mapped() -> None:
    people = stream(PEOPLE, unmapped="ignore", mappings={"id": "external_id", "plan": "custom_attributes.tier"})
    draft = people.draft({"id": 1, "email": "ann@example.com", "name": "Ann", "plan": "pro"})
    assert dict(draft.attributes) == {CUSTOM + "tier": "pro"}
    assert (draft.identity.external_id, draft.identity.email) == ("1", None)


def test_a_property_mapped_to_null_is_left_out() -> None:
    people = stream(PEOPLE, mappings={"id": None, "plan": None, "name": None})
    assert people.attributes({"email": "ann@example.com", "name": "Ann", "plan": "pro"}) == {"email": "ann@example.com"}
    assert people.said == []


def test_a_property_mapped_to_null_gives_its_attribute_to_no_other() -> None:
    people = stream({"uid": "text", "email": "text"}, mappings={"email": None, "uid": "external_id"})
    draft = people.draft({"uid": "u", "email": "ann@example.com"})
    assert draft.identity.email is None
    assert dict(draft.attributes) == {}


@pytest.mark.parametrize("mappings", [{}, {"uid": "external_id"}])
@pytest.mark.parametrize("match_by", [["email"], ["id", "email"], ["external_id", "email", "id"]])
def test_the_sources_own_id_is_never_intercoms(mappings: dict[str, str], match_by: list[str]) -> None:
    people = stream({**PEOPLE, "uid": "text"}, mappings=mappings, match_by=match_by)
    draft = people.draft({"id": 1, "uid": "u", "email": "ann@example.com"})
    assert draft.identity.id is None
    assert "id" not in draft.attributes
    assert CUSTOM + "id" not in draft.attributes


def test_a_property_mapped_to_id_identifies_and_is_not_written() -> None:
    people = stream(
        {"intercom": "text", "name": "text"}, mappings={"intercom": "id"}, match_by=["id"], unmapped="ignore"
    )
    draft = people.draft({"intercom": " 63a07ddf05a32042dffac965 ", "name": "Ann"})
    assert draft.identity.id == "63a07ddf05a32042dffac965"
    assert dict(draft.attributes) == {}


def test_a_mapped_id_identifies_only_where_match_by_names_it() -> None:
    people = stream({"intercom": "text", "email": "text"}, mappings={"intercom": "id"})
    draft = people.draft({"intercom": "63a07ddf05a32042dffac965", "email": "ann@example.com"})
    assert draft.identity.id is None
    assert dict(draft.attributes) == {"email": "ann@example.com"}


@pytest.mark.parametrize("name", ["owner_id", "unsubscribed_from_emails"])
def test_owner_and_consent_are_taken_only_when_mapped_and_that_is_said_once(name: str) -> None:
    people = stream({"email": "text", name: "any"})
    for _ in range(3):
        assert people.attributes({"email": "ann@example.com", name: 1}) == {"email": "ann@example.com"}
    assert len([text for text in people.said if name in text]) == 1


def test_owner_and_consent_are_taken_when_mapped() -> None:
    people = stream(
        {"email": "text", "owner": "integer", "out": "boolean"},
        mappings={"owner": "owner_id", "out": "unsubscribed_from_emails"},
    )
    attributes = people.attributes({"email": "ann@example.com", "owner": 7, "out": True})
    assert attributes == {"email": "ann@example.com", "owner_id": "7", "unsubscribed_from_emails": True}


def test_an_owner_is_a_number_before_version_2_16() -> None:
    people = stream({"email": "text", "owner": "text"}, mappings={"owner": "owner_id"}, api_version="2.15")
    assert people.attributes({"email": "ann@example.com", "owner": "7"})["owner_id"] == 7


@pytest.mark.parametrize("off", [False, None])
def test_consent_null_is_taken_for_false(off: bool | None) -> None:
    people = stream({"email": "text", "out": "boolean"}, mappings={"out": "unsubscribed_from_emails"})
    assert people.attributes({"email": "ann@example.com", "out": off})["unsubscribed_from_emails"] is False


@pytest.mark.parametrize(
    "name",
    ["created_at", "updated_at", "role", "workspace_id", "country", "browser", "language_override", "created_at "],
)
def test_properties_named_like_standard_attributes_are_left_out_and_that_is_said_once(name: str) -> None:
    people = stream({"email": "text", name: "text"})
    for _ in range(3):
        assert people.attributes({"email": "ann@example.com", name: "x"}) == {"email": "ann@example.com"}
    assert len(people.said) == 1
    assert name in people.said[0]
    assert "people" in people.said[0]


def test_what_is_named_like_a_standard_attribute_can_be_mapped_elsewhere() -> None:
    people = stream(
        {"email": "text", "created_at": "datetime", "updated_at": "datetime"},
        mappings={"created_at": "signed_up_at", "updated_at": "custom_attributes.changed"},
    )
    attributes = people.attributes(
        {
            "email": "ann@example.com",
            "created_at": "2024-02-01 00:00:20+00",
            "updated_at": "1970-01-01T01:00:00+00:00",
        }
    )
    assert attributes == {"email": "ann@example.com", "signed_up_at": 1706745620, CUSTOM + "changed": 3600}
    assert people.said == []


def test_the_columns_of_replication_are_left_out() -> None:
    people = stream({"email": "text", "_sdc_lsn": "integer", "_sdc_batched_at": "datetime", "_sdc_deleted_at": "text"})
    attributes = people.attributes(
        {
            "email": "ann@example.com",
            "_sdc_lsn": 29974224,
            "_sdc_batched_at": "2024-02-01",
            "_sdc_deleted_at": None,
            "_sdc_surprise": 1,
        }
    )
    assert attributes == {"email": "ann@example.com"}


def test_the_deleted_property_is_left_out() -> None:
    people = stream({"email": "text", "gone": "boolean"}, deleted_property="gone")
    assert people.attributes({"email": "ann@example.com", "gone": False}) == {"email": "ann@example.com"}


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("address.city", "address_city"),
        ("$plan", "_plan"),
        ("a/b\\c", "a_b_c"),
        ("tier!?", "tier__"),
        ("first name", "first name"),
        ("first-name", "first-name"),
        ("größe", "größe"),
        ("会社", "会社"),
        (" padded ", "padded"),
        ("Plan", "Plan"),
        ("price €", "price €"),
    ],
)
def test_attribute_names_lose_the_characters_that_intercom_disallows(name: str, attribute: str) -> None:
    people = stream({"email": "text", name: "text"})
    assert people.attributes({"email": "ann@example.com", name: "x"})[CUSTOM + attribute] == "x"


def test_mapped_attribute_names_lose_them_too() -> None:
    people = stream({"email": "text", "city": "text"}, mappings={"city": "custom_attributes.address.city"})
    assert people.attributes({"email": "ann@example.com", "city": "Rome"})[CUSTOM + "address_city"] == "Rome"


@pytest.mark.parametrize("order", [["plan.name", "plan_name"], ["plan_name", "plan.name"]])
def test_of_two_properties_for_one_attribute_the_one_of_that_name_wins_and_it_is_said_once(order: list[str]) -> None:
    people = stream({"email": "text", **dict.fromkeys(order, "text")})
    for _ in range(2):
        record = {"email": "ann@example.com", **{name: name for name in order}}
        assert people.attributes(record)[CUSTOM + "plan_name"] == "plan_name"
    assert len(people.said) == 1
    assert "plan.name" in people.said[0]


@pytest.mark.parametrize("order", [["uid", "external_id"], ["external_id", "uid"]])
def test_a_mapping_beats_a_property_of_the_attributes_name(order: list[str]) -> None:
    people = stream(dict.fromkeys(order, "text"), mappings={"uid": "external_id"})
    draft = people.draft({name: f"{name} value" for name in order})
    assert draft.identity.external_id == "uid value"
    assert CUSTOM + "external_id" not in draft.attributes


def test_a_property_that_the_schema_does_not_know_is_taken_as_its_value_shows() -> None:
    people = stream({"email": "text"})
    attributes = people.attributes({"email": "ann@example.com", "seats": 3, "ok": True, "mrr": Decimal("1.5")})
    assert attributes == {"email": "ann@example.com", CUSTOM + "seats": 3, CUSTOM + "ok": True, CUSTOM + "mrr": 1.5}


def test_custom_attributes_are_made_with_the_type_of_the_schema() -> None:
    people = stream({"email": "text", "seats": "integer", "day": "date", "tags": "array", "any": "any", "gone": "text"})
    record = {"email": "a@b.c", "seats": None, "day": "2024-01-01", "tags": [1], "any": True, "gone": None}
    wanted = wanted_types(people.mapper, [record, {"seats": 5}], {CUSTOM + "tags": object()})
    assert wanted == {
        CUSTOM + "seats": ValueType.INTEGER,
        CUSTOM + "day": ValueType.DATE,
        CUSTOM + "any": ValueType.BOOLEAN,
        CUSTOM + "gone": None,
    }


# Values.


def test_values_are_coerced_to_the_attributes_type_whatever_the_schema_says() -> None:
    people = stream({"email": "text", "seats": "text", "since": "text", "active": "integer", "note": "integer"})
    attributes = people.attributes(
        {"email": "ann@example.com", "seats": "7", "since": "2024-01-01", "active": 1, "note": 5},
        seats=AttributeType(ValueType.INTEGER),
        since=AttributeType(ValueType.DATE),
        active=AttributeType(ValueType.BOOLEAN),
        note=AttributeType(ValueType.STRING),
    )
    assert attributes == {
        "email": "ann@example.com",
        CUSTOM + "seats": 7,
        CUSTOM + "since": 1704067200,
        CUSTOM + "active": True,
        CUSTOM + "note": "5",
    }


def test_what_cannot_be_coerced_makes_the_record_invalid_and_names_the_property() -> None:
    people = stream({"email": "text", "joined": "text", "n": "integer"}, mappings={"joined": "signed_up_at"})
    error = people.invalid({"email": "ann@example.com", "joined": "yesterday"})
    assert (error.code, error.field) == ("not_a_date", "joined")
    assert "yesterday" not in error.reason
    error = people.invalid({"email": "ann@example.com", "n": "many"})
    assert (error.code, error.field) == ("not_a_number", "n")


def test_long_text_is_cut_in_custom_attributes_only_and_identifiers_never() -> None:
    people = stream({"uid": "text", "name": "text", "plan": "text", "bio": "text"}, mappings={"uid": "external_id"})
    mapped = people.mapped({"uid": "u" * 1000, "name": "n" * 1000, "plan": "p" * 255, "bio": "b" * 10_000})
    assert mapped.draft.identity.external_id == "u" * 1000
    assert mapped.draft.attributes["name"] == "n" * 1000
    assert mapped.draft.attributes[CUSTOM + "bio"] == "b" * 255
    assert mapped.cut == (CUSTOM + "bio",)


def test_objects_and_arrays_are_json_text() -> None:
    people = stream({"email": "text", "profile": "object", "tags": "array"})
    attributes = people.attributes({"email": "ann@example.com", "profile": {"n": 1}, "tags": ["t1", "ünï"]})
    assert attributes[CUSTOM + "profile"] == '{"n": 1}'
    assert attributes[CUSTOM + "tags"] == '["t1", "ünï"]'


def test_phone_numbers_are_trimmed() -> None:
    people = stream({"email": "text", "phone": "text"})
    assert people.attributes({"email": "a@b.c", "phone": "+15550000001    "})["phone"] == "+15550000001"


def test_null_clears() -> None:
    people = stream({**PEOPLE, "phone": "text"}, mappings={"id": "external_id"})
    attributes = people.attributes(
        {"id": 1, "email": None, "name": None, "plan": None}, plan=AttributeType(ValueType.STRING)
    )
    assert attributes == {"email": None, "name": None, CUSTOM + "plan": None}


def test_null_is_left_alone_where_clear_nulls_is_off() -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"}, clear_nulls=False)
    record = {"id": 1, "email": None, "name": None, "plan": None}
    assert people.attributes(record, plan=AttributeType(ValueType.STRING)) == {}


def test_what_is_blank_is_left_alone_as_null_is_where_it_is_no_value() -> None:
    people = stream(
        {"id": "integer", "email": "text", "since": "date"}, mappings={"id": "external_id"}, clear_nulls=False
    )
    record = {"id": 1, "email": " ", "since": ""}
    assert people.attributes(record, since=AttributeType(ValueType.DATE)) == {}


def test_an_external_id_of_null_is_never_written() -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"})
    draft = people.draft({"id": None, "email": "ann@example.com"})
    assert draft.identity.external_id is None
    assert dict(draft.attributes) == {"email": "ann@example.com"}


def test_values_outside_the_options_of_a_list_are_left_out_counted_and_said() -> None:
    people = stream({"email": "text", "plan": "text"})
    lists = AttributeType(ValueType.STRING, ("free", "pro"))
    assert people.attributes({"email": "a@b.c", "plan": "pro"}, plan=lists)[CUSTOM + "plan"] == "pro"
    for wrong in ("gold", "PRO", " pro"):
        mapped = people.mapped({"email": "ann@example.com", "plan": wrong}, plan=lists)
        assert dict(mapped.draft.attributes) == {"email": "ann@example.com"}
        assert mapped.left_out == (CUSTOM + "plan",)
    assert len(set(people.said)) == 1
    assert "gold" not in people.said[0]


def test_null_clears_a_list() -> None:
    people = stream({"email": "text", "plan": "text"})
    attributes = people.attributes({"email": "a@b.c", "plan": None}, plan=AttributeType(ValueType.STRING, ("free",)))
    assert attributes[CUSTOM + "plan"] is None


def test_an_attribute_that_cannot_be_written_is_left_out_and_counted_where_it_has_a_value() -> None:
    people = stream({"email": "text", "plan": "text"})
    for value, counted in (("pro", (CUSTOM + "plan",)), (None, ())):
        mapped = people.mapped({"email": "ann@example.com", "plan": value}, plan=None)
        assert dict(mapped.draft.attributes) == {"email": "ann@example.com"}
        assert mapped.left_out == counted


# Identifiers.


@pytest.mark.parametrize(
    ("value", "external_id"),
    [(7, "7"), ("7", "7"), (" 007 ", "007"), (Decimal("7.0"), "7"), ("AbC", "AbC"), (0, "0")],
    ids=repr,
)
def test_external_ids_are_trimmed_text(value: Any, external_id: str) -> None:
    people = stream({"uid": "any"}, mappings={"uid": "external_id"})
    assert people.draft({"uid": value}).identity.external_id == external_id


def test_emails_are_trimmed_and_in_lower_case() -> None:
    draft = stream(PEOPLE).draft({"email": "  Ann@EXAMPLE.com "})
    assert draft.identity.email == "ann@example.com"
    assert draft.attributes["email"] == "ann@example.com"


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_an_empty_identifier_is_none(blank: str | None) -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"})
    assert people.draft({"id": blank, "email": "ann@example.com"}).identity.external_id is None
    draft = people.draft({"id": 1, "email": blank})
    assert draft.identity.email is None
    assert draft.attributes["email"] is None


@pytest.mark.parametrize("record", [{}, {"id": None, "email": " "}, {"name": "Ann"}])
def test_a_record_without_an_identifier_has_none_and_is_for_the_ledger(record: dict[str, Any]) -> None:
    assert stream(PEOPLE, mappings={"id": "external_id"}).draft(record).identity == Identity()
    error = no_identifier([MatchBy.EXTERNAL_ID, MatchBy.EMAIL])
    assert error.code == "no_identifier"
    assert "external_id" in error.reason
    assert "email" in error.reason


def test_an_identifier_that_match_by_does_not_name_is_kept() -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"}, match_by=["email"])
    assert people.draft({"id": 1}).identity == Identity(external_id=ExternalId("1"))
    assert people.draft({"id": 1, "email": "ann@example.com"}).identity.external_id == "1"


@pytest.mark.parametrize("address", ["ann", "ann@", "@example.com", "ann example.com", "a b@example.com", "a@b@"])
def test_an_email_that_is_none_makes_the_record_invalid_without_being_quoted(address: str) -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"})
    error = people.invalid({"id": 1, "email": address})
    assert (error.code, error.field) == ("invalid_email", "email")
    assert address not in error.reason


@pytest.mark.parametrize("value", [True, 1.5, Decimal("1.5"), [1], {"a": 1}, float("inf")], ids=repr)
def test_an_identifier_that_is_none_makes_the_record_invalid(value: Any) -> None:
    error = stream(PEOPLE, mappings={"id": "external_id"}).invalid({"id": value, "email": "ann@example.com"})
    assert error.field == "id"


# Marks.


def test_a_mark_needs_nothing_but_identifiers() -> None:
    people = stream({**PEOPLE, "since": "date"}, mappings={"id": "external_id"}, sync_mode="sync")
    draft = people.draft({"id": 4999, "_sdc_deleted_at": "2026-11-20T17:17:51Z", "_sdc_lsn": 1, "since": "garbage"})
    assert draft.removed
    assert draft.identity.external_id == "4999"
    assert dict(draft.attributes) == {}


def test_a_bad_identifier_of_a_mark_is_none_where_another_will_do() -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"}, sync_mode="sync")
    draft = people.draft({"id": 1, "email": "nonsense", "_sdc_deleted_at": 1})
    assert draft.removed
    assert (draft.identity.external_id, draft.identity.email) == ("1", None)


def test_a_mark_without_identifiers_is_for_the_ledger() -> None:
    draft = stream(PEOPLE, mappings={"id": "external_id"}).draft({"email": "nonsense", "_sdc_deleted_at": 1})
    assert draft.removed
    assert draft.identity == Identity()


@pytest.mark.parametrize("mode", ["sync", "additive", "enrich", "insert"])
def test_a_record_marked_as_deleted_is_a_mark_in_every_mode(mode: str) -> None:
    draft = stream(PEOPLE, sync_mode=mode).draft({"email": "ann@example.com", "name": "Ann", "_sdc_deleted_at": "x"})
    assert draft.removed
    assert dict(draft.attributes) == {}


@pytest.mark.parametrize("value", [None, False, 0, "", " ", "false", "F", "No", "n", "0"], ids=repr)
def test_a_mark_that_is_not_set_is_none(value: Any) -> None:
    people = stream(PEOPLE, deleted_property="gone")
    assert not people.draft({"email": "ann@example.com", "gone": value}).removed


def test_every_record_is_a_mark_in_remove_mode() -> None:
    assert stream(PEOPLE, sync_mode="remove").draft({"email": "ann@example.com", "name": "Ann"}).removed


def test_the_identity_of_a_record_that_cannot_be_loaded_is_what_it_has() -> None:
    people = stream(PEOPLE, mappings={"id": "external_id"})
    assert people.mapper.identity({"id": 1, "email": "nonsense"}).get(MatchBy.EXTERNAL_ID) == "1"
    assert list(people.mapper.identity({"email": "nonsense"}).identifiers()) == []


# Streams that cannot be loaded.


def test_a_stream_without_an_identifier_is_refused_with_the_mapping_to_add() -> None:
    with pytest.raises(StreamRefusedError) as error:
        stream({"id": "integer", "mail": "text"})
    text = str(error.value)
    assert "'people'" in text
    assert "'external_id' or 'email'" in text
    assert "mappings" in text
    assert '"external_id"' in text


@pytest.mark.parametrize(
    ("properties", "settings"),
    [
        ({"email": "text"}, {"match_by": ["external_id"]}),
        ({"id": "text", "email": "text"}, {"match_by": ["id"]}),
        ({"email": "text"}, {"unmapped": "ignore"}),
        ({"email": "text"}, {"mappings": {"email": None}}),
        ({"email": "text", "id": "text"}, {"mappings": {"id": "id", "email": "custom_attributes.mail"}}),
        ({}, {}),
    ],
)
def test_identifiers_that_match_by_does_not_name_or_that_are_not_loaded_do_not_count(
    properties: dict[str, str], settings: dict[str, Any]
) -> None:
    with pytest.raises(StreamRefusedError):
        stream(properties, **settings)


@pytest.mark.parametrize(
    ("properties", "settings"),
    [
        ({"email": "text"}, {}),
        ({"external_id": "text"}, {}),
        ({"email": "text"}, {"match_by": ["id", "email"]}),
        ({"id": "text"}, {"mappings": {"id": "external_id"}}),
        ({"key": "text"}, {"mappings": {"key": "id"}, "match_by": ["id"]}),
    ],
)
def test_one_identifier_is_enough(properties: dict[str, str], settings: dict[str, Any]) -> None:
    assert stream(properties, **settings).said == []


@pytest.mark.parametrize(("api_version", "taken"), [("2.15", None), ("2.16", True), ("2.20", True), ("Preview", True)])
def test_a_confirmed_email_is_taken_from_version_2_16_on(api_version: str, taken: bool | None) -> None:
    people = stream({"email": "text", "ok": "boolean"}, mappings={"ok": "email_verified"}, api_version=api_version)
    assert people.attributes({"email": "ann@example.com", "ok": True}).get("email_verified") is taken
    said = "Stream 'people': property 'ok' is left out: 'email_verified' needs API version 2.16"
    assert people.said == ([] if taken else [said])
