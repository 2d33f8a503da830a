"""What is not known of companies, memberships, events, notes and merges."""

from __future__ import annotations

from target_intercom.sandbox.comparing.unknowns.unknown import NOTHING_YET, Unknown

_CONDITIONS = "target_intercom/sandbox/conditions/conditions.py"
_COMPANIES = "target_intercom/sandbox/workspace/companies.py"
_FORM = "target_intercom/sandbox/objects/company_form.py"
_MEMBERSHIPS = "target_intercom/sandbox/workspace/memberships.py"
_BULK = "target_intercom/sandbox/bulk/contacts.py"
_CALLS = "target_intercom/intercom/calls/companies.py"
_NO_EVENTS = "events cannot be taken away again, and the target sends none"

COMPANIES = (
    Unknown(
        "companies.1",
        "A company without a company_id: refused, found by its name, or always another one?",
        "another one each time",
        (f"{_CALLS}: def save_company", f"{_COMPANIES}: def save_company"),
    ),
    Unknown(
        "companies.2",
        "Do capitals of a company_id count, and spaces around it?",
        "both do",
        (f"{_CALLS}: def find_company", f"{_COMPANIES}: def _company_of"),
    ),
    Unknown(
        "companies.3",
        "In which versions are name and company_id HTML-escaped in answers?",
        "from 2.17 on, so in Preview as well",
        ("target_intercom/intercom/protocol/companies.py: html.unescape", f"{_CONDITIONS}: company_escaping"),
    ),
    Unknown("companies.4", "Does a null clear an attribute of a company?", "yes", (f"{_CONDITIONS}: company_nulls",)),
    Unknown(
        "companies.5",
        "Does GET by company_id or name find a company without people?",
        "yes",
        (f"{_CALLS}: def find_company", f"{_CONDITIONS}: company_lookup"),
    ),
    Unknown(
        "companies.6",
        "What does the company_id of a deleted company make, and how long does a deletion take?",
        "a new company, without the people of the old one; about a second",
        (f"{_CONDITIONS}: company_return", f"{_CONDITIONS}: company_deletion_delay"),
    ),
    Unknown(
        "companies.7",
        "Does a contact leave a company for good where 200 is answered?",
        "yes; a contact that is not in it is 404",
        (f"{_CALLS}: def detach_company", f"{_MEMBERSHIPS}: def detach"),
    ),
    Unknown(
        "companies.8",
        "A contact leaves a company that it is not in: 200 or 404?",
        "404 `company_not_found`",
        (f"{_CALLS}: def detach_company", f"{_MEMBERSHIPS}: def detach"),
    ),
    Unknown(
        "companies.9",
        "Does a job on contacts make companies that do not exist?",
        "yes, with the name that is sent",
        (f"{_BULK}: def _change_companies",),
    ),
    Unknown(
        "companies.10",
        "Does a membership that cannot be had fail an item of a job?",
        "no, it is skipped without a word",
        (f"{_BULK}: def _change_companies",),
    ),
    Unknown(
        "companies.11",
        "May contacts and companies have attributes of one name?",
        "no",
        ("target_intercom/sandbox/objects/attributes.py: def _check_name",),
    ),
    Unknown(
        "companies.12",
        "What becomes of the decimals of monthly_spend, and of 2^31?",
        "the decimals are cut, 2^31 is refused",
        (f"{_FORM}: def _spend",),
    ),
    Unknown(
        "companies.13",
        "Is an event that is sent twice one event, however its person is named?",
        "nothing: no events are sent",
        (NOTHING_YET,),
        _NO_EVENTS,
    ),
    Unknown(
        "companies.14",
        "How soon after its creation is a contact found by an event?",
        "nothing: no events are sent",
        (NOTHING_YET,),
        _NO_EVENTS,
    ),
    Unknown(
        "companies.15",
        "Do events of long ago start messages?",
        "nothing: no events are sent",
        (NOTHING_YET,),
        f"messages would go out; {_NO_EVENTS}",
    ),
    Unknown(
        "companies.16",
        "What is answered to the 121st name of an event?",
        "nothing: no events are sent",
        (NOTHING_YET,),
        f"names can be archived by hand only; {_NO_EVENTS}",
    ),
    Unknown(
        "companies.17",
        "Which ten keys of an event's metadata are kept?",
        "nothing: no events are sent",
        (NOTHING_YET,),
        _NO_EVENTS,
    ),
    Unknown(
        "companies.18",
        "Is a company untagged by the tag's name, or by its id alone?",
        "by its name; the answer says `tagged: false`",
        ("target_intercom/sandbox/workspace/tagging.py: def _tag_companies",),
    ),
    Unknown(
        "companies.19",
        "What is answered of a contact that was merged, and to a second merge?",
        "410 with a link from 2.16 on",
        (
            "target_intercom/intercom/protocol/answers.py: def _gone",
            "target_intercom/sandbox/workspace/contacts.py: def merge_contacts",
        ),
    ),
    Unknown(
        "companies.20",
        "Is a note that is sent twice there twice?",
        "nothing: no notes are sent",
        (NOTHING_YET,),
        "the target sends no notes, and the sandbox takes none",
    ),
    Unknown(
        "companies.21",
        "Pages of companies: how many entries, and under which key?",
        "`data`; 60 a page at most, more is refused",
        (
            "target_intercom/sandbox/search/numbered.py: MAX_PER_PAGE",
            "target_intercom/sandbox/rendering/companies.py: def list_json",
        ),
    ),
    Unknown(
        "companies.22",
        "What shows companies that a contact was granted, not attached to?",
        "nothing: they are never touched",
        (NOTHING_YET,),
        "no call of a version that has a description grants a company",
    ),
)
