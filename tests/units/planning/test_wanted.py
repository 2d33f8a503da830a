"""What is to be done about a contact, as a decision table and as properties."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom.errors import Fault
from target_intercom.model import (
    Ambiguous,
    Contact,
    ContactDraft,
    ContactId,
    Email,
    Entry,
    ExternalId,
    Found,
    Identity,
    MergedAway,
    NotFound,
    Unanswered,
)
from target_intercom.outcomes import Result, SkipReason
from target_intercom.settings.config import CreationMode, StreamConfig, SyncMode
from target_intercom.sync.planning.refusals import refusal
from target_intercom.sync.planning.wanted import changes, creates, creation, lay_over, planned_write
from target_intercom.writes import ContactRecords, Create, Rejected, Saved, Skipped, Update
from tests.support.identities import identity
from tests.support.loading import received, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.model import Role
    from target_intercom.writes import PlannedWrite

USER, LEAD, LIFECYCLE = CreationMode.USER, CreationMode.LEAD, CreationMode.LIFECYCLE
PLAN, CONSENT = "custom_attributes.plan", "unsubscribed_from_emails"


def draft(external_id: str | None = None, email: str | None = None, **attributes: Any) -> ContactDraft:
    named = {"plan": PLAN, "consent": CONSENT}
    values = {named.get(name, name): value for name, value in attributes.items()}
    return ContactDraft(identity(external_id, email), values if email is None else {"email": email, **values})


def contact(
    role: Role = "user", external_id: str | None = None, email: str | None = None, **attributes: Any
) -> Contact:
    named = {"plan": PLAN, "consent": CONSENT}
    values = {named.get(name, name): value for name, value in attributes.items()}
    return Contact(
        ContactId("c1"),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {"email": email, **values},
    )


def planned(
    match: NotFound | Found, wanted: ContactDraft, mode: SyncMode, creation_mode: CreationMode = USER
) -> PlannedWrite:
    entry = Entry(received=received(record("people")), draft=wanted)
    return planned_write(
        ContactRecords(match, wanted, [entry]), StreamConfig(sync_mode=mode, creation_mode=creation_mode)
    )


ANN = draft("1", "ann@example.com", plan="pro")
BY_EMAIL = draft(None, "ann@example.com", plan="pro")
BY_EXTERNAL_ID = draft("1", plan="pro")
NAMELESS = ContactDraft(identity(contact_id="63a07ddf05a32042dffac965"), {PLAN: "pro"})


# The decision table: sync mode x match x creation mode.


@pytest.mark.parametrize("mode", [SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.INSERT])
@pytest.mark.parametrize(
    ("creation_mode", "wanted", "role"),
    [
        (USER, ANN, "user"),
        (USER, BY_EMAIL, "user"),
        (USER, BY_EXTERNAL_ID, "user"),
        (LEAD, ANN, "lead"),
        (LEAD, BY_EMAIL, "lead"),
        (LIFECYCLE, ANN, "user"),
        (LIFECYCLE, BY_EXTERNAL_ID, "user"),
        (LIFECYCLE, BY_EMAIL, "lead"),
    ],
)
def test_who_is_not_there_is_created_in_the_role_of_the_creation_mode(
    mode: SyncMode, creation_mode: CreationMode, wanted: ContactDraft, role: str
) -> None:
    operation = planned(NotFound(), wanted, mode, creation_mode)
    assert isinstance(operation, Create)
    assert operation.role == role
    assert operation.attributes["role"] == role
    assert operation.attributes.get("external_id") == (wanted.identity.external_id if role == "user" else None)
    assert operation.attributes.get("email") == wanted.identity.email
    assert operation.attributes[PLAN] == "pro"
    assert creates(wanted, StreamConfig(sync_mode=mode, creation_mode=creation_mode))


@pytest.mark.parametrize("mode", [SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.INSERT])
@pytest.mark.parametrize("creation_mode", [LEAD, LIFECYCLE])
def test_a_lead_without_an_email_is_never_made(mode: SyncMode, creation_mode: CreationMode) -> None:
    nobody = BY_EXTERNAL_ID if creation_mode is LEAD else NAMELESS
    operation = planned(NotFound(), nobody, mode, creation_mode)
    assert isinstance(operation, Rejected)
    assert operation.refusal.result is (Result.INVALID if creation_mode is LEAD else Result.REJECTED)
    assert not creates(nobody, StreamConfig(sync_mode=mode, creation_mode=creation_mode))


@pytest.mark.parametrize("mode", [SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.INSERT])
@pytest.mark.parametrize("creation_mode", list(CreationMode))
def test_nobody_is_made_of_an_intercom_id_alone(mode: SyncMode, creation_mode: CreationMode) -> None:
    operation = planned(NotFound(), NAMELESS, mode, creation_mode)
    assert isinstance(operation, Rejected)
    assert operation.refusal.result is Result.REJECTED


@pytest.mark.parametrize("mode", [SyncMode.ENRICH, SyncMode.REMOVE])
@pytest.mark.parametrize("creation_mode", list(CreationMode))
@pytest.mark.parametrize("wanted", [ANN, BY_EMAIL, BY_EXTERNAL_ID, NAMELESS])
def test_modes_that_create_nobody_skip_who_is_not_there(
    mode: SyncMode, creation_mode: CreationMode, wanted: ContactDraft
) -> None:
    operation = planned(NotFound(), wanted, mode, creation_mode)
    assert isinstance(operation, Skipped)
    assert operation.reason is SkipReason.NOT_CREATED


@pytest.mark.parametrize("mode", [SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.ENRICH])
@pytest.mark.parametrize("creation_mode", list(CreationMode))
def test_who_is_there_is_updated_by_what_differs(mode: SyncMode, creation_mode: CreationMode) -> None:
    there = contact("user", "1", "ann@example.com", plan="free", name="Ann")
    operation = planned(Found(there), ANN, mode, creation_mode)
    assert isinstance(operation, Update)
    assert operation.contact is there
    assert dict(operation.attributes) == {PLAN: "pro"}


@pytest.mark.parametrize("mode", [SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.ENRICH])
def test_who_is_as_the_record_says_is_left_alone(mode: SyncMode) -> None:
    there = contact("user", "1", "ann@example.com", plan="pro")
    operation = planned(Found(there), ANN, mode)
    assert isinstance(operation, Saved)
    assert operation.contact is there


@pytest.mark.parametrize("mode", [SyncMode.INSERT, SyncMode.REMOVE])
@pytest.mark.parametrize("plan_there", ["pro", "free"])
def test_modes_that_do_not_update_skip_who_is_there(mode: SyncMode, plan_there: str) -> None:
    operation = planned(Found(contact("user", "1", "ann@example.com", plan=plan_there)), ANN, mode)
    assert isinstance(operation, Skipped)
    assert operation.reason is SkipReason.EXISTS


# Roles.


@pytest.mark.parametrize("creation_mode", [USER, LEAD])
def test_a_matched_lead_stays_a_lead_and_gets_no_external_id(creation_mode: CreationMode) -> None:
    lead = contact("lead", "b7f8c1d0-0000-4000-8000-000000000000", "ann@example.com", plan="pro")
    assert changes(ANN, lead, creation_mode) == {}


def test_a_lead_becomes_a_user_when_its_external_id_arrives_in_lifecycle() -> None:
    lead = contact("lead", "b7f8c1d0-0000-4000-8000-000000000000", "ann@example.com", plan="pro")
    assert changes(ANN, lead, LIFECYCLE) == {"role": "user", "external_id": "1", "email": "ann@example.com"}


def test_a_lead_stays_a_lead_in_lifecycle_while_no_external_id_arrives() -> None:
    lead = contact("lead", "b7f8c1d0-0000-4000-8000-000000000000", "ann@example.com", plan="free")
    assert changes(BY_EMAIL, lead, LIFECYCLE) == {PLAN: "pro"}


@pytest.mark.parametrize("creation_mode", list(CreationMode))
def test_no_update_ever_makes_a_lead_of_a_user(creation_mode: CreationMode) -> None:
    assert "role" not in changes(BY_EMAIL, contact("user", None, "ann@example.com"), creation_mode)


@pytest.mark.parametrize("creation_mode", list(CreationMode))
def test_a_user_gets_the_external_id_that_it_lacks(creation_mode: CreationMode) -> None:
    user = contact("user", None, "ann@example.com", plan="pro")
    assert changes(ANN, user, creation_mode) == {"external_id": "1"}


# Attributes.


def test_an_absent_attribute_is_left_alone() -> None:
    assert changes(draft("1"), contact("user", "1", "ann@example.com", plan="pro", name="Ann"), USER) == {}


@pytest.mark.parametrize(("wanted", "there"), [(None, None), (None, ""), ("", None), ("", "")], ids=repr)
def test_null_and_empty_text_are_the_same(wanted: str | None, there: str | None) -> None:
    assert changes(draft("1", name=wanted, plan=wanted), contact("user", "1", name=there, plan=there), USER) == {}


def test_null_is_the_same_as_an_attribute_that_was_never_set() -> None:
    assert changes(draft("1", plan=None, phone=None), contact("user", "1"), USER) == {}


@pytest.mark.parametrize("there", [0, False, "x", 0.0], ids=repr)
def test_null_clears_every_value_zero_and_false_among_them(there: Any) -> None:
    assert changes(draft("1", plan=None), contact("user", "1", plan=there), USER) == {PLAN: None}


@pytest.mark.parametrize("wanted", [0, False, 0.0])
def test_zero_and_false_are_values(wanted: Any) -> None:
    assert changes(draft("1", plan=wanted), contact("user", "1", plan=None), USER) == {PLAN: wanted}


@pytest.mark.parametrize(
    ("wanted", "there"), [(True, 1), (1, True), (False, 0), (0, False), (1, "1"), ("1", 1)], ids=repr
)
def test_a_number_a_text_and_a_boolean_differ(wanted: Any, there: Any) -> None:
    assert changes(draft("1", plan=wanted), contact("user", "1", plan=there), USER) == {PLAN: wanted}


@pytest.mark.parametrize(("wanted", "there"), [(3, 3.0), (3.0, 3), (2.74, 2.74)], ids=repr)
def test_a_whole_number_is_the_same_in_both_notations(wanted: Any, there: Any) -> None:
    assert changes(draft("1", plan=wanted), contact("user", "1", plan=there), USER) == {}


@pytest.mark.parametrize("there", [7, "7"], ids=repr)
def test_an_owner_is_the_same_as_a_number_and_as_a_text(there: Any) -> None:
    assert changes(draft("1", owner_id="7"), contact("user", "1", owner_id=there), USER) == {}
    assert changes(draft("1", owner_id="8"), contact("user", "1", owner_id=there), USER) == {"owner_id": "8"}


def test_a_cleared_email_is_sent_as_null() -> None:
    wanted = ContactDraft(identity("1"), {"email": None})
    assert changes(wanted, contact("user", "1", "ann@example.com"), USER) == {"email": None}
    assert changes(wanted, contact("user", "1"), USER) == {}


# Consent.


@pytest.mark.parametrize("wanted", [False, None])
@pytest.mark.parametrize("there", [True, False, None], ids=repr)
def test_consent_is_never_given_back_by_an_update(wanted: bool | None, there: bool | None) -> None:
    assert changes(draft("1", consent=wanted), contact("user", "1", consent=there), USER) == {}
    sent = changes(draft("1", consent=wanted, plan="pro"), contact("user", "1", consent=there), USER)
    assert dict(sent) == {PLAN: "pro"}


@pytest.mark.parametrize("there", [False, None], ids=repr)
def test_consent_is_withdrawn_by_an_update(there: bool | None) -> None:
    assert changes(draft("1", consent=True), contact("user", "1", consent=there), USER) == {CONSENT: True}


def test_consent_that_is_withdrawn_already_is_no_change() -> None:
    assert changes(draft("1", consent=True), contact("user", "1", consent=True), USER) == {}


@pytest.mark.parametrize("value", [True, False])
def test_consent_is_sent_to_who_is_created(value: bool) -> None:
    assert creation(draft("1", consent=value), "user")[CONSENT] is value


# email_verified, which nobody can read back.


@pytest.mark.parametrize("verified", [True, False])
def test_email_verified_alone_is_no_reason_to_write(verified: bool) -> None:
    wanted = draft("1", "ann@example.com", email_verified=verified)
    assert changes(wanted, contact("user", "1", "ann@example.com"), USER) == {}


def test_email_verified_goes_along_with_the_email_when_something_else_is_written() -> None:
    wanted = draft("1", "ann@example.com", email_verified=True, plan="pro")
    sent = changes(wanted, contact("user", "1", "ann@example.com"), USER)
    assert dict(sent) == {PLAN: "pro", "email": "ann@example.com", "email_verified": True}


def test_email_verified_without_an_email_is_not_sent() -> None:
    sent = changes(draft("1", email_verified=True, plan="pro"), contact("user", "1", "ann@example.com"), USER)
    assert dict(sent) == {PLAN: "pro"}
    assert "email_verified" not in creation(draft("1", email_verified=True), "user")


# New contacts.


def test_a_new_contact_is_told_no_nulls() -> None:
    assert dict(creation(draft("1", name=None, plan=None, phone="+1"), "user")) == {
        "role": "user",
        "external_id": "1",
        "phone": "+1",
    }


def test_a_new_lead_is_sent_no_external_id() -> None:
    assert "external_id" not in creation(ANN, "lead")


# Refusals.


def test_several_candidates_are_refused_with_all_their_ids() -> None:
    why = refusal(Ambiguous((ContactId("a1"), ContactId("b2"))))
    assert why.result is Result.REJECTED
    assert "a1" in why.reason
    assert "b2" in why.reason


def test_a_merge_is_refused_with_the_survivors_id() -> None:
    assert "a1" in refusal(MergedAway(ContactId("a1"))).reason
    assert refusal(MergedAway(None)).result is Result.REJECTED


def test_an_unanswered_question_is_refused_with_all_that_intercom_said() -> None:
    why = refusal(Unanswered(Fault(400, "invalid_field", "no such field", "email", "req1")))
    assert (why.result, why.code, why.field, why.request_id) == (Result.REJECTED, "invalid_field", "email", "req1")
    assert "no such field" in why.reason


# Properties.

TEXTS = st.sampled_from([None, "", "x", "y"])
EMAILS = st.sampled_from([None, "ann@example.com", "bob@example.com"])
FLAGS = st.sampled_from([None, True, False])
MODES = st.sampled_from(CreationMode)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "name": TEXTS,
    "email_verified": FLAGS,
    CONSENT: st.booleans(),
    PLAN: st.sampled_from([None, "", "x", 0, 1, 1.0, True, False]),
    "custom_attributes.other": TEXTS,
}


@st.composite
def drafts(draw: st.DrawFn) -> ContactDraft:
    attributes = dict(draw(st.fixed_dictionaries({}, optional=dict(VALUES))))
    email = draw(EMAILS)
    if email is not None or draw(st.booleans()):
        attributes["email"] = email
    return ContactDraft(identity(draw(st.sampled_from([None, "1"])), email), attributes)


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    role: Role = draw(st.sampled_from(["user", "lead"]))
    email = draw(EMAILS)
    external_id = "generated" if role == "lead" else draw(st.sampled_from([None, "1"]))
    attributes = dict(draw(st.fixed_dictionaries({}, optional=dict(VALUES))))
    attributes.pop("email_verified", None)
    return Contact(
        ContactId("c1"),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {**attributes, "email": email},
    )


def written(there: Contact, sent: Mapping[str, Any]) -> Contact:
    """The contact after a PUT, as Intercom would show it."""
    assert "email_verified" not in sent or "email" in sent, "refused: email_verified without email"
    assert sent.get("role") != "lead", "refused: a user cannot be made a lead"
    role: Role = "user" if "role" in sent else there.role
    external_id = sent.get("external_id", there.external_id) if role == "user" else there.external_id
    shown = {name: value for name, value in sent.items() if name not in {"role", "external_id", "email_verified"}}
    return Contact(there.id, role, external_id, sent.get("email", there.email), {**there.attributes, **shown})


@settings(max_examples=300, deadline=None)
@given(wanted=drafts(), there=contacts(), mode=MODES)
def test_nothing_differs_once_the_changes_are_applied(wanted: ContactDraft, there: Contact, mode: CreationMode) -> None:
    assert changes(wanted, written(there, changes(wanted, there, mode)), mode) == {}


@settings(max_examples=300, deadline=None)
@given(wanted=drafts(), there=contacts(), mode=MODES)
def test_an_update_sends_nothing_that_is_there_already(
    wanted: ContactDraft, there: Contact, mode: CreationMode
) -> None:
    sent = changes(wanted, there, mode)
    along = {"email"} if {"role", "email_verified"} & set(sent) else set()
    for name in set(sent) - {"role", "external_id", "email_verified"} - along:
        assert repr(sent[name]) != repr(there.attributes.get(name))
        assert not (sent[name] in {None, ""} and there.attributes.get(name) in {None, ""})
    if "role" in sent:
        assert (there.role, mode) == ("lead", CreationMode.LIFECYCLE)
        assert wanted.identity.external_id is not None
    if "external_id" in sent and there.role == "lead":
        assert sent["role"] == "user"
    assert sent.get(CONSENT, True) is True


@settings(max_examples=300, deadline=None)
@given(wanted=drafts(), mode=MODES)
def test_nothing_differs_from_a_contact_made_of_the_same_record(wanted: ContactDraft, mode: CreationMode) -> None:
    group = ContactRecords(NotFound(), wanted, [Entry(received=received(record("people")), draft=wanted)])
    operation = planned_write(group, StreamConfig(creation_mode=mode))
    if isinstance(operation, Create):
        body = operation.attributes
        made = Contact(
            ContactId("c1"),
            operation.role,
            body.get("external_id") if operation.role == "user" else ExternalId("generated"),
            body.get("email"),
            {name: value for name, value in body.items() if name != "email_verified"},
        )
        assert changes(wanted, made, mode) == {}


@settings(max_examples=400, deadline=None)
@given(earlier=drafts(), later=drafts(), there=contacts(), mode=MODES)
def test_laid_over_records_end_as_one_after_the_other(
    earlier: ContactDraft, later: ContactDraft, there: Contact, mode: CreationMode
) -> None:
    first = written(there, changes(earlier, there, mode))
    both = written(first, changes(later, first, mode))
    laid = ContactDraft(
        identity(
            later.identity.external_id or earlier.identity.external_id,
            later.identity.email if "email" in later.attributes else earlier.identity.email,
        ),
        lay_over(earlier.attributes, later.attributes),
    )
    at_once = written(there, changes(laid, there, mode))
    assert (at_once.role, at_once.external_id, at_once.email or None) == (
        both.role,
        both.external_id,
        both.email or None,
    )
    assert changes(ContactDraft(Identity(), both.attributes), at_once, mode) == {}
    assert at_once.attributes.get(CONSENT) is both.attributes.get(CONSENT)


def test_what_is_planned_cannot_be_changed_afterwards() -> None:
    for frozen in (
        changes(ANN, contact("user", "1"), USER),
        creation(ANN, "user"),
        lay_over({"name": "a"}, {"name": "b"}),
    ):
        assert isinstance(frozen, MappingProxyType)
