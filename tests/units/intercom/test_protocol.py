"""Intercom's protocol without any I/O, on answers as the API gives them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from target_intercom import errors
from target_intercom.intercom.protocol.answers import decipher
from target_intercom.intercom.protocol.bulk import Job
from target_intercom.intercom.protocol.contacts import Contact, attributes_body, contacts_of
from target_intercom.intercom.protocol.headers import RateLimit
from target_intercom.intercom.protocol.ids import normal_email
from target_intercom.intercom.protocol.searches import next_cursor, search_body, search_query
from target_intercom.intercom.protocol.versions import version_at_least
from target_intercom.intercom.protocol.workspace import DataAttribute, Workspace

HEX = "63a07ddf05a32042dffac965"
HTML = b"<html>\r\n<head><title>503 Service Temporarily Unavailable</title></head></html>"


def envelope(code: str, message: str | None = None, request_id: str | None = "req1", **more: Any) -> bytes:
    error = {"code": code, "message": message, **more}
    return json.dumps({"type": "error.list", "request_id": request_id, "errors": [error]}).encode()


def error_of(status: int, body: bytes, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises((errors.ApiError, errors.RegionError)) as error:
        decipher(status, named, body)
    return error.value


# Answers.


@pytest.mark.parametrize("status", [200, 201, 202])
def test_a_successful_answer_is_its_value(status: int) -> None:
    assert decipher(status, {}, b'{"id": "1", "n": 1.5}') == {"id": "1", "n": 1.5}


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_successful_answer_may_be_empty(status: int) -> None:
    assert decipher(status, {}, b"") is None


@pytest.mark.parametrize("body", [b"<html>", b'{"id": "1', b"\xff\xfe", b"nonsense"])
def test_a_successful_answer_that_is_not_json_is_garbled_and_can_be_tried_again(body: bytes) -> None:
    error = error_of(200, body)
    assert isinstance(error, errors.GarbledAnswerError)
    assert isinstance(error, errors.RetriableAPIError)


# Errors, as Intercom words them.


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, envelope("parameter_invalid", "The owner specified is not a member"), errors.RefusedError),
        (400, envelope("client_error", "Contact with user role can't be converted to a lead"), errors.RefusedError),
        (400, envelope("bad_request", "bad 'test' parameter", None), errors.RefusedError),
        (400, envelope("intercom_version_invalid", "The requested resource"), errors.VersionError),
        (401, envelope("unauthorized", "Access Token Invalid"), errors.UnauthorizedError),
        (401, envelope("token_revoked"), errors.UnauthorizedError),
        (403, envelope("forbidden", "You do not have read_conversations"), errors.ForbiddenError),
        (403, envelope("api_plan_restricted", "Active subscription needed."), errors.PlanRestrictedError),
        (403, envelope("forbidden", "job job_v2_1 is closed for new task updates"), errors.JobClosedError),
        (403, envelope("job_closed"), errors.JobClosedError),
        (406, envelope("not_acceptable"), errors.RefusedError),
        (404, envelope("not_found", "User Not Found"), errors.NotFoundError),
        (406, envelope("parameter_invalid"), errors.RefusedError),
        (409, envelope("conflict", "A contact matching those details already exists"), errors.ConflictError),
        (410, envelope("contact_merged"), errors.MergedError),
        (422, envelope("parameter_invalid"), errors.RefusedError),
        (422, envelope("data_invalid", "nobody can know"), errors.RefusedError),
        (429, envelope("rate_limit_exceeded", "Exceeded rate limit of 167 in 10_seconds"), errors.RateLimitedError),
        (408, envelope("request_timeout"), errors.ServerError),
        (500, envelope("server_error", "Server Error"), errors.ServerError),
        (502, HTML, errors.ServerError),
        (503, envelope("service_unavailable"), errors.ServerError),
        (503, HTML, errors.ServerError),
        (504, b"", errors.ServerError),
        (520, b"error code: 520", errors.ServerError),
    ],
)
def test_the_status_decides_what_an_error_means(status: int, body: bytes, kind: type[errors.ApiError]) -> None:
    error = error_of(status, body)
    assert type(error) is kind
    assert error.fault.status == status


@pytest.mark.parametrize("code", ["client_error", "not_found", "conflict", "unauthorized", "whatever"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, errors.NotFoundError), (409, errors.ConflictError), (429, errors.RateLimitedError)],
)
def test_the_status_comes_before_the_code(status: int, kind: type[Exception], code: str) -> None:
    assert type(error_of(status, envelope(code))) is kind


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_another_region(status: int) -> None:
    error = error_of(status, b"", Location="https://api.eu.intercom.io/contacts")
    assert isinstance(error, errors.RegionError)
    assert "region" in str(error)


def test_an_error_keeps_status_code_message_field_and_request_id() -> None:
    error = error_of(422, envelope("parameter_invalid", "no such owner", "000abc", field="owner_id"))
    fault = error.fault
    assert (fault.status, fault.code, fault.message, fault.field, fault.request_id) == (
        422,
        "parameter_invalid",
        "no such owner",
        "owner_id",
        "000abc",
    )
    for part in ("422", "parameter_invalid", "no such owner", "owner_id", "000abc"):
        assert part in str(error)


def test_the_request_id_comes_from_the_header_where_the_body_has_none() -> None:
    assert error_of(400, envelope("bad_request", None, None), X_Request_Id="hdr").fault.request_id == "hdr"
    assert error_of(503, HTML, X_Request_Id="hdr").fault.request_id == "hdr"
    assert error_of(400, envelope("bad_request", None, "body"), X_Request_Id="hdr").fault.request_id == "body"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        HTML,
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"errors": null}',
        b'{"errors": []}',
        b'{"errors": ["text"]}',
        b'{"errors": {"code": "x"}}',
        b'{"errors": [{}]}',
        b'{"errors": [{"code": null, "message": null, "field": null}], "request_id": null}',
        b'{"errors": [{"code": 5, "message": {"a": 1}}]}',
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 422, 429, 500])
def test_an_error_without_a_proper_envelope_is_the_error_of_its_status(status: int, body: bytes) -> None:
    assert type(error_of(status, body)) is type(error_of(status, envelope("x")))


@settings(max_examples=200, deadline=None)
@given(status=st.integers(300, 599), body=st.binary(max_size=40))
def test_whatever_is_answered_has_a_meaning(status: int, body: bytes) -> None:
    assert str(error_of(status, body))


def test_of_a_proxys_page_the_words_are_kept() -> None:
    page = b"<html><style>h1 {color: red}</style><h1>503\r\n Busy &amp; away</h1><script>x()</script></html>"
    assert str(error_of(503, page)) == "503: the answer is not JSON: 503 Busy & away"
    assert "html" not in str(error_of(503, HTML)).lower()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"message": "blocked by policy 17"}', "blocked by policy 17"),
        (b'{"error": {"message": "too large"}}', "too large"),
        (b'{"errors": ["upstream connect error"]}', "upstream connect error"),
        (b'"not today"', "not today"),
        (b"upstream connect error", "upstream connect error"),
        (b"error code: 520", "error code: 520"),
        (b"two\n\x1b[31mlines", "two [31mlines"),
    ],
)
def test_an_error_of_another_shape_keeps_its_words(body: bytes, words: str) -> None:
    message = error_of(400, body).fault.message
    assert words in message
    assert message.isprintable()


def test_of_a_long_error_the_beginning_is_kept() -> None:
    assert error_of(400, b"word " * 10_000).fault.message.startswith("the answer is not JSON: word word")
    assert len(error_of(400, b"word " * 10_000).fault.message) < 250


@pytest.mark.parametrize("before", [0, 150, 195, 4_995])
@pytest.mark.parametrize(
    "written", ["dG9r/Oj+EyMzQ1=", "dG9r\\/Oj+EyMzQ1=", "dG9r%2FOj%2BEyMzQ1%3D", "dG9r/Oj&#43;EyMzQ1&#61;"]
)
@pytest.mark.parametrize("frame", ["%s", '{"message": "%s"}', "<p>%s</p>"])
def test_the_token_is_in_no_error_of_any_shape(before: int, written: str, frame: str) -> None:
    """Nor is the half of it, where the text is cut."""
    if ("&#" in written) is not frame.startswith("<") or ("\\" in written) is not frame.startswith("{"):
        written = "dG9r/Oj+EyMzQ1="
    body = (frame % ("x" * before + " " + written)).encode()
    with pytest.raises(errors.RefusedError) as raised:
        decipher(400, {}, body, token="dG9r/Oj+EyMzQ1=")
    assert "dG9" not in str(raised.value)


@pytest.mark.parametrize("status", [401, 403])
def test_errors_of_the_token_say_what_to_do(status: int) -> None:
    assert "Developer Hub" in str(error_of(status, envelope("x", "Access Token Invalid")))
    assert isinstance(error_of(status, envelope("x")), errors.FatalSyncError)


@pytest.mark.parametrize(
    ("message", "attribute"),
    [
        ("Custom attribute 'plan' does not exist", "plan"),
        ("Custom attribute 'first name' does not exist", "first name"),
        ("Custom attribute 'it's' does not exist", "it's"),
        ("custom attribute 'größe' does not exist", "größe"),
    ],
)
def test_an_attribute_that_does_not_exist_is_named(message: str, attribute: str) -> None:
    error = error_of(400, envelope("parameter_invalid", message))
    assert isinstance(error, errors.UnknownAttributeError)
    assert isinstance(error, errors.RefusedError)
    assert error.attribute == attribute


# 409 and 410.


@pytest.mark.parametrize(
    ("message", "contact_id", "archived"),
    [
        (f"A contact matching those details already exists with id={HEX}", HEX, False),
        (f"An archived contact matching those details already exists with id={HEX}", HEX, True),
        (f"AN ARCHIVED CONTACT MATCHING THOSE DETAILS ALREADY EXISTS WITH ID={HEX.upper()}", HEX, True),
        (f"A contact matching those details already exists with id={HEX}.", HEX, False),
        ("A contact matching those details already exists", None, False),
        ("An archived contact matching those details already exists", None, True),
        ("A contact matching those details already exists with id=", None, False),
        ("A contact matching those details already exists with id=12345", None, False),
        (f"A contact matching those details already exists with id={HEX}{HEX}", None, False),
        ("Multiple users match; use user_id to be specific", None, False),
        (None, None, False),
    ],
)
def test_a_conflict_names_the_contact_in_the_way(message: str | None, contact_id: str | None, archived: bool) -> None:
    error = error_of(409, envelope("conflict", message))
    assert (error.contact_id, error.archived) == (contact_id, archived)


@pytest.mark.parametrize(
    ("link", "survivor"),
    [
        (f'</contacts/{HEX}>; rel="canonical"', HEX),
        (f"</contacts/{HEX}>", HEX),
        (f'</tags/1>; rel="next", </contacts/{HEX}>; rel="canonical"', HEX),
        ('</contacts/>; rel="canonical"', None),
        ("nonsense", None),
        ("", None),
    ],
)
def test_a_merge_names_the_survivor_in_its_link(link: str, survivor: str | None) -> None:
    assert error_of(410, envelope("contact_merged"), Link=link).survivor == survivor


def test_a_merge_without_a_link_has_no_known_survivor() -> None:
    assert error_of(410, envelope("contact_merged")).survivor is None


# Rate limit.


def test_the_headers_of_the_rate_limit_are_read() -> None:
    rate = RateLimit.from_headers(
        {
            "X-RateLimit-Limit": "167",
            "X-RateLimit-Remaining": "166",
            "X-RateLimit-Reset": "1612345672",
            "Date": "Wed, 03 Feb 2021 09:47:40 GMT",
            "Retry-After": "7",
        }
    )
    assert rate == RateLimit(limit=167, remaining=166, reset=1612345672, date=1612345660, retry_after=7)


def test_missing_headers_are_none() -> None:
    assert RateLimit.from_headers({}) == RateLimit()


@pytest.mark.parametrize("odd", ["", "  ", "soon", "nan", "inf", "-inf", "1e999", "١٢x"])
def test_odd_headers_are_none(odd: str) -> None:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "Date")
    assert RateLimit.from_headers(dict.fromkeys(names, odd)) == RateLimit()


@settings(max_examples=200, deadline=None)
@given(odd=st.text(max_size=40))
def test_no_header_is_too_odd(odd: str) -> None:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After", "Date")
    RateLimit.from_headers(dict.fromkeys(names, odd))


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("Wed, 03 Feb 2021 09:47:40 GMT", 1612345660),
        ("Wed, 03 Feb 2021 09:47:40 +0000", 1612345660),
        ("Mon, 99 Feb 2021 09:47:40 GMT", None),
        ("Wed, 03 Feb 99999 09:47:40 GMT", None),
    ],
)
def test_the_servers_clock_is_read(date: str, moment: float | None) -> None:
    assert RateLimit.from_headers({"Date": date}).date == moment


# Search.


def test_one_field_is_one_filter() -> None:
    query = search_query({"email": ["a@b.c", "d@e.f"], "external_id": []})
    assert query == {"field": "email", "operator": "IN", "value": ["a@b.c", "d@e.f"]}


def test_several_fields_are_joined_by_or() -> None:
    assert search_query({"external_id": ["1"], "email": ["a@b.c"]}) == {
        "operator": "OR",
        "value": [
            {"field": "external_id", "operator": "IN", "value": ["1"]},
            {"field": "email", "operator": "IN", "value": ["a@b.c"]},
        ],
    }


def test_the_cursor_goes_into_the_body() -> None:
    query = search_query({"email": ["a@b.c"]})
    assert search_body(query, None) == {"query": query, "pagination": {"per_page": 150}}
    assert search_body(query, "abc")["pagination"] == {"per_page": 150, "starting_after": "abc"}


@pytest.mark.parametrize(
    ("page", "cursor"),
    [
        ({"pages": {"next": {"page": 2, "starting_after": "abc"}}}, "abc"),
        ({"pages": {"page": 1, "total_pages": 1}}, None),
        ({"pages": {"next": None}}, None),
        ({"pages": {"next": {"page": 2, "starting_after": None}}}, None),
        ({"pages": None}, None),
        ({}, None),
    ],
)
def test_the_next_page_starts_where_the_last_one_says(page: dict[str, Any], cursor: str | None) -> None:
    assert next_cursor(page) == cursor


@pytest.mark.parametrize("following", ["https://api.intercom.io/contacts?page=2", 2, ["abc"]])
def test_a_next_page_that_cannot_be_asked_for_is_not_the_end(following: object) -> None:
    with pytest.raises(AttributeError):
        next_cursor({"pages": {"next": following}})


@pytest.mark.parametrize("page", [{"type": "list", "data": []}, {"type": "list", "total_count": 0}])
def test_a_page_may_have_no_contacts(page: dict[str, Any]) -> None:
    assert list(contacts_of(page)) == []


@pytest.mark.parametrize(
    "page",
    [
        {},
        {"data": None},
        {"data": {}},
        {"data": "none"},
        {"type": "list"},
        {"type": "list", "total_count": 1},
        {"type": "contact", "id": "1"},
        {"type": "contact", "data": []},
        {"type": "error.list", "errors": [], "data": []},
        {"data": []},
        {"type": "tag.list", "data": []},
        {"type": "list", "data": [{"type": "contact"}]},
        {"type": "list", "data": [{"type": "contact", "id": None}]},
        {"type": "list", "data": [{"type": "contact", "id": True}]},
        {"type": "list", "data": [{"type": "contact", "id": ""}]},
        {"type": "list", "data": [{"type": "tag", "id": "1"}]},
        {"type": "list", "data": [None]},
    ],
)
def test_what_is_no_list_is_not_taken_for_nobody(page: dict[str, Any]) -> None:
    with pytest.raises((AttributeError, KeyError, TypeError, ValueError)):
        contacts_of(page)


def test_a_page_gives_its_contacts_in_order() -> None:
    assert [one.id for one in contacts_of({"type": "list", "data": [{"id": "b"}, {"id": "a"}]})] == ["b", "a"]


# Contacts.


def test_custom_attributes_go_into_their_own_object() -> None:
    body = attributes_body(
        {"name": None, "custom_attributes.plan": "pro", "custom_attributes.a.b": None, "email": "a@b.c"}
    )
    assert body == {"name": None, "email": "a@b.c", "custom_attributes": {"plan": "pro", "a.b": None}}
    assert attributes_body({"name": "Ann"}) == {"name": "Ann"}


RECORDED = {
    "type": "contact",
    "id": HEX,
    "workspace_id": "aaaaaaaa",
    "external_id": "u1",
    "role": "user",
    "email": "Ann@Example.com",
    "phone": None,
    "name": "Ann",
    "avatar": {"type": "avatar", "image_url": "https://example.com/a.png"},
    "owner_id": 7,
    "has_hard_bounced": False,
    "unsubscribed_from_emails": False,
    "created_at": 1612345660,
    "signed_up_at": None,
    "last_seen_at": 1612345660,
    "custom_attributes": {"plan": "pro", "gone": None, "n": 0, "ok": False},
    "tags": {"type": "list", "data": []},
}


def test_a_contact_is_cut_down_to_what_is_compared() -> None:
    contact = Contact.from_json(RECORDED)
    assert (contact.id, contact.role, contact.external_id, contact.email) == (HEX, "user", "u1", "ann@example.com")
    assert dict(contact.attributes) == {
        "email": "ann@example.com",
        "name": "Ann",
        "phone": None,
        "owner_id": 7,
        "signed_up_at": None,
        "last_seen_at": 1612345660,
        "unsubscribed_from_emails": False,
        "avatar": "https://example.com/a.png",
        "custom_attributes.plan": "pro",
        "custom_attributes.gone": None,
        "custom_attributes.n": 0,
        "custom_attributes.ok": False,
    }


@pytest.mark.parametrize("cleared", [None, ""])
def test_a_cleared_email_is_none_in_every_notation(cleared: str | None) -> None:
    contact = Contact.from_json({**RECORDED, "email": cleared})
    assert contact.email is None
    assert contact.attributes["email"] is None


@pytest.mark.parametrize(
    ("avatar", "shown"),
    [
        (None, None),
        ("https://example.com/a.png", "https://example.com/a.png"),
        ({"type": "avatar", "image_url": None}, None),
        ({}, None),
    ],
)
def test_an_avatar_is_its_address_in_every_notation(avatar: Any, shown: str | None) -> None:
    assert Contact.from_json({**RECORDED, "avatar": avatar}).attributes["avatar"] == shown


@pytest.mark.parametrize(
    ("role", "read"), [("user", "user"), ("lead", "lead"), ("contact", "user"), (None, "user")], ids=repr
)
def test_whoever_is_no_lead_is_a_user(role: str | None, read: str) -> None:
    assert Contact.from_json({**RECORDED, "role": role}).role == read


def test_a_contact_may_lack_everything_but_its_id() -> None:
    contact = Contact.from_json({"id": HEX, "custom_attributes": None})
    assert (contact.external_id, contact.email) == (None, None)


@pytest.mark.parametrize("body", [{}, {"type": "contact"}, None, [], "text"])
def test_what_is_no_contact_is_not_taken_for_one(body: Any) -> None:
    with pytest.raises((KeyError, TypeError, AttributeError)):
        Contact.from_json(body)


def test_emails_are_trimmed_and_in_lower_case() -> None:
    assert normal_email("  Ann@EXAMPLE.com\n") == "ann@example.com"


def test_a_list_attribute_has_its_options() -> None:
    entry = {"name": "plan", "full_name": "custom_attributes.plan", "data_type": "string", "custom": True}
    assert DataAttribute.from_json(entry).options is None
    for options in (["Red", "Blue"], [{"value": "Red"}, {"value": "Blue"}]):
        assert DataAttribute.from_json({**entry, "options": options}).options == ("Red", "Blue")


def test_an_attribute_is_writable_and_there_unless_told_otherwise() -> None:
    attribute = DataAttribute.from_json({"name": "plan", "custom": True})
    assert (attribute.full_name, attribute.data_type) == ("custom_attributes.plan", "string")
    assert (attribute.api_writable, attribute.archived) == (True, False)


@pytest.mark.parametrize("app", [None, {}])
def test_a_workspace_may_say_nothing_of_itself(app: dict[str, Any] | None) -> None:
    assert Workspace.from_json({"type": "admin", "app": app}) == Workspace("", "", None)


def test_a_workspace_tells_its_id_name_and_region() -> None:
    app = {"type": "app", "id_code": "abc123", "name": "Shop", "region": "EU", "timezone": "UTC"}
    assert Workspace.from_json({"type": "admin", "app": app}) == Workspace("abc123", "Shop", "EU")


@pytest.mark.parametrize("body", [None, [], "text", {}, {"type": "contact"}])
def test_what_is_no_admin_is_not_taken_for_a_workspace(body: Any) -> None:
    with pytest.raises((KeyError, TypeError)):
        Workspace.from_json(body)


# Versions.


@pytest.mark.parametrize(
    ("version", "newer"),
    [
        ("2.16", True),
        ("2.17", True),
        ("3.0", True),
        ("10.1", True),
        ("Preview", True),
        ("Unstable", True),
        ("2.15", False),
        ("2.9", False),
        ("2.3", False),
        ("1.99", False),
    ],
)
def test_versions_are_compared_by_number_and_preview_is_newest(version: str, newer: bool) -> None:
    assert version_at_least(version, 2, 16) is newer


def test_a_call_that_is_not_implemented_is_refused_for_good() -> None:
    with pytest.raises(errors.RefusedError):
        decipher(501, {}, b'{"type": "error.list", "errors": [{"code": "not_implemented"}]}')


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("0.5", 0.5), ("7", 7), ("-1", -1), ("soon", None)])
def test_a_429_may_say_how_long_to_wait(text: str, seconds: float | None) -> None:
    assert RateLimit.from_headers({"Retry-After": text}).retry_after == seconds


@pytest.mark.parametrize(("status", "kind"), [(200, errors.GarbledAnswerError), (500, errors.ServerError)])
def test_an_answer_nested_without_end_is_not_json(status: int, kind: type[errors.ApiError]) -> None:
    error = error_of(status, b"[" * 200_000)
    assert type(error) is kind
    assert error.fault.message == "the answer is not JSON"


def test_a_token_is_taken_out_of_whatever_an_error_says() -> None:
    body = envelope("bad:tok=1", "of Bearer tok=1.", "tok=1", field="tok=1")
    with pytest.raises(errors.RefusedError) as error:
        decipher(422, {}, body, token="tok=1")
    fault = error.value.fault
    assert (fault.code, fault.message, fault.field) == ("bad:<token>", "of Bearer <token>.", "<token>")
    assert "tok=1" not in str(error.value)


@pytest.mark.parametrize("state", ["failed", "queued", None, ["running"]])
def test_a_task_in_a_state_that_nobody_knows_has_not_ended(state: Any) -> None:
    job = Job.from_json({"id": "j", "tasks": [{"id": "a", "state": state}, {"id": "b", "state": "completed"}]})
    assert {id_: task.state.has_ended for id_, task in job.tasks.items()} == {"a": False, "b": True}
