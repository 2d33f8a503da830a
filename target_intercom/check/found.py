"""What a check finds: its answers, and what they mean."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from target_intercom.intercom.protocol.workspace import DataAttribute, Workspace
    from target_intercom.ledger.command.looking import LedgerLook


def region_of(workspace: Workspace) -> str | None:
    """Return the region as `region` names it; None: Intercom does not say."""
    return workspace.region.lower() if workspace.region else None


class Level(str, enum.Enum):
    """How much a finding matters."""

    ERROR = "error"
    """The run would fail, or would not do what the settings say."""
    WARNING = "warning"
    """The run goes through, and something of it may surprise."""
    OK = "ok"
    """It was checked, and is well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A message about a setting, or about the run as a whole."""

    level: Level
    setting: str | None
    """The full name of the setting, such as `mappings` or `streams.NAME.mappings`; None: it is about none."""
    message: str


class Answer(str, enum.Enum):
    """Whether something is there."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """The check asked, and the answer did not tell."""
    NOT_ASKED = "not asked"
    """Only a write would tell, or nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission of the token."""

    name: str
    call: str
    """The call that needs it."""
    needed: bool
    """Whether the settings need it."""
    found: Answer
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """Whether the workspace has bulk jobs."""

    found: Answer
    message: str


@dataclass(frozen=True, slots=True)
class Probed:
    """Intercom's answers."""

    workspace: Workspace | None
    """None: not known; `trouble` says why."""
    trouble: str | None
    permissions: tuple[Permission, ...]
    attributes: Mapping[str, tuple[DataAttribute, ...]]
    """By kind of object, `contact` or `company`, with standard and archived ones; none that could not be read."""
    teammates: int | None
    tags: int | None
    bulk: Bulk


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """An attribute, as a pick list for `mappings` shows it."""

    name: str
    """The name that `mappings` takes."""
    type: str
    custom: bool
    writable: bool
    """Whether the API writes it."""
    archived: bool
    options: tuple[str, ...] | None
    """The closed list of a list attribute."""
    mappable: bool
    """Whether `mappings` can name it: values are loaded, or, of `id`, matched by."""
    object: str
    """What has it: `contact` or `company`."""


@dataclass(frozen=True, slots=True)
class Checked:
    """All that a check found."""

    findings: tuple[Finding, ...]
    """The worst first."""
    url: str | None = None
    api_version: str | None = None
    probed: Probed | None = None
    """None: the settings are wrong, and Intercom was not asked."""
    attributes: tuple[AttributeRow, ...] = ()
    ledger: LedgerLook | None = None

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.level is not Level.ERROR for finding in self.findings)
