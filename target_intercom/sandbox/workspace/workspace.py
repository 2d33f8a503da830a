"""The workspace as a whole."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.jobs.jobs import Jobs
from target_intercom.sandbox.workspace.attributes import Attributes
from target_intercom.sandbox.workspace.tagging import Tagging

if TYPE_CHECKING:
    from collections.abc import Callable

    from target_intercom.sandbox.conditions import Conditions


class Workspace(Tagging, Attributes):
    """Contacts, tags, data attributes and bulk jobs. Safe to use from several threads."""

    def __init__(self, conditions: Conditions | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(conditions, clock)
        self.jobs = Jobs(self._conditions, clock)

    def everything(self) -> list[dict[str, Any]]:
        """Return every contact that ever was, gone ones included, with tags by name."""
        with self._lock:
            names = {tag.id: tag.name for tag in self.tags.all()}
            everyone = self.everyone()
        return [
            {
                **vars(contact),
                "state": contact.state.value,
                "tags": [names[tag_id] for tag_id in contact.tags if tag_id in names],
            }
            for contact in everyone
        ]
