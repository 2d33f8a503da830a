"""Checks what Intercom, the ledger and the settings answered: what it means for a run. Pure."""

from __future__ import annotations

import re
import typing as t

from target_intercom.check.found import Answer, Finding, Level, region_of
from target_intercom.check.probing import names_teammates
from target_intercom.ledger.command.looking import LedgerState
from target_intercom.settings.warnings import is_nameless, lies_elsewhere, unwritable

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_intercom.check.catalog import Offered
    from target_intercom.check.found import Permission, Probed
    from target_intercom.intercom.protocol import Workspace
    from target_intercom.ledger.command.looking import LedgerLook
    from target_intercom.settings.config import Config

_SETTING = re.compile(r"Setting '([^']+)'")


def sorted_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings without repetitions, the worst first."""
    order = list(Level)
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: order.index(finding.level)))


def setting_findings(messages: Iterable[str], level: Level = Level.ERROR) -> Iterator[Finding]:
    """Yield what the target says of its settings."""
    for message in messages:
        named = _SETTING.search(message)
        yield Finding(level, None if named is None else named[1], message)


def workspace_findings(config: Config, probed: Probed, ledger: LedgerLook) -> Iterator[Finding]:
    """Check the workspace that the token is of."""
    if probed.workspace is None:
        trouble = probed.trouble or "Intercom does not answer"
        yield Finding(Level.ERROR, _blamed(trouble, config), trouble)
        return
    workspace = probed.workspace
    elsewhere = lies_elsewhere(config, workspace)
    if elsewhere is not None:
        yield Finding(Level.ERROR, "region", elsewhere)
    nameless = is_nameless(workspace)
    if nameless is not None and ledger.state is not LedgerState.NONE:
        yield Finding(Level.ERROR, "ledger_url", nameless)
    if elsewhere is None:
        message = (
            f"The token is of workspace '{workspace.name}' ({workspace.id}), region {region_of(workspace) or 'unknown'}"
        )
        yield Finding(Level.OK, "access_token", message)


def permission_findings(config: Config, probed: Probed) -> Iterator[Finding]:
    """Check that the token may do what the settings need."""
    for permission in probed.permissions:
        if permission.needed and permission.found in {Answer.NO, Answer.UNKNOWN}:
            yield _lacking(permission, is_bearable=permission.call == "GET /admins")
    if probed.tags is not None:
        message = f"The token can read tags; the workspace has {probed.tags}"
        yield Finding(Level.OK, _groups_setting(config), message)
    if probed.teammates is not None and names_teammates(config):
        message = f"The token can read the {probed.teammates} teammates: values of 'owner_id' are the ids of teammates"
        yield Finding(Level.OK, "mappings", message)


def bulk_findings(config: Config, probed: Probed) -> Iterator[Finding]:
    """Check whether `bulk_writes` has an effect."""
    if config.bulk_writes and probed.workspace is not None:
        level = Level.OK if probed.bulk.found is Answer.YES else Level.WARNING
        yield Finding(level, "bulk_writes", f"Bulk jobs: {probed.bulk.message}")


def ledger_findings(ledger: LedgerLook, workspace: Workspace | None) -> Iterator[Finding]:
    """Check that the ledger can be used."""
    match ledger.state:
        case LedgerState.NONE:
            message = "Without a ledger every run compares all records, and removes no contacts that are missing"
        case LedgerState.NEW:
            message = f"There is no ledger yet; the first run makes it ({ledger.place})"
        case LedgerState.OLDER:
            message = f"The ledger ({ledger.place}) is of an older version; the next run brings it up to date"
        case LedgerState.READY:
            message = f"The ledger ({ledger.place}) can be used; {_contents(ledger, workspace)}"
        case LedgerState.UNUSABLE:
            yield Finding(Level.ERROR, "ledger_url", ledger.message or "The ledger cannot be used")
            return
    yield Finding(Level.OK, "ledger_url", message)


def folder_findings(config: Config, trouble: str | None) -> Iterator[Finding]:
    """Check the folder of the report; `trouble`: why nothing can be written there, None: it can."""
    if trouble is not None:
        yield Finding(Level.ERROR, "data_dir", unwritable(trouble))
    else:
        yield Finding(Level.OK, "data_dir", f"The report goes into {config.data_dir}")


def selection_findings(offered: Iterable[Offered] | None) -> Iterator[Finding]:
    """Check whether the tap will send anything; None: its streams are not known."""
    if offered is not None and not any(one.is_selected for one in offered):
        message = (
            "The catalog selects no stream: most taps send nothing for it, and the run loads nothing. Put "
            '"selected": true into the metadata of each stream that is to be loaded (the entry whose "breadcrumb" is '
            "[]). This check looks at all of them"
        )
        yield Finding(Level.WARNING, None, message)


def _contents(ledger: LedgerLook, workspace: Workspace | None) -> str:
    if workspace is None or ledger.streams is None:
        return "what it holds of this workspace is not known"
    own = [stream for stream in ledger.streams if stream.workspace == workspace.id]
    others = len({stream.workspace for stream in ledger.streams} - {workspace.id})
    text = f"it has {sum(one.contacts for one in own)} records with a contact, in {len(own)} streams of this workspace"
    return f"{text}, and streams of {others} other workspaces" if others else text


def _lacking(permission: Permission, *, is_bearable: bool) -> Finding:
    level = Level.ERROR if permission.found is Answer.NO and not is_bearable else Level.WARNING
    what = "may not" if permission.found is Answer.NO else "perhaps may not"
    return Finding(
        level, "access_token", f"The token {what} {permission.name} ({permission.call}): {permission.message}"
    )


def _blamed(trouble: str, config: Config) -> str | None:
    """Return the setting that most likely is to blame for the connection: the first in effect that the text names.

    None where no setting is.
    """
    if trouble.startswith("Intercom's rate limit is reached"):
        return None
    named = re.findall(r"'(region|api_url|api_version)'", trouble.partition("'access_token'")[0])
    idle = "region" if config.api_url is not None else None
    return next((setting for setting in named if setting != idle), "access_token")


def _groups_setting(config: Config) -> str:
    if config.general.tags_property is not None:
        return "tags_property"
    return "groups_stream" if config.groups_stream is not None else "streams"
