"""What is not known of contacts, tags, searches, jobs and limits: the numbers of the fact sheet's section 14."""

from __future__ import annotations

from target_intercom.sandbox.comparing.unknowns.unknown import NOTHING_YET, Unknown

_CLIENT = "target_intercom/intercom/client.py"
_FORM = "target_intercom/sandbox/objects/contact_form.py"
_ATTRIBUTES = "target_intercom/sandbox/objects/attributes.py"
_CONTACTS = "target_intercom/sandbox/workspace/contacts.py"
_TAGGING = "target_intercom/sandbox/workspace/tagging.py"
_BULK = "target_intercom/sandbox/bulk/contacts.py"
_JOBS = "target_intercom/sync/jobs/bulk_jobs.py"
_PACE = "target_intercom/sync/jobs/pace.py"
_VALUES = "target_intercom/sync/mapping/values.py"
_ONE_BY_ONE = "target_intercom/sync/writing/one_by_one.py"

CONTACTS = (
    Unknown(
        "contacts.1",
        "Are there bulk jobs in version 2.17, or in Preview alone?",
        "in Preview alone",
        ("setting: bulk_api_version", "target_intercom/sandbox/routes/route.py: BULK_SINCE"),
    ),
    Unknown(
        "contacts.2",
        "How many values does the IN of a search take?",
        "a thousand at least; the target sends 150 and halves a search that is refused",
        (
            "target_intercom/intercom/protocol/searches.py: SEARCH_PAGE",
            "target_intercom/intercom/protocol/searches.py: search_halves",
        ),
    ),
    Unknown(
        "contacts.3",
        "Do capitals of emails and external_ids count, in writes and in searches?",
        "emails are kept as written and found in any case; external_ids differ by case",
        (
            "target_intercom/intercom/protocol/ids.py: normal_email",
            "target_intercom/sandbox/search/fields.py: lower()",
            "target_intercom/sandbox/objects/contacts.py: email_key",
        ),
    ),
    Unknown(
        "contacts.4",
        "May several users have one email, and does a search show all of them, or those without one?",
        "a change may give a user the email of another one; a search for null finds those without",
        ("target_intercom/sync/matching/whose.py: def whose", "target_intercom/sandbox/search/fields.py: def check"),
    ),
    Unknown(
        "contacts.5",
        "A create with a new external_id and the email of a user: 409, or a second user?",
        "409, with the id of the user that has the email",
        (
            "target_intercom/sync/writing/conflicts.py: def after_conflict",
            f"{_CONTACTS}: def _check_identifiers",
        ),
    ),
    Unknown(
        "contacts.6",
        "How far does the search index trail behind writes?",
        "no longer than `search_delay_seconds` says, 120 by default; the sandbox shows every write at once",
        ("setting: search_delay_seconds", "target_intercom/sandbox/conditions/conditions.py: search_lag"),
        within=120.0,
    ),
    Unknown(
        "contacts.7",
        "Does find_by_external_id trail behind, and what do it and a change say of archived users?",
        "it shows the state of now, and archived users are 404 to both",
        (f"{_CLIENT}: def find_user", f"{_CONTACTS}: def contact_by_external_id"),
    ),
    Unknown(
        "contacts.8",
        "Identifiers of deleted and archived users: still taken? Unarchiving one: 400, 409 or 500?",
        "taken; 500 moments after a deletion and 400 later; 409 while another user has the external_id; "
        "deleting an archived user is 404",
        (
            "target_intercom/sync/writing/archived.py: def _bring_back",
            "target_intercom/sandbox/conditions/conditions.py: deletion_delay",
            f"{_CONTACTS}: def unarchive_contact",
        ),
    ),
    Unknown(
        "contacts.9",
        "A value of the wrong type for a custom attribute: refused, or turned into the right one?",
        "refused, all of the write; the target turns values into the type before it sends them",
        (f"{_VALUES}: def coerce", f"{_ATTRIBUTES}: def check_value"),
    ),
    Unknown(
        "contacts.10",
        "A value that is no option of a list attribute: refused, or taken? Do capitals count?",
        "refused, and they count; the target leaves such a value out",
        ("target_intercom/sync/mapping/attribute_values.py: options", f"{_ATTRIBUTES}: has no option"),
    ),
    Unknown(
        "contacts.11",
        "Texts that are too long: refused, cut or kept?",
        "custom ones of more than 255 characters are refused (the target cuts them); of others nothing is known",
        (f"{_VALUES}: LONGEST_CUSTOM_TEXT", f"{_ATTRIBUTES}: MAX_STRING"),
    ),
    Unknown(
        "contacts.12",
        "A key that contacts do not have: refused, or ignored?",
        "ignored; the target sends none",
        (f"{_FORM}: unknown keys",),
    ),
    Unknown(
        "contacts.13",
        "What says a 429 of when to go on?",
        "X-RateLimit-Reset, or Retry-After where it is given; the status alone decides",
        (
            "target_intercom/intercom/protocol/headers.py: class RateLimit",
            "target_intercom/intercom/limiter.py: def exceeded",
        ),
        "the script provokes no 429, which would stop other apps as well",
    ),
    Unknown(
        "contacts.14",
        "How much of the rate limit do a search and a job of five take?",
        "one call each",
        (
            "target_intercom/intercom/limiter.py: class Window",
            "target_intercom/sandbox/conditions/limits.py: def arrive",
        ),
    ),
    Unknown(
        "contacts.15",
        "How long does a job take further tasks, is an old one shown, and in which order are its items done?",
        "it takes one moments after its tasks have ended, unknown jobs are 404, and items are done in their order",
        (f"{_PACE}: _MOST_TASKS", "target_intercom/sandbox/jobs/jobs.py: def _begin_next"),
    ),
    Unknown(
        "contacts.16",
        "What becomes of an item with an unknown attribute, an unknown tag, or a contact that exists?",
        "the attribute and the contact fail the item, and only it; the tag is skipped; nothing is named",
        (f"{_JOBS}: _WITH_ERRORS", f"{_BULK}: def perform"),
    ),
    Unknown(
        "contacts.17",
        "Does POST /tags take a tag off many contacts?",
        "no, it is refused; the target takes tags off singly or in jobs",
        (f"{_CLIENT}: def untag_contact", f"{_TAGGING}: def _user_ids"),
    ),
    Unknown(
        "contacts.18",
        "How many contacts does POST /tags take, and does it take leads?",
        "sixty at least, and leads by their id; the target sends 50 and asks for whom no answer tells of",
        ("target_intercom/kinds/tags.py: contacts_a_call", f"{_CLIENT}: def tag_contacts"),
    ),
    Unknown(
        "contacts.19",
        "Tagging again, and taking off a tag that is not there: what is answered?",
        "200 and 404; the target takes both for done",
        (f"{_CLIENT}: def untag_contact", f"{_TAGGING}: def untag_contact"),
    ),
    Unknown(
        "contacts.20",
        "How long may a tag's name be, and which names are one?",
        "300 characters are taken; capitals do not count, spaces around it do",
        ("target_intercom/sync/workspace/tags.py: def _known", "target_intercom/sandbox/objects/tags.py: def save"),
    ),
    Unknown(
        "contacts.21",
        "What does a create whose answer was lost leave behind when it is repeated?",
        "for a user a 409, for a lead a second lead: its email is never taken",
        (f"{_ONE_BY_ONE}: class LeadInDoubt", f"{_CONTACTS}: def _check_identifiers"),
    ),
    Unknown(
        "contacts.22",
        "May a change, an archive or a deletion be repeated when its answer was lost?",
        "yes; a deletion that was done before is 404",
        ("target_intercom/intercom/transport.py: def _wait_again", f"{_CLIENT}: def delete_contact"),
    ),
    Unknown(
        "contacts.23",
        "Which permission does each call need?",
        "the token reads who it is and the data attributes, or says which permission it lacks; a wrong one is 401",
        ("target_intercom/check/probing.py: def probe", "target_intercom/intercom/protocol/answers.py: def _forbidden"),
    ),
    Unknown(
        "contacts.24",
        "How are a closed job, a plan without the feature and a missing permission told apart in a 403?",
        "by code and text",
        ("target_intercom/intercom/protocol/answers.py: def _forbidden",),
        "a test workspace has the permissions and the plan, and its jobs stay open for longer than the script runs",
    ),
    Unknown(
        "contacts.25",
        "Does the US host lead calls for another region there?",
        "redirects are never followed; a region that is not the workspace's ends the run",
        ("setting: region", "target_intercom/intercom/connection.py: redirects followed"),
        "the script asks the host of the workspace's own region alone",
    ),
    Unknown(
        "contacts.26",
        "Which emails and phone numbers are refused, and with what words?",
        "an email needs an @ and no spaces; phone numbers are taken as they are",
        (f"{_FORM}: def _email", "target_intercom/sync/mapping/identifiers.py: invalid_email"),
    ),
    Unknown(
        "contacts.27",
        "May unsubscribed_from_emails be set back to false?",
        "yes; the target sends it only where it is mapped",
        ("target_intercom/kinds/contacts.py: unsubscribed_from_emails",),
    ),
    Unknown(
        "contacts.28",
        "Which times may an event have, and how many names are there?",
        "nothing: no events are sent",
        (NOTHING_YET,),
        "events cannot be taken away again, and the target sends none",
    ),
    Unknown(
        "contacts.29",
        "How long may a company_id be, and when is a company shown?",
        "see the questions on companies",
        ("target_intercom/sandbox/objects/company_form.py: def _company_id",),
        "a long company_id would have to be found again to be deleted; what is shown is asked under companies.5",
    ),
    Unknown(
        "contacts.30",
        "Does a lead keep an external_id that is sent for it?",
        "no, it is ignored without a word; the target sends none",
        ("target_intercom/sync/matching/roles.py: def newborn(draft", f'{_CONTACTS}: changes.pop("external_id"'),
    ),
    Unknown(
        "contacts.31",
        "More than 150 contacts a page: cut, or refused?",
        "cut to 150; the target asks for 150",
        (
            "target_intercom/intercom/protocol/searches.py: _PAGE",
            "target_intercom/sandbox/search/paging.py: MAX_PER_PAGE",
        ),
    ),
    Unknown(
        "contacts.32",
        "How soon can a new data attribute be used, and is the name of an archived one free?",
        "at once, though the target tries again for 3.5 s; it is not free",
        (
            "target_intercom/sync/workspace/attributes.py: _NEW_ATTRIBUTE_PAUSES",
            f"{_ATTRIBUTES}: def _check_name",
        ),
        within=3.5,
    ),
    Unknown(
        "contacts.33",
        "Does a contact keep its tags and companies while it is archived?",
        "yes; the target looks at them when the contact is back",
        ("target_intercom/sync/writing/archived.py: class ArchivedContacts", f"{_CONTACTS}: def unarchive_contact"),
    ),
)
