"""Runs as the pages are told of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from target_intercom.intercom.traffic import Part, Timeline
from target_intercom.reporting.ended_run import EndedRun
from target_intercom.reporting.pages.report_page import RunFacts, Setting

RUN = "20261121T084209Z-3a4c7a"
ENDED = EndedRun(
    run=RUN,
    started_at="2026-11-21T08:42:09.120+00:00",
    finished_at="2026-11-21T08:43:40.620+00:00",
    seconds=91.5,
    exit_code=0,
    read=360,
    written=345,
    refused=8,
    calls=351,
    retries=2,
    rate_limited=1,
    waited_seconds=12.25,
)
COUNTS: dict[str, Any] = {
    "read": 360,
    "created": 292,
    "updated": 35,
    "unchanged": 18,
    "merged": 0,
    "skipped": 0,
    "archived": 7,
    "deleted": 0,
    "invalid": 5,
    "rejected": 3,
    "left": 4,
    "tagged": 9,
    "untagged": 0,
    "unarchived": 0,
    "reasons": {"invalid": {"invalid_email": 5}, "rejected": {"parameter_invalid": 3}},
    "cut": {"custom_attributes.plan": 1},
    "left_out": {"custom_attributes.plan": 2, "tags": 3},
}
CALLS = {"GET /me": 1, "POST /contacts": 300, "PUT /contacts/{id}": 50}


def facts(streams: int = 1, exit_code: int = 0, *, dry_run: bool = False, **others: Any) -> RunFacts:
    """Return the facts of a run of so many streams."""
    names = ["customers", *(f"stream_{number}" for number in range(1, streams))]
    report = {
        "run_id": RUN,
        "status": "failed" if exit_code else "succeeded",
        "started_at": ENDED.started_at,
        "finished_at": ENDED.finished_at,
        "dry_run": dry_run,
        "streams": {name: {**COUNTS, "read": 360} for name in names[:streams]},
        "api": {"calls": CALLS, "retries": 2, "rate_limited": 1, "waited_seconds": 12.25},
    }
    parts = [Part(calls=3 + number % 5, window=number / 100) for number in range(92)]
    parts[40] = Part(calls=1, retries=2, rate_limited=1, waited=1.0, window=1.0)
    known: dict[str, Any] = {
        "report": report,
        "ended": replace(ENDED, exit_code=exit_code),
        "timeline": Timeline(0.0, 1.0, parts),
        "rate_limit_percent": 95,
        "workspace": "Acme (ws1)",
        "kinds": dict.fromkeys(names, "contacts"),
        "warnings": ["Intercom's rate limit is reached: calls wait for the next window"],
        "settings": [Setting("sync_mode", "sync", is_default=False)],
        "files": {"Report": "report.json"},
    }
    return RunFacts(**{**known, **others})
