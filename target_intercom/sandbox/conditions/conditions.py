"""What makes the workspace difficult: search lag, rate limit, latency, faults. Changed at run time, too."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.conditions.checks import (
    CHECKS,
    BulkAccess,
    CompanyEscaping,
    CompanyLookup,
    CompanyNulls,
    CompanyReturn,
    entries,
    targeted_fault,
)
from target_intercom.sandbox.conditions.fault_plan import FaultPlan, TargetedFault
from target_intercom.sandbox.messages import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMELY_FAULTS = tuple(fault for fault in Fault if not fault.value.startswith("timeout"))
"""All faults but those that hold a connection for `fault_timeout`."""


@dataclass(kw_only=True)
class Conditions:
    """All that can be set. Seconds where time is meant.

    Attributes:
        search_lag: How far search and list trail behind writes.
        rate_limit: Calls a window.
        rate_window: Length of a window.
        latency: How long each call takes at least.
        fault_rate: Share of calls that draw a fault, 0 to 1.
        faults: The kinds that are drawn.
        fault_seed: Makes the draws repeatable.
        fault_timeout: How long a timeout fault holds the connection.
        max_in_values: The most values an `IN` may have. Intercom documents no maximum.
        deny_scopes: Permissions that the token lacks.
        token_revoked: The token is no longer valid, except for the control plane.
        deletion_delay: How long after a deletion an unarchive ends in 500 instead of 400. It was 500
            within two seconds (GRP lead-quirks#30-33, #37-41), 400 after minutes
            (GRP export-record-delete#43).
        company_deletion_delay: How long after the answer a company's deletion takes effect: until then it is there,
            and so are its people. Intercom says "asynchronously".
        company_escaping: Whether a company's name and company_id are HTML-escaped in answers. Documented of 2.17;
            of earlier versions nothing is known.
        company_lookup: Whether GET by company_id and name finds companies without people. Lists do not; of these
            calls nothing is known.
        company_nulls: What a null does to an attribute of a company: unknown.
        company_return: Whether a deleted company's company_id makes a new company, or brings the old one back, with
            its id and attributes, without its people: unknown.
        bulk: Whether there are bulk jobs; else how each call to them is refused, in every version.
        bulk_seconds: How long a task takes from its start.
        bulk_open_seconds: How long a job takes further tasks. Today's value is unknown; it was 900 for the
            legacy jobs with the same ids.
        bulk_stuck: How many of the tasks to come never end. Each one counts it down.
        bulk_stuck_share: The share of such a task's items that is done all the same, 0 to 1, the first ones.
        bulk_item_fault_rate: Share of items that fail for no reason of their own, 0 to 1, by `fault_seed`.
    """

    search_lag: float = 0.0
    rate_limit: int = 1666
    rate_window: float = 10.0
    latency: float = 0.0
    fault_rate: float = 0.0
    faults: tuple[Fault, ...] = TIMELY_FAULTS
    fault_seed: int | None = None
    fault_timeout: float = 60.0
    max_in_values: int | None = None
    deny_scopes: tuple[str, ...] = ()
    token_revoked: bool = False
    deletion_delay: float = 2.0
    company_deletion_delay: float = 1.0
    company_escaping: CompanyEscaping = CompanyEscaping.VERSION
    company_lookup: CompanyLookup = CompanyLookup.ALL
    company_nulls: CompanyNulls = CompanyNulls.CLEAR
    company_return: CompanyReturn = CompanyReturn.NEW
    bulk: BulkAccess = BulkAccess.ON
    bulk_seconds: float = 0.2
    bulk_open_seconds: float = 900.0
    bulk_stuck: int = 0
    bulk_stuck_share: float = 0.0
    bulk_item_fault_rate: float = 0.0

    def __post_init__(self) -> None:
        self.plan = FaultPlan(self.fault_seed)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Set new values, and queue targeted faults: all of them or, on a bad one, none.

        A targeted fault is `{"fault": KIND, "method", "path", "body_contains", "times"}`, on its own or
        in the list `targeted`. An empty list drops those that wait.

        Raises:
            IntercomError: A key is unknown or a value is wrong.
        """
        conditions = {key: value for key, value in changes.items() if key in CHECKS}
        others = {key: value for key, value in changes.items() if key not in CHECKS}
        targets = others.pop("targeted", None)
        queued = [targeted_fault(entry) for entry in entries("targeted", targets or [])]
        if others:
            queued.append(targeted_fault(others))
        checked = {key: CHECKS[key](key, value) for key, value in conditions.items()}
        for key, value in checked.items():
            setattr(self, key, value)
        self._plan_faults(queued, seed="fault_seed" in checked, clear=targets == [])

    def copy(self) -> Conditions:
        """Return the same conditions, without the targeted faults."""
        return replace(self)

    def take_stuck(self) -> bool:
        """Return whether the task that comes now is one of those that never end."""
        stuck = self.bulk_stuck > 0
        self.bulk_stuck -= stuck
        return stuck

    def as_json(self) -> dict[str, Any]:
        """Return the conditions as the control plane shows them."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        shown["faults"] = [fault.value for fault in self.faults]
        shown["deny_scopes"] = list(self.deny_scopes)
        for name in ("bulk", "company_escaping", "company_lookup", "company_nulls", "company_return"):
            shown[name] = getattr(self, name).value
        shown["targeted"] = [fault.as_json() for fault in self.plan.targeted]
        return shown

    def _plan_faults(self, queued: list[TargetedFault], *, seed: bool, clear: bool) -> None:
        if clear:
            self.plan.clear()
        if seed:
            self.plan.seed(self.fault_seed)
        for fault in queued:
            self.plan.add(fault)
