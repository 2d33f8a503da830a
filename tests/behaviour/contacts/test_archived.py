"""An archived contact of another person is brought back to be looked at, and archived again, sooner or later."""

from __future__ import annotations

import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Response
from tests.support.loading import another, record, schema, state

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox import Request, SandboxServer
    from tests.support.front import Front
    from tests.support.loading import Loaded, Loader, People

Row = dict[str, Any]
EVES = "ann@example.com"
"""An address that Ann has by now, and that archived Eve had."""
ANN: Row = {"id": "1", "email": EVES, "name": "Ann"}
EVE: Row = {"id": "2", "email": EVES, "name": "Eve"}
BOB: Row = {"id": "3", "email": "bob@example.com", "name": "Bob"}
SAID = "were brought back from the archive to be looked at"


def customers(*rows: Row, stream: str = "customers") -> list[Row]:
    return [
        schema(stream, id="text", email="text", name="text"),
        *(record(stream, **row) for row in rows),
        state({"bookmarks": {stream: {"n": len(rows)}}}),
    ]


def archived(people: People, **values: Any) -> str:
    """Make somebody who is archived; returns the Intercom id."""
    contact = people.add(**{"external_id": "2", "email": EVES, "name": "Eve", **values})
    people.archive(contact)
    return contact


def refuse() -> Response:
    error = {"code": "parameter_invalid", "message": "Not now"}
    return Response(422, json.dumps({"type": "error.list", "errors": [error]}).encode())


def refuses_to(front: Front, what: str) -> None:
    """Have Intercom refuse to archive, or to read."""
    front.hook = lambda request: refuse() if request.path.endswith(what) and request.method != "PUT" else None


def state_of(people: People, contact: str) -> str:
    return str(people.one(id=contact)["state"])


def archives(sandbox: SandboxServer, contact: str) -> int:
    """How often the target has had a contact archived."""
    own = (call.path == f"/contacts/{contact}/archive" for call in sandbox.calls if call.version is not None)
    return sum(own) - 1  # the first was by hand


# By the next run.


def test_who_could_not_be_archived_again_is_so_by_the_next_run(
    load: Loader, front: Front, people: People, sandbox: SandboxServer, caplog: pytest.LogCaptureFixture
) -> None:
    eve = archived(people)
    refuses_to(front, "/archive")
    first = load(customers(ANN, BOB))
    assert (first.exit_code, first.results()) == (0, {"rejected": 1, "created": 1})
    assert first.refusals[0]["code"] == "another_person"
    assert (state_of(people, eve), first.stream()["unarchived"]) == ("live", 1)
    assert f"Stream 'customers': contacts {SAID}" in caplog.text
    assert "1 left unarchived" in caplog.text

    again = load(customers(BOB))
    assert (state_of(people, eve), again.stream()["unarchived"]) == ("live", 1)

    front.let_through()
    second = load(customers(BOB))
    assert (second.exit_code, second.results(), second.stream()["unarchived"]) == (0, {"unchanged": 1}, 0)
    assert state_of(people, eve) == "archived"
    assert "contacts that an earlier run had brought back are archived again (1)" in caplog.text

    calls = archives(sandbox, eve)
    caplog.clear()
    assert load(customers(BOB)).exit_code == 0
    assert archives(sandbox, eve) == calls
    assert "brought back" not in caplog.text


def test_a_run_of_another_stream_archives_again_too(load: Loader, front: Front, people: People) -> None:
    eve = archived(people)
    refuses_to(front, "/archive")
    load(customers(ANN))
    front.let_through()
    done = load(customers(BOB, stream="clients"), streams={"clients": {}})
    assert (done.exit_code, state_of(people, eve)) == (0, "archived")
    assert set(done.report["streams"]) == {"clients"}


@pytest.mark.parametrize("moment", ["brought back", "read", "archived again"])
def test_a_kill_at_any_moment_of_the_look_is_made_good(
    load: Loader, front: Front, people: People, sandbox: SandboxServer, moment: str
) -> None:
    eve = archived(people)
    reached, go_on = threading.Event(), threading.Event()
    held = {
        "brought back": f"/contacts/{eve}/unarchive",
        "read": f"/contacts/{eve}",
        "archived again": f"/contacts/{eve}/archive",
    }

    def hook(request: Request) -> Response | None:
        if request.path != held[moment]:
            return None
        # What was sent arrives, and the run is killed before it hears of it.
        answer = front.handle(request) if moment == "brought back" else None
        reached.set()
        go_on.wait(30)
        return answer or refuse()

    front.hook = hook
    process = load.begin(customers(ANN))
    assert reached.wait(30)
    process.kill()
    process.communicate()
    go_on.set()
    assert state_of(people, eve) == "live"

    front.let_through()
    done = load(customers(BOB))
    assert (done.exit_code, done.results(), state_of(people, eve)) == (0, {"created": 1}, "archived")


def test_a_signal_in_the_midst_of_a_look_is_in_the_report(load: Loader, front: Front, people: People) -> None:
    eve = archived(people)
    reached = threading.Event()

    def hook(request: Request) -> Response | None:
        if request.path != f"/contacts/{eve}/archive":
            return None
        reached.set()
        return Response(503, b"{}")

    front.hook = hook
    process = load.begin(customers(ANN))
    assert reached.wait(30)
    process.send_signal(signal.SIGTERM)
    done = load.finish(process)
    assert (done.exit_code, done.states, done.stream()["unarchived"]) == (143, [], 1)
    front.let_through()
    assert load(customers(BOB)).exit_code == 0
    assert state_of(people, eve) == "archived"


