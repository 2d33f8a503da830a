"""Intercom's rules on data attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.workspace.store import ADMINS, Store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.sandbox.versions import Version


class Attributes(Store):
    """The data attributes of contacts and companies."""

    def create_attribute(self, body: Mapping[str, Any], version: Version) -> dict[str, Any]:
        """Add a custom attribute; it can be used at once (by choice).

        Raises:
            IntercomError: It is refused.
        """
        with self._lock:
            created = self.attributes.create(body, self._now(), version)
            return created.as_json(version, next(iter(ADMINS)))

    def update_attribute(self, attribute_id: str, body: Mapping[str, Any], version: Version) -> dict[str, Any]:
        """Change a custom attribute.

        Raises:
            IntercomError: There is none with this id, or a value is refused.
        """
        with self._lock:
            changed = self.attributes.update(attribute_id, body, self._now())
            return changed.as_json(version, next(iter(ADMINS)))

    def list_attributes(self, models: tuple[str, ...], version: Version, *, archived: bool) -> list[dict[str, Any]]:
        """Return the attributes of the models."""
        with self._lock:
            admin = next(iter(ADMINS))
            return self.attributes.listed(models, version, admin, archived=archived)
