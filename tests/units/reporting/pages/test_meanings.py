"""What reasons and lines of the log mean."""

from __future__ import annotations

import pytest

from target_intercom.errors import ConfigValidationError
from target_intercom.outcomes import SkipReason
from target_intercom.reporting.pages.meanings import explanation_of, meaning_of, messages
from target_intercom.reporting.pages.rendering import marked


@pytest.mark.parametrize("reason", list(SkipReason))
def test_each_reason_for_skipping_has_a_meaning(reason: SkipReason) -> None:
    known = meaning_of(reason.value, "skipped")
    assert known is not None
    assert known.meaning


def test_codes_are_ours_by_their_result_and_others_are_intercoms() -> None:
    merged, skipped = meaning_of("contact_merged", "rejected"), meaning_of("contact_merged", "skipped")
    assert merged is not None
    assert skipped is not None
    assert merged.meaning != skipped.meaning
    assert meaning_of("parameter_invalid", "rejected") is None
    assert meaning_of("anything", "created") is None


@pytest.mark.parametrize(
    ("text", "error", "advice"),
    [
        (
            "7 records were refused, more than 'max_rejected_records' allows (5). Correct them (r.jsonl) or raise it.",
            "TooManyRejectedError",
            "look into the file",
        ),
        (
            (
                "Intercom refuses the access token: 401 unauthorized: Access Token Invalid. Check 'access_token' "
                "(Developer Hub, your app, Authentication) and that 'region' is the workspace's."
            ),
            "UnauthorizedError",
            "copy the token again",
        ),
        (
            (
                "Intercom cannot be reached: PUT /contacts/{id} did not work for 10 minutes (503). Look at Intercom's "
                "status; then run again: what was not done is repeated."
            ),
            "UnreachableError",
            "wait until Intercom works",
        ),
        (
            (
                "Intercom cannot be reached: no connection. Check 'region' and 'api_url', the network, and Intercom's "
                "status; then run again."
            ),
            "UnreachableError",
            "check the address and the network",
        ),
        ("Stream 'a \"b\"' is busy: a run works on it. Run one after the other.", "StreamBusyError", "wait"),
        ("The ledger (sqlite:////x/l.db) is locked by another process: wait for it, or end it", "LedgerError", "wait"),
        ("Line 12 is not JSON", "InvalidInputLine", "a tap must not log to stdout"),
        ("Attribute 'x' is left out: it is archived", None, "do what the message asks for"),
        ("Setting 'sync_mode' does not take 7: give one of …", ConfigValidationError.__name__, "take one of"),
    ],
)
def test_a_line_of_the_log_is_found_among_the_messages(text: str, error: str | None, advice: str) -> None:
    known = explanation_of(text, error)
    assert known is not None
    assert known.advice.startswith(advice) or advice in known.advice


def test_a_line_that_no_document_has_is_not_explained() -> None:
    assert explanation_of("Something else entirely", None) is None
    assert explanation_of("Unexpected KeyError; with LOGLEVEL=DEBUG the log says more", "KeyError") is None


def test_most_messages_are_found_by_what_they_say() -> None:
    """Placeholders are patterns, so a message of the documents finds itself, or one that says as much."""
    missed = [
        message.says
        for rows in messages().values()
        for message in rows
        if message.says.startswith("`")
        and len(message.says) > 40
        and explanation_of(message.says.split("`")[1]) is None
    ]
    assert missed == []


def test_texts_of_the_documents_become_html() -> None:
    html = marked("give `a<b`, or see [the limit](removals.md#the-fuse) & more")
    assert html == "give <code>a&lt;b</code>, or see the limit (docs/removals.md) &amp; more"
