"""The last calls, and the rate-limit window that they fill."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from target_intercom.sandbox.page import addresses
from target_intercom.sandbox.page.pager import sheet
from target_intercom.sandbox.page.values import Moment, moment
from target_intercom.sandbox.page.views.people import label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_intercom.sandbox.conditions.limits import Window
    from target_intercom.sandbox.page.pager import Sheet
    from target_intercom.sandbox.recording.history import Entry, History
    from target_intercom.sandbox.workspace import Workspace

CALLS_A_PAGE = 50
_LONGEST = 12
"""Digits of a call's number that count."""


@dataclass(frozen=True)
class CallRow:
    """A call in a list.

    Attributes:
        path: As it was called.
        endpoint: With names in braces for identifiers; the path itself if there is no such endpoint.
        status: A number; words where there is none.
        kind: `good`, `refused`, `broken` or `open`: how it ended.
        about: The first contact that it touched, and where its page is.
        others: How many more contacts it touched.
        milliseconds: How long the sandbox worked on it.
        fault: The fault that the sandbox was told to have.
        reason: Why it was refused.
    """

    moment: Moment | None
    method: str
    path: str
    endpoint: str
    status: str
    kind: str
    request_id: str | None
    milliseconds: str | None
    fault: str | None
    reason: str | None
    about: str | None
    url: str | None
    others: int


@dataclass(frozen=True)
class CallsView:
    """The page Calls.

    Attributes:
        total: How many calls there were, forgotten ones included.
        is_latest: It begins with the newest call there is.
    """

    calls: Sheet[CallRow]
    total: int
    is_latest: bool


@dataclass(frozen=True)
class WindowView:
    """The rate-limit window of now. `seconds` is its length, `left` what is left of it."""

    calls: int
    limit: int
    rate_limited: int
    seconds: str
    left: str


def view(workspace: Workspace, history: History, query: Mapping[str, str]) -> CallsView:
    """Return the page of the last calls that `query` asks for, the newest first.

    Its neighbours are counted from the newest call that it knows (`until`), however many come meanwhile.
    """
    entries, until = history.last(), query.get("until", "")
    is_cut = until.isascii() and until.isdecimal() and len(until) <= _LONGEST
    if is_cut:
        entries = [entry for entry in entries if entry.n <= int(until)]
    newest = str(entries[0].n) if entries else ""
    page = sheet(entries, CALLS_A_PAGE, addresses.CALLS, {"page": query.get("page", ""), "until": newest})
    is_latest = page.number == 1 and not is_cut
    return CallsView(page.showing(rows(workspace, page.entries)), history.total, is_latest)


def rows(workspace: Workspace, entries: Iterable[Entry]) -> list[CallRow]:
    """Return calls as lines of a list."""
    return [_row(workspace, entry) for entry in entries]


def window_view(window: Window, now: float) -> WindowView:
    """Return the window of now."""
    return WindowView(
        calls=window.calls,
        limit=window.limit,
        rate_limited=window.rate_limited,
        seconds=f"{window.end - window.start:g}",
        left=f"{max(0.0, window.end - now):.0f}",
    )


def _row(workspace: Workspace, entry: Entry) -> CallRow:
    contact = workspace.known(entry.contact_id) if entry.contact_id else None
    status, kind = _ended(entry)
    return CallRow(
        moment=moment(entry.at),
        method=entry.method,
        path=entry.path,
        endpoint=entry.template or entry.path,
        status=status,
        kind=kind,
        request_id=entry.request_id,
        milliseconds=None if entry.seconds is None else f"{entry.seconds * 1000:.1f}",
        fault=entry.fault,
        reason=entry.reason,
        about=label(contact) if contact else None,
        url=addresses.person(contact.id) if contact else None,
        others=max(0, entry.contacts - 1),
    )


def _ended(entry: Entry) -> tuple[str, str]:
    if entry.status is None:
        return ("under way", "open") if entry.seconds is None else ("no answer", "broken")
    if entry.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return str(entry.status), "broken"
    return str(entry.status), "refused" if entry.status >= HTTPStatus.BAD_REQUEST else "good"
