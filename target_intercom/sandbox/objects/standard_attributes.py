"""Intercom's standard attributes (GRP destination-mapping-options#1; OAS-2.16 GET /data_attributes)."""

from __future__ import annotations

from typing import NamedTuple


class StandardAttribute(NamedTuple):
    """An attribute that every workspace has."""

    name: str
    label: str
    data_type: str = "string"
    api_writable: bool = False
    ui_writable: bool = False
    full_name: str = ""
    model: str = "contact"


def _named(entry: StandardAttribute) -> StandardAttribute:
    return entry._replace(full_name=entry.full_name or entry.name)


_WRITABLE = True
_IN_UI = True

_CONTACT = [
    StandardAttribute("role", "Contact role", "string", _WRITABLE),
    StandardAttribute("name", "Name", "string", _WRITABLE, _IN_UI),
    StandardAttribute("owner_id", "Owner", "integer", _WRITABLE),
    StandardAttribute("email", "Email", "string", _WRITABLE, _IN_UI),
    StandardAttribute("phone", "Phone", "string", _WRITABLE, _IN_UI),
    StandardAttribute("external_id", "User ID", "string", _WRITABLE),
    StandardAttribute("created_at", "First Seen", "datetime"),
    StandardAttribute("signed_up_at", "Signed up", "datetime", _WRITABLE),
    StandardAttribute("last_seen_at", "Last seen", "datetime", _WRITABLE),
    StandardAttribute("last_contacted_at", "Last contacted", "datetime"),
    StandardAttribute("last_replied_at", "Last heard from", "datetime"),
    StandardAttribute("last_email_opened_at", "Last opened email", "datetime"),
    StandardAttribute("last_email_clicked_at", "Last clicked on link in email", "datetime"),
    StandardAttribute("country", "Country", full_name="location.country"),
    StandardAttribute("region", "Region", full_name="location.region"),
    StandardAttribute("city", "City", full_name="location.city"),
    StandardAttribute("browser_language", "Browser Language"),
    StandardAttribute("language_override", "Language Override"),
    StandardAttribute("browser", "Browser"),
    StandardAttribute("browser_version", "Browser Version"),
    StandardAttribute("os", "OS"),
    StandardAttribute("unsubscribed_from_emails", "Unsubscribed from Emails", "boolean", _WRITABLE),
    StandardAttribute("marked_email_as_spam", "Marked email as spam", "boolean"),
    StandardAttribute("has_hard_bounced", "Has hard bounced", "boolean"),
    StandardAttribute("id", "ID"),
    StandardAttribute("avatar", "Avatar image url", "string", _WRITABLE),
    StandardAttribute("updated_at", "Updated at", "datetime"),
    StandardAttribute("workspace_id", "Workspace ID"),
    StandardAttribute("android_app_name", "Android App name"),
    StandardAttribute("android_sdk_version", "Android SDK version"),
    StandardAttribute("ios_app_name", "iOS App name"),
    StandardAttribute("ios_sdk_version", "iOS SDK version"),
]

_COMPANY = [
    StandardAttribute("name", "Company name", "string", _WRITABLE),
    StandardAttribute("company_id", "Company ID"),
    StandardAttribute("last_request_at", "Company last seen", "datetime"),
    StandardAttribute("remote_created_at", "Company created at", "datetime", _WRITABLE),
    StandardAttribute("user_count", "People", "integer"),
    StandardAttribute("session_count", "Company web sessions", "integer"),
    StandardAttribute("monthly_spend", "Monthly Spend", "float", _WRITABLE),
    StandardAttribute("name", "Plan", full_name="plan.name"),
    StandardAttribute("size", "Company size", "integer", _WRITABLE),
    StandardAttribute("industry", "Company industry", "string", _WRITABLE),
    StandardAttribute("website", "Company website", "string", _WRITABLE),
    StandardAttribute("id", "ID"),
]

STANDARD = [_named(entry) for entry in _CONTACT] + [_named(entry)._replace(model="company") for entry in _COMPANY]
