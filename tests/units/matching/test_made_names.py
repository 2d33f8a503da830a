"""The identifiers of contacts that jobs have made: known for a while, in little memory."""

from __future__ import annotations

import pytest

from target_intercom.model import Contact, ContactId, Email, ExternalId, Identity
from target_intercom.sync.matching.contact_ids import MadeNames

ANN = Email("ann@example.com")


def made(external_id: str, email: Email | None = None) -> Contact:
    id_ = ContactId("unnamed:1")
    return Contact(id_, "user", external_id=ExternalId(external_id), email=email, attributes={}, is_named=False)


@pytest.fixture
def names() -> MadeNames:
    known = MadeNames(seconds=60)
    known.add(made("x1", ANN), now=0)
    return known


@pytest.mark.parametrize("one", [Identity(ExternalId("x1")), Identity(email=ANN), Identity(ExternalId("x2"), ANN)])
def test_a_contact_is_known_by_each_of_its_identifiers(names: MadeNames, one: Identity) -> None:
    assert names.may_have(one)
    assert not MadeNames(60).may_have(one)


@pytest.mark.parametrize("one", [Identity(), Identity(ExternalId("x2")), Identity(ExternalId(ANN)), Identity(id=None)])
def test_others_are_not(names: MadeNames, one: Identity) -> None:
    assert not names.may_have(one)


def test_they_are_kept_while_search_may_not_show_the_contact_and_not_for_ever(names: MadeNames) -> None:
    names.add(made("x2"), now=61)
    names.add(made("x3"), now=121)
    assert [names.may_have(Identity(ExternalId(one))) for one in ("x1", "x2", "x3")] == [True] * 3
    names.add(made("x4"), now=122)
    assert [names.may_have(Identity(ExternalId(one))) for one in ("x1", "x2", "x3", "x4")] == [False, *[True] * 3]
