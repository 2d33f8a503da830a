"""Bulk jobs on a bad day: every record has one outcome, nobody is made twice, nothing is said done that is not."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Conditions, Fault, Response, SandboxServer, TargetedFault, errors
from tests.support.bulking import (
    BULK,
    BULK_POST,
    BULK_PUT,
    KINDS,
    LEADS,
    LOOK,
    WHO,
    assert_nothing_dropped,
    by_email,
    by_jobs,
    crowd,
    items,
    jobs,
    reasons,
    tasks,
)
from tests.support.faults import Ended
from tests.support.loading import BeforeACall, Loader, People
from tests.support.remembering import POST, PUT, Row, assert_quiet, customers, person, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from target_intercom.sandbox import Request
    from tests.support.front import Front
    from tests.support.processes import TargetProcess

LOST = [Fault.ERROR_AFTER, Fault.GARBAGE]
"""The job is there, and nobody hears of it."""
NOT_MADE = [Fault.RESET_BEFORE]
"""What a client cannot tell from those."""
MIXED = {"streams": {"leads": LEADS}}


MOMENTS = [
    *((1, False, 2.0, 5000), (1, True, 2.0, 5000), (3, False, 2.0, 5000), (4, True, 2.0, 5000), (4, True, 0.1, 5000)),
    *((2, True, 2.0, 50), (5, False, 2.0, 50)),
]
"""When runs are killed: after how many submissions, whether these are answered, how long their tasks take, and how many
records are in a batch: of two batches, the jobs are under way."""
STUCK = [*(("leads", share) for share in (0.0, 0.5, 1.0)), ("users", 0.5), ("users by email", 0.5)]
"""Who was to be made by a job that never ends, and the share of them that it made."""


@pytest.fixture
def load(load: Loader, sandbox: SandboxServer) -> Iterator[Loader]:
    yield from by_jobs(load, sandbox, fault_timeout=0.3, rate_window=1)


def refusal(error: errors.IntercomError) -> Response:
    """Answer as the workspace would."""
    return Response.of(error.status, error.body("r" * 20))


def lose(
    sandbox: SandboxServer, fault: Fault, method: str = "POST", times: int = 1, containing: str | None = None
) -> None:
    """Lose the answers of the next submissions."""
    sandbox.conditions.plan.add(TargetedFault(fault, method, "/contacts/bulk", containing, times))


def emails(people: People) -> Counter[str]:
    """How many contacts have which email."""
    return Counter(one["email"] for one in people.everyone())


def assert_made_once(people: People, count: int) -> None:
    """Hold everybody against crowds that begin with 1."""
    assert emails(people) == Counter(f"p{number}@example.com" for number in range(1, count + 1))


def plain(who: str, count: int, **values: Any) -> tuple[list[Row], Row]:
    """Rows of some kind without custom attributes, so that no one goes singly before the others; and their settings."""
    make, settings = KINDS[who]
    return customers(*make(count, plan=None, **values)), settings


# Runs that take long because they wait: they do so side by side.


def alone(
    tmp_path: Path,
    messages: Sequence[Row],
    conditions: Row,
    *runs: Sequence[Row],
    faults: Sequence[TargetedFault] = (),
    **settings: Any,
) -> Ended:
    """Load into a workspace of its own, in processes of their own; the conditions are for the last run."""
    with SandboxServer(Conditions(bulk_seconds=0)) as sandbox:
        load = Loader(sandbox.url, tmp_path, {**BULK, **settings})
        queue = [messages, *runs]
        for earlier in queue[:-1]:
            load.pipe(earlier)
        sandbox.conditions.change(conditions)
        for one in faults:
            sandbox.conditions.plan.add(one)
        return Ended(load.pipe(queue[-1]), sandbox)


def stuck(tmp_path: Path, *, who: str, share: float, known: bool = False) -> Ended:
    """A load of which the one job never ends, and of whose items only a share is done."""
    messages, settings = plain(who, 60)
    runs = [plain(who, 60, name="New")[0]] if known else []
    return alone(tmp_path, messages, {"bulk_stuck": 1, "bulk_stuck_share": share}, *runs, **settings)


def stuck_at_last(tmp_path: Path) -> Ended:
    """A load of 150 leads of which the second half's task never ends."""
    with SandboxServer(Conditions(bulk_seconds=0)) as sandbox:
        load = Loader(sandbox.url, tmp_path, {**BULK, **LEADS})

        def stick() -> None:
            sandbox.conditions.bulk_stuck, sandbox.conditions.bulk_stuck_share = 1, 0.5

        second = BeforeACall(lambda request: request.path == "/contacts/bulk" and len(tasks(sandbox)) == 1, stick)
        sandbox.conditions.plan.add(second)
        return Ended(load.pipe(plain("leads", 150)[0]), sandbox)


