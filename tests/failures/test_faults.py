"""What a load makes of calls that fail: nothing is lost, and nothing is there twice."""

from __future__ import annotations

import json
import re
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.errors import RefusedError, RegionError, UnauthorizedError, UnreachableError
from target_intercom.intercom.client import IntercomClient
from target_intercom.intercom.outages import RetryLimits
from target_intercom.intercom.protocol.ids import ContactId
from target_intercom.sandbox import Conditions, Fault, Response, SandboxServer, TargetedFault
from target_intercom.sandbox.versions import Version
from tests.support.faults import Ended, break_, fault
from tests.support.front import Front
from tests.support.loading import GUARD, Loader, People, hurry, record, schema, state, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from target_intercom.sandbox import Request
    from tests.support.loading import Loaded

USERS = schema("users", id="integer", email="text", name="text", plan="text", seats="integer")
LEADS = schema("leads", email="text", name="text", plan="text", seats="integer", keys=("email",))
MODES = {"streams": {"leads": {"creation_mode": "lead"}}}
KINDS = list(Fault)
V216 = Version.parse("2.16")
QUICK = RetryLimits(first_pause=0.01, longest_pause=0.1, start=1, outage=1, poison=0.3)
STUBBORN = replace(QUICK, start=60, outage=60)
"""A call that keeps failing is given up soon, Intercom is not."""
NONE = replace(QUICK, start=0, outage=0, limited=0)
UNWRITTEN = {"id", "workspace_id", "created_at", "updated_at", "gone_at", "last_seen_at"}


def crowd(users: int, leads: int) -> list[dict[str, Any]]:
    """Users and leads, and a STATE at the end."""
    plans = ("free", "pro", None)
    return [
        USERS,
        LEADS,
        *(
            record("users", id=n, email=f"user{n}@example.com", name=f"User {n}", plan=plans[n % 3], seats=n % 5)
            for n in range(users)
        ),
        *(
            record("leads", email=f"lead{n}@example.com", name=f"Lead {n}", plan=plans[n % 3], seats=n % 5)
            for n in range(leads)
        ),
        state({"users": users, "leads": leads}),
    ]


def as_loaded(people: People) -> list[str]:
    """All contacts, without ids, times and the external_ids that Intercom invents for leads."""
    shown = []
    for contact in people.everyone():
        kept = {key: value for key, value in contact.items() if key not in UNWRITTEN}
        if contact["role"] == "lead":
            del kept["external_id"]
        shown.append(json.dumps(kept, sort_keys=True))
    return sorted(shown)


# Runs that take long because they wait: they do so side by side.


def run(tmp_path: Path, messages: Sequence[dict[str, Any]], sandbox: SandboxServer, **settings: Any) -> Ended:
    with sandbox:
        return Ended(Loader(sandbox.url, tmp_path).pipe(messages, **settings), sandbox)


def with_faults(users: int, leads: int, tmp_path: Path, *, seed: int | None) -> Ended:
    """A load of which every twentieth call fails, in any of the ways; without a seed none does."""
    rate = 0.0 if seed is None else 0.05
    conditions = Conditions(
        search_lag=1, rate_window=1, fault_rate=rate, faults=tuple(KINDS), fault_seed=seed, fault_timeout=2
    )
    messages = crowd(users, leads)
    return run(tmp_path, messages, SandboxServer(conditions), search_delay_seconds=3, **MODES)


SLOW: dict[str, Callable[[Path], Ended]] = {
    "calm": partial(with_faults, 1400, 600, seed=None),
    "calm, small": partial(with_faults, 60, 60, seed=None),
    "seed 1": partial(with_faults, 1400, 600, seed=1),
    **{f"seed {seed}": partial(with_faults, 60, 60, seed=seed) for seed in (2, 3, 4)},
}


@pytest.fixture(scope="module", autouse=True)
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """The runs of SLOW, all under way while the other tests are made."""
    with ThreadPoolExecutor(len(SLOW)) as pool:
        yield {name: pool.submit(work, tmp_path_factory.mktemp("slow")) for name, work in SLOW.items()}


