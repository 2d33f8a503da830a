"""The words of a check: what was found, and what it means."""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass

if t.TYPE_CHECKING:
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
    """Looked at, and well."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One judgement."""

    level: Level
    setting: str | None
    """The setting that it is about, such as `mappings` or `streams.NAME.mappings`; None: of none."""
    message: str


class Answer(str, enum.Enum):
    """Whether something is there."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    """It was asked for, and the answer did not tell."""
    NOT_ASKED = "not asked"
    """Only a write would tell, or nothing depends on it."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What the token may do."""

    name: str
    call: str
    """The call that tells, or that needs it."""
    needed: bool
    """The settings at hand need it."""
    found: Answer
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Bulk:
    """Whether the workspace has bulk jobs."""

    found: Answer
    message: str


@dataclass(frozen=True, slots=True)
class Probed:
    """What Intercom said."""

    workspace: Workspace | None
    """None: it did not say whose it is; `trouble` says why."""
    trouble: str | None
    permissions: tuple[Permission, ...]
    attributes: tuple[DataAttribute, ...] | None
    """Of contacts, standard ones and archived ones too; None: they could not be read."""
    teammates: int | None
    tags: int | None
    bulk: Bulk


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """An attribute of contacts, as a pick list for `mappings` shows it."""

    name: str
    """As `mappings` names it."""
    type: str
    custom: bool
    writable: bool
    """The API may write it."""
    archived: bool
    options: tuple[str, ...] | None
    """The closed list of a list attribute."""
    mappable: bool
    """`mappings` can name it, and a value would be loaded, or, of `id`, matched by."""


@dataclass(frozen=True, slots=True)
class Checked:
    """All that a check found."""

    findings: tuple[Finding, ...]
    """The worst first."""
    url: str | None = None
    api_version: str | None = None
    probed: Probed | None = None
    """None: the settings are wrong, and nobody was asked."""
    attributes: tuple[AttributeRow, ...] = ()
    ledger: LedgerLook | None = None

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return all(finding.level is not Level.ERROR for finding in self.findings)
