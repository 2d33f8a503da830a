"""One part of Intercom is down while the others answer: nothing is lost, and nobody is blamed for it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.intercom.outages import RetryLimits
from target_intercom.sandbox import Response
from tests.support.bulking import LEADS
from tests.support.grouping import LISTS, add_people
from tests.support.loading import HURRIED, hurry, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.front import Front
    from tests.support.loading import Loaded, Loader, People

Row = dict[str, Any]
COUNT = 120
TYPES = {"id": "text", "email": "text", "name": "text", "plan": "text", "gone": "boolean", "groups": "array"}
BRIEF = RetryLimits(first_pause=0.01, longest_pause=0.2, start=1.0, outage=1.0, poison=60)
"""An outage is waited for as long as for a second, and no call is given up before."""
STUBBORN = replace(BRIEF, start=60, outage=60, poison=0.2)
"""The other way round."""
CALM = replace(HURRIED, start=60, outage=60, poison=60)
"""Pauses take a fiftieth of their time, and nothing is given up."""
JSON = Response.of(503, {"type": "error.list", "errors": [{"code": "service_unavailable", "message": "Sorry"}]})
HTML = Response(503, b"<html><body><h1>503 Service Unavailable</h1></body></html>", {"Content-Type": "text/html"})
PAGE = Response(200, b"<html><body>We will be back soon</body></html>", {"Content-Type": "text/html"})


def customers(*rows: Row, stream: str = "customers") -> list[Row]:
    return [schema(stream, keys=("email",), **TYPES), *(record(stream, **row) for row in rows), state({"n": len(rows)})]


def people_of(count: int, **values: Any) -> list[Row]:
    return [{"id": str(n), "email": f"p{n}@example.com", "name": f"P {n}", **values} for n in range(1, count + 1)]


def leads_of(count: int, **values: Any) -> list[Row]:
    return [{**row, "id": None} for row in people_of(count, **values)]


@dataclass
class Outage:
    """Answers the calls of one sort itself, from the first on, for some seconds or without end."""

    method: str
    path: str
    answer: Response
    seconds: float | None
    spared: int = 0
    """So many calls of the sort are let through before."""
    failed: int = 0
    _over: float | None = None

    def __call__(self, request: Request) -> Response | None:
        if not self.fits(request):
            return None
        if self.spared > 0:
            self.spared -= 1
            return None
        if self._over is None:
            self._over = float("inf") if self.seconds is None else time.monotonic() + self.seconds
        if time.monotonic() > self._over:
            return None
        self.failed += 1
        return self.answer

    def fits(self, request: Request) -> bool:
        parts, given = self.path.split("/"), request.path.split("/")
        is_path = len(parts) == len(given) and all(a in {b, "*"} for a, b in zip(parts, given, strict=True))
        return request.method == self.method and is_path


@dataclass
class Case:
    """What a load needs of an operation: who is there before, what comes, and with which settings."""

    method: str
    path: str
    messages: Callable[[], list[Row]]
    settings: Row = field(default_factory=dict)
    there: bool = False
    results: str = "created"


BULK = {"bulk_writes": True}
CASES = {
    "search": Case("POST", "/contacts/search", lambda: customers(*people_of(COUNT))),
    "create": Case("POST", "/contacts", lambda: customers(*people_of(COUNT))),
    "create leads": Case("POST", "/contacts", lambda: customers(*leads_of(COUNT)), LEADS),
    "update": Case("PUT", "/contacts/*", lambda: customers(*people_of(COUNT)), there=True, results="updated"),
    "archive": Case(
        "POST",
        "/contacts/*/archive",
        lambda: customers(*people_of(20, gone=True)),
        {"sync_mode": "remove", "deleted_property": "gone"},
        there=True,
        results="archived",
    ),
    "list attributes": Case("GET", "/data_attributes", lambda: customers(*people_of(COUNT, plan="pro"))),
    "create an attribute": Case("POST", "/data_attributes", lambda: customers(*people_of(COUNT, plan="pro"))),
    "list tags": Case("GET", "/tags", lambda: customers(*people_of(COUNT, groups=["vip"])), LISTS),
    "tags": Case("POST", "/tags", lambda: customers(*people_of(COUNT, groups=["vip"])), LISTS),
    "submit": Case("POST", "/contacts/bulk", lambda: customers(*people_of(COUNT)), BULK),
    "submit leads": Case("POST", "/contacts/bulk", lambda: customers(*leads_of(COUNT)), {**BULK, **LEADS}),
    "look": Case("GET", "/contacts/bulk/*", lambda: customers(*people_of(COUNT)), BULK),
}


@pytest.fixture
def load(load: Loader, sandbox: SandboxServer) -> Loader:
    sandbox.conditions.bulk_seconds = 0
    load.settings = {"max_connections": 16, "search_delay_seconds": 0}
    return load


@pytest.fixture
def brief() -> Iterator[None]:
    with hurry(BRIEF):
        yield


@pytest.fixture
def stubborn() -> Iterator[None]:
    with hurry(STUBBORN):
        yield


@pytest.fixture
def calm() -> Iterator[None]:
    with hurry(CALM):
        yield


def begin(load: Loader, people: People, case: Case) -> None:
    load.settings |= case.settings
    if case.there:
        for row in people_of(COUNT):
            people.add(external_id=row["id"], email=row["email"], name="Old")


def assert_all_loaded(people: People, case: Case) -> None:
    rows = [message["record"] for message in case.messages() if message["type"] == "RECORD"]
    emails = Counter(contact["email"] for contact in people.everyone())
    assert max(emails.values()) == 1
    for row in rows:
        contact = people.one(email=row["email"])
        assert contact["state"] == ("archived" if row.get("gone") else "live")
        assert contact["name"] == row["name"] or row.get("gone")
        assert contact["custom_attributes"].get("plan") == row.get("plan")
        assert contact["tags"] == row.get("groups", [])


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    ("name", "answer"),
    [
        *(pytest.param(name, JSON, id=f"{name}, json") for name in CASES),
        *(pytest.param(name, HTML, id=f"{name}, html") for name in CASES),
        *(pytest.param(name, PAGE, id=f"{name}, a page that is no error") for name in ("search", "create", "tags")),
    ],
)
def test_an_outage_of_one_operation_loses_nobody(
    load: Loader, people: People, front: Front, name: str, answer: Response
) -> None:
    """The pauses take a fiftieth of their time, and so do the 25 seconds."""
    case = CASES[name]
    begin(load, people, case)
    outage = front.hook = Outage(case.method, case.path, answer, 25 / 50)
    done = load(case.messages())
    assert outage.failed > 1
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert done.results() == {case.results: done.stream()["read"]}
    assert done.stream()["left_out"] == {}
    assert_all_loaded(people, case)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize(
    ("name", "spared"),
    [(name, 0) for name in CASES if name != "submit leads"]
    + [(name, 30) for name in ("create", "create leads", "update")],
)
def test_an_outage_without_end_fails_the_run_and_the_next_completes_it(
    load: Loader, people: People, front: Front, caplog: pytest.LogCaptureFixture, name: str, spared: int
) -> None:
    case = CASES[name]
    begin(load, people, case)
    outage = front.hook = Outage(case.method, case.path, JSON, None, spared)
    done = load(case.messages())
    assert (done.exit_code, done.states, done.refusals) == (1, [], [])
    assert done.report["status"] == "failed"
    assert "Intercom cannot be reached" in caplog.text
    assert "Traceback" not in caplog.text
    assert outage.failed < 100
    assert sum(done.calls.values()) < 600
    front.let_through()
    done = load(case.messages())
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert_all_loaded(people, case)


@pytest.mark.usefixtures("brief")
def test_leads_whose_submission_is_lost_are_made_singly(load: Loader, people: People, front: Front) -> None:
    """No lead is submitted a second time: what is to be known of them is asked of the search."""
    case = CASES["submit leads"]
    begin(load, people, case)
    front.hook = Outage(case.method, case.path, JSON, None)
    done = load(case.messages())
    assert (done.exit_code, done.results(), len(done.states)) == (0, {"created": COUNT}, 1)
    assert_all_loaded(people, case)


# A call that keeps failing while others of its operation are answered.


def poison(method: str, path: str, *texts: str) -> Callable[[Request], Response | None]:
    """Never work for what has one of these texts in its path or body."""

    def hook(request: Request) -> Response | None:
        is_path = Outage(method, path, JSON, None).fits(request)
        where = request.path.encode() + b" " + request.body
        return JSON if is_path and any(text.encode() in where for text in texts) else None

    return hook


def refused_emails(done: Loaded) -> list[str]:
    return sorted(message["record"]["email"] for message in done.rejected if message["type"] == "RECORD")


@pytest.mark.usefixtures("stubborn")
@pytest.mark.parametrize("count", [2, 20, COUNT])
@pytest.mark.parametrize("number", [1, 2])
def test_a_value_that_search_never_answers_rejects_its_record_alone(
    load: Loader, people: People, front: Front, number: int, count: int
) -> None:
    front.hook = poison("POST", "/contacts/search", f"p{number}@example.com")
    done = load(customers(*people_of(count)))
    assert (done.exit_code, len(done.states)) == (0, 1)
    assert done.results() == {"created": count - 1, "rejected": 1}
    assert refused_emails(done) == [f"p{number}@example.com"]
    assert done.refusals[0]["code"] == "service_unavailable"
    assert done.calls["POST /contacts/search"] < 100


@pytest.mark.usefixtures("stubborn")
def test_several_values_that_search_never_answers_reject_their_records_alone(
    load: Loader, people: People, front: Front
) -> None:
    bad = [f"p{number}@example.com" for number in (3, 4, 90)]
    front.hook = poison("POST", "/contacts/search", *bad)
    done = load(customers(*people_of(COUNT)))
    assert (done.exit_code, done.results()) == (0, {"created": COUNT - 3, "rejected": 3})
    assert refused_emails(done) == bad


@pytest.mark.usefixtures("stubborn")
@pytest.mark.parametrize(
    ("name", "numbers"), [(name, n) for name in ("create", "create leads") for n in ([7], [7, 30])]
)
def test_a_contact_that_is_never_made_is_rejected_alone(
    load: Loader, people: People, front: Front, name: str, numbers: list[int]
) -> None:
    case, bad = CASES[name], [f"p{number}@example.com" for number in numbers]
    begin(load, people, case)
    front.hook = poison("POST", "/contacts", *(f'"{email}"' for email in bad))
    done = load(case.messages())
    assert (done.exit_code, len(done.states)) == (0, 1)
    assert done.results() == {"created": COUNT - len(bad), "rejected": len(bad)}
    assert refused_emails(done) == sorted(bad)
    assert {refusal["code"] for refusal in done.refusals} == {"in_doubt"}
    assert len(people.everyone()) == COUNT - len(bad)


@pytest.mark.usefixtures("stubborn")
def test_a_contact_that_is_never_updated_is_rejected_alone(load: Loader, people: People, front: Front) -> None:
    begin(load, people, CASES["update"])
    bad = people.one(email="p7@example.com")["id"]
    front.hook = poison("PUT", "/contacts/*", bad)
    done = load(CASES["update"].messages())
    assert (done.exit_code, done.results()) == (0, {"updated": COUNT - 1, "rejected": 1})
    assert (refused_emails(done), done.refusals[0]["code"]) == (["p7@example.com"], "service_unavailable")


@pytest.mark.usefixtures("stubborn")
def test_a_contact_that_never_gets_its_tag_keeps_nobody_from_it(load: Loader, people: People, front: Front) -> None:
    """Its record went through; the next run that has tags to put on puts this one on, too."""
    ids = add_people(people, range(1, 21))
    front.hook = poison("POST", "/tags", ids["7"])
    rows = [{"id": str(n), "email": f"p{n}@example.com", "groups": ["vip"]} for n in range(1, 21)]
    done = load(customers(*rows), **LISTS)
    assert (done.exit_code, done.stream()["tagged"], done.stream()["left_out"]) == (0, 19, {"tags": 1})
    assert {one["external_id"] for one in people.everyone() if not one["tags"]} == {"7"}
    front.let_through()
    done = load(customers({"id": "21", "email": "p21@example.com", "groups": ["vip"]}), **LISTS)
    assert (done.exit_code, {tuple(one["tags"]) for one in people.everyone()}) == (0, {("vip",)})


@pytest.mark.parametrize("what", ["plan", "vip"])
def test_an_attribute_or_tag_that_is_never_created_fails_the_run(
    load: Loader, people: People, front: Front, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    """Others are created meanwhile; to leave it out would lose its values."""
    path = {"plan": "/data_attributes", "vip": "/tags"}[what]
    front.hook = poison("POST", path, f'"{what}"')
    row = {"id": "1", "email": "p1@example.com", "plan": "pro", "groups": ["aaa", "vip", "zzz"]}
    with hurry(BRIEF if what == "plan" else STUBBORN):
        done = load(customers(row), **LISTS)
    assert (done.exit_code, done.states) == (1, [])
    front.let_through()
    done = load(customers(row), **LISTS)
    assert (done.exit_code, done.stream()["left_out"], len(done.states)) == (0, {}, 1)
    person = people.one(email="p1@example.com")
    assert (person["custom_attributes"], sorted(person["tags"])) == ({"plan": "pro"}, ["aaa", "vip", "zzz"])


# A lone record: nothing tells it from an outage, but that it ends run after run.


@pytest.mark.parametrize("what", ["search", "create", "create leads", "update"])
def test_a_lone_record_that_has_ended_two_runs_in_a_row_is_rejected(
    load: Loader, people: People, front: Front, what: str
) -> None:
    case = CASES[what]
    load.settings |= case.settings
    if case.there:
        people.add(external_id="1", email="p1@example.com", name="Old")
    lone = customers({"id": None if what == "create leads" else "1", "email": "p1@example.com", "name": "P 1"})
    front.hook = poison(case.method, case.path, "")
    with hurry(BRIEF):
        for _ in range(2):
            done = load(lone)
            assert (done.exit_code, done.states, done.refusals) == (1, [], [])
    with hurry(STUBBORN):
        for _ in range(2):
            # As long as it has not worked: nobody is to wait for it in every third run.
            done = load(lone)
            assert (done.exit_code, done.results(), len(done.states)) == (0, {"rejected": 1}, 1)
    front.let_through()
    assert load(lone).exit_code == 0
    assert people.one(email="p1@example.com")["name"] == "P 1"


@pytest.mark.usefixtures("brief")
def test_records_that_end_run_after_run_together_are_no_lone_one(load: Loader, people: People, front: Front) -> None:
    """That is an outage, however long."""
    front.hook = poison("POST", "/contacts", "")
    for _ in range(3):
        done = load(customers(*people_of(2)))
        assert (done.exit_code, done.states, done.refusals) == (1, [], [])


# What is no answer to a search.


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"status": "ok"},
        {"type": "list"},
        {"type": "list", "data": None},
        {"type": "list", "data": {}},
        {"type": "contact", "id": "1", "data": []},
        {"type": "error.list", "errors": [{"code": "x"}], "data": []},
        {"type": "list", "data": [{"type": "contact"}]},
        {"type": "list", "data": [{"type": "contact", "id": None}]},
        {"type": "list", "data": [{"type": "contact", "id": ""}]},
        {"type": "list", "data": [{"type": "tag", "id": "12"}]},
        {"type": "list", "data": [], "pages": {"next": "https://api.intercom.io/contacts?page=2"}},
        {"type": "tag.list", "data": []},
        {"data": []},
        None,
    ],
)
def test_an_answer_that_is_no_list_is_not_taken_for_nobody(
    load: Loader, people: People, front: Front, body: object
) -> None:
    """The leads are there: to make them again would be for good."""
    for row in leads_of(3):
        people.add(role="lead", email=row["email"], name="Old")
    answers = [Response.of(200, body)] * 2
    front.hook = lambda request: answers.pop() if request.path == "/contacts/search" and answers else None
    done = load(customers(*leads_of(3)), **LEADS)
    assert (done.exit_code, done.results(), len(people.everyone())) == (0, {"updated": 3}, 3)
    assert answers == []


NO_CONFIRMATION = {
    "nothing": Response(200),
    "null": Response(200, b"null"),
    "a list": Response.of(200, []),
    "a text": Response.of(200, "done"),
    "no id": Response.of(200, {"id": None}),
    "an error": Response.of(200, {"type": "error.list", "id": "1", "errors": [{"code": "server_error"}]}),
}


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize("kind", NO_CONFIRMATION)
@pytest.mark.parametrize("what", ["create", "update", "archive", "delete", "take off"])
def test_what_does_not_name_the_thing_it_is_about_confirms_no_write(
    load: Loader, people: People, front: Front, what: str, kind: str
) -> None:
    """The first calls of the operation have no effect: what comes back for them is from something in between."""
    settings: Row = {"sync_mode": "sync", "deleted_property": "gone", "max_removal_percent": 100, **LISTS}
    if what == "delete":
        settings["removal_mode"] = "delete"
    if what != "create":
        assert load(customers(*people_of(3, groups=["vip"])), **settings).exit_code == 0
    method, end = {
        "create": ("POST", "/contacts"),
        "update": ("PUT", ""),
        "archive": ("POST", "/archive"),
        "delete": ("DELETE", ""),
        "take off": ("DELETE", ""),
    }[what]
    answers = [NO_CONFIRMATION[kind]] * 2
    front.hook = lambda call: answers.pop() if answers and call.method == method and call.path.endswith(end) else None
    gone, plan = what in {"archive", "delete"}, "pro" if what == "update" else None
    groups = [] if what == "take off" else ["vip"]
    done = load(customers(*people_of(3, gone=gone, groups=groups, plan=plan)), **settings)
    assert (done.exit_code, done.refusals, len(done.states), answers) == (0, [], 1, [])
    left = [(one["custom_attributes"].get("plan"), one["tags"]) for one in people.live()]
    assert left == ([] if gone else [(plan, groups)] * 3)
    assert len(people.everyone()) == 3


def test_a_cursor_that_comes_again_ends_a_search(load: Loader, people: People, front: Front) -> None:
    first: list[Response] = []

    def hook(request: Request) -> Response | None:
        if request.path != "/contacts/search":
            return None
        first.append(front.handle(request))
        return Response.of(200, {**first[0].json, "pages": {"next": {"starting_after": "again"}}})

    for row in people_of(3):
        people.add(external_id=row["id"], email=row["email"], name="Old")
    front.hook = hook
    done = load(customers(*people_of(3)))
    assert (done.exit_code, done.results()) == (0, {"updated": 3})
    assert done.calls["POST /contacts/search"] == 2


def test_an_error_in_another_shape_is_told_in_its_own_words(load: Loader, front: Front) -> None:
    words = "Contact is blocked by policy 17 " + "x" * 500
    answer = Response.of(422, {"message": words, "token": "sandbox"})
    front.hook = lambda request: answer if (request.method, request.path) == ("POST", "/contacts") else None
    done = load(customers(*people_of(1)))
    (refusal,) = done.refusals
    assert "blocked by policy 17" in refusal["reason"]
    assert len(refusal["reason"]) < 300
    assert "sandbox" not in refusal["reason"]
