"""What a load makes of calls for tags that fail: no tag is lost, none is wrong, and whose it is stays known."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Conditions, Fault, SandboxServer, TargetedFault, errors
from target_intercom.sandbox.messages import Request, Response
from target_intercom.sandbox.wire import HttpServer
from tests.loading import Loader, People
from tests.target.grouping import (
    LIST_TAGS,
    PUT_ON,
    PUT_ONE,
    READ_TAGS,
    TAKE_OFF,
    Row,
    add_people,
    all_tags,
    listing,
    member,
    members,
    sent,
    tag_by_hand,
    tag_calls,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.loading import Loaded

    Hook = Callable[[Request], Response | None]

KINDS = list(Fault)
NINE = range(len(KINDS))
OURS = [f"Tag {kind.value}" for kind in KINDS]
"""A tag for each kind of fault."""
WHEN = "2024-05-01T12:00:00Z"
FOREIGN = "By hand"
SETTINGS: Row = {
    "sync_mode": "sync",
    "tags_property": "groups",
    "groups_stream": "members",
    "max_removal_percent": 100,
    "streams": {"members": {"mappings": {}}},
}


def fault(kind: Fault, method: str, path: str, body: str | None = None, times: int = 1) -> TargetedFault:
    return TargetedFault(kind, method=method, path=path, body_contains=body, times=times)


def break_(sandbox: SandboxServer, faults: Sequence[TargetedFault]) -> None:
    for one in faults:
        sandbox.conditions.plan.add(one)


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = SETTINGS
    return load


@pytest.fixture
def quick(sandbox: SandboxServer) -> SandboxServer:
    """A workspace whose time-outs and rate-limit windows are short."""
    sandbox.conditions.change({"fault_timeout": 0.3, "rate_window": 1})
    return sandbox


# Groups by contact, in one of two ways.

Groups = dict[str, set[str]]


def as_lists(groups: Groups) -> list[Row]:
    return listing(*({"id": one, "groups": sorted(names)} for one, names in groups.items()))


def as_members(groups: Groups, ended: Groups | None = None) -> list[Row]:
    """A table of memberships in which those that ended are marked."""
    live = [member(one, name) for one, names in groups.items() for name in sorted(names)]
    over = [member(one, name, _sdc_deleted_at=WHEN) for one, names in (ended or {}).items() for name in sorted(names)]
    return members(*live, *over)


def without(groups: Groups, how: str) -> list[Row]:
    """The same contacts, in no group."""
    return as_lists(dict.fromkeys(groups, set())) if how == "lists" else as_members({}, ended=groups)


BOTH = pytest.mark.parametrize("how", ["lists", "members"])
WAYS: dict[str, Callable[[Groups], list[Row]]] = {"lists": as_lists, "members": as_members}
EACH_ITS_TAG: Groups = {str(n): {OURS[n]} for n in NINE}


def with_foreign(groups: Groups) -> Groups:
    return {one: {*names, FOREIGN} for one, names in groups.items()}


def add_tagged_people(people: People, groups: Groups) -> dict[str, str]:
    """Make the contacts, each with a tag that is not ours."""
    ids = add_people(people, groups)
    tag_by_hand(people, FOREIGN, *ids.values())
    return ids


def assert_settled(load: Loader, people: People, groups: Groups, how: str = "members", *, clean: bool = True) -> None:
    """Everybody has what the next run, without faults, gives them; and all that is ours can be taken off again."""
    done = load(WAYS[how](groups))
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert all_tags(people) == with_foreign(groups)
    again = load(WAYS[how](groups)) if not clean else done
    assert (tag_calls(again), again.writes) == ({}, 0)
    assert_gives_back(load, people, groups, how)


def assert_gives_back(load: Loader, people: People, groups: Groups, how: str = "members") -> None:
    gone = load(without(groups, how))
    assert (gone.exit_code, gone.refusals, len(gone.states)) == (0, [], 1)
    assert all_tags(people) == with_foreign(dict.fromkeys(groups, set()))


# Intercom with a will of its own.


class Front:
    """Stands before a sandbox, and answers some calls itself."""

    def __init__(self, sandbox: SandboxServer, hook: Hook) -> None:
        self._sandbox = sandbox
        self.hook = hook
        self._http = HttpServer(("127.0.0.1", 0), self._answer)
        self._thread = Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def let_through(self) -> None:
        self.hook = lambda _request: None

    def handle(self, request: Request) -> Response:
        return self._sandbox.sandbox.handle(request)

    def _answer(self, request: Request) -> Response:
        own = self.hook(request)
        return self.handle(request) if own is None else own

    def __enter__(self) -> Front:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.close_connections()
        self._http.server_close()


@pytest.fixture
def front(load: Loader, sandbox: SandboxServer) -> Iterator[Front]:
    with Front(sandbox, lambda _request: None) as front:
        load.url = front.url
        yield front


def refusal(status: int = 400, code: str = "parameter_invalid", message: str = "not this one") -> Response:
    return Response.of(status, errors.IntercomError(status, code, message).body("r" * 20))


def users_of(request: Request) -> list[str]:
    """The contacts that a call gives a tag to; none where it is another call."""
    if (request.method, request.path) != ("POST", "/tags"):
        return []
    return [user["id"] for user in request.json.get("users", [])]


def is_write(request: Request) -> bool:
    """Whether a call makes a tag, puts one on or takes one off."""
    return request.method in {"POST", "DELETE"} and "tags" in request.path.split("/")


# One fault of each kind at each call.


def on_a_new_name(ids: dict[str, str]) -> list[TargetedFault]:
    return [fault(kind, "POST", "/tags", f'{{"name": "{OURS[n]}"}}') for n, kind in enumerate(KINDS)]


def on_many_at_once(ids: dict[str, str]) -> list[TargetedFault]:
    return [fault(kind, "POST", "/tags", f'"{OURS[n]}", "users"') for n, kind in enumerate(KINDS)]


def on_one_alone(ids: dict[str, str]) -> list[TargetedFault]:
    return [fault(kind, "POST", f"/contacts/{ids[str(n)]}/tags") for n, kind in enumerate(KINDS)]


def on_reading(ids: dict[str, str]) -> list[TargetedFault]:
    return [fault(kind, "GET", f"/contacts/{ids[str(n)]}/tags") for n, kind in enumerate(KINDS)]


@BOTH
@pytest.mark.parametrize("faults", [on_a_new_name, on_many_at_once])
def test_a_tag_is_put_on_whatever_the_fault(
    load: Loader,
    people: People,
    quick: SandboxServer,
    faults: Callable[[dict[str, str]], list[TargetedFault]],
    how: str,
) -> None:
    ids = add_tagged_people(people, EACH_ITS_TAG)
    break_(quick, faults(ids))
    done = load(WAYS[how](EACH_ITS_TAG))
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert quick.conditions.plan.targeted == []
    assert all_tags(people) == with_foreign(EACH_ITS_TAG)
    assert done.stream("customers" if how == "lists" else "members")["tagged"] == len(KINDS)
    assert Counter(tag["name"] for tag in people.call("GET", "/tags")["data"]) == Counter([*OURS, FOREIGN])
    assert_settled(load, people, EACH_ITS_TAG, how)


@BOTH
def test_a_tag_is_put_on_one_contact_whatever_the_fault(
    load: Loader, people: People, quick: SandboxServer, front: Front, how: str
) -> None:
    """Alone: what the answer for many does not say to be tagged."""
    ids = add_tagged_people(people, EACH_ITS_TAG)
    front.hook = partial(tag_nobody, front)
    break_(quick, on_one_alone(ids))
    done = load(WAYS[how](EACH_ITS_TAG))
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert quick.conditions.plan.targeted == []
    assert tag_calls(done)[PUT_ONE] == 2 * len(KINDS)
    assert all_tags(people) == with_foreign(EACH_ITS_TAG)
    assert_settled(load, people, EACH_ITS_TAG, how)


@BOTH
def test_a_contacts_tags_are_read_whatever_the_fault(
    load: Loader, people: People, quick: SandboxServer, how: str
) -> None:
    """A contact shows ten of its tags."""
    ids = add_people(people, EACH_ITS_TAG)
    many = {FOREIGN, *(f"{FOREIGN} {n}" for n in range(10))}
    for name in sorted(many):
        tag_by_hand(people, name, *ids.values())
    tag_by_hand(people, OURS[0], ids["0"])
    break_(quick, on_reading(ids))
    done = load(WAYS[how](EACH_ITS_TAG))
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert quick.conditions.plan.targeted == []
    assert tag_calls(done)[READ_TAGS] == 2 * len(KINDS)
    assert all_tags(people) == {one: names | many for one, names in EACH_ITS_TAG.items()}
    assert load(without(EACH_ITS_TAG, how)).exit_code == 0
    assert all_tags(people) == {one: many | ({OURS[0]} if one == "0" else set()) for one in EACH_ITS_TAG}


@BOTH
def test_a_tag_is_taken_off_whatever_the_fault(load: Loader, people: People, quick: SandboxServer, how: str) -> None:
    """Taking off again what a lost call took off already is no failure."""
    ids = add_tagged_people(people, EACH_ITS_TAG)
    load(WAYS[how](EACH_ITS_TAG))
    numbers = {tag["name"]: tag["id"] for tag in people.call("GET", "/tags")["data"]}
    paths = [f"/contacts/{ids[str(n)]}/tags/{numbers[OURS[n]]}" for n in NINE]
    break_(quick, [fault(kind, "DELETE", path) for kind, path in zip(KINDS, paths, strict=True)])
    done = load(without(EACH_ITS_TAG, how))
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert tag_calls(done) == {TAKE_OFF: 2 * len(KINDS)}
    assert done.stream("customers" if how == "lists" else "members")["untagged"] == len(KINDS)
    assert all_tags(people) == with_foreign(dict.fromkeys(EACH_ITS_TAG, set()))
    again = load(without(EACH_ITS_TAG, how))
    assert (tag_calls(again), again.writes) == ({}, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_list_of_tags_is_read_whatever_the_fault(
    load: Loader, people: People, quick: SandboxServer, kind: Fault
) -> None:
    groups: Groups = {"1": {"VIP", FOREIGN}, "2": {"VIP"}}
    add_tagged_people(people, groups)
    break_(quick, [fault(kind, "GET", "/tags")])
    done = load(as_members(groups))
    assert (done.exit_code, done.refusals) == (0, [])
    assert tag_calls(done)[LIST_TAGS] == 2
    assert all_tags(people) == with_foreign(groups)
    assert_gives_back(load, people, groups)


def test_the_contacts_of_memberships_are_found_whatever_the_fault(
    load: Loader, people: People, quick: SandboxServer
) -> None:
    """Nine searches, each with a fault of its own."""
    groups: Groups = {str(n): {"VIP"} for n in (0, 200, 400, 600)}
    add_tagged_people(people, groups)
    nobody = [member(n, "VIP") for n in range(675) if str(n) not in groups]
    break_(quick, [fault(kind, "POST", "/contacts/search") for kind in KINDS])
    done = load([*as_members(groups)[:-1], *members(*nobody)[1:]])
    assert done.exit_code == 0
    assert quick.conditions.plan.targeted == []
    assert done.results("members") == {"tagged": 4, "rejected": 671}
    assert {one["code"] for one in done.refusals} == {"no_contact"}
    assert all_tags(people) == with_foreign(groups)
    assert_settled(load, people, groups)


# Intercom says that some are not tagged.


def tag_nobody(front: Front, request: Request, spared: Sequence[str] = (), answer: str = "false") -> Response | None:
    """Do not tag many contacts at once; `spared` are tagged all the same."""
    users = users_of(request)
    if not users:
        return None
    kept = [{"id": one} for one in users if one in spared]
    body = {"name": request.json["name"], **({"users": kept} if kept else {})}
    response = front.handle(replace(request, body=json.dumps(body).encode()))
    content = response.json
    if answer == "false":
        content["users"] = [{"id": one, "tagged": one in spared} for one in users]
    elif answer == "left out":
        content["users"] = kept and [{"id": one["id"], "tagged": True} for one in kept]
    return Response.of(200, content)


@BOTH
@pytest.mark.parametrize("answer", ["false", "left out"])
def test_who_is_not_tagged_with_the_others_is_tagged_alone(
    load: Loader, people: People, front: Front, how: str, answer: str
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(6)}
    ids = add_tagged_people(people, groups)
    front.hook = partial(tag_nobody, front, spared=[ids["0"], ids["1"]], answer=answer)
    done = load(WAYS[how](groups))
    assert (done.exit_code, done.refusals) == (0, [])
    assert tag_calls(done)[PUT_ONE] == 4
    assert all_tags(people) == with_foreign(groups)
    front.let_through()
    assert_settled(load, people, groups, how)


@BOTH
@pytest.mark.parametrize("status", [400, 404, 422])
def test_who_cannot_be_tagged_alone_either_is_told_and_tagged_by_the_next_run(
    load: Loader, people: People, front: Front, how: str, status: int
) -> None:
    groups: Groups = {str(n): {"VIP", "Beta"} for n in range(6)}
    ids = add_tagged_people(people, groups)
    bad = ids["3"]

    def hook(request: Request) -> Response | None:
        if request.path == f"/contacts/{bad}/tags":
            return refusal(status)
        return tag_nobody(front, request, spared=[one for one in ids.values() if one != bad])

    front.hook = hook
    done = load(WAYS[how](groups))
    assert (done.exit_code, len(done.states)) == (0, 1)
    assert all_tags(people) == with_foreign({**groups, "3": set()})
    assert_told(done, how, 2)
    front.let_through()
    assert_settled(load, people, groups, how, clean=False)


def assert_told(done: Loaded, how: str, count: int) -> None:
    """Memberships without their tag are rejected, groups of contact records left out."""
    if how == "lists":
        assert done.stream("customers")["left_out"] == {"tags": count}
        assert done.rejected == []
    else:
        assert done.results("members")["rejected"] == count
        assert len(done.refusals) == count


# What Intercom refuses for good.


def of_contact(front: Front, contact: str, name: str) -> Hook:
    def hook(request: Request) -> Response | None:
        is_meant = contact in users_of(request) or request.path == f"/contacts/{contact}/tags"
        return refusal() if is_meant and request.method == "POST" else None

    return hook


def of_name(front: Front, contact: str, name: str) -> Hook:
    def hook(request: Request) -> Response | None:
        return refusal() if request.path == "/tags" and name.encode() in request.body else None

    return hook


def of_users(front: Front, contact: str, name: str) -> Hook:
    """A tag that can be made, but not be put on anybody."""
    made: set[str] = set()

    def hook(request: Request) -> Response | None:
        if users_of(request) and name.encode() in request.body:
            return refusal()
        if request.path.endswith("/tags") and request.path != "/tags" and request.method == "POST":
            return refusal() if request.json["id"] in made else None
        if request.path == "/tags" and name.encode() in request.body:
            response = front.handle(request)
            made.add(response.json["id"])
            return response
        return None

    return hook


def of_everything(front: Front, contact: str, name: str) -> Hook:
    def hook(request: Request) -> Response | None:
        return refusal(422) if request.path.endswith("/tags") and request.method == "POST" else None

    return hook


@BOTH
@pytest.mark.parametrize(
    ("refuses", "wrong"),
    [
        (of_contact, {("3", "VIP"), ("3", "Beta")}),
        (of_name, {(str(n), "VIP") for n in range(6)}),
        (of_users, {(str(n), "VIP") for n in range(6)}),
        (of_everything, {(str(n), name) for n in range(6) for name in ("VIP", "Beta")}),
    ],
)
def test_what_is_refused_for_good_is_told_and_all_else_is_tagged(
    load: Loader,
    people: People,
    front: Front,
    how: str,
    refuses: Callable[[Front, str, str], Hook],
    wrong: set[tuple[str, str]],
) -> None:
    groups: Groups = {str(n): {"VIP", "Beta"} for n in range(6)}
    ids = add_tagged_people(people, groups)
    front.hook = refuses(front, ids["3"], "VIP")
    done = load(WAYS[how](groups))
    assert (done.exit_code, len(done.states)) == (0, 1)
    right = {one: {name for name in names if (one, name) not in wrong} for one, names in groups.items()}
    assert all_tags(people) == with_foreign(right)
    assert_told(done, how, len(wrong))
    # As long as it is refused, it is tried again, and nothing else is.
    again = load(WAYS[how](groups))
    assert all_tags(people) == with_foreign(right)
    assert_told(again, how, len(wrong))
    front.let_through()
    assert_settled(load, people, groups, how, clean=False)


@BOTH
def test_what_was_refused_and_is_not_wanted_any_more_is_over(
    load: Loader, people: People, front: Front, how: str
) -> None:
    groups: Groups = {str(n): {"VIP", "Beta"} for n in range(3)}
    add_tagged_people(people, groups)
    front.hook = of_name(front, "", "VIP")
    load(WAYS[how](groups))
    front.let_through()
    assert_gives_back(load, people, groups, how)


@BOTH
def test_a_tag_that_could_not_be_taken_off_is_taken_off_by_the_next_run(
    load: Loader, people: People, front: Front, how: str
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(4)}
    ids = add_tagged_people(people, groups)
    load(WAYS[how](groups))
    front.hook = lambda request: (
        refusal(422) if request.method == "DELETE" and f"/contacts/{ids['2']}/" in request.path else None
    )
    done = load(without(groups, how))
    assert done.exit_code == 0
    assert all_tags(people) == with_foreign({**dict.fromkeys(groups, set()), "2": {"VIP"}})
    if how == "members":
        assert done.results("members") == {"untagged": 3, "rejected": 1}
    else:
        assert done.stream("customers")["untagged"] == 3
        assert "could not be taken off" in done.log
    front.let_through()
    assert_gives_back(load, people, groups, how)


def test_more_refused_memberships_than_allowed_fail_the_run_without_a_state(
    load: Loader, people: People, front: Front
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(6)}
    add_tagged_people(people, groups)
    front.hook = of_name(front, "", "VIP")
    done = load(as_members(groups), max_rejected_records=5)
    assert (done.exit_code, done.states) == (1, [])
    assert "max_rejected_records" in done.log
    assert done.results("members") == {"rejected": 6}
    front.let_through()
    assert_settled(load, people, groups, clean=False)


# No permission.


@BOTH
@pytest.mark.parametrize("scope", ["read_tags", "write_tags"])
def test_a_missing_permission_ends_the_run_without_a_state(
    load: Loader, people: People, sandbox: SandboxServer, how: str, scope: str
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(4)}
    add_tagged_people(people, groups)
    sandbox.conditions.deny_scopes = (scope,)
    done = load(WAYS[how](groups))
    sandbox.conditions.deny_scopes = ()
    assert (done.exit_code, done.states, done.rejected) == (1, [], [])
    assert "Traceback" not in done.log
    assert done.report["status"] == "failed"
    assert all_tags(people) == with_foreign(dict.fromkeys(groups, set()))
    assert_settled(load, people, groups, how, clean=False)


ENDS = pytest.mark.parametrize("status", [401, 403])


@BOTH
@ENDS
@pytest.mark.parametrize("calls", [1, 2, 3, 5])
@pytest.mark.parametrize("arrives", [True, False])
def test_a_token_that_ends_while_tags_are_put_on_ends_the_run_and_no_tag_is_forgotten(
    load: Loader, people: People, front: Front, how: str, status: int, calls: int, *, arrives: bool
) -> None:
    """The call that is answered so may have had its effect: then its tags are ours."""
    groups: Groups = {str(n): {"VIP", "Beta"} for n in range(60)}
    ids = add_tagged_people(people, groups)
    tag_by_hand(people, "Beta", ids["7"])
    front.hook = ending(front, calls, status, arrives=arrives)
    done = load(WAYS[how](groups), max_connections=1)
    assert (done.exit_code, done.states, done.rejected) == (1, [], [])
    assert done.report["status"] == "failed"
    front.let_through()
    if calls % 2:
        # The next run may come, or be one that finds everybody out of the groups.
        assert load(WAYS[how](groups)).exit_code == 0
        assert all_tags(people) == with_foreign(groups)
    assert load(without(groups, how)).exit_code == 0
    assert all_tags(people) == with_foreign({**dict.fromkeys(groups, set()), "7": {"Beta"}})


def ending(front: Front, calls: int, status: int, *, arrives: bool) -> Hook:
    """From a number of writes on, say that the token is no longer good."""
    lock, left = Lock(), [calls]

    def hook(request: Request) -> Response | None:
        if not is_write(request):
            return None if left[0] > 0 else refusal(status, "unauthorized")
        with lock:
            left[0] -= 1
        if left[0] > 0:
            return None
        if arrives:
            front.handle(request)
        return refusal(status, "unauthorized")

    return hook


@BOTH
@ENDS
@pytest.mark.parametrize("arrives", [True, False])
def test_a_token_that_ends_while_tags_are_taken_off_ends_the_run_and_no_tag_is_forgotten(
    load: Loader, people: People, front: Front, how: str, status: int, *, arrives: bool
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(6)}
    add_tagged_people(people, groups)
    load(WAYS[how](groups))
    front.hook = ending(front, 3, status, arrives=arrives)
    done = load(without(groups, how), max_connections=1)
    assert (done.exit_code, done.states) == (1, [])
    front.let_through()
    assert_gives_back(load, people, groups, how)
