"""Which contact is it: the rules among candidates, and the search for many records at once."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import pytest

from target_intercom.errors import CallFailedError, Fault, MergedError, NotFoundError, RefusedError
from target_intercom.intercom.parallel import InParallel
from target_intercom.model import (
    Ambiguous,
    Contact,
    ContactId,
    Email,
    ExternalId,
    Found,
    Identity,
    MatchBy,
    MergedAway,
    NotFound,
    Unanswered,
)
from target_intercom.sync.matching.directory import Directory, Gone, Merged, Source
from target_intercom.sync.matching.search import Matcher
from target_intercom.sync.matching.whose import match_identity
from tests.support.identities import identity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.model import Match, Role

EXTERNAL_ID, EMAIL, ID = MatchBy.EXTERNAL_ID, MatchBy.EMAIL, MatchBy.ID
BY_DEFAULT = (EXTERNAL_ID, EMAIL)


def contact(contact_id: str, role: Role = "user", external_id: str | None = None, email: str | None = None) -> Contact:
    return Contact(
        ContactId(contact_id),
        role,
        None if external_id is None else ExternalId(external_id),
        None if email is None else Email(email),
        {},
    )


def shown(match: Match) -> Any:
    """A match in short: an id, a list of ids, or None."""
    match match:
        case Found(one):
            return one.id
        case Ambiguous(several):
            return sorted(several)
        case NotFound():
            return None
        case _:
            return type(match).__name__


USER = contact("user", "user", None, "a@x")
USER_1 = contact("user 1", "user", "1", "a@x")
USER_2 = contact("user 2", "user", "2", "a@x")
LEAD = contact("lead", "lead", "1", "a@x")
LEAD_TOO = contact("lead too", "lead", "generated", "a@x")
OTHER = contact("other", "user", "1", "b@x")


@pytest.mark.parametrize(
    ("there", "wanted", "match_by", "result"),
    [
        # one identifier
        ([], identity("1", "a@x"), BY_DEFAULT, None),
        ([USER_1], identity("1"), BY_DEFAULT, "user 1"),
        ([USER_1], identity(None, "a@x"), BY_DEFAULT, "user 1"),
        ([USER], identity(None, "a@x"), BY_DEFAULT, "user"),
        ([LEAD], identity(None, "a@x"), BY_DEFAULT, "lead"),
        ([USER_1], identity("9", "z@x"), BY_DEFAULT, None),
        # an email match counts unless both have external_ids, and different ones
        ([USER], identity("1", "a@x"), BY_DEFAULT, "user"),
        ([LEAD], identity("1", "a@x"), BY_DEFAULT, "lead"),
        ([LEAD], identity("9", "a@x"), BY_DEFAULT, "lead"),
        ([USER_2], identity("1", "a@x"), BY_DEFAULT, None),
        ([USER_2], identity("1", "a@x"), (EMAIL,), None),
        ([USER_2], identity(None, "a@x"), (EMAIL,), "user 2"),
        # a lead's generated external_id is none
        ([LEAD], identity("1"), BY_DEFAULT, None),
        # the order of match_by
        ([USER, OTHER], identity("1", "a@x"), BY_DEFAULT, "other"),
        ([USER, OTHER], identity("1", "a@x"), (EMAIL, EXTERNAL_ID), "user"),
        ([USER_2, OTHER], identity("1", "a@x"), (EMAIL, EXTERNAL_ID), "other"),
        ([USER, OTHER], identity("1", "a@x", "lead"), (ID, EXTERNAL_ID), "other"),
        ([USER, LEAD], identity("1", "a@x", "lead"), (ID, EMAIL), "lead"),
        # what match_by does not name is no identifier
        ([USER_1], identity("1", "z@x"), (EMAIL,), None),
        ([USER_1], identity("9", "a@x"), (EXTERNAL_ID,), None),
        ([USER_1], identity("9", "z@x", "user 1"), BY_DEFAULT, None),
        # one user beats any leads
        ([USER, LEAD], identity(None, "a@x"), BY_DEFAULT, "user"),
        ([LEAD_TOO, LEAD, USER], identity("1", "a@x"), BY_DEFAULT, "user"),
        # a user that does not count beats no lead
        ([USER_2, LEAD], identity("1", "a@x"), BY_DEFAULT, "lead"),
        # several candidates left
        ([LEAD, LEAD_TOO], identity(None, "a@x"), BY_DEFAULT, ["lead", "lead too"]),
        ([USER_1, USER_2], identity(None, "a@x"), BY_DEFAULT, ["user 1", "user 2"]),
        ([USER_1, USER_2, LEAD], identity(None, "a@x"), BY_DEFAULT, ["user 1", "user 2"]),
        ([USER_1, USER_2], identity("1", "a@x"), BY_DEFAULT, "user 1"),
        ([USER_1, USER_2], identity("1", "a@x"), (EMAIL,), "user 1"),
        ([USER_1, OTHER], identity("1"), BY_DEFAULT, ["other", "user 1"]),
        ([USER, USER_2, LEAD], identity("1", "a@x"), BY_DEFAULT, "user"),
        # by Intercom's id a contact is found whatever else differs
        ([USER_2], identity("1", None, "user 2"), (ID, EXTERNAL_ID), "user 2"),
        ([USER_1], identity("1", None, "gone"), (ID, EXTERNAL_ID), "user 1"),
    ],
)
def test_the_contact_of_a_record(
    there: list[Contact], wanted: Identity, match_by: tuple[MatchBy, ...], result: Any
) -> None:
    for order in itertools.permutations(there):
        assert shown(match_identity(knowing(*order), wanted, match_by)) == result


def knowing(*contacts: Contact, merged: Mapping[str, str | None] = MappingProxyType({})) -> Directory:
    known = Directory()
    for one in contacts:
        known.learn(one, Source.SEARCH)
    for old, survivor in merged.items():
        known.learn_fact(ContactId(old), Merged(None if survivor is None else ContactId(survivor)))
    return known


def test_a_merged_contact_leads_to_its_survivor() -> None:
    known = knowing(USER_1, merged={"old": "user 1"})
    assert shown(match_identity(known, identity("1", None, "old"), (ID, EXTERNAL_ID))) == "user 1"
    assert shown(match_identity(known, identity(None, None, "old"), (ID,))) == "user 1"


def test_a_merge_into_somebody_else_is_not_followed() -> None:
    known = knowing(USER_2, merged={"old": "user 2", "lost": None})
    assert match_identity(known, identity("1", None, "old"), (ID, EXTERNAL_ID)) == MergedAway(ContactId("user 2"))
    assert match_identity(known, identity("1", None, "lost"), (ID,)) == MergedAway(None)


def test_a_removal_never_follows_a_merge() -> None:
    known = knowing(USER_1, merged={"old": "user 1"})
    match = match_identity(known, identity("1", None, "old"), (ID, EXTERNAL_ID), follow_merge=False)
    assert match == MergedAway(ContactId("user 1"))


@pytest.mark.parametrize(
    ("there", "result"), [([LEAD], "lead"), ([LEAD, LEAD_TOO], ["lead", "lead too"]), ([USER], None), ([], None)]
)
def test_a_record_that_would_make_a_lead_finds_the_leads_with_its_email(there: list[Contact], result: Any) -> None:
    """Intercom would take a second one, whatever the stream matches by."""
    known = knowing(*there)
    assert shown(match_identity(known, identity("9", "a@x"), (EXTERNAL_ID,), makes_lead=True)) == result
    assert shown(match_identity(known, identity("9", "a@x"), (EXTERNAL_ID,))) is None


# The search.


class Intercom:
    """Stands for the client: a workspace that answers searches, with a limit, and odd values it refuses."""

    def __init__(self, *contacts: Contact, most: int = 10_000) -> None:
        self.contacts = contacts
        self.most = most
        self.odd: set[str] = set()
        self.failing: set[str] = set()
        self.merged: dict[str, str] = {}
        self.searches: list[Mapping[str, Sequence[str]]] = []
        self.asked: list[str] = []

    def search_contacts(self, wanted: Mapping[str, Sequence[str]]) -> list[Contact]:
        self.searches.append(wanted)
        values = [value for field in wanted.values() for value in field]
        if len(values) > self.most or self.odd & set(values):
            raise RefusedError(Fault(400, "parameter_invalid"))
        if self.failing & set(values):
            raise CallFailedError(Fault(503))
        return [
            one
            for one in self.contacts
            if any(getattr(one, field) in wanted.get(field, ()) for field in ("id", "email", "external_id"))
        ]

    def get_contact(self, contact_id: ContactId) -> Contact:
        self.asked.append(contact_id)
        if contact_id in self.merged:
            raise MergedError(Fault(410), survivor=self.merged[contact_id])
        if contact_id in self.failing:
            raise CallFailedError(Fault(503))
        for one in self.contacts:
            if one.id == contact_id:
                return one
        raise NotFoundError(Fault(404))


@pytest.fixture
def in_parallel() -> Iterator[InParallel]:
    threads = InParallel(2, stop=lambda: None, grace_seconds=0)
    yield threads
    threads.close()


@dataclass
class Run:
    """A matcher with its run's directory."""

    intercom: Intercom
    in_parallel: InParallel
    directory: Directory = field(default_factory=Directory)

    def __post_init__(self) -> None:
        self.matcher = Matcher(cast("IntercomClient", self.intercom), self.directory, self.in_parallel)

    def look_up(self, identities: Sequence[Identity], match_by: Sequence[MatchBy], **how: Any) -> Directory:
        known = self.directory.layer()
        self.matcher.look_up(identities, match_by, known, **how)
        return known


