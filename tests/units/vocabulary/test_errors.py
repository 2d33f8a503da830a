"""What an error says, and what is kept out of a log."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom import errors
from target_intercom.errors import Fault, redact

ADDRESSES = [
    "ann@example.com",
    "Ann.O'Neil+tag@mail.example.co.uk",
    "ünï@exämple.de",
    "山田@例え.jp",
    "a@b",
    "ann_99%x@sub-domain.example",
    "ann@[192.168.0.1]",
    '"quoted"@example.com',
]
FRAMES = [
    "{}",
    "Contact {} exists",
    "<{}>",
    "mailto:{}.",
    '"{}"',
    "'{}'",
    "({})",
    "[{}, {}]",
    '{{"email": "{}"}}',
    "email={}&x=1",
    "to:{};cc:{}",
    "line\n{}\nline",
    "https://api.intercom.io/contacts?email={}",
]


@pytest.mark.parametrize("frame", FRAMES, ids=repr)
@pytest.mark.parametrize("address", ADDRESSES[:6])
def test_an_email_address_is_kept_out_wherever_it_stands(address: str, frame: str) -> None:
    shown = redact(frame.replace("{}", address).replace("{{", "{").replace("}}", "}"))
    assert address not in shown
    assert "@" not in shown
    assert "<email>" in shown


@pytest.mark.parametrize("address", ADDRESSES[6:])
def test_no_odd_address_stands_in_a_log_as_a_whole(address: str) -> None:
    assert address not in redact(f"Contact {address} exists")


@pytest.mark.parametrize("address", ["ann%40example.com", "ann%40EXAMPLE.com"])
def test_an_address_in_a_path_is_kept_out_too(address: str) -> None:
    assert "example" not in redact(f"GET /contacts/find_by_external_id/{address} failed").lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing to hide",
        "5 @ 3 euros",
        "id=63a07ddf05a32042dffac965",
        "@",
        "a @b",
        "write '@' as %40",
        "Stream 'x': 3 records",
    ],
)
def test_what_holds_no_address_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


def test_what_stands_around_an_address_stays() -> None:
    assert redact("Contact ann@example.com (user, id 5) exists") == "Contact <email> (user, id 5) exists"


@settings(deadline=None)
@given(before=st.text(max_size=20), after=st.text(max_size=20), address=st.emails())
def test_no_address_survives(before: str, after: str, address: str) -> None:
    assert f" {address} " not in redact(f"{before} {address} {after}")


@settings(deadline=None)
@given(text=st.text())
def test_what_is_redacted_stays_so(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault(), ""),
        (Fault(status=503), "503"),
        (Fault(message="no connection"), "no connection"),
        (Fault(429, "rate_limit_exceeded"), "429 rate_limit_exceeded"),
        (
            Fault(400, "parameter_invalid", "no such owner", "owner_id", "000abc"),
            "400 parameter_invalid: no such owner (field owner_id, request 000abc)",
        ),
    ],
)
def test_a_fault_reads_as_a_sentence(fault: Fault, sentence: str) -> None:
    assert str(fault) == sentence


@pytest.mark.parametrize(
    "kind", [errors.UnauthorizedError, errors.ForbiddenError, errors.VersionError, errors.UnreachableError]
)
def test_errors_that_end_the_run_are_fatal_to_the_sdk(kind: type[errors.ApiError]) -> None:
    assert issubclass(kind, errors.FatalSyncError)
    assert not issubclass(kind, (errors.RetriableAPIError, errors.SkippableSyncError))


@pytest.mark.parametrize(
    "kind",
    [errors.RateLimitedError, errors.ServerError, errors.GarbledAnswerError, errors.ConnectionLostError],
)
def test_errors_that_may_pass_can_be_retried(kind: type[errors.ApiError]) -> None:
    assert issubclass(kind, errors.RetriableAPIError)
    assert not issubclass(kind, (errors.FatalSyncError, errors.SkippableSyncError))


@pytest.mark.parametrize(
    "kind",
    [
        errors.RefusedError,
        errors.CallFailedError,
        errors.InDoubtError,
        errors.ConflictError,
        errors.NotFoundError,
        errors.MergedError,
        errors.UnknownAttributeError,
        errors.InvalidRecordError,
    ],
)
def test_errors_of_one_record_end_no_run(kind: type[Exception]) -> None:
    assert issubclass(kind, errors.SkippableSyncError)
    assert not issubclass(kind, (errors.FatalSyncError, errors.RetriableAPIError))


@pytest.mark.parametrize("kind", [errors.RefusedError, errors.CallFailedError, errors.NotFoundError])
def test_one_clause_takes_every_call_that_was_not_done(kind: type[errors.ApiError]) -> None:
    assert issubclass(kind, errors.UndoneError)


@pytest.mark.parametrize("kind", [errors.InDoubtError, errors.NoBulkError, errors.ForbiddenError])
def test_what_needs_another_decision_is_no_call_that_was_not_done(kind: type[errors.ApiError]) -> None:
    assert not issubclass(kind, errors.UndoneError)


def test_every_class_of_errors_is_public() -> None:
    own = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    assert own <= set(errors.__all__)
