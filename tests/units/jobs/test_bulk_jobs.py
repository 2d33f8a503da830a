"""What becomes of submissions to bulk jobs, told by the tasks that they add."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import pytest

from target_intercom.errors import (
    CallFailedError,
    Fault,
    InDoubtError,
    JobClosedError,
    NoBulkError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
)
from target_intercom.intercom.protocol.bulk import Job, Task, TaskState
from target_intercom.intercom.protocol.ids import JobId, TaskId
from target_intercom.sync.jobs import bulk_jobs
from target_intercom.sync.jobs.bulk_jobs import ITEMS_A_CALL, BulkJobs, Ended, JobEnd, parted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.parallel import InParallel

T = TypeVar("T")
R = TypeVar("R")
RUNNING, PENDING = TaskState.RUNNING, TaskState.PENDING
COMPLETED, WITH_ERRORS = TaskState.COMPLETED, TaskState.COMPLETED_WITH_ERRORS
REFUSED = Fault(status=422, code="parameter_invalid", message="not this one")


def job(name: str, **tasks: TaskState) -> Job:
    """A job as an answer shows it; its tasks were submitted one second after the other."""
    states = {TaskId(task): state for task, state in tasks.items()}
    return Job(JobId(name), {task: Task(states[task], 100 + number) for number, task in enumerate(states)})


class Client:
    """Answers looks from a script, the last of which holds on; an exception is raised.

    Its pauses are short, and pass on a clock of its own only.
    """

    def __init__(self, *looks: Job | Exception, longest_pause: float = 0.0) -> None:
        self._looks = list(looks)
        self._longest = longest_pause
        self.looked_at: list[JobId] = []
        self.now = 0.0

    def job(self, job: JobId) -> Job:
        self.looked_at.append(job)
        look = self._looks.pop(0) if len(self._looks) > 1 else self._looks[0]
        if isinstance(look, Exception):
            raise look
        return look

    def pause(self, seconds: float) -> None:
        self.now += min(seconds, self._longest)

    def monotonic(self) -> float:
        return self.now


class Script:
    """What Intercom answers to submissions, in turn, and the jobs that they were sent to."""

    def __init__(self, *answers: Job | Exception) -> None:
        self._answers = iter(answers)
        self.sent_to: list[JobId | None] = []

    def send(self, _: Sequence[int], into: JobId | None) -> Job:
        self.sent_to.append(into)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


def one_after_the_other(function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    return map(function, items)


def some(submissions: int) -> Sequence[int]:
    """Items for so many submissions."""
    return range(ITEMS_A_CALL * submissions)


def bulk(client: Client, said: list[str] | None = None, *, enabled: bool = True) -> BulkJobs:
    """Bulk jobs with the shortest patience there is."""
    heard: list[str] = [] if said is None else said
    return BulkJobs(
        cast("IntercomClient", client),
        cast("InParallel", one_after_the_other),
        look=client.job,
        plural="contacts",
        are_there=enabled,
        search_delay_seconds=0,
        say=heard.append,
    )


def run(client: Client, script: Script, count: int) -> list[Ended[int]]:
    """What came of the submissions, in their order."""
    return sorted(bulk(client).run(some(count), script.send), key=lambda ended: ended.items[0])


def endings(client: Client, script: Script, count: int) -> list[JobEnd]:
    return [ended.ending for ended in run(client, script, count)]


# Told by its own task.


@pytest.mark.parametrize(("state", "ending"), [(COMPLETED, JobEnd.DONE), (WITH_ERRORS, JobEnd.FAILED)])
def test_a_submission_ends_as_its_task_does(state: TaskState, ending: JobEnd) -> None:
    client = Client(job("j", a=PENDING), job("j", a=RUNNING), job("j", a=state))
    (ended,) = run(client, Script(job("j", a=PENDING)), 1)
    assert (ended.ending, ended.since, len(client.looked_at)) == (ending, 100, 3)


def test_a_task_that_has_ended_when_it_is_submitted_is_not_looked_at() -> None:
    client = Client(CallFailedError(Fault()))
    assert endings(client, Script(job("j", a=COMPLETED)), 1) == [JobEnd.DONE]
    assert client.looked_at == []


def test_submissions_share_a_job_and_one_look_tells_of_all() -> None:
    script = Script(job("j", a=PENDING), job("j", a=RUNNING, b=PENDING), job("j", a=RUNNING, b=PENDING, c=PENDING))
    client = Client(job("j", a=COMPLETED, b=WITH_ERRORS, c=COMPLETED))
    ended = run(client, script, 3)
    assert [one.ending for one in ended] == [JobEnd.DONE, JobEnd.FAILED, JobEnd.DONE]
    assert [one.since for one in ended] == [100, 101, 102]
    assert script.sent_to == [None, "j", "j"]
    assert client.looked_at == ["j"]


def test_answers_that_show_the_new_task_alone_are_understood() -> None:
    script = Script(job("j", a=PENDING), job("j", b=PENDING), job("j", c=PENDING))
    client = Client(job("j", a=COMPLETED, b=WITH_ERRORS, c=COMPLETED))
    assert endings(client, script, 3) == [JobEnd.DONE, JobEnd.FAILED, JobEnd.DONE]


@pytest.mark.parametrize(
    ("states", "ending"),
    [
        ((COMPLETED, WITH_ERRORS), JobEnd.DONE),
        ((WITH_ERRORS, COMPLETED), JobEnd.DONE),
        ((COMPLETED, COMPLETED), JobEnd.DONE),
        ((WITH_ERRORS, WITH_ERRORS), JobEnd.FAILED),
    ],
)
def test_a_submission_that_was_sent_again_has_several_tasks(
    states: tuple[TaskState, TaskState], ending: JobEnd
) -> None:
    first, second = states
    script = Script(job("j", a=PENDING), job("j", a=PENDING, b=PENDING, c=PENDING))
    client = Client(
        job("j", a=COMPLETED, b=first, c=RUNNING),
        job("j", a=COMPLETED, b=first, c=second),
    )
    ended = run(client, script, 2)
    assert [one.ending for one in ended] == [JobEnd.DONE, ending]
    assert (ended[1].since, len(client.looked_at)) == (101, 2)


def test_many_submissions_go_into_several_jobs() -> None:
    sent: list[JobId | None] = []

    def send(_: Sequence[int], into: JobId | None) -> Job:
        sent.append(into)
        return job(into or f"j{len(sent)}", **{f"t{len(sent)}": COMPLETED})

    client = Client(job("any", **{f"t{number}": COMPLETED for number in range(1, 61)}))
    ended = list(bulk(client).run(some(60), send))
    assert {one.ending for one in ended} == {JobEnd.DONE}
    assert sorted(number for one in ended for number in one.items) == list(some(60))
    assert sent.count(None) == 20


# What is not taken.


@pytest.mark.parametrize("error", [JobClosedError(Fault()), NotFoundError(Fault())])
def test_where_a_job_takes_no_more_another_is_begun(error: Exception) -> None:
    script = Script(job("j", a=PENDING), error, job("k", b=COMPLETED), job("k", b=COMPLETED, c=COMPLETED))
    assert endings(Client(job("j", a=COMPLETED)), script, 3) == [JobEnd.DONE] * 3
    assert script.sent_to == [None, "j", None, "k"]


def test_a_new_job_that_is_closed_at_once_is_not_tried_for_ever() -> None:
    closed = JobClosedError(Fault(message="closed"))
    (ended,) = run(Client(closed), Script(closed, closed), 1)
    assert (ended.ending, ended.fault.message) == (JobEnd.FAILED, "closed")


@pytest.mark.parametrize(
    ("error", "ending"), [(RefusedError(REFUSED), JobEnd.FAILED), (CallFailedError(REFUSED), JobEnd.UNKNOWN)]
)
def test_what_is_refused_or_keeps_failing_touches_no_other(error: Exception, ending: JobEnd) -> None:
    script = Script(job("j", a=PENDING), error, job("j", a=PENDING, c=PENDING))
    ended = run(Client(job("j", a=COMPLETED, c=COMPLETED)), script, 3)
    assert [one.ending for one in ended] == [JobEnd.DONE, ending, JobEnd.DONE]
    assert (ended[1].fault, ended[1].since) == (REFUSED, None)


def test_where_there_are_no_bulk_jobs_it_is_said_once_and_never_tried_again() -> None:
    said: list[str] = []
    script = Script(NoBulkError(Fault(status=404)))
    jobs = bulk(Client(CallFailedError(Fault())), said)
    assert [one.ending for one in jobs.run(some(3), script.send)] == [JobEnd.NOT_SENT] * 3
    assert [one.ending for one in jobs.run(some(2), script.send)] == [JobEnd.NOT_SENT] * 2
    assert (jobs.are_there, len(script.sent_to), len(said)) == (False, 1, 1)


def test_where_they_are_not_wanted_none_is_sent() -> None:
    script = Script()
    jobs = bulk(Client(CallFailedError(Fault())), enabled=False)
    assert [one.ending for one in jobs.run(some(2), script.send)] == [JobEnd.NOT_SENT] * 2
    assert script.sent_to == []


def test_what_is_fatal_is_raised() -> None:
    with pytest.raises(UnauthorizedError):
        list(bulk(Client(UnauthorizedError(Fault()))).run(some(1), Script(job("j", a=PENDING)).send))


# Lost answers.


def test_a_lost_submission_to_a_known_job_is_found_by_its_new_task() -> None:
    script = Script(job("j", a=PENDING), InDoubtError(Fault()), job("j", a=PENDING, b=PENDING, c=PENDING))
    client = Client(job("j", a=PENDING, b=PENDING), job("j", a=COMPLETED, b=WITH_ERRORS, c=COMPLETED))
    assert endings(client, script, 3) == [JobEnd.DONE, JobEnd.FAILED, JobEnd.DONE]


@pytest.mark.parametrize("look", [job("j", a=COMPLETED), CallFailedError(Fault()), NotFoundError(Fault())])
def test_a_lost_submission_of_which_nothing_is_seen_may_have_arrived(look: Job | Exception) -> None:
    script = Script(job("j", a=COMPLETED), InDoubtError(REFUSED))
    ended = run(Client(look), script, 2)
    assert [one.ending for one in ended] == [JobEnd.DONE, JobEnd.UNKNOWN]
    assert (ended[1].fault, ended[1].since) == (REFUSED, None)


def test_a_lost_first_submission_may_have_arrived() -> None:
    assert endings(Client(job("j")), Script(InDoubtError(REFUSED)), 1) == [JobEnd.UNKNOWN]


def test_looks_that_fail_in_between_do_no_harm() -> None:
    failed = CallFailedError(Fault()), RefusedError(Fault())
    client = Client(*failed, job("j", a=RUNNING), *failed, job("j", a=COMPLETED))
    assert endings(client, Script(job("j", a=PENDING)), 1) == [JobEnd.DONE]
    assert len(client.looked_at) == 6


# Jobs in which nothing moves, by the clock of the client.


def waited(monkeypatch: pytest.MonkeyPatch, client: Client, **tasks: TaskState) -> Ended[int]:
    monkeypatch.setattr(bulk_jobs, "time", client)
    (ended,) = run(client, Script(job("j", **tasks)), 1)
    return ended


def moving() -> Client:
    """Something moves twice, each time after the half of the patience."""
    looks = [job("j", a=PENDING)] * 6 + [job("j", a=RUNNING)] * 6 + [job("j", a=COMPLETED)]
    return Client(*looks, longest_pause=0.5)


@pytest.mark.parametrize(
    ("look", "state"), [(job("j", a=RUNNING), RUNNING), (NotFoundError(Fault()), PENDING)], ids=["still", "unseen"]
)
def test_a_job_in_which_nothing_moves_is_given_up(
    monkeypatch: pytest.MonkeyPatch, look: Job | Exception, state: TaskState
) -> None:
    client = Client(look, longest_pause=0.5)
    ended = waited(monkeypatch, client, a=state)
    assert (ended.ending, ended.since) == (JobEnd.UNKNOWN, 100)
    assert 5 <= client.now < 6


def test_whatever_moves_gives_a_job_its_time_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    client = moving()
    ended = waited(monkeypatch, client, a=PENDING)
    assert ended.ending is JobEnd.DONE
    assert client.now > 5


# Packets.


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (100, [100]), (101, [100, 1]), (250, [100, 100, 50])])
def test_no_packet_is_larger_than_intercom_takes(count: int, sizes: Sequence[int]) -> None:
    packets = list(parted(range(count)))
    assert [len(packet) for packet in packets] == sizes
    assert [one for packet in packets for one in packet] == list(range(count))
    assert ITEMS_A_CALL == 100


# Bulk jobs that are not there any more.


def test_a_lost_submission_may_have_arrived_where_looks_say_that_there_are_no_bulk_jobs() -> None:
    script = Script(job("j", a=COMPLETED), InDoubtError(REFUSED))
    ended = run(Client(NoBulkError(Fault(status=406))), script, 2)
    assert [one.ending for one in ended] == [JobEnd.DONE, JobEnd.UNKNOWN]


# Bulk jobs that keep failing.


def test_after_two_submissions_in_a_row_that_keep_failing_no_other_is_sent() -> None:
    said: list[str] = []
    failed = CallFailedError(Fault(status=500))
    script = Script(job("j", a=COMPLETED), failed, failed)
    jobs = bulk(Client(job("j", a=COMPLETED)), said)
    ended = sorted(jobs.run(some(5), script.send), key=lambda one: one.items[0])
    assert [one.ending for one in ended] == [
        JobEnd.DONE,
        *[JobEnd.UNKNOWN] * 2,
        *[JobEnd.NOT_SENT] * 2,
    ]
    assert [one.ending for one in jobs.run(some(1), script.send)] == [JobEnd.NOT_SENT]
    assert (jobs.are_there, len(script.sent_to), len(said)) == (False, 3, 1)
    assert said[0].startswith("Intercom's bulk jobs keep failing (500): contacts are written singly")


def test_submissions_that_keep_failing_between_others_turn_nothing_off() -> None:
    failed = CallFailedError(Fault(status=500))
    script = Script(failed, job("j", a=COMPLETED), failed, RefusedError(REFUSED), failed, job("k", b=COMPLETED))
    jobs = bulk(Client(job("j", a=COMPLETED)))
    ended = sorted(jobs.run(some(6), script.send), key=lambda one: one.items[0])
    assert [one.ending for one in ended] == [
        JobEnd.UNKNOWN,
        JobEnd.DONE,
        JobEnd.UNKNOWN,
        JobEnd.FAILED,
        JobEnd.UNKNOWN,
        JobEnd.DONE,
    ]
    assert jobs.are_there


def test_tasks_in_an_unknown_state_are_waited_for() -> None:
    odd = Job.from_json({"id": "j", "tasks": [{"id": "a", "state": "queued"}]})
    assert endings(Client(odd, odd, job("j", a=COMPLETED)), Script(odd), 1) == [JobEnd.DONE]
