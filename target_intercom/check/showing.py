"""A check as text for a person, and as JSON for a program."""

from __future__ import annotations

import json
import typing as t
from dataclasses import asdict

from target_intercom.check.found import Answer, Level, region_of
from target_intercom.check.probing import KINDS
from target_intercom.ledger.command.looking import LedgerState
from target_intercom.ledger.store.migrations import STEPS
from target_intercom.reporting.text import columns

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_intercom.check.found import AttributeRow, Bulk, Checked, Permission, Probed
    from target_intercom.ledger.command.looking import LedgerLook
    from target_intercom.model import Json

_MOST_OPTIONS = 5
"""So many options of a list attribute are shown."""


def as_json(checked: Checked) -> str:
    """Write a check as one JSON object; docs/check.md names its keys."""
    probed = checked.probed
    return json.dumps(
        {
            "ok": checked.is_ok,
            "workspace": _workspace_json(checked),
            "permissions": [] if probed is None else [_permission_json(one) for one in probed.permissions],
            "attributes": [asdict(row) for row in checked.attributes],
            "ledger": None if checked.ledger is None else _ledger_json(checked.ledger),
            "bulk": None if probed is None else _bulk_json(probed.bulk),
            "findings": [
                {"level": one.level.value, "setting": one.setting, "message": one.message} for one in checked.findings
            ],
        },
        indent=2,
    )


def as_text(checked: Checked) -> str:
    """Write a check for a person."""
    parts = [list(_connection(checked))]
    if checked.probed is not None:
        unasked = {one.message for one in checked.probed.permissions if one.found is Answer.NOT_ASKED}
        notes = [f"  {Answer.NOT_ASKED.value}: {message}" for message in sorted(filter(None, unasked))]
        parts.append(["", "Permissions", *_indented(_permission_cells(checked.probed)), *notes])
    if checked.ledger is not None:
        parts.append(["", "Ledger", *_indented(list(_ledger_cells(checked.ledger)))])
    parts.append(
        ["", "Findings", *_indented([[one.level.value, one.setting or "-", one.message] for one in checked.findings])]
    )
    for kind in KINDS:
        rows = [row for row in checked.attributes if row.object == kind.noun]
        if rows:
            title = f"Attributes of {kind.plural}, by the names that 'mappings' takes"
            shown = [row for row in rows if row.mappable or row.custom]
            others = f"  and {len(rows) - len(shown)} that 'mappings' does not take (--format json lists them)"
            parts.append(["", title, *_indented(_attribute_cells(shown)), others])
    parts.append(["", _verdict(checked)])
    lines = [line for part in parts for line in part]
    return "\n".join(lines if lines[0] else lines[1:])


def _verdict(checked: Checked) -> str:
    counts = [sum(one.level is level for one in checked.findings) for level in (Level.ERROR, Level.WARNING)]
    said = [
        f"{count} {level}{'' if count == 1 else 's'}"
        for count, level in zip(counts, ("error", "warning"), strict=True)
        if count
    ]
    return f"{'Ready' if checked.is_ok else 'Not ready'}: {', '.join(said) or 'no errors, no warnings'}"


def _connection(checked: Checked) -> Iterator[str]:
    if checked.probed is None:
        return
    yield "Connection"
    workspace = checked.probed.workspace
    cells = [["address", str(checked.url)], ["API version", str(checked.api_version)]]
    if workspace is None:
        cells.append(["workspace", "not known"])
    else:
        cells += [
            ["workspace", f"{workspace.name} ({workspace.id})"],
            ["region", region_of(workspace) or "not known"],
            ["account", _account(workspace.account_name, workspace.account_id)],
        ]
    cells.append(["bulk jobs", f"{checked.probed.bulk.found.value}: {checked.probed.bulk.message}"])
    yield from _indented(cells)


def _account(name: str | None, account_id: str | None) -> str:
    known = [part for part in (name, None if account_id is None else f"(id {account_id})") if part is not None]
    return " ".join(known) or "not known"


def _permission_cells(probed: Probed) -> list[list[str]]:
    rows = [[one.name, one.call, "yes" if one.needed else "no", one.found.value] for one in probed.permissions]
    return [["permission", "call", "needed", "found"], *rows]


def _attribute_cells(attributes: Sequence[AttributeRow]) -> list[list[str]]:
    rows = sorted(attributes, key=lambda row: not row.mappable)
    cells = [[one.name, one.type, _mappable(one), _options(one.options)] for one in rows]
    return [["name", "type", "mappable", "options"], *cells]


def _mappable(attribute: AttributeRow) -> str:
    if attribute.mappable:
        return "yes" if attribute.writable else "to match by"
    return "no: archived" if attribute.archived else "no"


def _options(options: Sequence[str] | None) -> str:
    if options is None:
        return ""
    more = f", and {len(options) - _MOST_OPTIONS} more" if len(options) > _MOST_OPTIONS else ""
    return ", ".join(options[:_MOST_OPTIONS]) + more


def _ledger_cells(ledger: LedgerLook) -> Iterator[list[str]]:
    yield ["place", ledger.place or "none"]
    yield ["state", ledger.state.value]
    if ledger.state in {LedgerState.READY, LedgerState.OLDER}:
        yield ["version", f"{ledger.steps} of {len(STEPS)} steps"]
    for stream in ledger.streams or ():
        counts = f"{stream.contacts} contacts, {stream.removed} removed, {stream.tags} tags"
        yield ["stream", f"{stream.stream} (workspace {stream.workspace}): {counts}"]


def _indented(rows: Sequence[Sequence[str]]) -> list[str]:
    return columns(rows, indent="  ")


def _workspace_json(checked: Checked) -> Json:
    workspace = None if checked.probed is None else checked.probed.workspace
    if workspace is None:
        return None
    return {
        "id": workspace.id,
        "name": workspace.name,
        "region": region_of(workspace),
        "account": {"id": workspace.account_id, "name": workspace.account_name},
        "url": checked.url,
        "api_version": checked.api_version,
    }


def _permission_json(one: Permission) -> Json:
    return {
        "permission": one.name,
        "call": one.call,
        "needed": one.needed,
        "found": one.found.value,
        "message": one.message,
    }


def _ledger_json(ledger: LedgerLook) -> Json:
    return {
        "place": ledger.place,
        "state": ledger.state.value,
        "steps": ledger.steps,
        "steps_known": len(STEPS),
        "streams": None if ledger.streams is None else [asdict(stream) for stream in ledger.streams],
        "message": ledger.message,
    }


def _bulk_json(bulk: Bulk) -> Json:
    return {"found": bulk.found.value, "message": bulk.message}