@pytest.mark.parametrize(
    ("seed", "users", "leads", "calm"),
    [(1, 1400, 600, "calm"), *((seed, 60, 60, "calm, small") for seed in (2, 3, 4))],
)
def test_a_load_with_every_twentieth_call_failing_ends_as_one_without_faults(
    slow: dict[str, Future[Ended]], seed: int, users: int, leads: int, calm: str
) -> None:
    wanted = as_loaded(slow[calm].result().people)
    assert len(wanted) == users + leads
    ended = slow[f"seed {seed}"].result()
    done = ended.done
    assert done.exit_code == 0
    assert done.rejected == []
    assert done.states == [{"users": users, "leads": leads}]
    assert as_loaded(ended.people) == wanted
    for stream, count in (("users", users), ("leads", leads)):
        results = done.results(stream)
        assert sum(results.values()) == count
        assert results.keys() <= {"created", "updated", "unchanged"}
    failed = Counter(call.fault for call in ended.sandbox.calls if call.fault is not None)
    assert failed.keys() == set(KINDS) or seed != 1
    api = done.report["api"]
    assert sum(api["calls"].values()) == len(ended.sandbox.calls)
    assert api["rate_limited"] == failed[Fault.TOO_MANY]
    assert api["retries"] <= failed.total() - failed[Fault.TOO_MANY]


def with_calls_that_keep_failing(load: Loader, sandbox: SandboxServer) -> Loaded:
    """A load into a workspace that some of its people are in, and that never takes three of them."""
    for n in range(40):
        sandbox.workspace.create_contact({"external_id": str(n), "email": f"user{n}@example.com", "name": "Old"}, V216)
    break_(
        sandbox,
        [
            fault(Fault.ERROR, "PUT", "/contacts/{id}", 'User 1"', times=1000),
            fault(Fault.ERROR, "POST", "/contacts", 'User 42"', times=1000),
            fault(Fault.ERROR, "POST", "/contacts", 'Lead 3"', times=1000),
        ],
    )
    with hurry(STUBBORN):
        return load(crowd(80, 40), max_connections=4, **MODES)


def test_a_record_whose_call_keeps_failing_is_rejected_and_the_others_go_on(
    load: Loader, sandbox: SandboxServer, people: People
) -> None:
    done = with_calls_that_keep_failing(load, sandbox)
    assert done.exit_code == 0
    assert done.results("users") == {"created": 39, "updated": 39, "rejected": 2}
    assert done.results("leads") == {"created": 39, "rejected": 1}
    assert done.states == [{"users": 80, "leads": 40}]
    names = Counter(contact["name"] for contact in people.live())
    assert names == Counter(
        ["Old", *(f"Lead {n}" for n in range(40) if n != 3), *(f"User {n}" for n in range(80) if n not in {1, 42})]
    )
    records = [message for message in done.rejected if message["type"] == "RECORD"]
    assert sorted(message["record"]["name"] for message in records) == ["Lead 3", "User 1", "User 42"]


def test_a_record_is_rejected_with_what_intercom_said(load: Loader, sandbox: SandboxServer) -> None:
    """Status, code, message and request id: what Intercom's support asks for."""
    done = with_calls_that_keep_failing(load, sandbox)
    assert len(done.refusals) == 3
    for refusal in done.refusals:
        assert refusal["outcome"] == "rejected"
        assert "500" in refusal["reason"]
        assert "Server Error" in refusal["reason"]
        assert len(refusal["request_id"]) == 20
        assert refusal["code"] in {"server_error", "in_doubt"}


def fail_always(sandbox: SandboxServer) -> None:
    sandbox.conditions.change({"fault_rate": 1, "faults": ["500", "503_html"]})


