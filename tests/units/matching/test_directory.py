"""What is known of contacts: the fresher fact wins, whatever layer it is in and whenever it was learnt."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom.errors import Fault
from target_intercom.model import Contact, ContactId, Email, ExternalId, Identity, MatchBy
from target_intercom.sync.matching.directory import Directory, Gone, Merged, Source
from tests.support.identities import identity

if TYPE_CHECKING:
    from target_intercom.model import Role

C1 = ContactId("c1")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def contact(
    contact_id: str,
    external_id: str | None = None,
    email: str | None = None,
    role: Role = "user",
    *,
    named: bool = True,
) -> Contact:
    return Contact(
        ContactId(contact_id),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {},
        is_named=named,
    )


def knowing(*contacts: Contact, source: Source = Source.ANSWER) -> Directory:
    known = Directory()
    for one in contacts:
        known.learn(one, source)
    return known


def found(known: Directory, which: str, value: str) -> list[str]:
    return [one.id for one in known.named(MatchBy(which), value)]


def test_a_contact_is_found_by_each_of_its_identifiers() -> None:
    ann = contact("c1", "1", "ann@x")
    known = knowing(ann)
    assert found(known, "external_id", "1") == found(known, "email", "ann@x") == found(known, "id", "c1") == ["c1"]
    assert found(known, "external_id", "2") == found(known, "email", "1") == []
    assert known.get(C1) == known.fact(C1) == known.user_of("1") == ann


def test_a_contact_is_known_as_it_was_learnt_last() -> None:
    known = knowing(contact("c1", "1", "old@x"), contact("c1", "1", "new@x"))
    assert found(known, "email", "old@x") == []
    assert found(known, "email", "new@x") == ["c1"]


def test_several_contacts_may_share_an_email() -> None:
    known = knowing(contact("c3", None, "a@x", "lead"), contact("c2", None, "a@x"), contact("c1", "1", "a@x"))
    assert found(known, "email", "a@x") == ["c1", "c2", "c3"]
    assert [one.id for one in known.without_external_id("a@x")] == ["c2", "c3"]
    assert [one.id for one in known.leads_with("a@x")] == ["c3"]
    assert known.has_user("a@x")
    known.learn_fact(ContactId("c2"), Gone())
    known.learn_fact(C1, Gone())
    assert (found(known, "email", "a@x"), known.has_user("a@x")) == (["c3"], False)


def test_the_generated_external_id_of_a_lead_finds_nobody() -> None:
    known = knowing(contact("c1", "b7f8c1d0", "ann@x", role="lead"))
    assert found(known, "external_id", "b7f8c1d0") == []
    assert found(known, "email", "ann@x") == ["c1"]


@pytest.mark.parametrize("fact", [Gone(), Merged(ContactId("c2")), Fault(503)])
def test_an_id_that_is_no_contact_any_more_is_found_by_nothing(fact: Gone | Merged | Fault) -> None:
    known = knowing(contact("c1", "1", "ann@x"), contact("c2"))
    known.learn_fact(C1, fact)
    assert (known.fact(C1), known.get(C1)) == (fact, None)
    assert found(known, "external_id", "1") == found(known, "email", "ann@x") == found(known, "id", "c1") == []
    assert known.is_answered(C1) == (not isinstance(fact, Fault))
    known.learn(contact("c1", "1"), Source.ANSWER)
    assert found(known, "external_id", "1") == ["c1"]


@pytest.mark.parametrize("order", list(itertools.permutations(Source)))
def test_the_fresher_source_wins_in_any_order_and_any_layer(order: tuple[Source, ...]) -> None:
    for layers in itertools.product([0, 1, 2], repeat=len(order)):
        run = Directory()
        batch = run.layer()
        stage = batch.layer()
        for source, layer in zip(order, layers, strict=True):
            (run, batch, stage)[layer].learn(contact("c1", source.name), source)
        assert [found(stage, "external_id", source.name) for source in Source] == [[], [], [], ["c1"]]


def test_a_later_answer_wins_also_in_a_lower_layer() -> None:
    run = knowing(contact("c1", "first"))
    batch = run.layer()
    batch.learn(contact("c1", "second"), Source.ANSWER)
    run.learn(contact("c1", "third"), Source.ANSWER)
    assert [found(batch, "external_id", which) for which in ("first", "second", "third")] == [[], [], ["c1"]]


def test_what_a_layer_learns_is_not_known_below_it() -> None:
    run = knowing(contact("c1", "1"))
    stage = run.layer()
    stage.learn_fact(C1, Gone())
    stage.ask([identity("1")])
    stage.learn_fault(identity("2"), Fault(503))
    assert (found(run, "external_id", "1"), found(stage, "external_id", "1")) == (["c1"], [])
    assert (run.is_asked(identity("1")), stage.layer().is_asked(identity("1"))) == (False, True)
    assert (run.fault_of(identity("2")), stage.layer().fault_of(identity("2"))) == (None, Fault(503))


def test_a_row_of_the_ledger_answers_nothing() -> None:
    known = knowing(contact("c1", "1"), source=Source.LEDGER)
    assert not known.is_answered(C1)
    assert known.get(C1) is not None
    known.learn(contact("c1", "1"), Source.SEARCH)
    assert known.is_answered(C1)


def test_what_is_around_identities_is_what_was_looked_up_and_whoever_has_one_of_them() -> None:
    run = knowing(contact("c1", "1", "a@x"), contact("c2", "2"), contact("c3"))
    batch = run.layer()
    batch.learn(contact("c4"), Source.SEARCH)
    wanted = [identity(None, "a@x"), identity(None, None, "c3")]
    assert [one.id for one in batch.around(wanted)] == ["c1", "c3", "c4"]


def test_a_contact_of_a_bulk_job_is_known_by_its_id_once_that_is_found() -> None:
    made = contact("unnamed:1", "1", "a@x", named=False)
    known = knowing(made, contact("unnamed:2", "2", named=False))
    assert [one.id for one, _ in known.unnamed([identity("1"), identity(None, "a@x")])] == ["unnamed:1"]
    known.learn_id(contact("row 7", "1", "a@x", named=False), contact("c1", "1", "a@x"))
    assert known.unnamed([identity("1")]) == []
    assert found(known, "external_id", "1") == ["c1"]
    assert known.found_id(made) == contact("c1", "1", "a@x")
    assert known.found_id(contact("unnamed:2", "2", named=False)) is None


def test_contacts_are_kept_while_the_index_may_lag_and_not_much_longer() -> None:
    clock = Clock()
    known = Directory(search_delay_seconds=120, clock=clock)
    known.learn(contact("c1", "1"), Source.ANSWER)
    known.learn_fact(ContactId("c2"), Gone())
    clock.now += 120
    batch = known.start()
    assert (found(batch, "external_id", "1"), batch.is_answered(ContactId("c2"))) == (["c1"], True)
    clock.now += 60
    assert found(batch, "external_id", "1") == ["c1"], "a batch keeps what it began with"
    later = known.start()
    assert found(later, "external_id", "1") == []
    assert not later.is_answered(C1)
    assert not later.is_answered(ContactId("c2"))


def test_a_contact_that_is_written_again_is_kept_from_then_on() -> None:
    clock = Clock()
    known = Directory(search_delay_seconds=10, clock=clock)
    for number in ("1", "2"):
        known.learn(contact(f"c{number}", number), Source.ANSWER)
    clock.now += 9
    known.learn(contact("c1", "1"), Source.ANSWER)
    clock.now += 9
    known.start()
    assert (found(known, "external_id", "1"), found(known, "external_id", "2")) == (["c1"], [])


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["c1", "c2", "c3"]),
            st.sampled_from([None, "1", "2"]),
            st.sampled_from([None, "a", "b"]),
            st.sampled_from([*Source, None]),
            st.sampled_from([0, 1, 2]),
        ),
        max_size=15,
    )
)
def test_it_knows_what_a_plain_list_would(
    steps: list[tuple[str, str | None, str | None, Source | None, int]],
) -> None:
    run = Directory()
    batch = run.layer()
    layers = (run, batch, batch.layer())
    plain: dict[str, list[tuple[Source, int, Contact | None]]] = {"c1": [], "c2": [], "c3": []}
    for number, (contact_id, external_id, email, source, layer) in enumerate(steps):
        one = contact(contact_id, external_id, email)
        if source is None:
            layers[layer].learn_fact(one.id, Gone())
            plain[contact_id].append((Source.ANSWER, number, None))
        else:
            layers[layer].learn(one, source)
            plain[contact_id].append((source, number, one))
    best = {key: max(facts, key=lambda fact: fact[:2]) for key, facts in plain.items() if facts}
    sure = {key: one for key, (source, _, one) in best.items() if one is not None and source is not Source.LEDGER}
    for which, value in [("external_id", "1"), ("external_id", "2"), ("email", "a"), ("email", "b")]:
        having = [key for key, one in sure.items() if Identity.of(one).get(MatchBy(which)) == value]
        assert found(layers[2], which, value) == sorted(having)
