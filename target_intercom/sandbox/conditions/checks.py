"""What conditions may be set to."""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from target_intercom.sandbox import errors
from target_intercom.sandbox.conditions.fault_plan import TargetedFault
from target_intercom.sandbox.messages import Fault

if TYPE_CHECKING:
    from collections.abc import Callable

E = TypeVar("E", bound=Enum)

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


class CompanyEscaping(str, Enum):
    """Whether a company's name and company_id are HTML-escaped in answers: by the version, or whatever it is."""

    VERSION = "version"
    ALWAYS = "always"
    NEVER = "never"


class CompanyNulls(str, Enum):
    """What a null does to an attribute of a company."""

    CLEAR = "clear"
    IGNORE = "ignore"
    REFUSE = "refuse"


class CompanyLookup(str, Enum):
    """Which companies GET /companies finds by company_id and name."""

    ALL = "all"
    WITH_PEOPLE = "with_people"


class CompanyReturn(str, Enum):
    """What a POST makes of the company_id of a deleted company."""

    NEW = "new"
    SAME = "same"


class BulkAccess(str, Enum):
    """Whether there are bulk jobs, and how the lack of them shows."""

    ON = "on"
    VERSION = "version"
    MISSING = "missing"
    NOT_ACCEPTABLE = "not_acceptable"
    PLAN = "plan"


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


def _faults(key: str, value: object) -> tuple[Fault, ...]:
    check = _member_of(Fault)
    return tuple(check(key, entry) for entry in entries(key, value))


def _member_of(known: type[E]) -> Callable[[str, object], E]:
    def check(key: str, value: object) -> E:
        try:
            return known(str(value))
        except ValueError:
            names = ", ".join(member.value for member in known)
            raise errors.invalid(f"{key}: {value!r} is not one of {names}", key) from None

    return check


def _scopes(key: str, value: object) -> tuple[str, ...]:
    scopes = tuple(map(str, entries(key, value)))
    for scope in scopes:
        if scope not in SCOPES:
            raise errors.invalid(f"{key}: {scope!r} is not one of {', '.join(sorted(SCOPES))}", key)
    return scopes


def entries(key: str, value: object) -> list[Any]:
    """Return a list.

    Raises:
        IntercomError: It is none.
    """
    if not isinstance(value, list):
        raise errors.invalid(f"{key} must be a list", key)
    return value


def _optional_text(key: str, value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise errors.invalid(f"{key} must be a text", key)


def targeted_fault(entry: object) -> TargetedFault:
    """Return a fault for the next calls that fit, from its description.

    Raises:
        IntercomError: A key is unknown or missing, or a value is wrong.
    """
    if not isinstance(entry, dict):
        raise errors.invalid("targeted must hold objects", "targeted")
    for key in entry:
        if key not in _TARGET_CHECKS:
            raise errors.invalid(f"Unknown key: {key}", str(key))
    if "fault" not in entry:
        raise errors.invalid("A targeted fault needs the key fault", "fault")
    return TargetedFault(**{key: _TARGET_CHECKS[key](key, value) for key, value in entry.items()})


CHECKS: dict[str, Callable[[str, object], Any]] = {
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
    "company_deletion_delay": _duration,
    "company_escaping": _member_of(CompanyEscaping),
    "company_lookup": _member_of(CompanyLookup),
    "company_nulls": _member_of(CompanyNulls),
    "company_return": _member_of(CompanyReturn),
    "bulk": _member_of(BulkAccess),
    "bulk_seconds": _duration,
    "bulk_open_seconds": _duration,
    "bulk_stuck": _number_of,
    "bulk_stuck_share": _share,
    "bulk_item_fault_rate": _share,
}
"""What checks each condition."""

_TARGET_CHECKS: dict[str, Callable[[str, object], Any]] = {
    "fault": _member_of(Fault),
    "method": _optional_text,
    "path": _optional_text,
    "body_contains": _optional_text,
    "times": _count,
}