@pytest.mark.parametrize("end", [SandboxServer.stop, fail_always], ids=["sandbox stopped", "every call failing"])
def test_when_nothing_succeeds_any_more_the_run_fails_without_a_state(
    load: Loader, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture, end: Callable[[SandboxServer], object]
) -> None:
    """In the midst of a load."""

    def end_it() -> None:
        until(lambda: len(sandbox.calls) >= 300)
        end(sandbox)

    sandbox.conditions.latency = 0.02
    with ThreadPoolExecutor(1) as pool, hurry(QUICK):
        ending = pool.submit(end_it)
        done = load(crowd(1000, 0), batch_size_rows=200, max_connections=16)
        ending.result()
    assert done.exit_code == 1
    assert done.states == []
    assert "Intercom cannot be reached" in caplog.text
    assert "Traceback" not in caplog.text
    assert done.report["status"] == "failed"
    assert done.report["api"]["retries"] > 0
    # It is not the records' fault.
    assert done.rejected == []


# One fault at each kind of call.


@pytest.mark.parametrize("kind", [Fault.TOO_MANY, Fault.HTML, Fault.RESET_BEFORE])
@pytest.mark.parametrize("path", ["/me", "/data_attributes"])
def test_a_run_begins_in_spite_of_a_fault(
    load: Loader, quick: SandboxServer, people: People, kind: Fault, path: str
) -> None:
    break_(quick, [fault(kind, "GET", path)])
    done = load(crowd(2, 0))
    assert (done.exit_code, done.results("users")) == (0, {"created": 2})
    assert done.calls[f"GET {path}"] == 2
    assert done.report["api"]["retries"] == int(kind is not Fault.TOO_MANY)
    assert done.report["api"]["rate_limited"] == int(kind is Fault.TOO_MANY)


def test_an_attribute_is_made_once_whatever_the_fault(load: Loader, quick: SandboxServer, people: People) -> None:
    """When it had arrived, the repetition is told that the name is taken."""
    kinds = [kind for kind in KINDS if kind.writes]
    names = [f"attribute_{kind.value}" for kind in kinds]
    break_(
        quick, [fault(kind, "POST", "/data_attributes", f'"{name}"') for kind, name in zip(kinds, names, strict=True)]
    )
    values = dict.fromkeys(names, "x")
    done = load([schema("users", id="integer", **dict.fromkeys(names, "text")), record("users", id=1, **values)])
    assert (done.exit_code, done.results("users")) == (0, {"created": 1})
    assert people.one(external_id="1")["custom_attributes"] == values
    made = people.call("GET", "/data_attributes?model=contact")["data"]
    assert Counter(entry["name"] for entry in made if entry["custom"]) == Counter(names)
    assert done.stream("users")["left_out"] == {}


def test_a_search_is_repeated_whatever_the_fault(load: Loader, quick: SandboxServer, people: People) -> None:
    """Nine searches, each with a fault of its own."""
    ids = [people.add(external_id=str(75 * n), name="Old name") for n in range(len(KINDS))]
    break_(quick, [fault(kind, "POST", "/contacts/search", f"user{75 * n}@example") for n, kind in enumerate(KINDS)])
    done = load(crowd(75 * len(KINDS), 0), sync_mode="enrich")
    assert (done.exit_code, done.results("users")) == (0, {"updated": 9, "skipped": 74 * 9})
    assert done.calls["POST /contacts/search"] == 2 * len(KINDS)
    assert len(people.everyone()) == len(ids)


def by_name(kinds: Sequence[Fault], method: str, path: str) -> list[TargetedFault]:
    """A fault of each kind for the call of the record that is named so."""
    return [fault(kind, method, path, f'"{kind.value}"') for kind in kinds]


NINE = [{"id": n, "email": f"user{n}@example.com", "name": kind.value} for n, kind in enumerate(KINDS)]


def nine(**more: Any) -> list[dict[str, Any]]:
    types = {"removed": "boolean", "contact": "text"}
    head = schema("users", id="integer", email="text", name="text", **types)
    return [head, *(record("users", **row, **more) for row in NINE), state({"n": 9})]