def lost(tmp_path: Path, *, fault: Fault) -> Ended:
    """A load of leads that does not hear of its only job."""
    messages, settings = plain("leads", 40)
    faults = [TargetedFault(fault, "POST", "/contacts/bulk")]
    return alone(tmp_path, messages, {"search_lag": 0.5}, faults=faults, **settings)


def killed(tmp_path: Path, *, submissions: int, answered: bool, seconds: float, a_batch: int = 5000) -> Ended:
    """A load that is killed after some submissions, while the jobs go on; and one more."""
    messages = [*customers(*crowd(150, plan=None)), *rows("leads", *by_email(150, 151, plan=None))]
    with SandboxServer(Conditions(bulk_seconds=seconds, search_lag=1, latency=0.05)) as sandbox:
        settings = {"search_delay_seconds": 4, "batch_size_rows": a_batch}
        load = Loader(sandbox.url, tmp_path, {**BULK, **MIXED, **settings})
        process = load.begin(messages)
        _until_submitted(sandbox, process, submissions, answered=answered)
        process.kill()
        process.communicate()
        return Ended(load.pipe(messages), sandbox)


def _until_submitted(sandbox: SandboxServer, process: TargetProcess, submissions: int, *, answered: bool) -> None:
    while process.poll() is None:
        calls = [call for call in list(sandbox.calls) if call.path == "/contacts/bulk"]
        if sum(bool(call.status) or not answered for call in calls) >= submissions:
            return
        time.sleep(0.001)


BAD = 33
"""Every so manieth row of `mixed` has an email that is none: Intercom refuses the contact."""
COUNT = 600


def crowd_with_bad_ones() -> list[Row]:
    """400 users and 200 leads, of whom three in a hundred cannot be made."""
    everybody = crowd(COUNT)
    for one in everybody[::BAD]:
        one["email"] = f"p{one['row']}@example..com"
    return [*customers(*everybody[:400]), *rows("leads", *({**one, "id": None} for one in everybody[400:]))]


def mixed(tmp_path: Path, *, seed: int | None, bulk: bool = True) -> Ended:
    """A load of good and bad rows; with a seed every twentieth call fails, in any way, and some items do."""
    conditions = Conditions(search_lag=0.5, rate_window=1, bulk_seconds=0.1, fault_seed=seed, fault_timeout=1)
    if seed is not None:
        conditions.change({"fault_rate": 0.05, "faults": [kind.value for kind in Fault], "bulk_item_fault_rate": 0.02})
    with SandboxServer(conditions) as sandbox:
        load = Loader(sandbox.url, tmp_path, {**BULK, **MIXED})
        return Ended(load.pipe(crowd_with_bad_ones(), bulk_writes=bulk), sandbox)


