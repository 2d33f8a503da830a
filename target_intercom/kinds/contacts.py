"""Contacts: users and leads (fact sheet section 3; bulk jobs: official description, bulk_*_contacts_request)."""

from __future__ import annotations

import typing as t

from target_intercom.kinds.entity import Attribute, EntityKind, ValueType

CONTACTS: t.Final = EntityKind(
    noun="contact",
    plural="contacts",
    attributes=(
        Attribute("id", identifies=True, writable=False, only_when_mapped=True),
        Attribute("external_id", identifies=True, in_bulk_creates=True, in_bulk_updates=True),
        Attribute("email", identifies=True, in_bulk_creates=True, in_bulk_updates=True),
        Attribute("email_verified", ValueType.BOOLEAN, since=(2, 16), compared=False, needs_email=True),
        Attribute("phone", trimmed=True, in_bulk_creates=True, in_bulk_updates=True),
        Attribute("name", in_bulk_creates=True, in_bulk_updates=True),
        Attribute("avatar", trimmed=True, member="image_url", in_bulk_creates=True, in_bulk_updates=True),
        Attribute("signed_up_at", ValueType.DATETIME, in_bulk_creates=True),
        Attribute("last_seen_at", ValueType.DATETIME, in_bulk_creates=True),
        Attribute(
            "owner_id",
            only_when_mapped=True,
            since=(2, 16),
            type_before=ValueType.INTEGER,
            names_teammate=True,
            in_bulk_creates=True,
            in_bulk_updates=True,
        ),
        # Consent: no update subscribes anybody again, so null is false, and false is written to new contacts alone.
        Attribute(
            "unsubscribed_from_emails",
            ValueType.BOOLEAN,
            only_when_mapped=True,
            null_means=False,
            only_set=True,
            in_bulk_creates=True,
            in_bulk_updates=True,
        ),
        Attribute("role", set_by="creation_mode", compared=False, in_bulk_creates=True),
    ),
    other_names=frozenset(
        [
            "workspace_id",
            "email_domain",
            "has_hard_bounced",
            "marked_email_as_spam",
            "created_at",
            "updated_at",
            "last_replied_at",
            "last_contacted_at",
            "last_email_opened_at",
            "last_email_clicked_at",
            "language_override",
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
            "country",
            "region",
            "city",
        ]
    ),
)
