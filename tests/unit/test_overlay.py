"""The records of a batch: written contact by contact in waves, they end as one record after the other."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from target_intercom.config import CreationMode, StreamConfig, SyncMode
from target_intercom.model import (
    Ambiguous,
    Contact,
    ContactDraft,
    ContactId,
    Create,
    Email,
    Entry,
    ExternalId,
    Found,
    Group,
    Identity,
    Leave,
    MatchBy,
    NotFound,
    Refuse,
    Update,
)
from target_intercom.sync.matching import View, another_person
from target_intercom.sync.overlay import overlay
from target_intercom.sync.planning import changes, plan, role_of
from tests.loading import received, record, schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_intercom.model import Match, Role
    from target_intercom.sync.overlay import Wave
    from tests.loading import Loader, People

CUSTOM = "custom_attributes."
BY_BOTH = (MatchBy.EXTERNAL_ID, MatchBy.EMAIL)


def contact(
    contact_id: str, role: Role = "user", external_id: str | None = None, email: str | None = None, **attributes: Any
) -> Contact:
    return Contact(
        ContactId(contact_id),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {"email": email, **attributes},
    )


def entry(
    number: int,
    external_id: str | None = None,
    email: str | None = None,
    contact_id: str | None = None,
    *,
    removed: bool = False,
    alone: bool = False,
    **attributes: Any,
) -> Entry:
    identity = Identity(
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        None if contact_id is None else ContactId(contact_id),
    )
    known = {} if email is None else {"email": email}
    draft = ContactDraft(identity, {} if removed else {**known, **attributes}, removed=removed)
    return Entry(received=received(record("people"), number=number), draft=draft, alone=alone)


def wave(entries: Iterable[Entry], *there: Contact, **config: Any) -> Wave:
    return overlay(entries, View(there), StreamConfig(**config))


def numbers(entries: Iterable[Entry]) -> list[int]:
    return [one.received.number for one in entries]


def grouped(result: Wave) -> list[list[int]]:
    return [numbers(group.entries) for group in result.groups]


# One wave.


def test_the_records_of_one_contact_are_laid_over_each_other() -> None:
    result = wave(
        [
            entry(0, "1", "a@x", name="A", phone="1"),
            entry(1, "2", "b@x", name="B"),
            entry(2, "1", name="AA"),
            entry(3, email="a@x", avatar=None),
        ]
    )
    assert grouped(result) == [[0, 2, 3], [1]]
    assert dict(result.groups[0].draft.attributes) == {"email": "a@x", "name": "AA", "phone": "1", "avatar": None}
    assert result.groups[0].draft.identity == Identity(ExternalId("1"), Email("a@x"))


def test_in_insert_mode_the_first_record_wins() -> None:
    result = wave([entry(0, "1", name="A"), entry(1, "1", name="AA", phone="1")], sync_mode=SyncMode.INSERT)
    assert grouped(result) == [[0, 1]]
    assert dict(result.groups[0].draft.attributes) == {"name": "A"}


def test_records_that_name_a_contact_by_different_identifiers_are_one_contacts() -> None:
    ann = contact("c1", "user", "1", "a@x")
    result = wave([entry(0, "1"), entry(1, email="a@x"), entry(2, "1", "a@x")], ann)
    assert grouped(result) == [[0, 1, 2]]
    assert result.groups[0].match == Found(ann)


def test_a_new_email_is_known_to_the_records_that_follow() -> None:
    result = wave([entry(0, "1", "new@x"), entry(1, email="new@x")], contact("c1", "user", "1", "old@x"))
    assert grouped(result) == [[0, 1]]


def test_a_cleared_email_is_not_brought_back_by_an_earlier_record() -> None:
    cleared = ContactDraft(Identity(ExternalId("1")), {"email": None})
    result = wave([entry(0, "1", "a@x"), replace(entry(1, "1"), draft=cleared)])
    assert grouped(result) == [[0, 1]]
    operation = plan(result.groups[0], StreamConfig())
    assert isinstance(operation, Create)
    assert operation.attributes.get("email") is None


def test_a_record_that_shares_an_identifier_with_somebody_elses_waits() -> None:
    result = wave([entry(0, "1", "a@x"), entry(1, "2", "a@x"), entry(2, "3", "c@x"), entry(3, "2", "b@x")])
    assert grouped(result) == [[0], [2]]
    assert numbers(result.waiting) == [1, 3]


def test_what_follows_a_waiting_record_of_its_contact_waits_too() -> None:
    bob = contact("c2", "user", "2", "b@x")
    result = wave([entry(0, "1", "a@x"), entry(1, "2", "a@x"), entry(2, email="b@x"), entry(3, "2")], bob)
    assert grouped(result) == [[0]]
    assert numbers(result.waiting) == [1, 2, 3]


def test_a_record_waits_whose_contact_is_named_by_a_record_of_somebody_elses() -> None:
    """Were the first record refused, the second would be Ann's, and change what the third finds."""
    ann = contact("c1", "user", "1", "a@x")
    result = wave(
        [entry(0, email="c@x"), entry(1, "1", "c@x"), entry(2, email="a@x", removed=True)],
        ann,
        creation_mode=CreationMode.LEAD,
        match_by=(MatchBy.EMAIL, MatchBy.EXTERNAL_ID),
    )
    assert result.marks == []
    assert numbers(result.waiting)[-1] == 2


