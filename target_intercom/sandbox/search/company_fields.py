"""The fields that companies can be searched by (OAS-P POST /companies/search)."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.search.fields import FieldKind, as_of, custom_kind

if TYPE_CHECKING:
    from target_intercom.sandbox.objects.attributes import DataAttributes
    from target_intercom.sandbox.objects.companies import CountedCompany
    from target_intercom.sandbox.versions import Version


def kind_of(field: object, attributes: DataAttributes, version: Version) -> FieldKind:
    """Return how a field of companies is searched and sorted by.

    Raises:
        IntercomError: There is no such field; `segment_id` and the plan's are none.
    """
    if not isinstance(field, str):
        raise errors.invalid_field(field)
    kind = _KINDS.get(field)
    if kind is None:
        custom = custom_kind("company", field, attributes)
        kind = replace(custom, read=lambda counted: custom.read(counted.company))
    return as_of(version, kind)


def _no_sessions(_: CountedCompany) -> int:
    return 0


def _of_company(name: str, data_type: str, *, many: bool = False) -> FieldKind:
    read: Any = attrgetter(f"company.{name}")
    return FieldKind(data_type, read, many)


_KINDS: dict[str, FieldKind] = {
    **{name: _of_company(name, "string") for name in ("company_id", "name")},
    **{
        name: _of_company(name, "datetime")
        for name in ("created_at", "updated_at", "remote_created_at", "last_request_at")
    },
    "monthly_spend": _of_company("monthly_spend", "integer"),
    "session_count": FieldKind("integer", _no_sessions),
    "user_count": FieldKind("integer", attrgetter("user_count")),
    "tag_id": _of_company("tags", "tag", many=True),
}
