"""What Intercom answers when it refuses: one function for each refusal, worded as Intercom words it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class IntercomError(Exception):
    """A refusal, with all that its `error.list` body needs but the request id."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
        identified: bool | None = True,
    ) -> None:
        """Without `identified` the body has no request id; with None it is null."""
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = dict(headers or {})
        self._identified = identified

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the `error.list` (docs http-responses; OAS-P #error)."""
        error = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        identity = {} if self._identified is False else {"request_id": request_id if self._identified else None}
        return {"type": "error.list", **identity, "errors": [error]}


def invalid(message: str, field: str | None = None) -> IntercomError:
    """Return 400 `parameter_invalid`: the code of nearly all refused values (OAS-P, many paths)."""
    return IntercomError(400, "parameter_invalid", message, field=field)


# --- who asks, and how ---


def unauthorized() -> IntercomError:
    """Return 401: no token or a wrong one (OAS-P, almost every path)."""
    return IntercomError(401, "unauthorized", "Access Token Invalid")


def forbidden(scope: str) -> IntercomError:
    """Return 403: the token lacks a permission; the text names it (OAS-P examples; exact words by choice)."""
    return IntercomError(403, "forbidden", f"Token does not have the required scope: {scope}")


def unknown_version(version: str) -> IntercomError:
    """Return 400: `Intercom-Version` is none that exists (code: OAS-2.16 GET /conversations/deleted)."""
    message = f"The requested version '{version}' does not exist"
    return IntercomError(400, "intercom_version_invalid", message)


def not_in_this_version() -> IntercomError:
    """Return 400: the resource came with a later version (OAS-2.16 GET /conversations/deleted)."""
    message = "The requested resource is not available in the current API version"
    return IntercomError(400, "intercom_version_invalid", message)


def rate_limited(limit: int, window: float) -> IntercomError:
    """Return 429: the window is full (docs references/2.17/rest-api/errors/rate-limiting)."""
    message = f"Exceeded rate limit of {limit} in {window:g}_seconds"
    return IntercomError(429, "rate_limit_exceeded", message)


def unreadable_body() -> IntercomError:
    """Return 400: the body is not a JSON object (docs error-codes: broken JSON is a `parameter_invalid`)."""
    return invalid("The request body is not a valid JSON object")


def server_error() -> IntercomError:
    """Return 500: Intercom broke (GRP lead-quirks#33)."""
    return IntercomError(500, "server_error", "Server Error")


def not_emulated(method: str, path: str) -> IntercomError:
    """Return 501: Intercom has this, the sandbox has not: said loudly, so that nobody takes it for an answer."""
    message = f"{method} {path} exists in Intercom, but the sandbox does not emulate it"
    return IntercomError(501, "not_emulated", message)


def resource_not_found() -> IntercomError:
    """Return 404: unknown tag, path or method (OAS-P POST /contacts/{id}/tags; docs http-responses)."""
    return IntercomError(404, "not_found", "Resource Not Found")


def plan_restricted() -> IntercomError:
    """Return 403: the workspace's plan does not have it (OAS-P example)."""
    return IntercomError(403, "api_plan_restricted", "Active subscription needed.")


def media_type_not_acceptable() -> IntercomError:
    """Return 406: the client takes no JSON (recorded by amp-labs/connectors and rudder-transformer; no request id)."""
    message = "The Accept header should send a media type of application/json"
    return IntercomError(406, "media_type_not_acceptable", message, identified=False)


def admin_not_found() -> IntercomError:
    """Return 404: no teammate has that id (OAS-2.16 GET /admins/{admin_id})."""
    return IntercomError(404, "admin_not_found", "Admin not found")


def not_acceptable() -> IntercomError:
    """Return 406: the answer cannot be given in a form that the call takes (docs http-responses; words by choice)."""
    return IntercomError(406, "not_acceptable", "Not Acceptable")


# --- contacts ---


def user_not_found() -> IntercomError:
    """Return 404: unknown, archived or deleted contact (GRP lead-quirks#16, #23, #31)."""
    return IntercomError(404, "not_found", "User Not Found")


def contact_merged(into: str) -> IntercomError:
    """Return 410: the contact lives on in another one (OAS-2.16 GET /contacts/{id})."""
    message = "This contact has been merged. See the 'Link' header for the canonical contact."
    link = f'</contacts/{into}>; rel="canonical"'
    return IntercomError(410, "contact_merged", message, headers={"Link": link})


def conflict(contact_id: str, *, archived: bool) -> IntercomError:
    """Return 409: another user holds the identifiers (docs references 2.1-2.4; GRP lead-quirks#17, #32)."""
    who = "An archived contact" if archived else "A contact"
    message = f"{who} matching those details already exists with id={contact_id}"
    return IntercomError(409, "conflict", message)


def not_convertible_to_lead() -> IntercomError:
    """Return 400: a user never becomes a lead again (GRP lead-quirks#11)."""
    message = "Contact with user role can't be converted to a lead"
    return IntercomError(400, "client_error", message)


def not_restorable_deleted() -> IntercomError:
    """Return 400: unarchiving a permanently deleted contact (GRP export-record-delete#43)."""
    message = "User has been marked for permanent deletion and is not restorable."
    return IntercomError(400, "bad_request", message)


def not_restorable_merged() -> IntercomError:
    """Return 400: unarchiving a merged contact (Intercom's community forum)."""
    return IntercomError(400, "bad_request", "User has been merged and is not restorable.")


def identifier_missing() -> IntercomError:
    """Return 400: a user needs an email or an external_id (docs references 2.1-2.4; code by choice)."""
    return IntercomError(400, "parameter_missing", "email or external_id must be given for a user")


def unknown_attribute(name: str) -> IntercomError:
    """Return 400: a custom attribute that the workspace does not have (docs references 2.3 create-a-contact)."""
    return invalid(f"Custom attribute '{name}' does not exist")


def unknown_owner() -> IntercomError:
    """Return 400: the owner is no teammate (docs references 2.1-2.4 create and update a contact)."""
    return invalid("The owner specified is not a member of the workspace", "owner_id")


def not_duplicates() -> IntercomError:
    """Return 400: neither email nor phone agree (OAS-2.16 POST /contacts/merge)."""
    message = (
        "Contacts can only be merged when they are duplicates (matching email or phone)."
        " Pass skip_duplicate_validation=true to override this check."
    )
    return IntercomError(400, "invalid_merge", message)


def merge_not_allowed() -> IntercomError:
    """Return 400: only a lead can be merged, and only into a user (code: PR 613 of Intercom-OpenAPI)."""
    message = "Only a contact with role lead can be merged into a contact with role user"
    return IntercomError(400, "parameter_not_allowed", message)


# --- companies ---


def company_not_found() -> IntercomError:
    """Return 404: unknown or archived company (OAS-2.16 GET /companies/{id})."""
    return IntercomError(404, "company_not_found", "Company Not Found")


def bad_parameter(name: str) -> IntercomError:
    """Return 400: a key that companies do not have (OAS-2.16 POST /companies; without a request id)."""
    return IntercomError(400, "bad_request", f"bad '{name}' parameter", identified=None)


def company_not_specified() -> IntercomError:
    """Return 400: an attachment to no company (OAS-2.16 POST /contacts/{id}/companies)."""
    return IntercomError(400, "parameter_not_found", "company not specified")


def company_limit_exceeded(limit: int) -> IntercomError:
    """Return 400: the contact is in as many companies as it may be (OAS-P POST /contacts/{id}/companies)."""
    message = f"Contact has reached the maximum of {limit} company associations"
    return IntercomError(400, "contact_company_limit_exceeded", message)


def company_filter_missing() -> IntercomError:
    """Return 400: GET /companies without a filter (PostHog records the status; code and words by choice)."""
    message = "company_id, name, tag_id or segment_id must be given"
    return IntercomError(400, "parameter_missing", message)


def per_page_too_big() -> IntercomError:
    """Return 400: more companies a page than there may be (PostHog and amp-labs/connectors record it)."""
    return invalid("Per Page is too big")


def page_limit_reached(most: int) -> IntercomError:
    """Return 400: a list of companies ends there (OAS-2.16 POST /companies/list; code and words by choice)."""
    return invalid(f"Only {most:,} companies can be listed: use the scroll API", "page")


def scroll_exists() -> IntercomError:
    """Return 400: another scroll is open (Airbyte's connector expects the code; words by choice)."""
    return IntercomError(400, "scroll_exists", "scroll already exists for this workspace")


def scroll_not_found() -> IntercomError:
    """Return 404: the scroll ended, or was not used for too long (PostHog records the status)."""
    return IntercomError(404, "not_found", "scroll parameter not found")


# --- bulk jobs (OAS-P POST /contacts/bulk, POST /companies/bulk) ---


def items_missing(subject: str) -> IntercomError:
    """Return 422: a bulk call without items."""
    return IntercomError(422, "field_not_found", f"{subject} field must be supplied")


def items_unidentified(subject: str) -> IntercomError:
    """Return 422: a bulk update or delete with an item that has no id."""
    return IntercomError(422, "field_not_found", f"{subject} must be identified by id")


def mistyped(message: str) -> IntercomError:
    """Return 422: a part of a bulk call has the wrong type."""
    return IntercomError(422, "type_mismatch", message)


def too_many_items(subject: str, most: int) -> IntercomError:
    """Return 422: a bulk call with too many items."""
    return IntercomError(422, "parameter_invalid", f"maximum number of {subject} per request is {most}")


def job_not_found(job_id: str) -> IntercomError:
    """Return 404: no job has that id."""
    return IntercomError(404, "job_not_found", f"job {job_id} not found")


def job_closed(job_id: str) -> IntercomError:
    """Return 403: the job takes no more tasks."""
    return IntercomError(403, "forbidden", f"job {job_id} is closed for new task updates")


# --- search ---


def invalid_field(name: object) -> IntercomError:
    """Return 400: a field that cannot be searched or sorted by (OAS-P POST /companies/search example)."""
    return IntercomError(400, "invalid_field", f"{name} is not a valid search field")


def invalid_operator(operator: object, field: str, status: int = 400) -> IntercomError:
    """Return 400: an operator that the field's type lacks; 422 on dates (OAS commits 7b1d125, 78db1c2)."""
    message = f"{operator} is not a valid operator for {field}"
    return IntercomError(status, "invalid_operator", message)


def invalid_sort_order(order: object) -> IntercomError:
    """Return 400: a sort order other than the two (OAS-2.16 POST /contacts/search)."""
    message = f"Invalid sort order '{order}'. Must be one of: ascending, descending"
    return IntercomError(400, "invalid_sort_order", message)


# --- tags and data attributes ---


def invalid_tag() -> IntercomError:
    """Return 400: a body that is none of the documented ones (OAS-2.16 POST /tags)."""
    return invalid("invalid tag parameters")


def attribute_name_taken(name: str, holder: str, model: str) -> IntercomError:
    """Return 400: the name is in use, in this model or the other (OAS-P POST /data_attributes)."""
    kinds = {"contact": "people", "company": "company"}
    message = (
        f"You already have '{name}' in your {kinds[holder]} data."
        f" To save this as new {kinds[model]} data, use a different name."
    )
    return invalid(message)


def attribute_name_invalid() -> IntercomError:
    """Return 400: the name has a character that is not allowed (OAS-P POST /data_attributes)."""
    return invalid(
        "Your name for this attribute must only contain alphanumeric characters, currency symbols, and hyphens"
    )


def attribute_model_invalid() -> IntercomError:
    """Return 400: the model is not one of the two (OAS-P POST /data_attributes)."""
    return invalid("The Data Attribute model field must be either contact or company")


def attribute_limit_reached(limit: int) -> IntercomError:
    """Return 400: the workspace has all the custom attributes it may have (help 179; words by choice)."""
    return invalid(f"You have reached the limit of {limit} custom attributes")


def attribute_not_found() -> IntercomError:
    """Return 404: no custom attribute with that id (OAS-P PUT /data_attributes/{id})."""
    message = "We couldn't find that data attribute to update"
    return IntercomError(404, "field_not_found", message)


def conversation_attributes_moved() -> IntercomError:
    """Return 422: `model=conversation` from 2.16 on (OAS-2.16 GET /data_attributes)."""
    message = "model=conversation is no longer supported. Use GET /conversations/attributes instead"
    return IntercomError(422, "parameter_invalid", message)