PEOPLE = [contact(f"c{number}", "user", str(number), f"p{number}@x") for number in range(200)]
EVERYBODY = [identity(str(number), f"p{number}@x") for number in range(200)]


def test_many_records_are_looked_up_by_few_searches(in_parallel: InParallel) -> None:
    intercom = Intercom(*PEOPLE)
    found = Run(intercom, in_parallel).look_up(EVERYBODY, BY_DEFAULT)
    assert [shown(match_identity(found, one, BY_DEFAULT)) for one in EVERYBODY] == [one.id for one in PEOPLE]
    assert len(intercom.searches) <= 4
    assert intercom.asked == []


def test_nothing_is_asked_of_nobody(in_parallel: InParallel) -> None:
    intercom = Intercom(*PEOPLE)
    Run(intercom, in_parallel).look_up([], BY_DEFAULT)
    Run(intercom, in_parallel).look_up([identity("1")], (EMAIL,))
    assert intercom.searches == []


def test_a_search_that_is_refused_for_its_size_is_halved_and_the_size_remembered(in_parallel: InParallel) -> None:
    intercom = Intercom(*PEOPLE, most=30)
    finder = Run(intercom, in_parallel)
    found = finder.look_up(EVERYBODY, BY_DEFAULT)
    assert [shown(match_identity(found, one, BY_DEFAULT)) for one in EVERYBODY] == [one.id for one in PEOPLE]
    first = len(intercom.searches)
    finder.look_up(EVERYBODY, BY_DEFAULT)
    assert len(intercom.searches) - first < first
    assert all(sum(map(len, search.values())) <= 30 for search in intercom.searches[first:])


