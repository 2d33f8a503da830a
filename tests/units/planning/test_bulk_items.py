"""What a bulk job can carry, and how. A job drops what it does not know without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from target_intercom.kinds.tags import Tags
from target_intercom.model import Contact, ContactDraft, ContactId, Email, ExternalId, Identity, TagId
from target_intercom.sandbox import bulk
from target_intercom.sync.matching.roles import newborn
from target_intercom.sync.planning import bulk_items
from target_intercom.writes import LinkChange

if TYPE_CHECKING:
    from target_intercom.model import Json, Role

TAGS = Tags(cast("Any", None))
PLAN = "custom_attributes.plan"
SHARED: dict[str, Json] = {
    "external_id": "1",
    "email": "ann@example.com",
    "name": "Ann",
    "phone": "+49301",
    "avatar": "https://example.com/a.png",
    "owner_id": 1000001,
    "unsubscribed_from_emails": True,
    PLAN: "pro",
}
CREATED: dict[str, Json] = {**SHARED, "role": "user", "signed_up_at": 1, "last_seen_at": 2}
SINGLY = ["email_verified", "language_override", "workspace_id", "made_up"]


def draft(external_id: str | None = "1", email: str | None = "ann@example.com") -> ContactDraft:
    identity = Identity(
        None if external_id is None else ExternalId(external_id), None if email is None else Email(email)
    )
    return ContactDraft(identity, {})


def contact(role: Role = "user") -> Contact:
    return Contact(ContactId("c1"), role, ExternalId("1"), Email("ann@example.com"), {"name": "Ann", PLAN: "free"})


# What goes.


def test_all_that_is_described_can_go() -> None:
    assert bulk_items.can_create(CREATED)
    assert bulk_items.can_update(SHARED)
    assert all(bulk_items.can_create({name: value}) for name, value in CREATED.items())


def test_a_job_drops_nothing_of_what_can_go() -> None:
    assert bulk.dropped(bulk.Kind.CREATE, bulk_items.item(CREATED)) == []
    tagged = TAGS.job_item(LinkChange(frozenset([TagId("2")]), frozenset([TagId("3")])))
    assert bulk.dropped(bulk.Kind.UPDATE, {"id": "c1", **tagged, **bulk_items.item(SHARED)}) == []


@pytest.mark.parametrize("name", SINGLY)
def test_what_is_not_described_cannot_go(name: str) -> None:
    assert not bulk_items.can_create({**CREATED, name: "x"})
    assert not bulk_items.can_update({**SHARED, name: "x"})


@pytest.mark.parametrize("name", ["role", "signed_up_at", "last_seen_at"])
def test_an_update_cannot_change_what_a_create_can_set(name: str) -> None:
    assert not bulk_items.can_update({"name": "Ann", name: CREATED[name]})


@pytest.mark.parametrize("name", sorted(set(CREATED) - {PLAN}))
def test_a_standard_attribute_cannot_be_cleared(name: str) -> None:
    assert not bulk_items.can_create({**CREATED, name: None})
    assert not bulk_items.can_update({PLAN: "pro", name: None})


def test_a_custom_attribute_can_be_cleared() -> None:
    assert bulk_items.can_create({"name": "Ann", PLAN: None})
    assert bulk_items.can_update({PLAN: None})
    assert bulk_items.item({PLAN: None}) == {"custom_attributes": {"plan": None}}


def test_what_a_job_can_write_and_what_it_cannot_are_all_there_is() -> None:
    changes: dict[str, Json] = {**CREATED, "name": None, PLAN: None, "email_verified": True}
    carried, single = bulk_items.carried(changes), bulk_items.single(changes)
    assert set(single) == {"role", "signed_up_at", "last_seen_at", "name", "email_verified"}
    assert {**carried, **single} == changes
    assert carried.keys().isdisjoint(single)
    assert bulk_items.can_update(carried)


@pytest.mark.parametrize("name", ["role", "email_verified"])
def test_what_differs_whenever_it_is_written_is_not_looked_at(name: str) -> None:
    assert bulk_items.may_be_less({**SHARED, "signed_up_at": 1, "phone": None})
    assert not bulk_items.may_be_less({**SHARED, name: "user"})


# Owners.


@pytest.mark.parametrize(("owner", "named"), [(1000001, {"1000001"}), ("9", {"9"}), (None, set())], ids=repr)
def test_an_owner_is_named_as_teammates_are_listed(owner: Json, named: set[str]) -> None:
    assert set(bulk_items.owners({"owner_id": owner, "name": "Ann"}).values()) == named


@pytest.mark.parametrize("owner", [1000001, "1000001"], ids=repr)
def test_an_owner_goes_as_a_text(owner: Json) -> None:
    assert bulk_items.item({"owner_id": owner}) == {"owner_id": "1000001"}


# How it goes.


def test_an_item_is_the_body_of_a_contact() -> None:
    assert bulk_items.item({"name": "Ann", PLAN: "pro", "custom_attributes.seats": 3}) == {
        "name": "Ann",
        "custom_attributes": {"plan": "pro", "seats": 3},
    }


@pytest.mark.parametrize(
    ("change", "tags"),
    [
        (LinkChange(frozenset(map(TagId, "21")), frozenset()), {"add": [{"id": "1"}, {"id": "2"}]}),
        (LinkChange(frozenset(), frozenset([TagId("3")])), {"remove": [{"id": "3"}]}),
        (LinkChange(frozenset([TagId("1")]), frozenset([TagId("3")])), {"add": [{"id": "1"}], "remove": [{"id": "3"}]}),
    ],
)
def test_tags_go_by_their_ids(change: LinkChange, tags: Json) -> None:
    assert TAGS.job_item(change) == {"tags": tags}


# What is known of contacts after a job.


def test_a_user_that_a_job_has_made_has_its_identifiers_and_no_id() -> None:
    made = newborn(draft(), "user", ContactId("stand-in"), by_job=True)
    assert (made.id, made.is_named, made.role) == ("stand-in", False, "user")
    assert (made.external_id, made.email) == ("1", "ann@example.com")
    assert made.attributes == {}


def test_a_lead_that_a_job_has_made_has_no_external_id() -> None:
    made = newborn(draft(), "lead", ContactId("stand-in"), by_job=True)
    assert (made.role, made.external_id, made.email, made.is_named) == ("lead", None, "ann@example.com", False)


def test_a_contact_that_a_job_has_changed_has_the_new_values_over_the_old() -> None:
    after = bulk_items.updated(contact(), {"external_id": "2", "email": " NEW@example.com", PLAN: None})
    assert (after.id, after.role, after.external_id, after.email) == ("c1", "user", "2", "new@example.com")
    assert (after.attributes["name"], after.attributes[PLAN], after.is_named) == ("Ann", None, True)


def test_a_contact_keeps_the_identifiers_that_were_not_changed() -> None:
    after = bulk_items.updated(contact("lead"), {"name": "Anne"})
    assert (after.external_id, after.email, after.role) == ("1", "ann@example.com", "lead")
    assert after.attributes == {"name": "Anne", PLAN: "free"}
