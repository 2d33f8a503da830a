"""The teammates of the workspace, who may own contacts."""

from __future__ import annotations

import typing as t

from target_intercom.errors import ForbiddenError, UndoneError

if t.TYPE_CHECKING:
    from target_intercom.intercom.client import IntercomClient
    from target_intercom.intercom.protocol.ids import AdminId


class Teammates:
    """Who may own contacts; asked once a run."""

    def __init__(self, client: IntercomClient) -> None:
        """Nothing is asked yet."""
        self._client = client
        self._admins: frozenset[AdminId] | None = None

    def admins(self) -> frozenset[AdminId]:
        """Return the ids of all teammates; empty if Intercom does not show them: single calls check the owners then."""
        if self._admins is None:
            try:
                self._admins = self._client.admins()
            except (UndoneError, ForbiddenError):
                self._admins = frozenset()
        return self._admins
