"""Pacing by the answers' headers, against a simulated server with a clock of its own."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import math
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from target_intercom.intercom.limiter import RateLimiter, Window
from target_intercom.intercom.protocol.headers import RateLimit

if TYPE_CHECKING:
    from collections.abc import Callable

EPOCH = 1_700_000_000.0


class Simulation:
    """Time that passes from event to event."""

    def __init__(self) -> None:
        self.now = EPOCH
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def run(self, until: float) -> None:
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()


@dataclass
class Server:
    """Counts calls in fixed windows of its own clock, as Intercom does."""

    limit: int = 167
    seconds: int = 10
    reset_late: int = 0
    skew: float = 0.0
    headers: bool = True
    retry_after: bool = False
    counts_itself: bool = False
    used: Counter[int] = field(default_factory=Counter)
    refused: Counter[int] = field(default_factory=Counter)

    def answer(self, now: float) -> tuple[bool, RateLimit]:
        clock = now + self.skew
        window = math.floor(clock / self.seconds)
        # Recorded: the first call of a window is told that all of it remains.
        left = self.limit - self.used[window] - self.counts_itself
        taken = self.used[window] < self.limit
        (self.used if taken else self.refused)[window] += 1
        end = (window + 1) * self.seconds
        return taken, RateLimit(
            limit=self.limit if self.headers else None,
            remaining=max(0, left) if self.headers else None,
            reset=end + self.reset_late if self.headers else None,
            date=math.floor(clock),
            retry_after=math.ceil(end - clock) if self.retry_after and not taken else None,
        )

    def full_windows(self, began: float, ended: float) -> list[int]:
        """The windows that lie wholly between two moments."""
        first = math.floor((began + self.skew) / self.seconds) + 1
        last = math.floor((ended + self.skew) / self.seconds)
        return list(range(first, last))


class Client:
    """Sends calls over some connections at the pace its window allows, a refused one again."""

    def __init__(
        self, simulation: Simulation, server: Server, calls: int, *, latency: float, percent: int = 95, seed: int = 0
    ) -> None:
        self.left = calls
        self.ended = math.inf
        self._simulation = simulation
        self._server = server
        self._latency = latency
        self._window = Window(percent)
        self._in_flight = 0
        self._random = random.Random(seed)
        self._send()  # the first call comes alone: whose token is this?

    def _pump(self) -> None:
        while self.left > self._in_flight < 64:
            wait = self._window.wait(self._simulation.now, self._in_flight)
            if wait > 0:
                self._simulation.at(self._simulation.now + min(wait, 1.0), self._pump)
                return
            self._send()

    def _send(self) -> None:
        self._in_flight += 1
        there, back = (self._latency * self._random.uniform(0.3, 0.7) for _ in range(2))
        sent_at = self._simulation.now
        self._simulation.at(sent_at + there, lambda: self._arrive(sent_at, back))

    def _arrive(self, sent_at: float, back: float) -> None:
        taken, rate = self._server.answer(self._simulation.now)
        self._simulation.at(self._simulation.now + back, lambda: self._return(rate, sent_at, taken=taken))

    def _return(self, rate: RateLimit, sent_at: float, *, taken: bool) -> None:
        self._in_flight -= 1
        if taken:
            self.left -= 1
            self._window.learn(self._simulation.now, rate, sent_at)
        else:
            self._window.exceeded(self._simulation.now, rate, sent_at)
        if self.left == 0:
            self.ended = min(self.ended, self._simulation.now)
        self._pump()


def run(
    server: Server, calls: int, *, clients: int = 1, latency: float = 0.05, percent: int = 95, seconds: float = 1000
) -> float:
    """Return the time that clients took for their calls."""
    simulation = Simulation()
    everyone = [
        Client(simulation, server, calls, latency=latency, percent=percent, seed=seed) for seed in range(clients)
    ]
    simulation.run(EPOCH + seconds)
    assert [client.left for client in everyone] == [0] * clients, "they stand still"
    assert sum(server.used.values()) == calls * clients
    return max(client.ended for client in everyone) - EPOCH


ODD_SERVERS = {
    "reset is the end": Server(),
    "reset comes late": Server(reset_late=2),
    "server ahead": Server(skew=30.3),
    "server behind": Server(skew=-30.3),
    "server a little ahead": Server(skew=1.4),
    "server a little behind": Server(skew=-1.4),
    "far ahead and late": Server(skew=3600, reset_late=2),
    "remaining counts the call itself": Server(counts_itself=True),
}


def fresh(server: Server) -> Server:
    return replace(server, used=Counter(), refused=Counter())


@pytest.mark.parametrize("percent", [10, 50, 95, 100])
@pytest.mark.parametrize("server", ODD_SERVERS.values(), ids=ODD_SERVERS.keys())
def test_a_window_is_filled_to_the_share_and_not_beyond(server: Server, percent: int) -> None:
    server = fresh(server)
    share = server.limit * percent // 100
    took = run(server, 8 * share, percent=percent)
    assert not server.refused
    assert max(server.used.values()) <= share
    full = server.full_windows(EPOCH, EPOCH + took)
    assert len(full) >= 5
    assert min(server.used[window] for window in full) >= 0.95 * share - server.counts_itself


@pytest.mark.parametrize(
    ("limit", "seconds", "latency"), [(200, 2, 0.05), (167, 10, 0.15), (167, 10, 0.5), (1666, 10, 0.2), (20, 2, 0.05)]
)
def test_nearly_all_of_the_share_is_used_where_latency_allows(limit: int, seconds: int, latency: float) -> None:
    server = Server(limit, seconds)
    share = limit * 95 // 100
    took = run(server, 8 * share, latency=latency)
    assert not server.refused
    assert max(server.used.values()) <= share
    assert min(server.used[window] for window in server.full_windows(EPOCH, EPOCH + took)) >= 0.95 * share


def test_windows_that_turn_while_calls_are_under_way_are_no_reason_to_wait() -> None:
    server = Server(limit=100_000, seconds=1)
    took = run(server, 3000, latency=0.1)
    assert len(server.used) >= 5
    assert took <= 1.3 * 3000 * 0.1 / 64


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_a_tiny_window_is_no_dead_end(limit: int) -> None:
    server = Server(limit, seconds=2)
    run(server, 10 * limit)
    assert server.refused.total() <= 10


@pytest.mark.parametrize("clients", [2, 3, 5])
@pytest.mark.parametrize("latency", [0.02, 0.15])
def test_clients_that_share_a_window_stay_within_it_without_a_storm(clients: int, latency: float) -> None:
    server = Server()
    calls = 1500 // clients
    took = run(server, calls, clients=clients, latency=latency)
    assert server.refused.total() <= 0.05 * sum(server.used.values())
    used = [server.used[window] for window in server.full_windows(EPOCH, EPOCH + took)]
    assert min(used) >= 0.9 * 0.95 * server.limit


def test_what_others_use_is_left_to_them() -> None:
    simulation = Simulation()
    server = Server()
    client = Client(simulation, server, 600, latency=0.05)
    theirs = itertools.count()

    def somebody_else() -> None:
        assert server.answer(simulation.now)[0], "they are refused because of us"
        if next(theirs) < 400:
            simulation.at(simulation.now + 1.25, somebody_else)

    simulation.at(EPOCH, somebody_else)
    simulation.run(EPOCH + 100)
    assert client.left == 0
    assert not server.refused
    assert max(server.used.values()) <= 167 * 95 // 100 + 8


@pytest.mark.parametrize("retry_after", [True, False])
@pytest.mark.parametrize("headers", [True, False])
def test_refused_calls_are_only_late(headers: bool, retry_after: bool) -> None:
    """Somebody else takes all there is in every second window."""
    simulation = Simulation()
    server = Server(limit=50, headers=headers, retry_after=retry_after)
    for window in range(0, 40, 2):
        place = math.floor(EPOCH / server.seconds) + window
        server.used[place] = server.limit
    client = Client(simulation, server, 200, latency=0.05)
    simulation.run(EPOCH + 400)
    assert client.left == 0
    assert server.refused.total() < 1000


# One answer at a time.


def told(remaining: int, *, limit: int = 100, reset: float = EPOCH + 10, **more: float) -> RateLimit:
    return RateLimit(limit=limit, remaining=remaining, reset=reset, **more)


def test_nothing_holds_up_calls_while_nothing_is_known() -> None:
    assert Window(95).wait(EPOCH, 63) == 0
    window = Window(95)
    window.learn(EPOCH, RateLimit(), EPOCH)
    assert window.wait(EPOCH, 63) == 0


def test_a_full_share_waits_for_the_reset() -> None:
    window = Window(95)
    window.learn(EPOCH, told(5), EPOCH)
    assert window.wait(EPOCH, 0) == pytest.approx(10)
    assert window.wait(EPOCH + 9, 0) == pytest.approx(1)
    assert window.wait(EPOCH + 10, 0) == 0


def test_calls_in_flight_count() -> None:
    window = Window(95)
    window.learn(EPOCH, told(25), EPOCH)
    assert window.wait(EPOCH, 0) == 0
    assert window.wait(EPOCH, 20) > 0


def test_an_older_answer_brings_nothing_back() -> None:
    window = Window(95)
    window.learn(EPOCH, told(5), EPOCH)
    window.learn(EPOCH, told(90), EPOCH)
    window.learn(EPOCH, told(90, reset=EPOCH), EPOCH)
    assert window.wait(EPOCH, 0) == pytest.approx(10)


def test_a_new_window_is_noticed() -> None:
    window = Window(95)
    assert window.learn(EPOCH, told(5), EPOCH)
    assert not window.learn(EPOCH + 1, told(4), EPOCH + 1)
    assert window.learn(EPOCH + 10, told(99, reset=EPOCH + 20), EPOCH + 10)
    assert window.wait(EPOCH + 10, 0) == 0


@pytest.mark.parametrize("reset", [EPOCH + 10**6, EPOCH * 1000])
def test_no_answer_makes_wait_for_longer_than_a_minute(reset: float) -> None:
    window = Window(95)
    window.exceeded(EPOCH, told(0, reset=reset), EPOCH)
    assert window.wait(EPOCH, 0) <= 60
    window = Window(95)
    window.exceeded(EPOCH, RateLimit(retry_after=10**6), EPOCH)
    assert window.wait(EPOCH, 0) <= 60


def test_a_429_waits_for_the_reset_whatever_is_said_to_remain() -> None:
    window = Window(95)
    window.exceeded(EPOCH, told(90), EPOCH)
    assert window.wait(EPOCH, 0) == pytest.approx(10)


def test_a_429_waits_as_long_as_it_says() -> None:
    window = Window(95)
    window.exceeded(EPOCH, RateLimit(retry_after=7), EPOCH)
    assert window.wait(EPOCH, 0) == pytest.approx(7)


def test_429s_without_a_word_make_wait_longer_and_longer() -> None:
    window, now, waits = Window(95), EPOCH, []
    for _ in range(6):
        window.exceeded(now, RateLimit(), now)
        waits.append(window.wait(now, 0))
        now += waits[-1]
    assert waits[0] <= 2
    assert waits == sorted(waits)
    assert 10 <= waits[-1] <= 60


def test_the_429s_of_calls_that_were_in_flight_together_are_one() -> None:
    window = Window(95)
    for place in range(64):
        window.exceeded(EPOCH + place / 1000, RateLimit(), EPOCH + place / 1000)
    assert window.wait(EPOCH + 0.064, 0) <= 2


def test_a_success_ends_the_growing_of_the_waits() -> None:
    window, now = Window(95), EPOCH
    for _ in range(4):
        window.exceeded(now, RateLimit(), now)
        now += window.wait(now, 0)
    window.learn(now, RateLimit(), now)
    window.exceeded(now + 60, RateLimit(), now + 60)
    assert window.wait(now + 60, 0) <= 2


def test_the_used_share_of_the_window_is_told_once_it_is_known() -> None:
    window = Window(95)
    assert window.used(EPOCH) is None
    window.learn(EPOCH, told(76), EPOCH)
    assert window.used(EPOCH) == pytest.approx(0.25)
    window.learn(EPOCH, told(0), EPOCH)
    assert window.used(EPOCH + 1) == pytest.approx(1.0)
    assert window.used(EPOCH + 11) == pytest.approx(0.0)


# Threads.


class StoppedForTestError(Exception):
    pass


def take(limiter: RateLimiter) -> None:
    with limiter.slot(StoppedForTestError):
        pass


def full(*, on_wait: Callable[[float], None] = lambda _: None) -> RateLimiter:
    limiter = RateLimiter(95, clock=lambda: EPOCH, on_wait=on_wait)
    limiter.learn(told(0), EPOCH, exceeded=False)
    return limiter


def test_stop_releases_whoever_waits() -> None:
    limiter, seen = full(), list[str]()

    def wait() -> None:
        with contextlib.suppress(StoppedForTestError):
            take(limiter)
            seen.append("let through")
            return
        seen.append("stopped")

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)
    assert seen == []
    limiter.stop()
    for thread in threads:
        thread.join(timeout=120)
    assert seen == ["stopped"] * 8


def test_nothing_goes_through_after_a_stop() -> None:
    limiter = RateLimiter(95)
    take(limiter)
    limiter.stop()
    with pytest.raises(StoppedForTestError):
        take(limiter)


def test_a_slot_is_given_back_whatever_happens_in_it() -> None:
    limiter = RateLimiter(95)

    def fail() -> None:
        with limiter.slot(StoppedForTestError):
            seen.append(limiter.in_flight)
            raise ZeroDivisionError

    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == [1]
    assert limiter.in_flight == 0


def test_a_stopped_limiter_settles_when_the_last_call_is_back() -> None:
    limiter = RateLimiter(95)
    back = threading.Event()

    def call() -> None:
        with limiter.slot(StoppedForTestError):
            back.wait(120)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    while not limiter.in_flight:
        time.sleep(0.001)
    limiter.stop()
    assert not limiter.settle(0.01)
    back.set()
    assert limiter.settle(120)
    thread.join(timeout=120)


def test_a_wait_is_told() -> None:
    waits: list[float] = []
    limiter = full(on_wait=waits.append)

    def wait() -> None:
        with contextlib.suppress(StoppedForTestError):
            take(limiter)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    while not waits:
        time.sleep(0.001)
    limiter.stop()
    thread.join(timeout=120)
    assert waits[0] == pytest.approx(10)


def test_waiting_threads_go_on_when_a_new_window_shows() -> None:
    clock = [EPOCH]
    limiter = RateLimiter(95, clock=lambda: clock[0])
    limiter.learn(told(0), EPOCH, exceeded=False)
    threads = [threading.Thread(target=take, args=(limiter,), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.02)
    clock[0] += 11
    limiter.learn(told(100, reset=EPOCH + 20), clock[0], exceeded=False)
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    assert limiter.in_flight == 0


def test_threads_stay_within_the_share_of_a_window() -> None:
    """Real threads; time passes while all of them wait for the end of a window, and only then."""
    server, lock, now = Server(limit=100, seconds=1), threading.Lock(), [EPOCH]

    def pass_(seconds: float) -> None:
        now[0] += seconds

    limiter = RateLimiter(95, clock=lambda: now[0], on_wait=pass_)
    with limiter.slot(StoppedForTestError) as sent_at:
        limiter.learn(server.answer(now[0])[1], sent_at, exceeded=False)
    todo = list(range(150))

    def work() -> None:
        while True:
            with lock:
                if not todo:
                    return
                todo.pop()
            with limiter.slot(StoppedForTestError) as sent_at:
                with lock:
                    taken, rate = server.answer(now[0])
                limiter.learn(rate, sent_at, exceeded=not taken)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not any(thread.is_alive() for thread in threads)
    assert not server.refused
    assert list(server.used.values()) == [95, 56]


@pytest.mark.parametrize(
    ("rate", "seconds"), [(told(0, reset=EPOCH + 7), 7), (RateLimit(retry_after=4), 4), (RateLimit(), 1)]
)
def test_a_429_tells_for_how_long_nothing_is_let_through(rate: RateLimit, seconds: float) -> None:
    limiter = RateLimiter(95, clock=lambda: EPOCH)
    assert limiter.closed_for == 0
    with limiter.slot(StoppedForTestError) as sent_at:
        limiter.learn(rate, sent_at, exceeded=True)
    assert limiter.closed_for == seconds


def test_nothing_is_known_of_a_wait_for_calls_in_flight() -> None:
    limiter = RateLimiter(95, clock=lambda: EPOCH)
    with limiter.slot(StoppedForTestError) as sent_at:
        limiter.learn(told(7), sent_at, exceeded=False)
        assert limiter.closed_for == 0


@pytest.mark.parametrize("retry_after", [0, -1, -0.5])
def test_a_429_that_asks_for_no_pause_is_as_one_without_a_word(retry_after: float) -> None:
    window = Window(95)
    window.exceeded(EPOCH, RateLimit(retry_after=retry_after), EPOCH)
    assert window.wait(EPOCH, 0) == pytest.approx(1)
    window.exceeded(EPOCH + 1, told(50, retry_after=retry_after), EPOCH + 1)
    assert window.wait(EPOCH + 1, 0) == pytest.approx(9)


@pytest.mark.parametrize(("retry_after", "seconds"), [(0.2, 1), (1.5, 2), (math.inf, 60)])
def test_a_429_that_asks_for_a_part_of_a_second_is_given_a_whole_one(retry_after: float, seconds: float) -> None:
    window = Window(95)
    window.exceeded(EPOCH, RateLimit(retry_after=retry_after), EPOCH)
    assert window.wait(EPOCH, 0) == pytest.approx(seconds)
