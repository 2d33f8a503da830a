"""Companies, known by the source's `company_id` (OAS-2.16 POST /companies; OAS-P bulk_create_companies_request)."""

from __future__ import annotations

import typing as t
from functools import partial

from target_intercom.kinds.entity import Attribute, EntityKind, ValueType

_attribute = partial(Attribute, in_bulk_creates=True, in_bulk_updates=True)

COMPANIES: t.Final = EntityKind(
    noun="company",
    plural="companies",
    key="company_id",
    attributes=(
        _attribute("company_id", identifies=True, may_be_escaped=True),
        _attribute("name", may_be_escaped=True),
        _attribute("plan"),
        _attribute("size", ValueType.INTEGER),
        _attribute("website", trimmed=True),
        _attribute("industry"),
        # Intercom cuts decimals, takes 2^31 - 1 at most, and shows 0 where nothing was set.
        _attribute("monthly_spend", ValueType.INTEGER, most=2**31 - 1, null_means=0),
        _attribute("remote_created_at", ValueType.DATETIME, only_upserted=True),
    ),
    # `creation_source` is a custom attribute that Intercom sets by itself (Airbyte's recorded companies).
    other_names=frozenset(
        [
            "app_id",
            "created_at",
            "creation_source",
            "id",
            "last_request_at",
            "segments",
            "session_count",
            "tags",
            "updated_at",
            "user_count",
        ]
    ),
)
