"""What a run remembers of the contacts it wrote, for as long as the index may lag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom.model import Contact, ContactId, Email, ExternalId, MatchBy
from target_intercom.sync.matching.recent import RecentContacts

if TYPE_CHECKING:
    from target_intercom.model import Role


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def contact(contact_id: str, external_id: str | None = None, email: str | None = None, role: Role = "user") -> Contact:
    return Contact(
        ContactId(contact_id),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {},
    )


def found(recent: RecentContacts, **names: str) -> list[str]:
    return [one.id for one in recent.named([(MatchBy(which), value) for which, value in names.items()])]


def test_a_contact_is_found_by_each_of_its_identifiers() -> None:
    recent = RecentContacts(120)
    ann = contact("c1", "1", "ann@x")
    recent.remember(ann)
    assert found(recent, external_id="1") == found(recent, email="ann@x") == found(recent, id="c1") == ["c1"]
    assert found(recent, external_id="1", email="ann@x") == ["c1"]
    assert found(recent, external_id="2") == found(recent, email="1") == []
    assert recent.get(ann.id) == ann
    assert recent.knows(ann.id)


def test_a_contact_is_known_as_it_was_written_last() -> None:
    recent = RecentContacts(120)
    recent.remember(contact("c1", "1", "old@x"))
    recent.remember(contact("c1", "1", "new@x"))
    assert found(recent, email="old@x") == []
    assert found(recent, email="new@x") == ["c1"]


def test_several_contacts_may_share_an_identifier() -> None:
    recent = RecentContacts(120)
    recent.remember(contact("c2", None, "ann@x"))
    recent.remember(contact("c1", "1", "ann@x"))
    assert found(recent, email="ann@x") == ["c1", "c2"]


def test_the_generated_external_id_of_a_lead_finds_nobody() -> None:
    recent = RecentContacts(120)
    recent.remember(contact("c1", "b7f8c1d0", "ann@x", role="lead"))
    assert found(recent, external_id="b7f8c1d0") == []
    assert found(recent, email="ann@x") == ["c1"]


def test_a_contact_that_is_gone_is_known_to_be_gone() -> None:
    recent = RecentContacts(120)
    recent.remember(contact("c1", "1", "ann@x"))
    recent.forget(ContactId("c1"))
    assert recent.knows(ContactId("c1"))
    assert recent.get(ContactId("c1")) is None
    assert found(recent, external_id="1", email="ann@x", id="c1") == []


def test_a_contact_may_come_back() -> None:
    recent = RecentContacts(120)
    recent.forget(ContactId("c1"))
    recent.remember(contact("c1", "1"))
    assert found(recent, external_id="1") == ["c1"]


def test_a_contact_that_was_never_seen_is_not_known() -> None:
    recent = RecentContacts(120)
    assert not recent.knows(ContactId("c1"))
    assert recent.get(ContactId("c1")) is None


def test_contacts_are_kept_while_the_index_may_lag_and_not_much_longer() -> None:
    clock = Clock()
    recent = RecentContacts(120, clock)
    recent.remember(contact("c1", "1"))
    recent.forget(ContactId("c2"))
    clock.now += 120
    assert found(recent, external_id="1") == ["c1"]
    assert recent.knows(ContactId("c2"))
    clock.now += 60
    assert found(recent, external_id="1") == []
    assert not recent.knows(ContactId("c1"))
    assert not recent.knows(ContactId("c2"))


def test_a_contact_that_is_written_again_is_kept_from_then_on() -> None:
    clock = Clock()
    recent = RecentContacts(10, clock)
    recent.remember(contact("c1", "1"))
    recent.remember(contact("c2", "2"))
    clock.now += 9
    recent.remember(contact("c1", "1"))
    clock.now += 9
    assert found(recent, external_id="1") == ["c1"]
    assert found(recent, external_id="2") == []


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["c1", "c2", "c3"]),
            st.sampled_from([None, "1", "2"]),
            st.sampled_from([None, "a", "b"]),
            st.booleans(),
            st.sampled_from([0, 1, 50]),
        ),
        max_size=15,
    )
)
def test_it_remembers_what_a_plain_list_would(
    steps: list[tuple[str, str | None, str | None, bool, int]],
) -> None:
    clock = Clock()
    recent = RecentContacts(20, clock)
    plain: dict[str, tuple[float, Contact | None]] = {}
    for contact_id, external_id, email, gone, pause in steps:
        one = contact(contact_id, external_id, email)
        recent.forget(one.id) if gone else recent.remember(one)
        plain[contact_id] = (clock.now, None if gone else one)
        clock.now += pause
    kept = {key: one for key, (when, one) in plain.items() if when >= clock.now - 25}
    for which in ("1", "2"):
        expected = sorted(key for key, one in kept.items() if one is not None and one.external_id == which)
        assert found(recent, external_id=which) == expected
    for key, state in kept.items():
        assert recent.get(ContactId(key)) == state