def test_a_value_that_intercom_refuses_costs_only_its_own_record(in_parallel: InParallel) -> None:
    intercom = Intercom(*PEOPLE)
    intercom.odd = {"p50@x"}
    finder = Run(intercom, in_parallel)
    found = finder.look_up(EVERYBODY, BY_DEFAULT)
    results = [match_identity(found, one, BY_DEFAULT) for one in EVERYBODY]
    unanswered = [number for number, result in enumerate(results) if isinstance(result, Unanswered)]
    assert unanswered == [50]
    assert len(intercom.searches) <= 3 + 2 * 8
    intercom.odd, intercom.searches = set(), []
    finder.look_up(EVERYBODY, BY_DEFAULT)
    assert len(intercom.searches) <= 4, "one odd value is no reason for small searches"


def test_a_search_that_keeps_failing_leaves_its_records_unanswered(in_parallel: InParallel) -> None:
    intercom = Intercom(*PEOPLE)
    intercom.failing = {"p0@x"}
    found = Run(intercom, in_parallel).look_up(EVERYBODY, BY_DEFAULT)
    assert isinstance(match_identity(found, EVERYBODY[0], BY_DEFAULT), Unanswered)
    assert shown(match_identity(found, EVERYBODY[199], BY_DEFAULT)) == "c199"


def test_an_intercom_id_that_search_does_not_show_is_asked_for(in_parallel: InParallel) -> None:
    class Lagging(Intercom):
        def search_contacts(self, wanted: Mapping[str, Sequence[str]]) -> list[Contact]:
            self.searches.append(wanted)
            return []

    intercom = Lagging(*PEOPLE[:2])
    intercom.merged = {"old": "older", "older": "c1", "lost": "nowhere"}
    intercom.failing = {"failing"}
    wanted = [identity(None, None, one) for one in ("c0", "gone", "old", "lost", "failing")]
    found = Run(intercom, in_parallel).look_up(wanted, (ID,))
    results = [shown(match_identity(found, one, (ID,))) for one in wanted]
    assert results == ["c0", None, "c1", "MergedAway", "Unanswered"]


def test_who_this_run_knows_is_not_searched_for(in_parallel: InParallel) -> None:
    known = Directory()
    known.learn(contact("c1", "user", "1", "new@x"), Source.ANSWER)
    intercom = Intercom(contact("c1", "user", "1", "old@x"))
    found = Run(intercom, in_parallel, known).look_up([identity("1", "new@x")], BY_DEFAULT)
    assert shown(match_identity(found, identity("1"), BY_DEFAULT)) == "c1"
    assert intercom.searches == []


def test_what_this_run_knows_beats_what_the_index_shows(in_parallel: InParallel) -> None:
    """The index shows contacts as they were: under an old email, or gone since."""
    known = Directory()
    known.learn(contact("c1", "user", "1", "new@x"), Source.ANSWER)
    known.learn_fact(ContactId("c2"), Gone())
    intercom = Intercom(contact("c1", "user", "1", "old@x"), contact("c2", "user", "2", "b@x"))
    wanted = [identity(None, "old@x"), identity(None, "b@x"), identity(None, "new@x")]
    found = Run(intercom, in_parallel, known).look_up(wanted, BY_DEFAULT)
    assert [shown(match_identity(found, one, BY_DEFAULT)) for one in wanted] == [None, None, "c1"]


def test_leads_are_looked_for_by_email_where_all_of_them_are_wanted(in_parallel: InParallel) -> None:
    lead = contact("lead", "lead", "generated", "p1@x")
    intercom = Intercom(PEOPLE[1], lead)
    finder = Run(intercom, in_parallel)
    assert finder.look_up([EVERYBODY[1]], (EXTERNAL_ID,)).leads_with("p1@x") == []
    assert finder.look_up([EVERYBODY[1]], (EXTERNAL_ID,), also=(EMAIL,)).leads_with("p1@x") == [lead]
