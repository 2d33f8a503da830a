"""The weather: search lag, rate limit, latency, faults. Set at the start, changed at run time."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors
from target_intercom.sandbox.conditions.faults import Fault, FaultPlan, TargetedFault

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCOPES = frozenset(
    {
        "read_admins",
        "read_data_attributes",
        "read_tags",
        "read_users",
        "write_data_attributes",
        "write_tags",
        "write_users",
    }
)
"""Permissions that a token can be made to lack. Names by choice: Intercom publishes none per endpoint."""

TIMELY_FAULTS = tuple(fault for fault in Fault if not fault.value.startswith("timeout"))
"""All faults but those that hold a connection for `fault_timeout`."""


class BulkAccess(str, Enum):
    """Whether there are bulk jobs, and how the lack of them shows."""

    ON = "on"
    VERSION = "version"
    MISSING = "missing"
    NOT_ACCEPTABLE = "not_acceptable"
    PLAN = "plan"


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
    bulk: BulkAccess = BulkAccess.ON
    bulk_seconds: float = 0.2
    bulk_open_seconds: float = 900.0
    bulk_stuck: int = 0
    bulk_stuck_share: float = 0.0
    bulk_item_fault_rate: float = 0.0

    def __post_init__(self) -> None:
        self.plan = FaultPlan(self.fault_seed)

    def change(self, changes: Mapping[str, Any]) -> None:
        """Take over new values, and queue targeted faults: all of them or, on a bad one, none.

        A targeted fault is `{"fault": KIND, "method", "path", "body_contains", "times"}`, on its own or
        in the list `targeted`. An empty list drops those that wait.

        Raises:
            IntercomError: A key is unknown or a value is wrong.
        """
        conditions = {key: value for key, value in changes.items() if key in _CHECKS}
        others = {key: value for key, value in changes.items() if key not in _CHECKS}
        targets = others.pop("targeted", None)
        queued = [_targeted(entry) for entry in _entries("targeted", targets or [])]
        if others:
            queued.append(_targeted(others))
        checked = {key: _CHECKS[key](key, value) for key, value in conditions.items()}
        for key, value in checked.items():
            setattr(self, key, value)
        self._plan_faults(queued, seed="fault_seed" in checked, clear=targets == [])

    def copy(self) -> Conditions:
        """The same conditions, without the targeted faults."""
        return replace(self)

    def take_stuck(self) -> bool:
        """Whether the task that comes now is one of those that never end."""
        stuck = self.bulk_stuck > 0
        self.bulk_stuck -= stuck
        return stuck

    def as_json(self) -> dict[str, Any]:
        """The conditions as the control plane shows them."""
        shown = {field.name: getattr(self, field.name) for field in fields(self)}
        shown["faults"] = [fault.value for fault in self.faults]
        shown["deny_scopes"] = list(self.deny_scopes)
        shown["bulk"] = self.bulk.value
        shown["targeted"] = [fault.as_json() for fault in self.plan.targeted]
        return shown

    def _plan_faults(self, queued: list[TargetedFault], *, seed: bool, clear: bool) -> None:
        if clear:
            self.plan.clear()
        if seed:
            self.plan.seed(self.fault_seed)
        for fault in queued:
            self.plan.add(fault)


# --- checking what is set at run time ---


def _duration(key: str, value: object) -> float:
    return _number(key, value, least=0.0)


def _window(key: str, value: object) -> float:
    return _number(key, value, least=0.001)


def _share(key: str, value: object) -> float:
    return _number(key, value, least=0.0, most=1.0)


def _number(key: str, value: object, least: float, most: float = math.inf) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most and value < math.inf:
        return float(value)
    raise errors.invalid(f"{key} must be a number from {least:g} to {most:g}", key)


def _count(key: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise errors.invalid(f"{key} must be a whole number above 0", key)
    return value


def _number_of(key: str, value: object) -> int:
    return 0 if value == 0 and not isinstance(value, bool) else _count(key, value)


def _optional_count(key: str, value: object) -> int | None:
    return None if value is None else _count(key, value)


def _seed(key: str, value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise errors.invalid(f"{key} must be a whole number or null", key)


def _switch(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise errors.invalid(f"{key} must be true or false", key)
    return value


def _fault(key: str, value: object) -> Fault:
    try:
        return Fault(str(value))
    except ValueError:
        known = ", ".join(fault.value for fault in Fault)
        raise errors.invalid(f"{key}: {value!r} is not one of {known}", key) from None


def _faults(key: str, value: object) -> tuple[Fault, ...]:
    return tuple(_fault(key, entry) for entry in _entries(key, value))


def _bulk_access(key: str, value: object) -> BulkAccess:
    try:
        return BulkAccess(str(value))
    except ValueError:
        known = ", ".join(access.value for access in BulkAccess)
        raise errors.invalid(f"{key}: {value!r} is not one of {known}", key) from None


def _scopes(key: str, value: object) -> tuple[str, ...]:
    scopes = tuple(map(str, _entries(key, value)))
    for scope in scopes:
        if scope not in SCOPES:
            raise errors.invalid(f"{key}: {scope!r} is not one of {', '.join(sorted(SCOPES))}", key)
    return scopes


def _entries(key: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise errors.invalid(f"{key} must be a list", key)
    return value


def _optional_text(key: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise errors.invalid(f"{key} must be a text", key)


def _targeted(entry: object) -> TargetedFault:
    if not isinstance(entry, dict):
        raise errors.invalid("targeted must hold objects", "targeted")
    for key in entry:
        if key not in _TARGET_CHECKS:
            raise errors.invalid(f"Unknown key: {key}", str(key))
    if "fault" not in entry:
        raise errors.invalid("A targeted fault needs the key fault", "fault")
    return TargetedFault(**{key: _TARGET_CHECKS[key](key, value) for key, value in entry.items()})


_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "search_lag": _duration,
    "rate_limit": _count,
    "rate_window": _window,
    "latency": _duration,
    "fault_rate": _share,
    "faults": _faults,
    "fault_seed": _seed,
    "fault_timeout": _duration,
    "max_in_values": _optional_count,
    "deny_scopes": _scopes,
    "token_revoked": _switch,
    "deletion_delay": _duration,
    "bulk": _bulk_access,
    "bulk_seconds": _duration,
    "bulk_open_seconds": _duration,
    "bulk_stuck": _number_of,
    "bulk_stuck_share": _share,
    "bulk_item_fault_rate": _share,
}

_TARGET_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "fault": _fault,
    "method": _optional_text,
    "path": _optional_text,
    "body_contains": _optional_text,
    "times": _count,
}