def test_ambiguous_records_are_refused_and_hold_up_nobody() -> None:
    leads = [contact("c1", "lead", "g1", "a@x"), contact("c2", "lead", "g2", "a@x")]
    result = wave([entry(0, email="a@x"), entry(1, "1")], *leads)
    assert [(numbers([one]), match) for one, match in result.refused] == [
        ([0], Ambiguous((ContactId("c1"), ContactId("c2"))))
    ]
    assert grouped(result) == [[1]]


def test_records_refused_together_go_one_by_one() -> None:
    result = wave([entry(0, "1", alone=True), entry(1, "1", alone=True), entry(2, "2"), entry(3, "1")])
    assert grouped(result) == [[0], [2]]
    assert numbers(result.waiting) == [1, 3]


def test_a_record_that_finds_nobody_and_makes_nobody_is_a_group_of_its_own() -> None:
    result = wave([entry(0, "1", "a@x"), entry(1, "1", "a@x")], sync_mode=SyncMode.ENRICH)
    assert grouped(result) == [[0], [1]]
    assert all(group.match == NotFound() for group in result.groups)


@pytest.mark.parametrize("order", ["mark first", "mark between", "mark last"])
def test_a_mark_waits_for_the_live_records_before_it(order: str) -> None:
    ann = contact("c1", "user", "1", "a@x")
    place = {"mark first": 0, "mark between": 1, "mark last": 2}[order]
    entries = [entry(number, "1", removed=number == place) for number in range(3)]
    result = wave(entries, ann)
    (group,) = result.groups
    assert numbers(one for one, _ in result.marks) == ([0] if order == "mark first" else [])
    assert numbers(group.ended) == ([] if order == "mark first" else [place])
    assert numbers(group.in_order()) == sorted({*numbers(group.entries), *numbers(group.ended)})
    assert not group.draft.removed


def test_a_mark_without_live_records_stands_by_itself() -> None:
    ann = contact("c1", "user", "1", "a@x")
    result = wave([entry(0, "1", removed=True), entry(1, "9", removed=True), entry(2, "2")], ann)
    assert [(one.received.number, match) for one, match in result.marks] == [(0, Found(ann)), (1, NotFound())]
    assert grouped(result) == [[2]]


def test_a_mark_of_somebody_the_batch_makes_comes_behind_the_making() -> None:
    result = wave([entry(0, "1", "a@x"), entry(1, "1", removed=True)])
    assert numbers(result.groups[0].ended) == [1]


# Whole batches, against a small model of a workspace.


class RefusedError(Exception):
    pass


