"""What a load makes of calls for tags that fail: no tag is lost, none is wrong, and whose it is stays known."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import pytest

from target_intercom.sandbox import Fault, SandboxServer, TargetedFault, errors
from target_intercom.sandbox.messages import Request, Response
from tests.support.faults import break_, fault
from tests.support.grouping import (
    LIST_TAGS,
    PUT_ONE,
    READ_TAGS,
    TAKE_OFF,
    Row,
    add_people,
    all_tags,
    listing,
    member,
    members,
    tag_by_hand,
    tag_calls,
)
from tests.support.loading import Loader, People

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.support.front import Front
    from tests.support.loading import Loaded

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


@pytest.fixture
def load(load: Loader) -> Loader:
    load.settings = SETTINGS
    return load


# Groups by contact, in one of two ways.

Groups = dict[str, set[str]]


def as_lists(groups: Groups) -> list[Row]:
    return listing(*({"id": one, "groups": sorted(names)} for one, names in groups.items()))


def as_members(groups: Groups, ended: Groups | None = None) -> list[Row]:
    """A table of memberships in which those that ended are marked."""
    live = [member(one, name) for one, names in groups.items() for name in sorted(names)]
    over = [member(one, name, _sdc_deleted_at=WHEN) for one, names in (ended or {}).items() for name in sorted(names)]
    return members(*live, *over)


def nobody(groups: Groups) -> Groups:
    """The same contacts, in no group."""
    return {one: set() for one in groups}


def without(groups: Groups, how: str) -> list[Row]:
    """What says that they are in these groups no more."""
    return as_lists(nobody(groups)) if how == "lists" else as_members({}, ended=groups)


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
    assert all_tags(people) == with_foreign(nobody(groups))


# Intercom with a will of its own.


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


# Runs that take long because they wait: they do so side by side.


@dataclass
class Ended:
    """A run in a process of its own, and the workspace that it left; what comes after is the test's."""

    done: Loaded
    sandbox: SandboxServer
    data_dir: Path

    @property
    def people(self) -> People:
        return People(self.sandbox)

    def load(self) -> Loader:
        """Run on, with the same ledger."""
        return Loader(self.sandbox.url, self.data_dir, SETTINGS)


def ran(sandbox: SandboxServer, tmp_path: Path, messages: list[Row]) -> Ended:
    load = Loader(sandbox.url, tmp_path, SETTINGS)
    return Ended(load.pipe(messages), sandbox, tmp_path)


def both_ways(listed: Groups, joined: Groups, ended: Groups | None = None) -> list[Row]:
    return [*as_members(joined, ended), *as_lists(listed)]


def crowd(count: int) -> tuple[Groups, Groups]:
    """Who is in which group, by lists and by memberships."""
    return (
        {str(n): {f"Tier {n % 4}", "Listed"} for n in range(count)},
        {str(n): {f"Tier {n % 3}", "Joined"} for n in range(count)},
    )


def together(listed: Groups, joined: Groups) -> Groups:
    return {one: names | joined[one] for one, names in listed.items()}


def with_faults(sandbox: SandboxServer, tmp_path: Path, *, seed: int, puts_on: bool) -> Ended:
    """Many calls fail, in any of the ways: of the few that put tags on, more than of those that take them off."""
    listed, joined = crowd(150)
    add_tagged_people(People(sandbox), listed)
    if not puts_on:
        ran(sandbox, tmp_path, both_ways(listed, joined))
    conditions = {"rate_window": 1, "faults": [kind.value for kind in KINDS], "fault_seed": seed, "fault_timeout": 1}
    sandbox.conditions.change({**conditions, "fault_rate": 0.2 if puts_on else 0.05})
    ended = ran(sandbox, tmp_path, both_ways(listed, joined) if puts_on else both_ways(nobody(listed), {}, joined))
    sandbox.conditions.fault_rate = 0
    return ended


LISTED: Groups = {str(n): {"Listed", "Beta"} for n in range(6)}
JOINED: Groups = {str(n): {"Joined", "Gold"} for n in range(6)}


FAILING: dict[str, tuple[Fault, str]] = {
    "putting on fails": (Fault.ERROR, "POST"),
    "the answers to putting on are lost": (Fault.RESET_AFTER, "POST"),
    "taking off fails": (Fault.HTML, "DELETE"),
    "the answers to taking off are lost": (Fault.ERROR_AFTER, "DELETE"),
}
UNREADABLE = {"the list of tags": "/tags", "one contact's tags": "/contacts/{id}/tags"}
SLOW: dict[str, Callable[[SandboxServer, Path], Ended]] = {
    **{f"on, seed {seed}": partial(with_faults, seed=seed, puts_on=True) for seed in (1, 2)},
    **{f"off, seed {seed}": partial(with_faults, seed=seed, puts_on=False) for seed in (1, 2)},
}


@pytest.fixture(scope="module", autouse=True)
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """The runs of SLOW, all under way while the other tests are made."""
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(SLOW)))
        sandboxes = {name: stack.enter_context(SandboxServer()) for name in SLOW}
        yield {name: pool.submit(work, sandboxes[name], tmp_path_factory.mktemp("slow")) for name, work in SLOW.items()}


