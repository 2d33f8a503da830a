"""Whether Intercom or a call is to blame: told the time, asked for decisions."""

from __future__ import annotations

import math

import pytest

from target_intercom.intercom.outages import AfterFailure, Health, RetryLimits, Tries, about

RETRY_LIMITS = RetryLimits()
LIMIT = RETRY_LIMITS.outage


def operation() -> Health:
    return Health(RETRY_LIMITS, lambda pause: pause)


def fail(one: Health, tries: Tries, now: float, sent_at: float | None = None) -> AfterFailure:
    one.failed(now, tries, now if sent_at is None else sent_at)
    return one.judge(now, tries, LIMIT)


def test_an_outage_without_end_is_given_up_within_ten_minutes_and_after_few_calls() -> None:
    """64 threads, each with a call that fails."""
    one, calls, now = operation(), 0, 0.0
    threads = [Tries() for _ in range(64)]
    ready = dict.fromkeys(threads, 0.0)
    verdict = AfterFailure.AGAIN
    while verdict is AfterFailure.AGAIN:
        tries = min(threads, key=lambda one: ready[one])
        now = max(now, ready[tries])
        wait = one.wait(now)
        if wait:
            now += wait
        probe = one.send()
        calls += 1
        verdict = fail(one, tries, now + 0.1, sent_at=now)
        one.come_back(probe=probe)
        ready[tries] = now + 0.1 + one.pause(tries)
    assert verdict is AfterFailure.OUTAGE
    assert 500 < now <= 600
    assert calls < 200


def test_an_outage_ends_with_the_first_answer() -> None:
    one, tries = operation(), Tries()
    for moment in range(0, 500, 20):
        assert fail(one, tries, moment) is AfterFailure.AGAIN
    assert one.is_out
    one.answered(500)
    assert (one.is_out, one.wait(500)) == (False, 0)
    for moment in range(501, 1000, 20):
        assert fail(one, Tries(), moment) is AfterFailure.AGAIN


def test_while_it_is_out_one_call_asks_and_the_others_wait() -> None:
    one = operation()
    fail(one, Tries(), 0)
    assert one.wait(0.1) == 0, "one failure holds up nobody"
    fail(one, Tries(), 1)
    assert one.wait(1) > 0
    assert one.wait(3) == 0
    assert one.send()
    assert one.wait(3) == math.inf
    one.come_back(probe=True)
    assert one.wait(3) == 0


def test_calls_that_were_under_way_together_are_one_failure() -> None:
    one = operation()
    for _ in range(64):
        fail(one, Tries(), 1, sent_at=0.5)
    assert not one.is_out


@pytest.mark.parametrize(("seconds", "failures", "verdict"), [(59, 9, AfterFailure.AGAIN), (60, 4, AfterFailure.AGAIN)])
def test_a_call_is_not_to_blame_before_five_failures_and_a_minute(
    seconds: float, failures: int, verdict: AfterFailure
) -> None:
    one, tries = operation(), Tries()
    for number in range(failures):
        told = fail(one, tries, seconds * number / (failures - 1))
        one.answered(seconds * number / (failures - 1) + 0.1)
    assert told is verdict


def test_a_call_that_fails_while_others_are_answered_is_to_blame() -> None:
    one, tries = operation(), Tries()
    fail(one, tries, 0)
    one.answered(1)
    told = [fail(one, tries, moment) for moment in (2, 20, 40, 59, 60)]
    assert told == [AfterFailure.AGAIN] * 4 + [AfterFailure.GIVE_UP]


def test_time_that_the_rate_limit_took_does_not_count_against_a_call() -> None:
    one, tries = operation(), Tries()
    fail(one, tries, 0)
    one.answered(1)
    for moment in (2, 3, 4, 60):
        tries.paced += 10
        told = fail(one, tries, moment)
    assert told is AfterFailure.AGAIN


def test_a_call_is_not_to_blame_while_others_begin_to_fail() -> None:
    """It failed first, then one was answered, then nothing works."""
    one, tries = operation(), Tries()
    fail(one, tries, 0)
    one.answered(1)
    fail(one, Tries(), 2)
    assert [fail(one, tries, moment) for moment in (10, 20, 40, 60, 80)] == [AfterFailure.AGAIN] * 5


def test_a_late_answer_to_a_call_of_before_the_outage_makes_nobody_to_blame_while_others_come() -> None:
    one, early, late = operation(), Tries(), Tries()
    fail(one, early, 0)
    one.answered(0.1)
    fail(one, late, 0.2)
    for moment in range(1, 580, 10):
        assert fail(one, early, moment) is fail(one, late, moment) is AfterFailure.AGAIN
    assert fail(one, early, 700) is AfterFailure.OUTAGE


def test_a_call_about_many_is_given_up_after_three_failures_while_others_are_answered() -> None:
    one, tries = operation(), Tries()
    one.failed(0, tries, 0)
    one.answered(0.5)
    told = []
    for moment in (1, 2):
        one.failed(moment, tries, moment)
        told.append(one.judge(moment, tries, LIMIT, many=True))
    assert told == [AfterFailure.AGAIN, AfterFailure.GIVE_UP]


def test_time_in_which_nobody_asked_is_no_time_of_the_outage() -> None:
    """A call of minute 0 failed, and nobody needed another before minute 20; nor does the rate limit's wait count."""
    one = operation()
    fail(one, Tries(), 0)
    assert fail(one, Tries(), 1201, sent_at=1200) is AfterFailure.AGAIN
    assert fail(one, Tries(), 1300, sent_at=1299) is AfterFailure.AGAIN


def test_a_known_lone_call_is_to_blame_after_a_minute() -> None:
    one, tries = operation(), Tries()
    told = []
    for moment in (0, 1, 3, 30, 60):
        one.failed(moment, tries, moment)
        told.append(one.judge(moment, tries, LIMIT, known=True))
    assert told == [AfterFailure.AGAIN] * 4 + [AfterFailure.GIVE_UP]


def test_a_known_call_that_does_not_fail_alone_is_not_to_blame() -> None:
    one, tries = operation(), Tries()
    for moment in (0, 1, 3, 30, 60, 90):
        one.failed(moment, Tries(), moment)
        one.failed(moment, tries, moment)
        assert one.judge(moment, tries, LIMIT, known=True) is AfterFailure.AGAIN


def test_stand_ins_come_in_turn_with_the_call_itself() -> None:
    told = [Tries(failures=failures).stand_in(2) for failures in range(9)]
    assert told == [None, None, None, 0, 1, None, 0, 1, None]
    assert Tries(failures=9).stand_in(0) is None


def test_what_a_call_is_about_is_the_same_in_every_run_and_tells_no_value() -> None:
    assert about("POST /contacts", "1", "ann@example.com") == about("POST /contacts", "1", "ann@example.com")
    assert about("POST /contacts", "1", None) != about("POST /contacts", None, "1") != about("PUT /contacts", None, "1")
    assert "ann" not in about("POST /contacts", "ann@example.com")
