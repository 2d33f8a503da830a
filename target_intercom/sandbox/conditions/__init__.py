"""The conditions: what makes the workspace difficult, from search lag to faults."""

from __future__ import annotations

from target_intercom.sandbox.conditions.conditions import SCOPES, TIMELY_FAULTS, BulkAccess, Conditions

__all__ = ["SCOPES", "TIMELY_FAULTS", "BulkAccess", "Conditions"]