@pytest.mark.parametrize("version", ["2.12", "2.16"])
def test_a_user_is_made_once_whatever_the_fault(
    load: Loader, quick: SandboxServer, people: People, version: str
) -> None:
    """Before 2.13 only the search could look for a user, and the 409 of a repetition finds it."""
    quick.conditions.search_lag = 1
    break_(quick, by_name(KINDS, "POST", "/contacts"))
    done = load(nine(), api_version=version)
    assert (done.exit_code, done.results("users")) == (0, {"created": 9})
    assert sorted(contact["name"] for contact in people.everyone()) == sorted(kind.value for kind in KINDS)
    if version == "2.16":  # what had arrived is found before it is sent again
        unwritten = [kind for kind in KINDS if not kind.writes]
        assert done.calls["POST /contacts"] == len(KINDS) + len(unwritten)


def test_a_user_without_an_external_id_is_made_once_whatever_the_fault(
    load: Loader, quick: SandboxServer, people: People
) -> None:
    quick.conditions.search_lag = 1
    break_(quick, by_name(KINDS, "POST", "/contacts"))
    head = schema("users", email="text", name="text", keys=("email",))
    rows = [record("users", email=row["email"], name=row["name"]) for row in NINE]
    done = load([head, *rows, state({"n": 9})])
    assert (done.exit_code, done.results("users")) == (0, {"created": 9})
    assert sorted(contact["name"] for contact in people.everyone()) == sorted(kind.value for kind in KINDS)


def test_a_lead_is_made_once_whatever_the_fault(load: Loader, quick: SandboxServer, people: People) -> None:
    quick.conditions.search_lag = 1
    break_(quick, by_name(KINDS, "POST", "/contacts"))
    done = load(nine(), creation_mode="lead", search_delay_seconds=2)
    assert (done.exit_code, done.results("users")) == (0, {"created": 9})
    assert sorted(contact["name"] for contact in people.everyone()) == sorted(kind.value for kind in KINDS)
    assert {contact["role"] for contact in people.everyone()} == {"lead"}
    unwritten = [kind for kind in KINDS if not kind.writes]
    assert done.calls["POST /contacts"] == len(KINDS) + len(unwritten)


def test_an_update_is_repeated_whatever_the_fault(load: Loader, quick: SandboxServer, people: People) -> None:
    for row in NINE:
        people.add(external_id=str(row["id"]), email=row["email"], name="Old name")
    break_(quick, by_name(KINDS, "PUT", "/contacts/{id}"))
    done = load(nine())
    assert (done.exit_code, done.results("users")) == (0, {"updated": 9})
    assert sorted(contact["name"] for contact in people.live()) == sorted(kind.value for kind in KINDS)
    assert done.report["api"]["retries"] == len(KINDS) - 1
    assert done.calls["PUT /contacts/{id}"] == 2 * len(KINDS)


@pytest.mark.parametrize(
    ("mode", "method", "end", "state_"),
    [("archive", "POST", "/archive", "archived"), ("delete", "DELETE", "", "deleted")],
)
def test_a_removal_is_done_whatever_the_fault(
    load: Loader, quick: SandboxServer, people: People, mode: str, method: str, end: str, state_: str
) -> None:
    """Removing again what a lost call removed already is no failure."""
    ids = [people.add(external_id=str(row["id"]), email=row["email"]) for row in NINE]
    break_(quick, [fault(kind, method, f"/contacts/{ids[n]}{end}") for n, kind in enumerate(KINDS)])
    done = load(nine(removed=True), sync_mode="sync", deleted_property="removed", removal_mode=mode)
    assert (done.exit_code, done.results("users")) == (0, {state_: 9})
    assert {contact["state"] for contact in people.everyone()} == {state_}
    assert done.states == [{"n": 9}]


def test_an_archived_contact_is_brought_back_whatever_the_fault(
    load: Loader, quick: SandboxServer, people: People
) -> None:
    ids = [people.add(external_id=str(row["id"]), email=row["email"]) for row in NINE]
    for one in ids:
        people.call("POST", f"/contacts/{one}/archive", {})
    break_(quick, [fault(kind, "POST", f"/contacts/{ids[n]}/unarchive") for n, kind in enumerate(KINDS)])
    done = load(nine())
    assert (done.exit_code, done.results("users")) == (0, {"updated": 9})
    assert sorted(contact["name"] for contact in people.live()) == sorted(kind.value for kind in KINDS)
    assert len(people.everyone()) == 9