@dataclass
class World:
    """A workspace: what Intercom keeps, the rules that matter here, and who is marked."""

    contacts: dict[ContactId, Contact]
    config: StreamConfig
    refused: set[int] = field(default_factory=set)
    marks: dict[int, ContactId] = field(default_factory=dict)
    conflicts: int = 0
    made: int = 0

    def match(self, one: Entry) -> Match:
        lead = not one.draft.removed and role_of(one.draft, self.config.creation_mode) == "lead"
        return View(self.contacts.values()).match(one.draft.identity, self.config.match_by, makes_lead=lead)

    def create(self, body: Mapping[str, Any]) -> Contact:
        self._check(body)
        lead = body["role"] == "lead"
        self.made += 1
        external_id = f"generated {self.made}" if lead else body.get("external_id")
        shown = {name: value for name, value in body.items() if name not in {"role", "external_id"}}
        made = contact(f"m{self.made}", body["role"], external_id, **{"email": None, **shown})
        self.contacts[made.id] = made
        return made

    def holder(self, body: Mapping[str, Any]) -> Contact | None:
        """The user whose identifiers a 409 would name."""
        users = [one for one in self.contacts.values() if one.role == "user"]
        for name in ("external_id", "email"):
            for user in users:
                if body.get(name) is not None and body[name] == getattr(user, name):
                    return user
        return None

    def update(self, contact_id: ContactId, sent: Mapping[str, Any]) -> Contact:
        self._check(sent)
        old = self.contacts[contact_id]
        shown = {name: value for name, value in sent.items() if name not in {"role", "external_id"}}
        new = Contact(
            old.id,
            "user" if "role" in sent else old.role,
            sent.get("external_id", old.external_id),
            sent.get("email", old.email),
            {**old.attributes, **shown},
        )
        self.contacts[contact_id] = new
        return new

    def write(self, group: Group) -> Contact | None:
        operation = plan(group, self.config)
        match operation:
            case Refuse():
                raise RefusedError
            case Leave():
                return group.match.contact if isinstance(group.match, Found) else None
            case Update(_, there, sent):
                holder = self.holder({"external_id": sent.get("external_id")})
                if holder is not None and holder.id != there.id:
                    self.conflicts += 1
                    raise RefusedError
                return self.update(there.id, sent)
            case Create(_, role, body):
                holder = self.holder(body) if role == "user" else None
                return self.create(body) if holder is None else self.after_conflict(group, holder)

    def after_conflict(self, group: Group, holder: Contact) -> Contact | None:
        self.conflicts += 1
        if not self.config.sync_mode.updates:
            return None
        if another_person(group.draft.identity, holder):
            raise RefusedError
        return self.update(holder.id, changes(group.draft, holder, self.config.creation_mode))

    def mark(self, one: Entry, match: Match) -> None:
        if isinstance(match, Ambiguous):
            self.refused.add(one.received.number)
        elif isinstance(match, Found):
            self.marks[one.received.number] = match.contact.id

    def shown(self) -> tuple[list[str], dict[int, str], set[int]]:
        """What can be compared: everybody, whom each mark means, and the records that were refused."""
        return (
            sorted(map(_person, self.contacts.values())),
            {number: _person(self.contacts[one]) for number, one in self.marks.items()},
            self.refused,
        )

    @staticmethod
    def _check(body: Mapping[str, Any]) -> None:
        if any(name.startswith(CUSTOM + "poison") for name in body):
            raise RefusedError


def _person(one: Contact) -> str:
    external_id = one.external_id if one.role == "user" else None
    attributes = sorted((name, value) for name, value in one.attributes.items() if value is not None)
    return repr((one.role, external_id, one.email, attributes))


def one_after_the_other(entries: Sequence[Entry], world: World) -> None:
    for one in entries:
        match = world.match(one)
        if one.draft.removed:
            world.mark(one, match)
        elif isinstance(match, (Found, NotFound)):
            try:
                world.write(Group(match, one.draft, [one]))
            except RefusedError:
                world.refused.add(one.received.number)
        else:
            world.refused.add(one.received.number)