@pytest.mark.parametrize("what", ["on", "off"])
@pytest.mark.parametrize("seed", [1, 2])
def test_with_calls_failing_at_random_all_tags_are_as_without_faults(
    slow: dict[str, Future[Ended]], what: str, seed: int
) -> None:
    ended = slow[f"{what}, seed {seed}"].result()
    done, people, load = ended.done, ended.people, ended.load()
    listed, joined = crowd(150)
    groups, gone = together(listed, joined), both_ways(nobody(listed), {}, joined)
    assert (done.exit_code, done.rejected, len(done.states)) == (0, [], 1)
    assert done.stream("customers")["left_out"] == {}
    assert sum(done.results("members").values()) == 300
    assert len({call.fault for call in ended.sandbox.calls}) > 2
    assert all_tags(people) == with_foreign(groups if what == "on" else nobody(groups))
    again = load(both_ways(listed, joined) if what == "on" else gone)
    assert (tag_calls(again), again.writes) == ({}, 0)
    assert load(gone).exit_code == 0
    assert all_tags(people) == with_foreign(nobody(groups))


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("what", FAILING)
def test_calls_that_keep_failing_leave_no_tag_wrong_after_the_next_run(
    load: Loader, people: People, sandbox: SandboxServer, what: str
) -> None:
    """Some contacts are in the groups then, and some not: whose tag was put on without an answer is known."""
    kind, method = FAILING[what]
    sandbox.conditions.fault_timeout = 0.3
    ids = add_tagged_people(people, LISTED)
    for name in ("Listed", "Joined"):
        tag_by_hand(people, name, ids["0"], ids["1"])
    messages = both_ways(LISTED, JOINED)
    if method == "DELETE":
        load(messages)
        messages = both_ways(nobody(LISTED), {}, JOINED)
        break_(sandbox, [fault(kind, "DELETE", "/contacts/{id}/tags/{tag}", times=1000)])
    else:
        break_(sandbox, [fault(kind, "POST", "/tags", f'"{name}", "users"', 1000) for name in ("Listed", "Joined")])
    done = load(messages)
    sandbox.conditions.plan.clear()
    assert (done.exit_code, done.states) == (1, [])
    by_hand = {one: {FOREIGN, *(("Listed", "Joined") if one in "01" else ())} for one in LISTED}
    listed = {one: names if int(one) % 2 else set() for one, names in LISTED.items()}
    joined = {one: names for one, names in JOINED.items() if int(one) % 2}
    out = {one: names for one, names in JOINED.items() if one not in joined}
    after = load(both_ways(listed, joined, out))
    assert (after.exit_code, after.refusals) == (0, [])
    assert all_tags(people) == {one: by_hand[one] | listed[one] | joined.get(one, set()) for one in LISTED}
    over = load(both_ways(nobody(LISTED), {}, JOINED))
    assert (over.exit_code, over.refusals) == (0, [])
    assert all_tags(people) == by_hand


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("what", UNREADABLE)
def test_tags_that_cannot_be_read_are_read_by_the_next_run(
    load: Loader, people: People, sandbox: SandboxServer, what: str
) -> None:
    ids = add_tagged_people(people, LISTED)
    tag_by_hand(people, "Joined", ids["1"])
    for n in range(10):
        tag_by_hand(people, f"{FOREIGN} {n}", *ids.values())
    break_(sandbox, [fault(Fault.ERROR, "GET", UNREADABLE[what].format(id=ids["3"]), times=1000)])
    done = load(both_ways(LISTED, JOINED))
    sandbox.conditions.plan.clear()
    if what == "one contact's tags":
        # All but the contact's one tag that is there already, and has to be looked at.
        assert (done.exit_code, len(done.states)) == (0, 1)
        assert done.results("members") == {"tagged": 10, "unchanged": 1, "rejected": 1}
    elif done.exit_code:
        assert done.states == []
    by_hand = {one: {FOREIGN, *(f"{FOREIGN} {n}" for n in range(10))} for one in LISTED}
    by_hand["1"].add("Joined")
    after = load(both_ways(LISTED, JOINED))
    assert (after.exit_code, after.refusals) == (0, [])
    assert all_tags(people) == {one: by_hand[one] | LISTED[one] | JOINED[one] for one in LISTED}
    assert load(both_ways(nobody(LISTED), {}, JOINED)).exit_code == 0
    assert all_tags(people) == by_hand


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
    # Whose tags are there has to be read only where the tags are.
    (other,) = add_people(people, ["other"]).values()
    for name in OURS:
        tag_by_hand(people, name, other)
    tag_by_hand(people, OURS[0], ids["0"])
    break_(quick, on_reading(ids))
    done = load(WAYS[how](EACH_ITS_TAG))
    assert (done.exit_code, done.refusals, len(done.states)) == (0, [], 1)
    assert quick.conditions.plan.targeted == []
    assert tag_calls(done)[READ_TAGS] == 2 * len(KINDS)
    assert all_tags(people) == {"other": set(OURS), **{one: names | many for one, names in EACH_ITS_TAG.items()}}
    assert load(without(EACH_ITS_TAG, how)).exit_code == 0
    assert all_tags(people) == {"other": set(OURS), **dict.fromkeys(EACH_ITS_TAG, many), "0": {OURS[0], *many}}


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
    assert all_tags(people) == with_foreign(nobody(EACH_ITS_TAG))
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
    strangers = [member(n, "VIP") for n in range(675) if str(n) not in groups]
    break_(quick, [fault(kind, "POST", "/contacts/search") for kind in KINDS])
    done = load([*as_members(groups)[:-1], *members(*strangers)[1:]])
    assert done.exit_code == 0
    assert quick.conditions.plan.targeted == []
    assert done.results("members") == {"tagged": 4, "rejected": 671}
    assert {one["code"] for one in done.refusals} == {"no_contact"}
    assert all_tags(people) == with_foreign(groups)
    assert_settled(load, people, groups)


