"""Tags: names without regard to case, ids that are digits."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIRST_ID = 4919472


@dataclass(frozen=True)
class Tag:
    """A tag."""

    id: str
    name: str

    def as_json(self) -> dict[str, Any]:
        """Return the tag as Intercom lists it (OAS-P GET /tags)."""
        return {"type": "tag", "id": self.id, "name": self.name}


class Tags:
    """The workspace's tags."""

    def __init__(self) -> None:
        self._tags: dict[str, Tag] = {}
        self._by_name: dict[str, Tag] = {}
        self._ids = count(_FIRST_ID)

    def all(self) -> list[Tag]:
        """Return all tags, oldest first."""
        return list(self._tags.values())

    def get(self, tag_id: str) -> Tag:
        """Return the tag with this id.

        Raises:
            IntercomError: There is none.
        """
        if tag_id not in self._tags:
            raise errors.resource_not_found()
        return self._tags[tag_id]

    def save(self, body: Mapping[str, Any]) -> Tag:
        """Create, find or, with an id, rename (OAS-2.16 #create_or_update_tag_request).

        Raises:
            IntercomError: No name, no such id, or another tag has the name.
        """
        name = body.get("name")
        if not isinstance(name, str) or not name.strip():
            raise errors.invalid_tag()
        if body.get("id") is None:
            return self._by_name.get(name.lower()) or self._keep(Tag(str(next(self._ids)), name))
        return self._rename(self.get(str(body["id"])), name)

    def delete(self, tag_id: str) -> None:
        """Delete a tag.

        Raises:
            IntercomError: There is none with this id.
        """
        tag = self.get(tag_id)
        del self._tags[tag.id], self._by_name[tag.name.lower()]

    def _rename(self, old: Tag, name: str) -> Tag:
        holder = self._by_name.get(name.lower(), old)
        if holder != old:
            raise errors.invalid_tag()
        del self._by_name[old.name.lower()]
        return self._keep(Tag(old.id, name))

    def _keep(self, tag: Tag) -> Tag:
        self._tags[tag.id] = self._by_name[tag.name.lower()] = tag
        return tag