def in_waves(entries: Sequence[Entry], world: World, order: random.Random) -> None:
    """Wave by wave, as a sync does it; the contacts of a wave in any order."""
    left = list(entries)
    rounds = 0
    while left:
        rounds += 1
        assert rounds <= 5 * len(entries), "no end in sight"
        result = overlay(left, View(world.contacts.values()), world.config)
        assert len(result.waiting) < len(left), "a wave gets nothing done"
        placed = [one for one, _ in result.refused] + [one for one, _ in result.marks] + result.waiting
        placed += [one for group in result.groups for one in group.in_order()]
        assert sorted(numbers(placed)) == sorted(numbers(left)), "each record has one place"
        world.refused.update(one.received.number for one, _ in result.refused)
        for one, match in result.marks:
            world.mark(one, match)
        again: list[Entry] = []
        for group in order.sample(result.groups, len(result.groups)):
            again.extend(_written(group, world))
        left = sorted([*again, *result.waiting], key=lambda one: one.received.number)


def _written(group: Group, world: World) -> list[Entry]:
    there = group.match.contact if isinstance(group.match, Found) else None
    try:
        there = world.write(group)
    except RefusedError:
        if len(group.entries) > 1:
            return [one if one.draft.removed else replace(one, alone=True) for one in group.in_order()]
        # What would have been written was not: the marks behind it have to find their contact again.
        world.refused.add(group.entries[0].received.number)
        return group.ended
    for one in group.ended:
        world.mark(one, NotFound() if there is None else Found(there))
    return []


EXTERNAL_IDS = ["1", "2", "3"]
EMAILS = ["a@x", "b@x", "c@x"]


@st.composite
def records(draw: st.DrawFn, *, refusals: bool) -> list[Entry]:
    entries = []
    for number in range(draw(st.integers(2, 7))):
        removed = draw(st.integers(0, 5)) == 0
        external_id = draw(st.sampled_from([None, *EXTERNAL_IDS]))
        email = draw(st.sampled_from([None, *EMAILS]))
        contact_id = draw(st.sampled_from([None, None, None, "c0", "c1"]))
        if external_id is None and email is None and contact_id is None:
            external_id = "1"
        attributes: dict[str, Any] = {f"{CUSTOM}seen{number}": True}
        if draw(st.booleans()):
            attributes["name"] = draw(st.sampled_from([None, "x", "y"]))
        if refusals and draw(st.integers(0, 4)) == 0:
            attributes[f"{CUSTOM}poison{number}"] = True
        one = entry(number, external_id, email, contact_id, removed=removed, **attributes)
        if email is None and not removed and draw(st.integers(0, 3)) == 0:
            one = replace(one, draft=replace(one.draft, attributes={**one.draft.attributes, "email": None}))
        entries.append(one)
    return entries


@st.composite
def populations(draw: st.DrawFn) -> list[Contact]:
    """Users have different external_ids; anything else may be shared."""
    free = list(EXTERNAL_IDS)
    there = []
    for number in range(draw(st.integers(0, 4))):
        role: Role = draw(st.sampled_from(["user", "lead"]))
        email = draw(st.sampled_from([None, *EMAILS]))
        external_id = draw(st.sampled_from([None, *free])) if role == "user" else f"g{number}"
        if external_id in free:
            free.remove(external_id)
        there.append(contact(f"c{number}", role, external_id, email))
    return there


CONFIGS = st.builds(
    StreamConfig,
    sync_mode=st.sampled_from([SyncMode.SYNC, SyncMode.ADDITIVE, SyncMode.ENRICH, SyncMode.INSERT]),
    creation_mode=st.sampled_from(CreationMode),
    match_by=st.sampled_from(
        [
            BY_BOTH,
            (MatchBy.EMAIL, MatchBy.EXTERNAL_ID),
            (MatchBy.ID, MatchBy.EXTERNAL_ID, MatchBy.EMAIL),
            (MatchBy.EMAIL,),
            (MatchBy.EXTERNAL_ID,),
        ]
    ),
)


