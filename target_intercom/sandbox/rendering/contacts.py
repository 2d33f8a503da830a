"""Contacts as JSON (OAS-2.16 #contact; GRP for what the description leaves open)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from target_intercom.sandbox.objects.contacts import Contact
    from target_intercom.sandbox.objects.tags import Tag
    from target_intercom.sandbox.search.paging import Slice
    from target_intercom.sandbox.versions import Version

MAX_EMBEDDED = 10
"""Tags, and companies, shown inside a contact (OAS-P #contact_tags, #contact_companies)."""

_UNSET: dict[str, Any] = {
    "social_profiles": {"type": "list", "data": []},
    "has_hard_bounced": False,
    "sms_consent": False,
    "unsubscribed_from_sms": False,
    "marked_email_as_spam": False,
    **dict.fromkeys(
        [
            "last_replied_at",
            "last_contacted_at",
            "last_email_opened_at",
            "last_email_clicked_at",
            "browser",
            "browser_version",
            "browser_language",
            "os",
            "android_app_name",
            "android_app_version",
            "android_device",
            "android_os_version",
            "android_sdk_version",
            "android_last_seen_at",
            "ios_app_name",
            "ios_app_version",
            "ios_device",
            "ios_os_version",
            "ios_sdk_version",
            "ios_last_seen_at",
            "utm_campaign",
            "utm_content",
            "utm_medium",
            "utm_source",
            "utm_term",
            "referrer",
            "enabled_push_messaging",
        ]
    ),
    "location": {
        "type": "location",
        **dict.fromkeys(["country", "region", "city", "country_code", "continent_code"]),
    },
}
_EMPTY_LISTS = {
    "notes": "notes",
    "opted_out_subscription_types": "subscriptions",
    "opted_in_subscription_types": "subscriptions",
}


def contact_json(contact: Contact, version: Version) -> dict[str, Any]:
    """Return a contact as POST, PUT and GET answer it."""
    shown = {
        **_UNSET,
        "type": "contact",
        "id": contact.id,
        "workspace_id": contact.workspace_id,
        "external_id": contact.external_id,
        "role": contact.role,
        "email": contact.email,
        "email_domain": contact.email_domain,
        "phone": contact.phone,
        "name": contact.name,
        "avatar": contact.avatar and {"type": "avatar", "image_url": contact.avatar},
        "owner_id": _owner(contact, version),
        "unsubscribed_from_emails": contact.unsubscribed_from_emails,
        "created_at": contact.created_at,
        "updated_at": contact.updated_at,
        "signed_up_at": contact.signed_up_at,
        "last_seen_at": contact.last_seen_at,
        "language_override": contact.language_override,
        "custom_attributes": dict(contact.custom_attributes),
        "tags": _tags(contact),
    }
    shown["companies"] = _companies(contact)
    for name, resource in _EMPTY_LISTS.items():
        shown[name] = _embedded(contact, resource, [], 0)
    return shown


def found_contact_json(contact: Contact, version: Version) -> dict[str, Any]:
    """Return a contact as search and list answer it: no email is null there (GRP export-record-user#79)."""
    shown = contact_json(contact, version)
    shown["email"] = contact.email or None
    return shown


def slice_json(found: Slice[Contact], version: Version) -> dict[str, Any]:
    """Return a page of a search or list."""
    return {
        "type": "list",
        "data": [found_contact_json(contact, version) for contact in found.found],
        "total_count": found.total_count,
        "pages": found.pages,
    }


def gone_json(contact: Contact, **what: bool) -> dict[str, Any]:
    """Return the answer to archive, unarchive and delete (OAS-P #contact_archived, #contact_deleted)."""
    reference = {"type": "contact", "id": contact.id, "external_id": contact.external_id}
    return {**reference, **what}


def applied_tag_json(tag: Tag, applied_at: int | None, admin_id: str) -> dict[str, Any]:
    """Return a tag as a contact has it (OAS-2.16 POST /contacts/{id}/tags)."""
    by = {"type": "admin", "id": admin_id}
    return {**tag.as_json(), "applied_at": applied_at, "applied_by": by}


def _owner(contact: Contact, version: Version) -> str | int | None:
    if contact.owner_id is None or version.owner_is_text:
        return contact.owner_id
    return int(contact.owner_id)


def _tags(contact: Contact) -> dict[str, Any]:
    """Return tags without their names (GRP export-record-user#31)."""
    ids = list(contact.tags)[:MAX_EMBEDDED]
    entries = [{"id": tag_id, "type": "tag", "url": f"/tags/{tag_id}"} for tag_id in ids]
    return _embedded(contact, "tags", entries, len(contact.tags))


def _companies(contact: Contact) -> dict[str, Any]:
    """Return companies by Intercom's ids, without their company_ids (OAS-2.16 #company_data)."""
    ids = list(contact.companies)[:MAX_EMBEDDED]
    entries = [{"id": company_id, "type": "company", "url": f"/companies/{company_id}"} for company_id in ids]
    return _embedded(contact, "companies", entries, len(contact.companies))


def _embedded(contact: Contact, resource: str, data: list[dict[str, Any]], total: int) -> dict[str, Any]:
    return {
        "type": "list",
        "data": data,
        "url": f"/contacts/{contact.id}/{resource}",
        "total_count": total,
        "has_more": total > len(data),
    }
