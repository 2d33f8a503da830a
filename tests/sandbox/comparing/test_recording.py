"""A recording shows what Intercom does, and nothing of anybody; the sandbox's tests can replay it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from target_intercom.sandbox.comparing.results.differences import compare
from target_intercom.sandbox.comparing.results.recording import recording
from target_intercom.sandbox.comparing.results.report import Results, markdown, summary
from target_intercom.sandbox.comparing.results.verdicts import verdicts
from target_intercom.sandbox.comparing.script import SCRIPT
from target_intercom.sandbox.comparing.unknowns import UNKNOWNS
from tests.support.front import Front

from .deviations import DEVIATIONS
from .test_safety import inhabit
from .worlds import PREFIX, Hurry, deviating, play, replayed, told, workspace

if TYPE_CHECKING:
    from target_intercom.sandbox import Request, Response
    from target_intercom.sandbox.comparing.calls import Transcript

KEYS = {"seq", "method", "path", "query", "request_body", "status", "response_body", "response_headers"}


def lines_of(transcript: Transcript) -> list[dict[str, Any]]:
    """The recording, as it comes back from a file."""
    return [json.loads(json.dumps(line)) for line in recording(transcript)]


def test_it_has_the_format_of_the_recorded_traffic(reference: Transcript) -> None:
    lines = lines_of(reference)

    assert [line["seq"] for line in lines] == list(range(1, len(reference.exchanges) + 1))
    assert all(line.keys() >= KEYS for line in lines)
    assert {name for line in lines for name in line["response_headers"]} <= {
        *("date", "content-type", "link", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
        *("x-request-id", "intercom-version"),
    }


def test_nothing_of_anybody_is_in_it_or_in_the_report(clock: Hurry) -> None:
    with workspace(clock) as sandbox:
        inhabit(sandbox)
        ids = [entry["id"] for entry in (*sandbox.workspace.everything(), *sandbox.workspace.all_companies())]
        transcript, cleaned, connection = play(sandbox.url, clock)
        workspace_id = sandbox.workspace.id
    with workspace(clock) as other:
        sandboxed, _, _ = play(other.url, clock)
    comparison = compare(SCRIPT, transcript, sandboxed)
    found = verdicts(UNKNOWNS, SCRIPT, comparison, transcript)
    results = Results("2026-01-31", connection.calls, transcript, sandboxed, comparison, found, cleaned)
    written = [*map(json.dumps, recording(transcript)), markdown(results), *summary(results)]

    secrets = [*ids, *transcript.names, workspace_id, PREFIX, PREFIX.strip("-").split("-")[-1]]
    secrets += [
        "Ada",
        "ada@",
        "sandbox.example",
        "Etc/UTC",
        "1611500000",
        "Person",
        "people.example",
        "Stranger",
        "Friends",
    ]
    secrets += ["Bearer", "confidential"]
    for text in written:
        assert [secret for secret in secrets if secret in text] == []
    assert comparison.differences == ()


def test_words_of_a_workspace_break_no_table(reference: Transcript, clock: Hurry) -> None:
    def serve(request: Request) -> Response:
        response = sandbox.sandbox.handle(request)
        response.body = response.body.replace(b"User Not Found", b"<b>Not | Found</b>\\n| ![x](http://x)")
        return response

    with workspace(clock) as sandbox, Front(sandbox, serve) as front:
        transcript, cleaned, connection = play(front.url, clock)
    comparison = compare(SCRIPT, transcript, reference)
    found = verdicts(UNKNOWNS, SCRIPT, comparison, transcript)
    report = markdown(Results("2026-01-31", connection.calls, transcript, reference, comparison, found, cleaned))
    (row,) = [line for line in report.splitlines() if line.startswith("| text |")]

    assert len(re.findall(r"(?<!\\)\|", row)) == 6
    assert "<b>" not in report


def test_the_same_value_has_the_same_stand_in(reference: Transcript) -> None:
    lines = {line["step"]: line for line in lines_of(reference)}
    ann = lines["a user with everything"]["response_body"]["id"]

    assert lines["nothing changes"]["path"] == f"/contacts/{ann}"
    assert lines["a known external_id"]["response_body"]["errors"][0]["message"].endswith(f"id={ann}")
    tag = lines["a tag"]["response_body"]["id"]
    assert lines["tag_id"]["request_body"]["query"]["value"] == tag
    me = lines["who asks"]["response_body"]
    assert lines["a user with everything"]["request_body"]["owner_id"] == me["id"]
    assert lines["a user with everything"]["response_body"]["workspace_id"] == me["app"]["id_code"]


def test_a_sandbox_replays_it_without_a_difference(reference: Transcript, clock: Hurry) -> None:
    with workspace(clock) as sandbox:
        comparison = replayed(lines_of(reference), sandbox.url, clock)

    assert comparison.differences == ()
    assert len(comparison.compared) == len(SCRIPT)


@pytest.mark.parametrize("name", ["another code", "IN takes 50 values", "another order", "companies are never escaped"])
def test_a_recording_of_another_workspace_is_found_to_differ(name: str, clock: Hurry) -> None:
    (deviation,) = [entry for entry in DEVIATIONS if entry.name == name]
    with deviating(clock, deviation) as there:
        lines = lines_of(play(there, clock)[0])
    with workspace(clock) as sandbox:
        comparison = replayed(lines, sandbox.url, clock)

    assert any(line.startswith(f"{deviation.kind} | {deviation.step} | ") for line in told(comparison))