def test_a_contact_is_read_whatever_the_fault(load: Loader, quick: SandboxServer, people: People) -> None:
    quick.conditions.search_lag = 3600
    ids = [people.add(external_id=str(row["id"]), email=row["email"]) for row in NINE]
    break_(quick, [fault(kind, "GET", f"/contacts/{ids[n]}") for n, kind in enumerate(KINDS)])
    messages = nine()
    for message, contact in zip(messages[1:-1], ids, strict=True):
        message["record"]["contact"] = contact
    done = load(messages, match_by=["id"], mappings={"id": "external_id", "contact": "id"})
    assert (done.exit_code, done.results("users")) == (0, {"updated": 9})
    assert done.calls["GET /contacts/{id}"] == 2 * len(KINDS)
    assert sorted(contact["name"] for contact in people.live()) == sorted(kind.value for kind in KINDS)


def test_the_search_for_a_user_in_doubt_may_fail_too(load: Loader, quick: SandboxServer, people: People) -> None:
    kinds = [Fault.ERROR, Fault.RESET_BEFORE, Fault.GARBAGE]
    break_(quick, [fault(Fault.RESET_AFTER, "POST", "/contacts", times=3)])
    break_(quick, [fault(kind, "GET", f"/contacts/find_by_external_id/{n}") for n, kind in enumerate(kinds)])
    done = load(crowd(3, 0))
    assert (done.exit_code, done.results("users")) == (0, {"created": 3})
    assert len(people.everyone()) == 3


# Calls that keep failing.


@pytest.fixture
def client(sandbox: SandboxServer) -> Iterator[IntercomClient]:
    """A client that does not wait long between its tries."""
    client = IntercomClient(
        url=sandbox.url,
        token="sandbox",
        version="2.16",
        bulk_version="Preview",
        rate_limit_percent=95,
        max_connections=8,
        retry_limits=QUICK,
    )
    yield client
    client.close(1)


Method = tuple[str, str, "Callable[[IntercomClient, ContactId], object]"]
WORKSPACE: Method = ("GET", "/me", lambda client, one: client.workspace())
METHODS: list[Method] = [
    ("GET", "/data_attributes", lambda client, one: client.data_attributes()),
    ("POST", "/data_attributes", lambda client, one: client.create_data_attribute("plan", "string")),
    ("POST", "/contacts/search", lambda client, one: client.search_contacts({"email": ["ann@example.com"]})),
    ("GET", "/contacts/{id}", lambda client, one: client.get_contact(one)),
    ("PUT", "/contacts/{id}", lambda client, one: client.update_contact(one, {"name": "Ann"})),
    ("POST", "/contacts/{id}/archive", lambda client, one: client.archive_contact(one)),
    ("POST", "/contacts/{id}/unarchive", lambda client, one: client.unarchive_contact(one)),
    ("DELETE", "/contacts/{id}", lambda client, one: client.delete_contact(one)),
]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Fault.TOO_MANY])
def test_every_call_but_a_create_is_repeated_whatever_the_fault(
    client: IntercomClient, quick: SandboxServer, people: People, kind: Fault
) -> None:
    quick.conditions.change({"fault_timeout": 0.1})
    one = ContactId(people.add(external_id="1"))
    for method, path, call in (WORKSPACE, *METHODS):
        quick.calls.clear()
        break_(quick, [fault(kind, method, path)])
        refused: list[RefusedError] = []
        try:
            call(client, one)
        except RefusedError as error:
            refused.append(error)
        # Where a name is taken, it is by the try whose answer was lost.
        is_taken = kind.writes and (method, path) == ("POST", "/data_attributes")
        assert [error.fault.status for error in refused] == ([400] if is_taken else [])
        assert [call.fault for call in quick.calls] == [kind, None]