# Intercom says that some are not tagged.


def tag_nobody(front: Front, request: Request, spared: Sequence[str] = (), answer: str = "false") -> Response | None:
    """Do not tag many contacts at once; `spared` are tagged all the same. `answer`: how it says so."""
    users = users_of(request)
    if not users:
        return None
    kept = [{"id": one} for one in users if one in spared]
    body: Row = {"name": request.json["name"]}
    if kept:
        body["users"] = kept
    sent = json.dumps(body).encode()
    response = front.handle(Request(request.method, request.path, headers=request.headers, body=sent))
    content = response.json
    if answer == "false":
        content["users"] = [{"id": one, "tagged": one in spared} for one in users]
    else:
        content["users"] = [{"id": one, "tagged": True} for one in users if one in spared]
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
    load: Loader, people: People, front: Front, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(4)}
    ids = add_tagged_people(people, groups)
    load(WAYS[how](groups))
    front.hook = lambda request: (
        refusal(422) if request.method == "DELETE" and f"/contacts/{ids['2']}/" in request.path else None
    )
    done = load(without(groups, how))
    assert done.exit_code == 0
    assert all_tags(people) == with_foreign({**nobody(groups), "2": {"VIP"}})
    if how == "members":
        assert done.results("members") == {"untagged": 3, "rejected": 1}
    else:
        assert done.stream("customers")["untagged"] == 3
        assert "could not be taken off" in caplog.text
    front.let_through()
    assert_gives_back(load, people, groups, how)


def test_more_refused_memberships_than_allowed_fail_the_run_without_a_state(
    load: Loader, people: People, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(6)}
    add_tagged_people(people, groups)
    front.hook = of_name(front, "", "VIP")
    done = load(as_members(groups), max_rejected_records=5)
    assert (done.exit_code, done.states) == (1, [])
    assert "max_rejected_records" in caplog.text
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
    assert done.report["status"] == "failed"
    assert all_tags(people) == with_foreign(nobody(groups))
    assert_settled(load, people, groups, how, clean=False)


@BOTH
@pytest.mark.parametrize(("calls", "status"), [(1, 401), (2, 403), (3, 403), (4, 401), (5, 401)])
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
    assert all_tags(people) == with_foreign({**nobody(groups), "7": {"Beta"}})


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
@pytest.mark.parametrize(("status", "wanted_again"), [(401, True), (403, True), (401, False)])
@pytest.mark.parametrize("arrives", [True, False])
def test_a_token_that_ends_while_tags_are_taken_off_ends_the_run_and_no_tag_is_forgotten(
    load: Loader, people: People, front: Front, how: str, status: int, *, wanted_again: bool, arrives: bool
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(6)}
    add_tagged_people(people, groups)
    load(WAYS[how](groups))
    front.hook = ending(front, 3, status, arrives=arrives)
    done = load(without(groups, how), max_connections=1)
    assert (done.exit_code, done.states) == (1, [])
    front.let_through()
    if wanted_again:
        assert load(WAYS[how](groups)).exit_code == 0
        assert all_tags(people) == with_foreign(groups)
    assert_gives_back(load, people, groups, how)


@pytest.mark.parametrize("arrives", [True, False])
def test_who_leaves_a_snapshot_after_a_run_that_ended_while_it_put_tags_on_has_no_tag_of_it(
    load: Loader, people: People, front: Front, *, arrives: bool
) -> None:
    groups: Groups = {str(n): {"VIP"} for n in range(4)}
    add_tagged_people(people, groups)
    settings = {"streams": {"members": {"mappings": {}, "snapshot": True}}}
    front.hook = ending(front, 2, 401, arrives=arrives)
    assert load(as_members(groups), **settings).exit_code == 1
    front.let_through()
    done = load(as_members({"0": {"VIP"}}), **settings)
    assert done.exit_code == 0
    assert all_tags(people) == with_foreign({**nobody(groups), "0": {"VIP"}})
