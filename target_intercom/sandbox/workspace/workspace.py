"""The workspace as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.jobs.jobs import Jobs
from target_intercom.sandbox.workspace.attributes import Attributes
from target_intercom.sandbox.workspace.memberships import Memberships
from target_intercom.sandbox.workspace.tagging import Tagging

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.conditions import Conditions


class Workspace(Memberships, Tagging, Attributes):
    """Contacts, companies, tags, data attributes and bulk jobs. Safe to use from several threads."""

    def __init__(self, conditions: Conditions | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(conditions, clock)
        self.jobs = Jobs(self._conditions, clock)

    def everything(self) -> list[dict[str, Any]]:
        """Return every contact that ever was, gone ones included, with tags by name and companies by company_id."""
        with self._lock:
            everyone, names = self.everyone(), self._tag_names()
            return [
                {
                    **vars(contact),
                    "state": contact.state.value,
                    "tags": [names[tag_id] for tag_id in contact.tags if tag_id in names],
                    "companies": [self._companies[company_id].company_id for company_id in contact.companies],
                }
                for contact in everyone
            ]

    def all_companies(self) -> list[dict[str, Any]]:
        """Return every company that ever was, deleted ones included, with tags by name and people by Intercom's id."""
        with self._lock:
            names = self._tag_names()
            return [
                {
                    **vars(company),
                    "state": company.state.value,
                    "tags": [names[tag_id] for tag_id in company.tags if tag_id in names],
                    "people": [contact.id for contact in self.people(company)],
                }
                for company in self.every_company()
            ]

    def _tag_names(self) -> dict[str, str]:
        return {tag.id: tag.name for tag in self.tags.all()}