@pytest.mark.parametrize(("method", "path", "call"), METHODS, ids=[f"{method} {path}" for method, path, _ in METHODS])
def test_a_call_that_keeps_failing_ends_the_run_when_no_other_of_its_operation_succeeds(
    client: IntercomClient,
    sandbox: SandboxServer,
    people: People,
    method: str,
    path: str,
    call: Callable[[IntercomClient, ContactId], object],
) -> None:
    """That others of another operation do says nothing: a maintenance takes down single parts."""
    one = ContactId(people.add(external_id="1"))
    client.workspace()
    break_(sandbox, [fault(Fault.ERROR, method, path, times=1000)])
    with pytest.raises(UnreachableError, match=re.escape(f"{method} {path} did not work for")) as raised:
        call(client, one)
    assert (raised.value.fault.status, raised.value.fault.code) == (500, "server_error")
    assert raised.value.fault.request_id
    calls = client.traffic.summary()["calls"][f"{method} {path}"]
    assert 2 <= calls <= 40
    assert client.traffic.summary()["retries"] == calls - 1


def test_a_call_that_keeps_failing_ends_the_run_when_nothing_else_succeeds(
    client: IntercomClient, sandbox: SandboxServer
) -> None:
    client.workspace()
    fail_always(sandbox)
    with pytest.raises(UnreachableError):
        client.search_contacts({"email": ["ann@example.com"]})


def test_a_create_that_is_sent_again_counts_as_a_retry(load: Loader, quick: SandboxServer, people: People) -> None:
    break_(quick, [fault(Fault.RESET_BEFORE, "POST", "/contacts", "User 1"), fault(Fault.ERROR, "POST", "/contacts")])
    done = load(crowd(3, 0))
    assert done.results("users") == {"created": 3}
    assert done.calls["POST /contacts"] == 5
    assert done.report["api"]["retries"] == 2


# Answers that Intercom gives once in a while, told by a server before the sandbox.


def error(status: int, *, retry_after: int | None = None, message: str = "Something is wrong") -> Response:
    answer = Response.of(status, {"type": "error.list", "errors": [{"code": "odd", "message": message}]})
    if retry_after is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


@contextmanager
def client_of(url: str, **settings: Any) -> Iterator[IntercomClient]:
    """A client whose patience is told by the test."""
    client = IntercomClient(
        url=url,
        version="2.16",
        bulk_version="Preview",
        rate_limit_percent=95,
        max_connections=8,
        **{"token": "sandbox", "retry_limits": QUICK, **settings},
    )
    yield client
    client.close(1)


def test_a_success_before_everything_failed_is_no_success_while_it_failed(
    sandbox: SandboxServer, people: People
) -> None:
    """The calls in flight when Intercom goes down are not the fault of their records."""
    one = ContactId(people.add(external_id="1"))
    came, is_down = Event(), Event()

    def hook(request: Request) -> Response | None:
        if request.method != "PUT" or came.is_set():
            return None
        came.set()
        assert is_down.wait(GUARD)
        return error(503)

    with Front(sandbox, hook) as front, client_of(front.url) as client, ThreadPoolExecutor(1) as pool:
        update = pool.submit(client.update_contact, one, {"name": "Ann"})
        assert came.wait(GUARD)
        client.workspace()
        fail_always(sandbox)
        is_down.set()
        with pytest.raises(UnreachableError):
            update.result()


WAIT, FAIL = (429, 1), (503, None)


@pytest.mark.parametrize("others_succeed", [True, False])
@pytest.mark.parametrize("answers", [(WAIT, FAIL), (WAIT, FAIL, FAIL), (FAIL, WAIT, FAIL)])
def test_what_waited_for_the_rate_limit_is_tried_again_after_a_failure_as_anything_else(
    sandbox: SandboxServer, answers: Sequence[tuple[int, int | None]], others_succeed: bool
) -> None:
    """Neither is the record rejected, where others succeed, nor does the run fail, where they do not."""
    coming = [error(status, retry_after=seconds) for status, seconds in answers]

    def hook(request: Request) -> Response | None:
        if request.path == "/contacts/search":
            return coming.pop(0) if coming else None
        return error(503) if request.path == "/me" and not others_succeed else None

    with Front(sandbox, hook) as front, client_of(front.url) as client:
        client.data_attributes()
        assert client.search_contacts({"email": ["ann@example.com"]}) == []
        assert client.traffic.summary()["calls"]["POST /contacts/search"] == len(answers) + 1
        assert client.traffic.retries == answers.count(FAIL)


