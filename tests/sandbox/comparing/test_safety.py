"""Nothing is left in the workspace, and no workspace is touched that may not be meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox import Request, Response
from target_intercom.sandbox.comparing.calls import ComparisonError, get
from target_intercom.sandbox.comparing.playing.connection import Connection
from target_intercom.sandbox.comparing.playing.made import Made
from target_intercom.sandbox.comparing.playing.player import Patience, Player
from target_intercom.sandbox.comparing.playing.waiting import Stop, Stopped, Waiting
from target_intercom.sandbox.comparing.results.differences import compare
from target_intercom.sandbox.comparing.script import SCRIPT
from target_intercom.sandbox.comparing.session import MOST_CONTACTS, Outcome, clean, examine, play
from target_intercom.sandbox.messages import Fate
from target_intercom.sandbox.versions import DEFAULT
from tests.support.front import Front

from .worlds import PREFIX, Hurry, connected, nearby, workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_intercom.sandbox import SandboxServer
    from target_intercom.sandbox.comparing.calls import Transcript
    from tests.support.nearby import Nearby

    Handle = Callable[[Request], Response]


@pytest.fixture
def inhabited(clock: Hurry) -> Iterator[SandboxServer]:
    """A workspace in which somebody lives, and whose deletions take no time."""
    with workspace(clock, deletion_delay=0, company_deletion_delay=0) as sandbox:
        inhabit(sandbox)
        yield sandbox


def inhabit(sandbox: SandboxServer) -> None:
    there = sandbox.workspace
    there.attributes.create({"name": "confidential", "model": "contact", "data_type": "string"}, 0, DEFAULT)
    company = there.save_company({"company_id": "stranger inc", "name": "Stranger Inc"}, DEFAULT)
    for name in ("x", "y", "1"):
        body = {"role": "user", "external_id": name, "email": f"{name}@people.example", "name": f"Person {name}"}
        contact = there.create_contact(body, DEFAULT)
        there.attach(contact.id, {"id": company.id}, DEFAULT)
        there.save_tag({"name": "Friends", "users": [{"id": contact.id}]}, DEFAULT)


def state(sandbox: SandboxServer) -> Any:
    """All that is live in a workspace."""
    there = sandbox.workspace
    there.settle()
    return {
        "contacts": [entry for entry in there.everything() if entry["state"] not in {"deleted", "merged"}],
        "companies": [entry for entry in there.all_companies() if entry["state"] == "live"],
        "tags": [tag.as_json() for tag in there.tags.all()],
        "attributes": there.attributes.listed(("contact", "company"), DEFAULT, "1", archived=False),
    }


def playing(there: str | Nearby, clock: Hurry, stop: Stop, most: int = 400) -> tuple[Outcome, Connection]:
    connection = connected(there, clock, stop, most)
    outcome = play(connection, PREFIX, Patience(), lambda _: None)
    connection.close()
    return outcome, connection


class AtCall:
    """Does something at the n-th call, and counts."""

    def __init__(self, handle: Handle, number: int, act: Callable[[Response], Response]) -> None:
        self.calls = 0
        self._handle, self._number, self._act = handle, number, act

    def __call__(self, request: Request) -> Response:
        self.calls += 1
        response = self._handle(request)
        return self._act(response) if self.calls == self._number else response


def reset(_: Response) -> Response:
    return Response(0, fate=Fate.RESET)


def test_stopped_at_each_third_call_it_leaves_nothing(inhabited: SandboxServer, clock: Hurry) -> None:
    before = state(inhabited)
    number, stopped = 1, 0
    while True:
        inhabited.sandbox.reset()
        inhabit(inhabited)
        before = state(inhabited)
        stop = Stop()

        def ask(response: Response, stop: Stop = stop) -> Response:
            stop.ask()
            return response

        outcome, _ = playing(nearby(AtCall(inhabited.sandbox.handle, number, ask)), clock, stop)
        assert outcome.cleaned is not None
        assert outcome.cleaned.left == [], number
        assert state(inhabited) == before, number
        if outcome.transcript is not None:
            break
        assert isinstance(outcome.reason, Stopped)
        number, stopped = number + 3, stopped + 1

    assert stopped >= len(SCRIPT) // 3


@pytest.mark.parametrize("offset", range(3))
def test_a_lost_answer_leaves_nothing(offset: int, inhabited: SandboxServer, clock: Hurry) -> None:
    """The connection breaks after the call was carried out: no answer gives an id."""
    for number in range(12 + 7 * offset, 225, 21):
        inhabited.sandbox.reset()
        inhabit(inhabited)
        before = state(inhabited)
        outcome, _ = playing(nearby(AtCall(inhabited.sandbox.handle, number, reset)), clock, Stop())
        assert isinstance(outcome.reason, ComparisonError), number
        assert outcome.cleaned is not None
        assert outcome.cleaned.left == [], number
        assert state(inhabited) == before, number


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b'{"id":null,"data":3,"tasks":3,"errors":3,"pages":[]}', b"<html>"]
)
def test_answers_of_no_shape_leave_nothing(
    body: bytes, inhabited: SandboxServer, clock: Hurry, reference: Transcript
) -> None:
    """Each seventh call is carried out, but its answer tells nothing."""
    before = state(inhabited)
    calls: list[str] = []

    def serve(request: Request) -> Response:
        calls.append(request.path)
        response = inhabited.sandbox.handle(request)
        is_spoilt = len(calls) % 7 == 0 and len(calls) < 220
        return Response(200, body, {"Content-Type": "application/json"}) if is_spoilt else response

    with Front(inhabited, serve) as front:
        outcome, _ = playing(front.url, clock, Stop())

    assert outcome.transcript is not None
    assert outcome.cleaned is not None
    assert outcome.cleaned.left == []
    assert state(inhabited) == before
    assert compare(SCRIPT, outcome.transcript, reference).differences != ()


@pytest.mark.parametrize("most", [30, 90, 150, 210, 270])
def test_it_makes_no_more_calls_than_allowed_and_takes_all_away(
    most: int, inhabited: SandboxServer, clock: Hurry
) -> None:
    before = state(inhabited)

    outcome, connection = playing(inhabited.url, clock, Stop(), most)

    assert outcome.transcript is not None
    assert "the calls are spent" in outcome.transcript.skipped.values()
    assert connection.calls == len(inhabited.calls) <= most
    assert outcome.cleaned is not None
    assert outcome.cleaned.left == []
    assert state(inhabited) == before


def test_what_cannot_be_taken_away_is_named_and_taken_away_later(inhabited: SandboxServer, clock: Hurry) -> None:
    before = state(inhabited)

    def refuse(request: Request) -> Response | None:
        return Response(500) if request.method == "DELETE" and "-vip" not in request.path else None

    with Front(inhabited, refuse) as front:
        outcome, _ = playing(front.url, clock, Stop())
        assert outcome.cleaned is not None
        assert outcome.cleaned.left != []
        front.let_through()
        connection = Connection(front.url, "sandbox", Waiting(clock, Stop()))
        cleaned = clean(connection, PREFIX, Patience())
        connection.close()

    assert cleaned.left == []
    assert state(inhabited) == before


def test_a_later_cleaning_finds_everything_archived_contacts_too(inhabited: SandboxServer, clock: Hurry) -> None:
    """As after a kill: nothing is remembered but the prefix."""
    before = state(inhabited)
    connection = Connection(inhabited.url, "sandbox", Waiting(clock, Stop()))
    Player(connection, Made(PREFIX), Patience()).play(SCRIPT, lambda _: None)
    clock.sleep(1)
    assert state(inhabited) != before

    connection.calls = 0
    cleaned = clean(connection, PREFIX, Patience())
    connection.close()

    assert cleaned.left == []
    assert state(inhabited) == before


def test_the_rate_limit_is_kept(reference: Transcript, clock: Hurry) -> None:
    with workspace(clock, rate_limit=40) as sandbox:
        outcome, _ = playing(sandbox.url, clock, Stop())
        windows = sandbox.windows.all()

    assert outcome.transcript is not None
    assert sum(window.rate_limited for window in windows) == 0
    differences = compare(SCRIPT, outcome.transcript, reference).differences
    # A wait for the next window is a wait for a deletion and in a repeated step as well.
    others = {step for entry in differences if entry.kind != "timing" for step in entry.steps}
    assert others <= {"a deleted user is unarchived"}


def test_a_429_is_waited_for_and_counted(reference: Transcript, clock: Hurry) -> None:
    with workspace(clock) as sandbox:
        sandbox.conditions.change({"fault": "429", "method": "POST", "path": "/tags", "times": 2})
        outcome, connection = playing(sandbox.url, clock, Stop())

        assert connection.calls == len(sandbox.calls)
    assert outcome.transcript is not None
    assert compare(SCRIPT, outcome.transcript, reference).differences == ()


def examined(sandbox: SandboxServer, clock: Hurry, **more: str) -> str:
    connection = Connection(sandbox.url, "sandbox", Waiting(clock, Stop()))
    try:
        return examine(connection, **more).id
    finally:
        connection.close()


def test_a_workspace_with_many_contacts_is_refused_unless_it_is_named(inhabited: SandboxServer, clock: Hurry) -> None:
    assert examined(inhabited, clock) == inhabited.workspace.id
    for number in range(MOST_CONTACTS - 2):
        inhabited.workspace.create_contact({"role": "user", "external_id": f"many {number}"}, DEFAULT)

    with pytest.raises(ComparisonError, match=r"1,001 contacts.*nothing was made.*--workspace"):
        examined(inhabited, clock)
    assert examined(inhabited, clock, workspace_id=inhabited.workspace.id) == inhabited.workspace.id
    with pytest.raises(ComparisonError, match="not for other: nothing was made"):
        examined(inhabited, clock, workspace_id="other")
    assert all(call.method == "GET" for call in inhabited.calls)


def test_a_workspace_of_another_region_is_refused(inhabited: SandboxServer, clock: Hurry) -> None:
    with pytest.raises(ComparisonError, match="--region us"):
        examined(inhabited, clock, region="eu")
    assert examined(inhabited, clock, region="us") == inhabited.workspace.id


def test_what_is_no_workspace_is_told_in_a_sentence(inhabited: SandboxServer, clock: Hurry) -> None:
    with Front(inhabited, lambda _: Response(200, b"<html>", {"Content-Type": "text/html"})) as front:
        connection = Connection(front.url, "sandbox", Waiting(clock, Stop()))
        with pytest.raises(ComparisonError, match="no workspace of Intercom's"):
            examine(connection)
        assert connection.send("x", get("/me")).answer == {"not_json": "text/html"}
        connection.close()
