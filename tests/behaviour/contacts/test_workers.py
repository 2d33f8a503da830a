"""Several workers on one workspace with one ledger: no duplicates, nothing lost, one rate limit."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from demo.database import running_database
from target_intercom.sandbox import SandboxServer
from target_intercom.sandbox.conditions import Conditions
from tests.support.front import Front
from tests.support.loading import Loader, People, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from target_intercom.sandbox import Request
    from tests.support.loading import Loaded

PEOPLE = schema("people", id="integer", email="text", name="text")
STATE: dict[str, Any] = {"bookmarks": {"people": {}}}


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """A real PostgreSQL; workspaces differ, so that tests may share it."""
    with running_database() as database:
        yield database.url


def rows(numbers: Sequence[int], stream: str = "people") -> list[dict[str, Any]]:
    return [record(stream, id=number, email=f"{number}@example.com", name=f"Name {number}") for number in numbers]


def side_by_side(
    sandbox: SandboxServer, folder: Path, works: Sequence[list[dict[str, Any]]], **settings: Any
) -> list[Loaded]:
    """Run the target once for each worker, all at the same time, each with a folder of its own."""
    loads = [Loader(sandbox.url, folder / f"worker {number}") for number in range(len(works))]
    processes = [load.begin(work, **settings) for load, work in zip(loads, works, strict=True)]
    return [load.finish(process) for load, process in zip(loads, processes, strict=True)]


def test_two_workers_share_the_contacts_of_one_stream_and_the_limit(postgres: str, tmp_path: Path) -> None:
    """How well they use the limit is measured by `benchmarks/`."""
    contacts = 1_500
    halves = [[PEOPLE, *rows(range(half, contacts, 2)), state(STATE)] for half in (0, 1)]
    with SandboxServer(Conditions(rate_limit=300, rate_window=1, search_lag=2)) as sandbox:
        done = side_by_side(sandbox, tmp_path, halves, ledger_url=postgres, search_delay_seconds=3)
        assert [(one.exit_code, one.states, one.results("people")) for one in done] == [
            (0, [STATE], {"created": contacts // 2})
        ] * 2
        live = Counter(contact["email"] for contact in People(sandbox).live())
        assert live == Counter(f"{number}@example.com" for number in range(contacts))
        # Each learns of the other's calls from answers: in every window some may come too late.
        statuses = Counter(call.status for call in sandbox.calls)
        assert statuses[429] <= statuses.total() / 5


def test_a_second_round_of_two_workers_costs_no_call(postgres: str, tmp_path: Path) -> None:
    halves = [[PEOPLE, *rows(range(half, 200, 2)), state(STATE)] for half in (0, 1)]
    with SandboxServer() as sandbox:
        side_by_side(sandbox, tmp_path, halves, ledger_url=postgres)
        # The other way round: what one worker wrote the other knows.
        done = side_by_side(sandbox, tmp_path, halves[::-1], ledger_url=postgres)
    assert [one.results("people") for one in done] == [{"unchanged": 100}] * 2
    assert sum(sum(one.calls.values()) for one in done) <= 4


@pytest.mark.parametrize("creation_mode", ["user", "lead"])
def test_two_workers_with_the_same_people_make_each_once(postgres: str, tmp_path: Path, creation_mode: str) -> None:
    """Two streams that name the same emails, at the same time: users conflict in Intercom, leads would not.

    Both have an entry: a worker that begins late would find the other's stream in the ledger, and refuse its own.
    """
    settings = {"creation_mode": creation_mode, "match_by": ["email"], "mappings": {"id": None}}
    settings["streams"] = {"a": {}, "b": {}}
    works = [
        [schema(stream, id="integer", email="text", name="text"), *rows(range(150), stream), state(STATE)]
        for stream in ("a", "b")
    ]
    with SandboxServer(Conditions(search_lag=1, latency=0.02)) as sandbox:
        # Far longer than the index lags: on a busy machine a lead arrives a while after the note that it is sent.
        done = side_by_side(sandbox, tmp_path, works, ledger_url=postgres, search_delay_seconds=30, **settings)
        people = Counter(contact["email"] for contact in People(sandbox).live())
    assert [one.exit_code for one in done] == [0, 0]
    assert people == Counter(f"{number}@example.com" for number in range(150))


def test_two_workers_may_share_an_sqlite_ledger_too(tmp_path: Path) -> None:
    halves = [[PEOPLE, *rows(range(half, 300, 2)), state(STATE)] for half in (0, 1)]
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    with SandboxServer() as sandbox:
        side_by_side(sandbox, tmp_path, halves, ledger_url=url)
        done = side_by_side(sandbox, tmp_path, halves, ledger_url=url)
    assert [one.results("people") for one in done] == [{"unchanged": 150}] * 2


def test_workers_share_a_stream_of_which_nobody_can_be_missing(
    load: Loader, sandbox: SandboxServer, tmp_path: Path
) -> None:
    """The tap versions one of the two that the stream is made of, and the other is incremental."""
    settings = {
        "ledger_url": f"sqlite:///{tmp_path / 'shared.db'}",
        "stream_maps": {name: {"__alias__": "people"} for name in ("eu", "us")},
        "sync_mode": "sync",
    }
    described = {**schema("us", id="integer", email="text", name="text"), "bookmark_properties": ["id"]}
    whole = {"type": "ACTIVATE_VERSION", "stream": "eu", "version": 7}
    eu = [schema("eu", id="integer", email="text", name="text"), *rows([1], "eu"), whole]
    others = iter([Loader(sandbox.url, tmp_path / "other")])
    done: list[Loaded] = []

    def beside(request: Request) -> None:
        if request.path == "/contacts" and (other := next(others, None)) is not None:
            done.append(other.finish(other.begin([described, *eu, *rows([2], "us")], **settings)))

    with Front(sandbox, beside) as front:
        load([described, *eu, *rows([3], "us")], api_url=front.url, **settings)
    assert [one.exit_code for one in done] == [0], done[0].log


@pytest.mark.parametrize("halves_of", ["one stream", "two streams"])
def test_two_workers_put_contacts_into_groups_and_take_them_out(postgres: str, tmp_path: Path, halves_of: str) -> None:
    """Many contacts, few groups: the workers make the same tags, and know each other's for ours."""
    streams = ["members", "members"] if halves_of == "one stream" else ["members", "guests"]
    settings = {
        "ledger_url": postgres,
        "mappings": {},
        "sync_mode": "sync",
        "max_removal_percent": 100,
        "streams": {stream: {"object": "groups"} for stream in streams},
    }

    def members(half: int, **values: Any) -> list[dict[str, Any]]:
        """One half of the people; where the streams are two, all people in each."""
        stream, step = streams[half], 2 if halves_of == "one stream" else 1
        return [
            schema(stream, ("external_id", "tag"), external_id="text", tag="text", _sdc_deleted_at="datetime"),
            *(
                record(stream, external_id=str(number), tag=f"group {number % 3}", **values)
                for number in range(half if step > 1 else 0, 300, step)
            ),
            state({"bookmarks": {stream: {}}}),
        ]

    with SandboxServer() as sandbox:
        people = People(sandbox)
        for number in range(300):
            people.add(external_id=str(number))
        on = side_by_side(sandbox, tmp_path, [members(0), members(1)], **settings)
        assert [one.exit_code for one in on] == [0, 0]
        assert {len(one["tags"]) for one in people.live()} == {1}
        assert len(people.call("GET", "/tags")["data"]) == 3
        again = side_by_side(sandbox, tmp_path, [members(1), members(0)], **settings)
        assert [one.writes for one in again] == [0, 0], [one.calls for one in again]
        off = side_by_side(
            sandbox, tmp_path, [members(half, _sdc_deleted_at="2024-05-01T12:00:00Z") for half in (0, 1)], **settings
        )
        assert [one.exit_code for one in off] == [0, 0]
        assert {len(one["tags"]) for one in people.live()} == {0}