SIDE_BY_SIDE = 8
SLOW: dict[str, Callable[[Path], Ended]] = {
    **{f"mixed {seed}": partial(mixed, seed=seed) for seed in (1, 2)},
    "mixed, singly": partial(mixed, seed=None, bulk=False),
    **{f"stuck {who} {share}": partial(stuck, who=who, share=share) for who, share in STUCK},
    "stuck updates": partial(stuck, who="users", share=0.5, known=True),
    "stuck at last": stuck_at_last,
    **{f"lost {fault.value}": partial(lost, fault=fault) for fault in (*LOST, *NOT_MADE)},
    **{
        f"killed {number}": partial(killed, submissions=submissions, answered=answered, seconds=seconds, a_batch=size)
        for number, (submissions, answered, seconds, size) in enumerate(MOMENTS)
    },
}


@pytest.fixture(scope="module", autouse=True)
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Ended]]]:
    """The runs of SLOW, all under way while the other tests are made."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {name: pool.submit(work, tmp_path_factory.mktemp("slow")) for name, work in SLOW.items()}


# Jobs that never end.


@pytest.mark.parametrize(("who", "share"), STUCK)
def test_what_a_job_that_never_ends_has_done_is_found_and_nobody_is_made_twice(
    slow: dict[str, Future[Ended]], who: str, share: float
) -> None:
    ended = slow[f"stuck {who} {share}"].result()
    done = ended.done
    there = round(60 * share) if who == "leads" else 60
    assert (done.exit_code, len(done.states)) == (0, 1)
    rejected = {"rejected": 60 - there} if there < 60 else {}
    created = {"created": there} if there else {}
    assert done.results() == {**created, **rejected}
    # A lead that the job may still make is not made again, and said to be in doubt.
    assert {refusal["code"] for refusal in done.refusals} == ({"in_doubt"} if rejected else set())
    assert_made_once(ended.people, there)


def test_what_a_job_that_never_ends_was_to_change_is_changed_singly(slow: dict[str, Future[Ended]]) -> None:
    ended = slow["stuck updates"].result()
    assert (ended.done.exit_code, ended.done.results()) == (0, {"updated": 60})
    assert ended.done.calls[PUT] == 60
    assert [one["name"] for one in ended.people.everyone()] == ["New"] * 60


def test_only_leads_of_the_task_that_never_ends_are_in_doubt(slow: dict[str, Future[Ended]]) -> None:
    ended = slow["stuck at last"].result()
    assert ended.done.exit_code == 0
    assert ended.done.results() == {"created": 125, "rejected": 25}
    assert_made_once(ended.people, 125)


# Submissions of which nothing is heard.


@pytest.mark.parametrize("fault", [*LOST, *NOT_MADE])
def test_leads_of_a_lost_submission_are_made_once(slow: dict[str, Future[Ended]], fault: Fault) -> None:
    ended = slow[f"lost {fault.value}"].result()
    assert (ended.done.exit_code, ended.done.results()) == (0, {"created": 40})
    assert ended.done.calls[BULK_POST] == 1
    assert ended.done.calls.get(POST, 0) == (0 if fault.writes else 40)
    assert_made_once(ended.people, 40)


@pytest.mark.parametrize("fault", LOST)
def test_leads_of_a_lost_submission_to_a_known_job_are_waited_for(
    load: Loader, people: People, sandbox: SandboxServer, fault: Fault
) -> None:
    lose(sandbox, fault, containing='"job"')
    messages, settings = plain("leads", 150)
    done = load(messages, **settings)
    assert (done.exit_code, done.results()) == (0, {"created": 150})
    assert POST not in done.calls
    assert len(jobs(sandbox)) == 1
    assert_made_once(people, 150)


@pytest.mark.parametrize(
    "fault", [Fault.TOO_MANY, Fault.ERROR_AFTER, Fault.GARBAGE, Fault.RESET_BEFORE, Fault.TIMEOUT_AFTER]
)
@pytest.mark.parametrize(("who", "containing"), [("users by email", None), ("users", '"job"')], ids=["first", "append"])
def test_users_of_a_lost_submission_are_made_once(
    load: Loader, people: People, sandbox: SandboxServer, who: str, fault: Fault, containing: str | None
) -> None:
    lose(sandbox, fault, containing=containing)
    messages, settings = plain(who, 105)
    done = load(messages, **settings)
    assert (done.exit_code, done.results()) == (0, {"created": 105})
    assert_made_once(people, 105)
    assert_quiet(load(messages, **settings))


def test_users_whom_a_submission_made_that_was_heard_of_late_count_as_made(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    """It is sent again after seconds: what the second job finds is what the first has made."""
    sandbox.conditions.fault_timeout = 2.5
    lose(sandbox, Fault.TIMEOUT_AFTER)
    messages, _ = plain("users", 20)
    done = load(messages)
    assert (done.exit_code, done.results()) == (0, {"created": 20})
    assert_made_once(people, 20)


@pytest.mark.parametrize("fault", [Fault.ERROR_AFTER, Fault.RESET_BEFORE])
def test_updates_of_a_lost_submission_are_written(
    load: Loader, people: People, sandbox: SandboxServer, fault: Fault
) -> None:
    load(plain("users", 30)[0])
    lose(sandbox, fault, "PUT")
    done = load(plain("users", 30, name="New")[0])
    assert (done.exit_code, done.results(), done.calls[BULK_PUT]) == (0, {"updated": 30}, 2)
    assert [one["name"] for one in people.everyone()] == ["New"] * 30


# Runs that are killed.


@pytest.mark.parametrize("number", range(len(MOMENTS)))
def test_one_more_run_makes_good_what_a_kill_left_to_the_jobs(slow: dict[str, Future[Ended]], number: int) -> None:
    ended = slow[f"killed {number}"].result()
    done = ended.done
    assert (done.exit_code, done.refusals) == (0, [])
    assert sum(done.results().values()) == sum(done.results("leads").values()) == 150
    assert_made_once(ended.people, 300)


# Good and bad, and calls that fail.


@pytest.mark.parametrize("seed", [1, 2])
def test_with_bad_rows_and_faulty_calls_every_record_has_one_outcome(slow: dict[str, Future[Ended]], seed: int) -> None:
    ended, calm = slow[f"mixed {seed}"].result(), slow["mixed, singly"].result()
    done = ended.done
    assert (done.exit_code, done.states) == (0, calm.done.states)
    told = reasons(done)
    assert [(row, outcome, code, field) for row, outcome, code, field, _ in told] == [
        (row, outcome, code, field) for row, outcome, code, field, _ in reasons(calm.done)
    ]
    assert [row for row, *_ in told] == list(range(1, COUNT + 1, BAD))
    assert all("Email is invalid" in reason for *_, reason in told)
    assert done.results()["rejected"] + done.results("leads")["rejected"] == len(told)
    assert emails(ended.people) == emails(calm.people)
    assert max(emails(ended.people).values()) == 1
    assert_nothing_dropped(ended.sandbox)


@WHO
def test_what_fails_of_a_job_for_no_reason_is_written_singly(
    load: Loader, people: People, sandbox: SandboxServer, who: str
) -> None:
    sandbox.conditions.change({"bulk_item_fault_rate": 0.3, "fault_seed": 1})
    messages, settings = plain(who, 60)
    done = load(messages, search_delay_seconds=1, **settings)
    failed = sum(item["result"] == "failed" for item in items(sandbox))
    assert (done.exit_code, done.results(), done.calls[POST]) == (0, {"created": 60}, failed)
    assert failed > 5
    assert_made_once(people, 60)
    changed, _ = plain(who, 60, name="New")
    again = load(changed, search_delay_seconds=1, **settings)
    assert (again.results(), again.calls[PUT]) == ({"updated": 60}, 60)
    assert [one["name"] for one in people.everyone()] == ["New"] * 60
    assert_quiet(load(changed, **settings))


# What Intercom says to a submission or a look.


def test_a_job_that_is_closed_at_once_takes_one_packet_each(
    load: Loader, people: People, sandbox: SandboxServer
) -> None:
    sandbox.conditions.bulk_open_seconds = 0
    messages, _ = plain("users", 250)
    done = load(messages)
    assert (done.exit_code, done.results()) == (0, {"created": 250})
    assert [len(job["tasks"]) for job in jobs(sandbox)] == [1, 1, 1]
    assert [len(task["items"]) for task in tasks(sandbox)] == [100, 100, 50]
    assert done.calls[BULK_POST] == 5
    assert POST not in done.calls
    assert_made_once(people, 250)


def test_a_job_that_is_not_known_any_more_is_followed_by_another(
    load: Loader, people: People, sandbox: SandboxServer, front: Front
) -> None:
    def hook(request: Request) -> Response | None:
        is_append = request.path == "/contacts/bulk" and b'"job"' in request.body
        return refusal(errors.job_not_found("job_v2_1")) if is_append else None

    front.hook = hook
    messages, _ = plain("users", 250)
    done = load(messages)
    assert (done.exit_code, done.results()) == (0, {"created": 250})
    assert len(jobs(sandbox)) == 3
    assert POST not in done.calls


@WHO
def test_a_packet_that_is_refused_is_written_singly(
    load: Loader, people: People, sandbox: SandboxServer, front: Front, who: str
) -> None:
    def hook(request: Request) -> Response | None:
        is_bad = request.path == "/contacts/bulk" and b"p7@" in request.body
        return refusal(errors.IntercomError(422, "parameter_invalid", "not this one")) if is_bad else None

    front.hook = hook
    messages, settings = plain(who, 130)
    done = load(messages, search_delay_seconds=0, **settings)
    assert (done.exit_code, done.results()) == (0, {"created": 130})
    assert (done.calls[POST], [len(task["items"]) for task in tasks(sandbox)]) == (100, [30])
    assert_made_once(people, 130)


def test_who_is_told_by_the_end_of_a_task_is_told_while_the_job_goes_on_running(
    load: Loader, sandbox: SandboxServer, front: Front
) -> None:
    """The state of a job says nothing: here it never ends, or has ended before its tasks."""

    def hook(request: Request) -> Response | None:
        if not request.path.startswith("/contacts/bulk/job"):
            return None
        shown = front.handle(request)
        return Response.of(shown.status, {**shown.json, "state": "completed", "completed_at": 1})

    sandbox.conditions.bulk_seconds = 3
    front.hook = hook
    done = load(plain("users", 5)[0])
    assert (done.results(), done.calls[LOOK] > 1) == ({"created": 5}, True)


@pytest.mark.parametrize("what", ["revoked", "denied"])
@pytest.mark.parametrize("when", ["submission", "look"])
def test_a_token_that_may_not_ends_the_run(
    load: Loader, people: People, sandbox: SandboxServer, front: Front, what: str, when: str
) -> None:
    path = "/contacts/bulk" if when == "submission" else "/contacts/bulk/job"

    def hook(request: Request) -> Response | None:
        if request.path.startswith(path):
            sandbox.conditions.change(
                {"token_revoked": True} if what == "revoked" else {"deny_scopes": ["write_users", "read_users"]}
            )
        return None

    front.hook = hook
    done = load(plain("users", 30)[0])
    assert (done.exit_code, done.states) == (1, [])
    assert done.calls[BULK_POST] == 1
    assert POST not in done.calls
    assert done.rejected == []


def test_teammates_that_a_token_may_not_see_do_no_harm(load: Loader, people: People, front: Front) -> None:
    front.hook = lambda request: refusal(errors.forbidden("read_admins")) if request.path == "/admins" else None
    owned = [person(number, plan=None, owner="1000001") for number in range(1, 6)]
    done = load(customers(*owned, owner="text"), mappings={**BULK["mappings"], "owner": "owner_id"})
    assert (done.exit_code, done.results()) == (0, {"created": 5})
