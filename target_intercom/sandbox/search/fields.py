"""The fields that can be searched: their types, and the operators of each type (OAS-2.16, OAS-P)."""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeAlias

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.objects.attributes import DataAttributes
    from target_intercom.sandbox.versions import Version

_EQUALITY = frozenset({"=", "!="})
_CHOICE = _EQUALITY | {"IN", "NIN"}
_NUMBER = _CHOICE | {">", "<", ">=", "<="}
_OPERATORS = {
    "string": _CHOICE | {"~", "!~", "^", "$"},
    "email": _CHOICE | {"~", "!~", "^", "$"},
    "boolean": _CHOICE,
    "integer": _NUMBER,
    "float": _NUMBER,
    "date": frozenset({"=", ">", "<"}),
    "datetime": _EQUALITY | {">", "<", ">=", "<="},
    "tag": _EQUALITY,
}
_DAY = 86400


@dataclass(frozen=True)
class FieldKind:
    """How a field is read and compared.

    Attributes:
        many: It holds several values (`tag_id`).
    """

    data_type: str
    read: Callable[[Any], Any]
    many: bool = False

    @property
    def operators(self) -> frozenset[str]:
        """Return the operators that it knows."""
        return _OPERATORS[self.data_type]

    @property
    def is_date(self) -> bool:
        """Return whether it holds times."""
        return self.data_type in {"date", "datetime"}

    def normal(self, value: Any) -> Any:
        """Return a stored value as it is compared.

        Emails in lower case (RudderStack and others search that way; what Intercom does is unknown); dates
        by the day, UTC being the workspace's time zone.
        """
        if value is None or value == "":
            return None
        if self.data_type == "email":
            return value.lower()
        return value // _DAY if self.data_type == "date" else value

    def check(self, field: str, value: Any) -> Any:
        """Return a value of a query as it is compared. Null asks for contacts without a value (by choice).

        Raises:
            IntercomError: Its type is not the field's; the search fails then (OAS-P).
        """
        if value is None:
            return None
        if field == "owner_id":
            value = str(value)
        if self.is_date and _is_whole(value):
            value = int(value)
        if not _fits(self.data_type, value):
            message = f"The value for {field} must be of type {self.data_type}"
            raise errors.invalid(message, field)
        return self.normal(value)


Kinds: TypeAlias = "Callable[[object], FieldKind]"
"""Finds how a field is searched and sorted by, or refuses it."""


def kind_of(field: object, attributes: DataAttributes, version: Version) -> FieldKind:
    """Return how a field of contacts is searched and sorted by.

    Raises:
        IntercomError: There is no such field.
    """
    if not isinstance(field, str):
        raise errors.invalid_field(field)
    kind = _KINDS.get(field) or custom_kind("contact", field, attributes)
    return as_of(version, kind)


def as_of(version: Version, kind: FieldKind) -> FieldKind:
    """Return a kind as a version compares it."""
    if kind.data_type == "datetime" and not version.exact_timestamps:
        return FieldKind("date", kind.read)
    return kind


def custom_kind(model: str, field: str, attributes: DataAttributes) -> FieldKind:
    """Return how a custom attribute is searched and sorted by.

    Raises:
        IntercomError: The model has no such attribute.
    """
    prefix, _, name = field.partition(".")
    if prefix != "custom_attributes":
        raise errors.invalid_field(field)
    try:
        attribute = attributes.custom(model, name)
    except errors.IntercomError:
        raise errors.invalid_field(field) from None
    return FieldKind(attribute.data_type, lambda entry: entry.custom_attributes.get(name))


def _is_whole(value: object) -> bool:
    """Return whether a time is written as text, or as a float (tap-intercom's bookmarks), and has whole seconds."""
    return (isinstance(value, str) and value.isdecimal()) or (isinstance(value, float) and value.is_integer())


def _fits(data_type: str, value: object) -> bool:
    if isinstance(value, bool):
        return data_type == "boolean"
    if data_type in {"string", "email", "tag"}:
        return isinstance(value, str)
    if data_type == "float":
        return isinstance(value, (int, float))
    return data_type != "boolean" and isinstance(value, int)


def _nothing(_: object) -> None:
    """Return the value of fields that are searchable, but that no API call sets."""


def _never(_: object) -> bool:
    return False


_TEXTS = ("id", "role", "name", "avatar", "email_domain", "phone", "external_id", "owner_id")
_UNSET_TEXTS = [
    "formatted_phone",
    "browser",
    "browser_language",
    "os",
    "location.country",
    "location.region",
    "location.city",
    "segment_id",
    "ios_app_name",
    "ios_app_version",
    "ios_device",
    "ios_app_device",
    "ios_os_version",
    "ios_sdk_version",
    "android_app_name",
    "android_app_version",
    "android_device",
    "android_sdk_version",
]
_TIMES = ("created_at", "updated_at", "signed_up_at", "last_seen_at")
_UNSET_TIMES = [
    "last_contacted_at",
    "last_replied_at",
    "last_email_opened_at",
    "last_email_clicked_at",
    "ios_last_seen_at",
    "android_last_seen_at",
]

_KINDS: dict[str, FieldKind] = {
    **{name: FieldKind("string", attrgetter(name)) for name in (*_TEXTS, "language_override")},
    **{name: FieldKind("string", _nothing) for name in _UNSET_TEXTS},
    **{name: FieldKind("datetime", attrgetter(name)) for name in _TIMES},
    **{name: FieldKind("datetime", _nothing) for name in _UNSET_TIMES},
    "email": FieldKind("email", attrgetter("email")),
    "unsubscribed_from_emails": FieldKind("boolean", attrgetter("unsubscribed_from_emails")),
    "marked_email_as_spam": FieldKind("boolean", _never),
    "has_hard_bounced": FieldKind("boolean", _never),
    "tag_id": FieldKind("tag", attrgetter("tags"), many=True),
}
