"""Which variables are meant as settings of ours."""

from __future__ import annotations

import pytest

from target_intercom.settings.environment import Unread, unread_variables
from target_intercom.target import TargetIntercom

SETTINGS = list(TargetIntercom.offered_schema()["properties"])


def judged(variable: str, value: str = "true", *, are_read: bool = True) -> Unread:
    return unread_variables({variable: value}, "TARGET_INTERCOM_", SETTINGS, {}, are_read=are_read)


@pytest.mark.parametrize(
    "variable",
    [
        "TARGET_INTERCOM_DRYRUN",
        "TARGET_INTERCOM_DRY",
        "TARGET_INTERCOM_DRY-RUN",
        "TARGET_INTERCOM_DRY_RUNS",
        "TARGET_INTERCOM_DRY_RUN_ONLY",
        "TARGET_INTERCOM_DYR_RUN",
        "TARGET_INTERCOM_DRX_RUN",
        "TARGET_INTERCOM_IS_DRY_RUN",
        "TARGET_INTERCOM__DRY_RUN",
        "TARGET_INTERCOM_DRY_RUN_",
        "TARGETINTERCOM_DRY_RUN",
        "TARGET-INTERCOM-DRY-RUN",
        "TARGET_INTERCOMDRY_RUN",
        "TARGETS_INTERCOM_DRY_RUN",
        "TRAGET_INTERCOM_DRY_RUN",
        "target_intercom_dry_run",
        "Target_Intercom_Dry_Run",
    ],
)
def test_whatever_is_meant_as_a_dry_run_is_refused(variable: str) -> None:
    warnings, errors = judged(variable)
    assert warnings == []
    assert [variable in error for error in errors] == [True]
    assert judged(variable, "false").errors == []


@pytest.mark.parametrize("variable", ["TARGET_INTERCOM_DRY_RUN", "TARGET_INTERCOM_DRYRUN"])
@pytest.mark.parametrize("value", ["false", "False", "0", "no", "off", ""])
def test_one_that_asks_for_no_dry_run_is_no_error(variable: str, value: str) -> None:
    warnings, errors = judged(variable, value, are_read=False)
    assert errors == []
    assert [variable in warning for warning in warnings] == [True] * bool(value)


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TARGET_INTERCOM_SYNC_MOD", "SYNC_MODE"),
        ("TARGET_INTERCOM_SYNCMODE", "SYNC_MODE"),
        ("target_intercom_sync_mode", "SYNC_MODE"),
        ("TARGET_INTERCOM_MAPPING", "MAPPINGS"),
        ("TARGET_INTERCOM_ACCES_TOKN", "ACCESS_TOKEN"),
        ("TARGET_INTERCOM_MATCHBY", "MATCH_BY"),
        ("TARGET_INTERCOM_LOG_LEVEL", "LOGLEVEL"),
        ("TARGET_INTERKOM_MAX_REMOVAL_PERCENT", "MAX_REMOVAL_PERCENT"),
        ("TARGET_INTERCOM_STREAM_MAP", "STREAM_MAPS"),
    ],
)
def test_slips_of_the_pen_are_said(variable: str, meant: str) -> None:
    assert judged(variable).warnings == [f"Variable {variable} has no effect: did you mean TARGET_INTERCOM_{meant}?"]


@pytest.mark.parametrize("name", [name.upper() for name in SETTINGS])
def test_a_setting_s_variable_is_read_with_the_environment_and_only_then(name: str) -> None:
    assert judged(f"TARGET_INTERCOM_{name}") == Unread([], [])
    assert any(judged(f"TARGET_INTERCOM_{name}", are_read=False))


@pytest.mark.parametrize(
    "variable",
    [
        *(f"{prefix}_{name.upper()}" for name in SETTINGS for prefix in ("TAP_INTERCOM", "MELTANO_LOAD", "INTERCOM")),
        *(f"TARGET_INTERCOM_EU_{name.upper()}" for name in SETTINGS if name != "dry_run"),
        "DRY_RUN",
        "LOGLEVEL",
        "PATH",
        "TARGET_INTERCOM",
        "TARGET_INTERCOM_",
        "TARGET_INTERCOM_HOME",
        "TARGET_INTERCOM_IMAGE",
        "TARGET_INTERCOM_LOGLEVEL",
        "TARGET_INTERCOM_PORT",
        "TARGET_INTERCOM_PORT_8030_TCP_PROTO",
        "TARGET_INTERCOM_SERVICE_HOST",
        "TARGET_INTERCOM_VERSION",
        "TARGET_SNOWFLAKE_DRY_RUN",
    ],
)
def test_variables_of_others_are_no_matter(variable: str) -> None:
    assert judged(variable) == judged(variable, are_read=False) == Unread([], [])