@pytest.mark.parametrize("what", ["look", "bring back"])
def test_who_could_not_be_read_is_archived_again_at_once(
    load: Loader, front: Front, people: People, sandbox: SandboxServer, what: str
) -> None:
    eve = archived(people)

    def hook(request: Request) -> Response | None:
        if what == "look" and (request.method, request.path) == ("GET", f"/contacts/{eve}"):
            return refuse()
        if what == "bring back" and request.path == f"/contacts/{eve}/unarchive":
            return refuse()
        return None

    front.hook = hook
    done = load(customers(ANN))
    assert (done.exit_code, done.results(), done.stream()["unarchived"]) == (0, {"rejected": 1}, 0)
    assert (state_of(people, eve), archives(sandbox, eve)) == ("archived", 1 if what == "look" else 0)


def test_without_a_ledger_the_contact_is_named(
    load: Loader, front: Front, people: People, caplog: pytest.LogCaptureFixture
) -> None:
    eve = archived(people)
    refuses_to(front, "/archive")
    done = load(customers(ANN), ledger_url="none")
    assert (done.exit_code, done.stream()["unarchived"]) == (0, 1)
    assert f"Stream 'customers': contact {eve} was brought back from the archive" in caplog.text
    assert "archive it in Intercom" in caplog.text
    assert EVES not in caplog.text


# Who stays.


def test_whoever_a_record_brings_back_in_the_same_run_stays(load: Loader, front: Front, people: People) -> None:
    eve = archived(people)
    refuses_to(front, "/archive")
    done = load(customers(ANN, {**EVE, "email": "eve@example.com"}), batch_size_rows=1)
    assert (done.results(), done.stream()["unarchived"]) == ({"rejected": 1, "updated": 1}, 0)
    front.let_through()
    assert load(customers(BOB)).exit_code == 0
    assert (state_of(people, eve), people.one(id=eve)["email"]) == ("live", "eve@example.com")


def test_of_two_records_in_whose_way_a_contact_is_one_may_bring_it_back(
    load: Loader, front: Front, people: People
) -> None:
    """Nobody is archived for the one after the other has brought them back, whichever comes first."""
    eve = archived(people)
    conflicts, updated = threading.Barrier(2), threading.Event()

    def hook(request: Request) -> Response | None:
        answer = None
        if (request.method, request.path) == ("POST", "/contacts"):
            answer = front.handle(request)
            conflicts.wait(30)
        elif request.method == "PUT":
            answer = front.handle(request)
            updated.set()
        elif request.path == f"/contacts/{eve}/archive":
            # Who is about to archive is slower than who updates.
            updated.wait(1)
        return answer

    front.hook = hook
    done = load(customers(ANN, {**EVE, "email": "eve@example.com"}), match_by=["external_id"], max_connections=8)
    assert (done.exit_code, done.results()) == (0, {"rejected": 1, "updated": 1})
    assert (state_of(people, eve), people.one(id=eve)["email"]) == ("live", "eve@example.com")


def test_what_another_run_is_looking_at_is_left_to_it(
    load: Loader, front: Front, people: People, sandbox: SandboxServer
) -> None:
    eve = archived(people)
    reached, go_on = threading.Event(), threading.Event()

    def hook(request: Request) -> Response | None:
        if request.path == f"/contacts/{eve}" and not go_on.is_set():
            reached.set()
            go_on.wait(30)
        return None

    front.hook = hook
    process = load.begin(customers(ANN))
    assert reached.wait(30)
    beside = another(load)(customers(BOB))
    assert (beside.exit_code, beside.stream()["unarchived"]) == (0, 0)
    assert (state_of(people, eve), archives(sandbox, eve)) == ("live", 0)
    go_on.set()
    done = load.finish(process)
    assert (done.exit_code, done.stream()["unarchived"], state_of(people, eve)) == (0, 0, "archived")
    assert load(customers(BOB)).exit_code == 0
    assert archives(sandbox, eve) == 1


def test_a_dry_run_plans_to_archive_again_and_leaves_it_to_a_run(load: Loader, front: Front, people: People) -> None:
    eve = archived(people)
    refuses_to(front, "/archive")
    load(customers(ANN))
    front.let_through()
    done = load(customers(BOB), dry_run=True)
    assert (done.exit_code, state_of(people, eve)) == (0, "live")
    (plan,) = load.data_dir.glob("plan-*.jsonl")
    planned = [json.loads(line) for line in plan.read_text(encoding="utf-8").splitlines()]
    assert [(one["operation"], one["stream"], one["contact"]) for one in planned if one["contact"]] == [
        ("archive", "customers", eve)
    ]
    assert load(customers(BOB)).exit_code == 0
    assert state_of(people, eve) == "archived"


@pytest.mark.parametrize("how", ["deleted", "archived"])
def test_who_is_gone_by_the_next_run_is_no_matter(
    load: Loader, front: Front, people: People, sandbox: SandboxServer, how: str
) -> None:
    eve = archived(people)
    refuses_to(front, "/archive")
    load(customers(ANN))
    front.let_through()
    go: Callable[[str], None] = people.delete if how == "deleted" else people.archive
    go(eve)
    done: Loaded = load(customers(BOB))
    assert (done.exit_code, done.stream()["unarchived"], state_of(people, eve)) == (0, 0, how)
    calls = len(sandbox.calls)
    assert load(customers(BOB)).exit_code == 0
    assert not any("archive" in call.path for call in sandbox.calls[calls:])
