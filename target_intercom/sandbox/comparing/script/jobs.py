"""Bulk jobs on contacts and on companies."""

from __future__ import annotations

from typing import Any

from target_intercom.sandbox.comparing.calls import PREVIEW, Call, Step, ended, get, post, put
from target_intercom.sandbox.comparing.script.access import NOBODY

_CONTACTS = "/contacts/bulk"
_COMPANIES = "/companies/bulk"
_TOO_MANY = 101


def _create(*items: Any, **more: Any) -> Call:
    return post(_CONTACTS, {"contacts": list(items), **more}, PREVIEW)


def _update(*items: Any) -> Call:
    return put(_CONTACTS, {"contacts": list(items)}, PREVIEW)


def _user(external_id: str, /, **more: Any) -> dict[str, Any]:
    return {"role": "user", "external_id": f"{{p}}{external_id}", **more}


def _done(job: str, name: str, *answers: str, path: str = _CONTACTS) -> Step:
    return Step(f"{name} ends", get(f"{path}/{{{job}}}", version=PREVIEW), until=ended(), answers=answers)


def _found(name: str, *answers: str) -> Step:
    call = get(f"/contacts/find_by_external_id/{{p}}{name}")
    return Step(f"the contact {name} of a job", call, saves={name: "id"}, answers=answers)


_REFUSED = (
    Step("a job that does not exist", get(f"{_CONTACTS}/job_v2_1", version=PREVIEW), answers=("contacts.15",)),
    Step("a job of nothing", post(_CONTACTS, {}, PREVIEW), is_strange=True),
    Step("an update without an id", _update({"name": "{p}x"}), is_strange=True),
    Step(
        "a job of 101",
        put(_CONTACTS, {"contacts": [{"id": NOBODY, "name": "{p}x"}] * _TOO_MANY}, PREVIEW),
        is_strange=True,
    ),
)

_CREATED = (
    Step(
        "a job creates",
        _create(
            _user(
                "job1",
                name="{p}One",
                tags={"add": [{"id": "{vip}"}, {"id": "1"}]},
                companies=[{"company_id": "{p}acme"}, {"company_id": "{p}made", "name": "{p}Made"}],
            ),
            _user("job2", name="{p}Two"),
        ),
        saves={"job_created": "id"},
        answers=("contacts.14",),
    ),
    _done("job_created", "a job that creates", "contacts.15", "contacts.16"),
    _found("job1", "contacts.16"),
    Step("the tags of a job's contact", get("/contacts/{job1}/tags"), answers=("contacts.16",)),
    Step(
        "the companies of a job's contact", get("/contacts/{job1}/companies"), answers=("companies.9", "companies.10")
    ),
    _found("job2"),
    Step("a job creates whom there is", _create(_user("ann"), _user("job3")), saves={"job_conflict": "id"}),
    _done("job_conflict", "a job with one that there is", "contacts.16"),
    _found("job3", "contacts.16"),
    Step(
        "a job with an unknown attribute",
        _create(_user("job4", custom_attributes={"{p}none": 1})),
        saves={"job_attribute": "id"},
    ),
    _done("job_attribute", "a job with an unknown attribute", "contacts.16"),
    _found("job4", "contacts.16"),
    Step("a job takes a second task", _create(_user("job5"), job={"id": "{job_created}"}), answers=("contacts.15",)),
    _done("job_created", "the second task", "contacts.15"),
    _found("job5", "contacts.15"),
)

_UPDATED = (
    Step(
        "a job updates",
        _update(
            {"id": "{job1}", "name": "{p}First", "phone": "+16505550101"},
            {
                "id": "{job2}",
                "tags": {"add": [{"id": "{vip}"}]},
                "companies": [{"company_id": "{p}nowhere", "remove": True}],
            },
            {"id": "{job1}", "name": "{p}Last"},
        ),
        saves={"job_updated": "id"},
    ),
    _done("job_updated", "a job that updates", "contacts.15", "companies.10"),
    Step("a contact that came twice", get("/contacts/{job1}"), answers=("contacts.15",)),
    Step(
        "nulls in a job",
        _update({"id": "{job1}", "name": None, "phone": None}),
        saves={"job_nulls": "id"},
        is_strange=True,
    ),
    _done("job_nulls", "a job with nulls"),
    Step("a contact with nulls of a job", get("/contacts/{job1}")),
    Step(
        "a job deletes",
        post(f"{_CONTACTS}/delete", {"contacts": [{"id": "{job2}"}, {"id": NOBODY}]}, PREVIEW),
        saves={"job_deleted": "id"},
    ),
    _done("job_deleted", "a job that deletes", "contacts.16"),
    Step("a contact that a job deleted", get("/contacts/{job2}"), answers=("contacts.16",)),
)

_OF_COMPANIES = (
    Step(
        "a job saves companies",
        post(
            _COMPANIES,
            {
                "companies": [
                    {"company_id": "{p}co1", "name": "{p}Co1", "size": 3},
                    {"company_id": "{p}co2", "nickname": "x"},
                ]
            },
            PREVIEW,
        ),
        saves={"job_companies": "id"},
    ),
    _done("job_companies", "a job that saves companies", path=_COMPANIES),
    Step("a company of a job", get("/companies", company_id="{p}co1"), saves={"co1": "id"}, answers=("companies.5",)),
    Step("a company of a job with an unknown key", get("/companies", company_id="{p}co2"), saves={"co2": "id"}),
    Step(
        "a job updates companies",
        put(_COMPANIES, {"companies": [{"id": "{co1}", "size": None}, {"id": NOBODY, "size": 1}]}, PREVIEW),
        saves={"job_sized": "id"},
        answers=("companies.4",),
        is_strange=True,
    ),
    _done("job_sized", "a job that updates companies", "companies.4", path=_COMPANIES),
    Step("a company after a job", get("/companies/{co1}"), answers=("companies.4",)),
    Step(
        "a job deletes companies",
        post(f"{_COMPANIES}/delete", {"companies": [{"id": "{co1}"}]}, PREVIEW),
        saves={"job_gone": "id"},
    ),
    _done("job_gone", "a job that deletes companies", path=_COMPANIES),
)

STEPS = _REFUSED + _CREATED + _UPDATED + _OF_COMPANIES