def _compare(entries: list[Entry], there: list[Contact], config: StreamConfig, seed: int) -> None:
    """A 409 depends on what only Intercom knows: such batches are left to the tests against the sandbox."""
    if MatchBy.ID not in config.match_by:
        # the mapping gives no Intercom id then
        entries = [
            replace(one, draft=replace(one.draft, identity=replace(one.draft.identity, id=None))) for one in entries
        ]
    entries = [one for one in entries if any(one.draft.identity.get(which) for which in config.match_by)]
    expected = World({one.id: one for one in there}, config)
    one_after_the_other(entries, expected)
    assume(not expected.conflicts)
    actual = World({one.id: one for one in there}, config)
    in_waves(entries, actual, random.Random(seed))
    assume(not actual.conflicts)
    assert actual.shown() == expected.shown()


QUIET = [HealthCheck.filter_too_much, HealthCheck.too_slow]


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(entries=records(refusals=False), there=populations(), config=CONFIGS, seed=st.integers(0, 5))
def test_waves_end_as_one_record_after_the_other(
    entries: list[Entry], there: list[Contact], config: StreamConfig, seed: int
) -> None:
    _compare(entries, there, config, seed)


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(entries=records(refusals=True), there=populations(), config=CONFIGS, seed=st.integers(0, 5))
def test_waves_end_as_one_record_after_the_other_where_some_are_refused(
    entries: list[Entry], there: list[Contact], config: StreamConfig, seed: int
) -> None:
    _compare(entries, there, config, seed)


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(
    entries=records(refusals=False), there=populations(), config=CONFIGS, seed=st.integers(0, 5), cut=st.integers(1, 6)
)
def test_any_split_into_batches_gives_the_same_workspace(
    entries: list[Entry], there: list[Contact], config: StreamConfig, seed: int, cut: int
) -> None:
    config = replace(config, match_by=BY_BOTH)
    entries = [one for one in entries if any(one.draft.identity.get(which) for which in BY_BOTH)]
    whole = World({one.id: one for one in there}, config)
    in_waves(entries, whole, random.Random(seed))
    split = World({one.id: one for one in there}, config)
    for batch in (entries[:cut], entries[cut:]):
        in_waves(batch, split, random.Random(seed))
    assume(not whole.conflicts)
    assume(not split.conflicts)
    assert split.shown() == whole.shown()


# The same from outside, where the model above leaves off.

PEOPLE = schema("customers", (), id="integer", email="text", plan="text", owner="integer", _sdc_deleted_at="text")


def test_an_email_cleared_within_a_batch_is_cleared(load: Loader, people: People) -> None:
    done = load(
        [
            PEOPLE,
            record("customers", id=1, email="ann@example.com"),
            record("customers", id=1, email=None, plan="pro"),
        ]
    )
    assert done.results() == {"created": 1, "merged": 1}
    ann = people.one(external_id="1")
    assert ann["custom_attributes"] == {"plan": "pro"}
    assert not ann["email"]


def test_a_mark_never_removes_who_would_have_got_its_email_by_a_refused_record(load: Loader, people: People) -> None:
    people.add(external_id="3", email="cleo@example.com")
    done = load(
        [
            PEOPLE,
            record("customers", id=3, email="new@example.com", owner=999_999),
            record("customers", email="new@example.com", _sdc_deleted_at="2026-11-20T17:17:51Z"),
        ],
        sync_mode="sync",
        mappings={"id": "external_id", "owner": "owner_id"},
    )
    assert people.one(external_id="3")["state"] == "live"
    assert done.results() == {"rejected": 1, "skipped": 1}


def test_a_mark_never_removes_who_no_longer_has_its_email_after_a_refusal(load: Loader, people: People) -> None:
    people.add(external_id="1", email="old@example.com")
    done = load(
        [
            PEOPLE,
            record("customers", email="new@example.com", owner=999_999),
            record("customers", id=1, email="new@example.com"),
            record("customers", email="old@example.com", _sdc_deleted_at="2026-11-20T17:17:51Z"),
        ],
        sync_mode="sync",
        creation_mode="lead",
        match_by=["email", "external_id"],
        mappings={"id": "external_id", "owner": "owner_id"},
    )
    ann = people.one(external_id="1")
    assert (ann["state"], ann["email"]) == ("live", "new@example.com")
    assert done.results() == {"rejected": 1, "updated": 1, "skipped": 1}