def test_a_call_that_fails_is_not_given_up_before_it_was_tried_again(sandbox: SandboxServer) -> None:
    with Front(sandbox, lambda _request: error(503)) as front, client_of(front.url, retry_limits=NONE) as client:
        with pytest.raises(UnreachableError):
            client.workspace()
        assert client.traffic.retries >= 1


def test_when_there_is_nothing_but_429_the_run_fails(sandbox: SandboxServer) -> None:
    answer = error(429, message="Exceeded rate limit")
    with (
        Front(sandbox, lambda request: None if request.path == "/me" else answer) as front,
        client_of(front.url, retry_limits=NONE) as client,
    ):
        client.workspace()
        with pytest.raises(UnreachableError, match=r"rate limit is reached: POST /contacts/search .* Exceeded"):
            client.search_contacts({"email": ["ann@example.com"]})


def test_what_gets_nothing_but_429_while_others_succeed_fails_the_run_too(sandbox: SandboxServer) -> None:
    """A minute later it may work."""
    with (
        Front(sandbox, lambda request: None if request.path == "/me" else error(429)) as front,
        client_of(front.url, retry_limits=NONE) as client,
        pytest.raises(UnreachableError, match="rate limit is reached: POST /contacts got nothing but 429"),
    ):
        client.create_contact({"external_id": "1"}, before=client.workspace)


@pytest.mark.parametrize(("level", "is_told"), [("INFO", False), ("DEBUG", True)])
def test_an_answer_with_odd_headers_puts_no_path_into_the_log(
    load: Loader, sandbox: SandboxServer, level: str, is_told: bool
) -> None:
    """The path may end in somebody's external_id."""
    load.variables["LOGLEVEL"] = level

    def hook(request: Request) -> Response:
        answer = front.handle(request)
        answer.headers = {" this continues": "nothing", **answer.headers}
        return answer

    with Front(sandbox, hook) as front:
        load.url = front.url
        done = load.pipe(crowd(1, 0))
    assert done.results("users") == {"created": 1}
    assert ("/contacts/search" in done.log.replace("POST /contacts/search", "")) is is_told


def test_a_token_that_is_sent_back_is_told_to_nobody(sandbox: SandboxServer) -> None:
    token = "dG9rOjEyMzQ1"
    answer = error(401, message=f"Access Token Invalid: Bearer {token} is not known")
    with Front(sandbox, lambda _request: answer) as front, client_of(front.url, token=token) as client:
        with pytest.raises(UnauthorizedError, match="Bearer <token> is not known") as raised:
            client.workspace()
        assert token not in f"{raised.value} {raised.value.fault}"


@pytest.mark.parametrize("address", ["https://elsewhere.example/", "http://[::1/\xff", "\xff\xfe"])
def test_a_redirect_ends_the_run_wherever_it_leads_to(sandbox: SandboxServer, address: str) -> None:
    answer = error(302)
    answer.headers["Location"] = address
    with (
        Front(sandbox, lambda _request: answer) as front,
        client_of(front.url) as client,
        pytest.raises(RegionError, match="Intercom redirects the call"),
    ):
        client.workspace()


def test_an_answer_nested_without_end_is_tried_again(sandbox: SandboxServer) -> None:
    deep = Response(200, b"[" * 200_000)
    answers = [deep]
    with (
        Front(sandbox, lambda _request: answers.pop() if answers else None) as front,
        client_of(front.url) as client,
    ):
        assert client.workspace().id
        assert client.traffic.retries == 1
