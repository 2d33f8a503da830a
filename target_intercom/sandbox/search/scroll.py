"""The scroll over all companies (OAS-2.16 GET /companies/scroll)."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, TypeAlias

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.objects.companies import CountedCompany

    CompanyPage: TypeAlias = list[CountedCompany]

PAGE = 100
"""Companies a page: by choice, as nothing is documented."""

UNUSED_SECONDS = 60
"""How long a scroll that nobody uses stays open (OAS-2.16)."""


class Scroll:
    """The only scroll that a workspace may have open. It shows the companies as they were when it began."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._id: str | None = None
        self._used_at = 0.0
        self._left: CompanyPage = []

    def turn(self, scroll_id: str | None, begin: Callable[[], CompanyPage]) -> tuple[str, CompanyPage]:
        """Return the id of the scroll and its next page. An empty page is its end.

        Raises:
            IntercomError: It is to begin while another is open, or has ended.
        """
        with self._lock:
            if self._id is not None and self._clock() - self._used_at >= UNUSED_SECONDS:
                self._id = None
            if not scroll_id:
                if self._id is not None:
                    raise errors.scroll_exists()
                self._id, self._left = str(uuid.uuid4()), begin()
            elif scroll_id != self._id:
                raise errors.scroll_not_found()
            current = str(self._id)
            page, self._left = self._left[:PAGE], self._left[PAGE:]
            self._used_at = self._clock()
            if not page:
                self._id = None
            return current, page
