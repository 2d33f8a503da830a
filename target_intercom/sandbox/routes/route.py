"""An endpoint, and the call that is made to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from target_intercom.sandbox.versions import PREVIEW

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_intercom.sandbox.messages import Request
    from target_intercom.sandbox.versions import Version
    from target_intercom.sandbox.workspace import Workspace

USERS, WRITE_USERS = "read_users", "write_users"
TAGS, WRITE_TAGS = "read_tags", "write_tags"
ATTRIBUTES, WRITE_ATTRIBUTES = "read_data_attributes", "write_data_attributes"
ADMINS = "read_admins"

BULK_SINCE = PREVIEW.number  # in OAS-P, not in OAS-2.16; of 2.17 nothing is known
ACCEPTED = 202


@dataclass(frozen=True)
class Errand:
    """A call, made ready for the workspace. `touched` notes a contact that the call itself does not name."""

    workspace: Workspace
    version: Version
    params: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    path: str
    region: str
    base_url: str
    touched: Callable[[str], None]


@dataclass(frozen=True)
class Route:
    """An endpoint. `scope` is the permission that it takes, `since` the version it came with.

    `status` is what it answers with when all is well.
    """

    method: str
    template: str
    run: Callable[[Errand], Any]
    scope: str
    since: tuple[int, int] = (2, 0)
    status: int = 200
    parts: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", parts_of(self.template))

    def params(self, request: Request) -> tuple[str, ...] | None:
        """Return the values of the template's parameters, or None if the request is another's."""
        if request.method != self.method:
            return None
        return params_of(self.parts, request.segments)


def parts_of(template: str) -> tuple[str, ...]:
    """Return the parts of a path template."""
    return tuple(template.strip("/").split("/"))


def params_of(parts: tuple[str, ...], segments: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the values of a template's parameters, or None if the path is another's."""
    if len(parts) != len(segments):
        return None
    pairs = list(zip(parts, segments, strict=True))
    if any(part != segment for part, segment in pairs if not part.startswith("{")):
        return None
    return tuple(segment for part, segment in pairs if part.startswith("{"))
