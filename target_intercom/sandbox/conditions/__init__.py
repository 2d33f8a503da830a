"""The conditions: what makes the workspace difficult, from search lag to faults."""

from __future__ import annotations

from target_intercom.sandbox.conditions.checks import (
    SCOPES,
    BulkAccess,
    CompanyEscaping,
    CompanyLookup,
    CompanyNulls,
    CompanyReturn,
)
from target_intercom.sandbox.conditions.conditions import TIMELY_FAULTS, Conditions
from target_intercom.sandbox.conditions.fault_plan import TargetedFault

__all__ = [
    "SCOPES",
    "TIMELY_FAULTS",
    "BulkAccess",
    "CompanyEscaping",
    "CompanyLookup",
    "CompanyNulls",
    "CompanyReturn",
    "Conditions",
    "TargetedFault",
]
